"""A verdict on what a registry and a web server hold, with a real kernel, and how little of it is fetched."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from disk_kit import make_fat, run, tool
from ranges_kit import Ranges, serving
from registry_kit import image, layer, running_registry

from bootwright.formats.archives import cpio
from bootwright.kernels.catalogue import open_library
from bootwright.kernels.model import Kernel

KERNEL = "debian-6.18.15-4k"
DTB = "bcm2712-rpi-5-b.dtb"
BALLAST = 24_000_000

pytestmark = pytest.mark.download


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return open_library().get(KERNEL, modules=True)


def check(artifact: str, cache: Path, *more: str) -> tuple[dict[str, str], float]:
    """The verdict of each goal by the command, and the MB that it says were fetched."""
    command = [sys.executable, "-m", "bootwright", "check", artifact, *more]
    command += ["--board", "raspberrypi-5", "--stepping", "c0", "--json"]
    environment = {**os.environ, "BOOTWRIGHT_CACHE": str(cache), "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode in {0, 1, 3}, done.stderr
    said = re.search(r": ([0-9.]+) of [0-9.]+ MB fetched", done.stderr)
    assert said is not None, done.stderr
    goals = json.loads(done.stdout)["goals"]
    return {name: goal["verdict"] for name, goal in goals.items()}, float(said[1])


def early_modules(kernel: Kernel) -> bytes:
    """An initramfs with the modules that Ethernet needs."""
    assert kernel.modules is not None
    root = f"usr/lib/modules/{kernel.release}"
    wanted = re.compile(r"(macb|rp1[-_]|clk-rp1|pinctrl-rp1|irq-bcm2712|broadcom|bcm-phy|phylink|pcs|mdio)")
    members = []
    for path in sorted(kernel.modules.rglob("*.ko*")):
        if wanted.search(path.name):
            name = f"{root}/{path.relative_to(kernel.modules)}"
            members.append(cpio.Member(name, path.read_bytes(), stat.S_IFREG | 0o644))
    return lzma.compress(cpio.write(members), preset=0, check=lzma.CHECK_CRC32)


def test_of_a_registry_s_image_one_layer_of_three_is_fetched(kernel: Kernel, tmp_path: Path) -> None:
    assert kernel.dtbs is not None
    (dtb,) = kernel.dtbs.rglob(DTB)
    boot = layer(
        {
            "usr/install/arm64/vmlinuz": kernel.image.read_bytes(),
            "usr/install/arm64/initramfs.xz": early_modules(kernel),
            f"usr/install/arm64/dtb/broadcom/{DTB}": dtb.read_bytes(),
        }
    )
    base = layer({"usr/bin/tools": os.urandom(BALLAST)}, "plain")
    (tmp_path / "registry").mkdir()
    with running_registry(tmp_path / "registry") as registry:
        made = image([base, layer({"etc/os-release": b"ID=alpine\n"}), boot])
        other = image([layer({"usr/install/amd64/vmlinuz": os.urandom(4_000_000)})], "amd64")
        registry.push("siderolabs/installer", "v1.12.6", [other, made])
        reference = registry.reference("siderolabs/installer", "v1.12.6")
        verdicts, fetched = check(reference, tmp_path / "cache")
        again, fetched_again = check(reference, tmp_path / "cache")
    assert verdicts["ethernet"] == "works"
    assert again == verdicts
    # In MB: the layer and the documents; the second time only what the tag names.
    assert len(boot.data) / 1e6 - 0.1 < fetched < len(boot.data) / 1e6 + 0.1
    assert fetched < made.size / 1e6 / 2
    assert fetched_again == 0.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, type[Ranges]]]:
    with serving(tmp_path / "www") as running:
        yield running


def test_of_a_web_server_s_compressed_image_only_the_blocks_that_are_read_are_fetched(
    kernel: Kernel, tmp_path: Path, server: tuple[str, type[Ranges]]
) -> None:
    url, handler = server
    assert kernel.dtbs is not None
    (dtb,) = kernel.dtbs.rglob(DTB)
    files = tmp_path / "files"
    files.mkdir()
    (files / "a-ballast").write_bytes(os.urandom(BALLAST * 2 // 3))  # as large as the kernel
    (files / DTB).write_bytes(dtb.read_bytes())
    (files / "config.txt").write_text("kernel=vmlinuz\nauto_initramfs=0\n")
    (files / "vmlinuz").write_bytes(gzip.compress(kernel.image.read_bytes(), 1, mtime=0))
    disk = make_fat(tmp_path / "www/card.raw", files, 32, 96 << 20)
    run(tool("xz"), "-0", "-T2", "--block-size=1MiB", disk)
    packed = disk.with_name("card.raw.xz")
    verdicts, fetched = check(f"{url}/card.raw.xz", tmp_path / "cache")
    assert set(verdicts) > {"ethernet", "console"}
    first = handler.sent
    assert first / 1e6 == pytest.approx(fetched, abs=0.1)
    assert first < packed.stat().st_size * 0.6
    again, _ = check(f"{url}/card.raw.xz", tmp_path / "cache")
    assert again == verdicts
    assert handler.sent - first == 1  # that it is still the same
