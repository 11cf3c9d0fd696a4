"""Modules compiled here, read as modinfo(8) reads them."""

from __future__ import annotations

import gzip
import importlib.util
import lzma
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.formats.modules.modinfo import read_modinfo, read_module
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation import tools
from bootwright.foundation.errors import Malformed, Missing

FIELDS = {
    "name": ["demo_mod"],
    "depends": ["libphy,of-mdio"],
    "alias": ["of:N*T*Cacme,eth", "of:N*T*Cacme,ethC*", "pci:v00001DE4d00000001sv*sd*bc*sc*i*"],
    "softdep": ["pre: irq_bcm2712_mip"],
    "firmware": ["acme/fw.bin"],
    "vermagic": ["6.12.107+deb13-arm64 SMP mod_unload modversions aarch64"],
    "license": ["GPL"],
    "description": ["a = b"],
}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ko")
    lines = [
        f'static const char s{n}[] __attribute__((section(".modinfo"), used, aligned(1))) = "{key}={value}";'
        for n, (key, value) in enumerate((key, value) for key, values in FIELDS.items() for value in values)
    ]
    (folder / "demo.c").write_text("\n".join(lines) + "\nint init_module(void) { return 0; }\n")
    compiler = tools.need("aarch64-linux-gnu-gcc", purpose="compile a test module")
    tools.run([compiler, "-c", "-o", folder / "demo-mod.ko", folder / "demo.c"])
    return folder / "demo-mod.ko"


def test_every_field(compiled: Path) -> None:
    module = read_module(compiled)
    assert {key: list(values) for key, values in module.fields.items()} == FIELDS
    assert module.name == "demo_mod"
    assert module.depends == ("libphy", "of-mdio")
    assert module.aliases == tuple(FIELDS["alias"])
    assert module.softdeps == ("pre: irq_bcm2712_mip",)
    assert module.firmware == ("acme/fw.bin",)
    assert module.license == "GPL"
    assert module.vermagic is not None
    assert not module.signed


def test_as_modinfo_says(compiled: Path) -> None:
    program = tools.find("modinfo")
    if program is None:
        pytest.skip("modinfo is the reference")
    for key in ("alias", "depends", "softdep", "firmware", "vermagic", "license", "description"):
        said = tools.run([program, "-F", key, compiled]).decode().splitlines()
        assert list(read_module(compiled).fields[key]) == said


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, zstandard.ZstdCompressor().compress])
def test_compressed(compiled: Path, pack: Callable[[bytes], bytes]) -> None:
    module = read_modinfo(Bytes(pack(compiled.read_bytes()), "demo-mod.ko.xz"))
    assert module.aliases == tuple(FIELDS["alias"])


def test_signature_is_noticed(compiled: Path) -> None:
    tail = b"S" * 64 + struct.pack(">BBBBB3xI", 0, 0, 2, 0, 0, 64) + b"~Module signature appended~\n"
    assert read_modinfo(Bytes(compiled.read_bytes() + tail, "x.ko")).signed
    wrong = struct.pack(">BBBBB3xI", 0, 0, 2, 0, 0, 1 << 30) + b"~Module signature appended~\n"
    assert not read_modinfo(Bytes(compiled.read_bytes() + wrong, "x.ko")).signed


def test_what_is_no_module(tmp_path: Path) -> None:
    for data in (b"", b"\x7fELF", b"\x7fELF\x01\x01" + bytes(100), b"\x7fELF\x02\x01" + bytes(100)):
        with pytest.raises(Malformed):
            read_modinfo(Bytes(data, "x.ko"))
    with pytest.raises(Missing):
        read_module(tmp_path / "none.ko")


def _one_input(data: bytes) -> None:
    path = Path(__file__).parents[2] / "fuzz/fuzz_modinfo.py"
    spec = importlib.util.spec_from_file_location("fuzz_modinfo", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.one_input(data)


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_any_bytes(data: bytes) -> None:
    _one_input(data)
    _one_input(b"\x7fELF\x02\x01" + data)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_changed_bytes(compiled: Path, data: st.DataObject) -> None:
    whole = bytearray(compiled.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    _one_input(bytes(whole))
    _one_input(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
