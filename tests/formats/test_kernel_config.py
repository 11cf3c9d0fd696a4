"""Configurations as text, compressed, and inside an Image."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.formats.kernel.config import KernelConfig, embedded_config, read_kernel_config
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import Malformed

TEXT = b"""#
# Automatically generated file; DO NOT EDIT.
#
CONFIG_CC_VERSION_TEXT="aarch64-linux-gnu-gcc-14 (Debian \\"14.2\\") 14.2.0"
CONFIG_MACB=m
CONFIG_PCIE_BRCMSTB=y
# CONFIG_BCM2712_MIP is not set
CONFIG_PAGE_SHIFT=14
CONFIG_PHYS_OFFSET=0x80000000
CONFIG_EMPTY=""

"""


def read(data: bytes) -> KernelConfig:
    return read_kernel_config(Bytes(data, "config"))


def in_image(middle: bytes) -> bytes:
    return bytes(56) + b"ARM\x64" + bytes(300_000) + middle + bytes(500)


def test_values() -> None:
    config = read(TEXT)
    assert config.value("CONFIG_MACB") == "m"
    assert config.value("CONFIG_PCIE_BRCMSTB") == "y"
    assert config.value("CONFIG_BCM2712_MIP") is None
    assert config.unset == {"CONFIG_BCM2712_MIP"}
    assert config.value("CONFIG_PHYS_OFFSET") == "0x80000000"
    assert config.value("CONFIG_EMPTY") == ""
    assert config.value("CONFIG_CC_VERSION_TEXT") == 'aarch64-linux-gnu-gcc-14 (Debian "14.2") 14.2.0'


@pytest.mark.parametrize(
    ("line", "pages"),
    [
        (b"CONFIG_PAGE_SHIFT=12", 4096),
        (b"CONFIG_PAGE_SHIFT=16", 65536),
        (b"CONFIG_ARM64_4K_PAGES=y", 4096),
        (b"# CONFIG_ARM64_4K_PAGES is not set\nCONFIG_ARM64_16K_PAGES=y", 16384),
        (b"CONFIG_ARM64_64K_PAGES=y", 65536),
        (b"CONFIG_MACB=m", None),
    ],
)
def test_page_size(line: bytes, pages: int | None) -> None:
    assert read(line + b"\n").page_size == pages


def test_compressed_and_inside_an_image() -> None:
    assert read(gzip.compress(TEXT)).options == read(TEXT).options
    inside = in_image(b"IKCFG_ST" + gzip.compress(TEXT) + b"IKCFG_ED")
    assert read(inside).options == read(TEXT).options
    assert embedded_config(Bytes(inside, "Image")) == TEXT
    assert embedded_config(Bytes(in_image(b""), "Image")) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"# nothing set\n",
        b"CONFIG_A=y\nnonsense\n",
        b"\x7fELF\0\0",
        in_image(b""),
        in_image(b"IKCFG_ST" + gzip.compress(TEXT)),
        in_image(b"IKCFG_ST" + b"not gzip" + b"IKCFG_ED"),
        in_image(b"IKCFG_ST" + gzip.compress(TEXT)[:-9] + b"IKCFG_ED"),
    ],
)
def test_what_is_none(data: bytes) -> None:
    with pytest.raises(Malformed):
        read(data)


def _one_input(data: bytes) -> None:
    path = Path(__file__).parents[2] / "fuzz/fuzz_kernel_config.py"
    spec = importlib.util.spec_from_file_location("fuzz_kernel_config", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.one_input(data)


@given(st.binary(max_size=300), st.text(max_size=100))
@settings(max_examples=80, deadline=None)
def test_any_bytes(data: bytes, text: str) -> None:
    _one_input(data)
    _one_input(TEXT + text.encode("utf-8", "surrogatepass"))
    _one_input(bytes(56) + b"ARM\x64IKCFG_ST" + data + b"IKCFG_ED")
