"""Debian's own kernels, from the archive that this machine's apt uses. Cached, they need no network."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bootwright.formats.kernel.arm64_image import read_kernel_image
from bootwright.formats.kernel.config import read_kernel_config
from bootwright.formats.kernel.modinfo import read_module
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.kernels.catalogue import open_library

pytestmark = pytest.mark.download


@pytest.mark.parametrize(
    ("name", "pages", "gem"), [("debian-6.12-4k", 4096, "m"), ("debian-6.12-16k", 16384, "m")]
)
def test_front_of_a_real_package(name: str, pages: int, gem: str) -> None:
    kernel = open_library().get(name)
    facts = read_kernel_image(FileBytes(kernel.image))
    assert facts.page_size == kernel.page_size == pages
    assert facts.release == kernel.release
    assert kernel.release.startswith(f"{kernel.version}+deb")
    assert facts.efi_stub
    assert kernel.config is not None
    config = read_kernel_config(FileBytes(kernel.config))
    assert (config.page_size, config.value("CONFIG_MACB")) == (pages, gem)
    assert kernel.provenance["verified"]


def test_modules_as_modinfo_reads_them() -> None:
    if shutil.which("modinfo") is None:
        pytest.skip("modinfo is the reference")
    kernel = open_library().get("debian-6.18-4k", modules=True)
    assert kernel.modules is not None
    files = sorted(kernel.modules.rglob("*.ko*"))
    assert len(files) > 3000
    sample = [*files[::400], next(path for path in files if path.name.startswith("macb."))]
    for path in sample:
        module = read_module(path)
        for field in ("alias", "depends", "vermagic", "license", "firmware", "softdep"):
            said = subprocess.run(["modinfo", "-F", field, path], capture_output=True, check=True, text=True)
            assert list(module.fields.get(field, ())) == said.stdout.splitlines(), f"{field} of {path}"
        assert module.vermagic is not None
        assert module.vermagic.split()[0] == kernel.release
        signer = subprocess.run(["modinfo", "-F", "signer", path], capture_output=True, check=True, text=True)
        assert module.signed == bool(signer.stdout.strip())


def test_devicetree_blobs_come_with_the_modules() -> None:
    kernel = open_library().get("debian-6.18-4k", modules=True)
    assert kernel.dtbs is not None
    assert Path(kernel.dtbs, "broadcom/bcm2712-rpi-5-b.dtb").read_bytes()[:4] == b"\xd0\x0d\xfe\xed"
