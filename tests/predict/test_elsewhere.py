"""A verdict on what a registry and a web server hold, with a real kernel, and how little of it is fetched."""

from __future__ import annotations

import gzip
import http.server
import json
import lzma
import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from disk_kit import make_fat, run, tool
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


class Ranges(http.server.SimpleHTTPRequestHandler):
    """A server with ranges."""

    sent = 0

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        data = Path(self.translate_path(self.path)).read_bytes()
        first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last), len(data) - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{end}/{len(data)}")
        self.send_header("Content-Length", str(end - start + 1))
        self.send_header("ETag", '"one"')
        self.end_headers()
        type(self).sent += end - start + 1
        self.wfile.write(data[start : end + 1])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, type[Ranges]]]:
    class Handler(Ranges):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, directory=str(tmp_path / "www"), **options)  # type: ignore[arg-type]

    (tmp_path / "www").mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}", Handler
        running.shutdown()


def test_of_a_web_server_s_compressed_image_only_the_blocks_that_are_read_are_fetched(
    kernel: Kernel, tmp_path: Path, server: tuple[str, type[Ranges]]
) -> None:
    url, handler = server
    assert kernel.dtbs is not None
    (dtb,) = kernel.dtbs.rglob(DTB)
    files = tmp_path / "files"
    files.mkdir()
    (files / "a-ballast").write_bytes(os.urandom(BALLAST))
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
