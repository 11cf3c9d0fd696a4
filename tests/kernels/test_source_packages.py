"""Kernel sources as packages of an archive: found in its signed index, verified, unpacked once."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

import pytest
from archive_kit import Archive, make_deb
from kernel_tree_kit import SMALL

from bootwright.foundation import places
from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused
from bootwright.foundation.progress import Silent
from bootwright.workshop.trees.given import open_tree
from bootwright.workshop.trees.packages import Archive as TreeArchive


def source_deb(version: str, *, inside: str = "usr/src/linux-source-6.12.tar.xz") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz", preset=0) as tar:
        tar.add(SMALL, "linux-source-6.12")
    return make_deb("linux-source-6.12", version, {inside: packed.getvalue()})


@pytest.fixture
def sources(
    archive: Archive, address: str, source_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The address of an archive with two versions of one source; 6.13's package holds no tarball."""
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    known = places.DATA / "kernel-trees"
    monkeypatch.setattr(places, "DATA", tmp_path / "data")
    shutil.copytree(known, tmp_path / "data/kernel-trees")
    archive.add("stable", "linux-source-6.12", "6.12.1-1", source_deb("6.12.1-1"))
    archive.add("backports", "linux-source-6.12", "6.12.1-2", source_deb("6.12.1-2"))
    archive.add("backports", "linux-source-6.13", "6.13.1-1", source_deb("6.13.1-1", inside="usr/src/x"))
    archive.publish()
    return address


def test_the_newest_once(sources: str, archive: Archive) -> None:
    tree = open_tree("linux-source-6.12", TreeArchive(sources, offline=False, progress=Silent()))
    assert (tree.version, tree.series) == ("6.12.1", "6.12")
    assert (tree.folder / "fs/namespace.c").read_bytes() == (SMALL / "fs/namespace.c").read_bytes()
    assert "linux-source-6.12 6.12.1-2 of" in tree.origin
    asked = len(archive.requests)
    again = open_tree("linux-source-6.12", TreeArchive(sources, offline=True, progress=Silent()))
    assert again == tree
    assert len(archive.requests) == asked
    older = open_tree("linux-source-6.12=6.12.1-1", TreeArchive(sources, offline=False, progress=Silent()))
    assert older.identity != tree.identity


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ("linux-source-6.12=6.12.9-1", Refused, "has no linux-source-6.12 6.12.9-1"),
        ("linux-source-6.14", Refused, "has no package linux-source-6.14"),
        ("linux-source-6.13", Malformed, "no such file in the package"),
        ("linux-src-6.12", Missing, "no kernel source linux-src-6.12"),
    ],
)
def test_what_is_not_there(sources: str, given: str, error: type[BootwrightError], said: str) -> None:
    with pytest.raises(error) as raised:
        open_tree(given, TreeArchive(sources, offline=False, progress=Silent()))
    assert said in str(raised.value)


def test_a_package_of_other_bytes(sources: str, archive: Archive) -> None:
    path = next(path for path in archive.files if path.endswith("linux-source-6.12_6.12.1-2_arm64.deb"))
    data = bytearray(archive.files[path])
    data[-100] ^= 1
    archive.files[path] = bytes(data)
    with pytest.raises(Malformed, match="as in the signed index"):
        open_tree("linux-source-6.12", TreeArchive(sources, offline=False, progress=Silent()))
    with pytest.raises(Missing, match="would have to be fetched"):
        open_tree("linux-source-6.12", TreeArchive(sources, offline=True, progress=Silent()))
