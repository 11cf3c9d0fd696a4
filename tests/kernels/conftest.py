"""A tiny archive with a throw-away key, and a server that misbehaves on demand."""

from __future__ import annotations

import copy
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from archive_kit import (
    CONFIG,
    NEWER,
    RELEASE,
    SOURCE,
    Archive,
    Handler,
    Opener,
    Server,
    Signer,
    make_deb,
    make_image,
)

from bootwright.foundation import places
from bootwright.foundation.progress import Silent
from bootwright.kernels.catalogue import Library, open_library


@pytest.fixture(scope="session")
def signer() -> Iterator[Signer]:
    if shutil.which("gpg") is None:
        pytest.skip("gpg makes the key of the test's archive")
    made = Signer()
    yield made
    made.close()


@pytest.fixture(scope="session")
def published(signer: Signer) -> Archive:
    """6.12.1 at 4K as one package, 6.19.2 at 16K as three."""
    made = Archive(signer)
    modules = f"usr/lib/modules/{RELEASE}"
    files = {
        f"boot/System.map-{RELEASE}": b"stub",
        f"boot/config-{RELEASE}": CONFIG.format(shift=12).encode(),
        f"boot/vmlinuz-{RELEASE}": make_image(RELEASE, 4096),
        f"usr/lib/linux-image-{RELEASE}/broadcom/bcm2712-rpi-5-b.dtb": b"\xd0\x0d\xfe\xed",
        f"{modules}/kernel/drivers/net/macb.ko": os.urandom(600_000),
        f"{modules}/modules.builtin": b"kernel/drivers/of/of_mdio.ko\n",
        "usr/share/doc/linux/changelog": b"not wanted",
    }
    made.add(
        "stable", f"linux-image-{RELEASE}", "6.12.1-1", make_deb(f"linux-image-{RELEASE}", "6.12.1-1", files)
    )
    modules = f"usr/lib/modules/{NEWER}"
    split = {
        "linux-binary": {f"{modules}/vmlinuz": make_image(NEWER, 16384)},
        "linux-base": {
            f"{modules}/config": CONFIG.format(shift=14).encode(),
            f"{modules}/dtb/broadcom/bcm2712-rpi-5-b.dtb": b"\xd0\x0d\xfe\xed",
            f"{modules}/modules.builtin": b"kernel/drivers/of/of_mdio.ko\n",
        },
        "linux-modules": {f"{modules}/kernel/drivers/net/macb.ko": b"\x7fELF"},
    }
    for kind, members in split.items():
        name = f"{kind}-{NEWER}"
        made.add("backports", name, "6.19.2-1~bpo13+1", make_deb(name, "6.19.2-1~bpo13+1", members))
    for other in (
        f"linux-image-{RELEASE}-dbg",
        f"linux-image-{RELEASE}-unsigned",
        "linux-image-6.12.1+deb13-rt-arm64",
    ):
        made.add("stable", other, "6.12.1-1", b"never fetched")
    made.publish()
    return made


@pytest.fixture
def archive(published: Archive) -> Archive:
    """A copy of `published` for one test to spoil."""
    made = Archive(published.signer)
    made.files = dict(published.files)
    made.packages = copy.deepcopy(published.packages)
    return made


@pytest.fixture
def address(archive: Archive) -> Iterator[str]:
    handler = type("Served", (Handler,), {"archive": archive})
    server = Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def source_file(signer: Signer, tmp_path: Path) -> Path:
    path = tmp_path / "data/kernels/tiny.toml"
    path.parent.mkdir(parents=True)
    path.write_text(SOURCE.format(keyring=signer.keyring))
    return path


@pytest.fixture
def library(address: str, source_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opener:
    """Opens the library over an empty cache and the tiny archive."""
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(places, "DATA", tmp_path / "data")

    def opened(*, offline: bool = False, at: str | None = None) -> Library:
        made = open_library(archive=at or address, offline=offline, progress=Silent(), sources=[source_file])
        made._transport.first_wait = 0.01
        return made

    return opened
