"""What the old kernel has built in comes along as modules of the new one: with real kernels of Debian."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from attrs import evolve

from bootwright.formats.archives import cpio
from bootwright.formats.sources.bytesource import Bytes, FileBytes
from bootwright.foundation.progress import Silent
from bootwright.images.change.counterparts import counterparts
from bootwright.images.parts.kernel_part import KernelFiles, kernel_files

pytestmark = pytest.mark.download

_FOLDER = "usr/lib/modules/6.18.44-other"


def _initramfs(**lists: bytes) -> Bytes:
    members = [cpio.Member("init", b"#!/bin/sh\n", stat.S_IFREG | 0o755)]
    members += [cpio.Member(f"{_FOLDER}/modules.{name}", data) for name, data in lists.items()]
    return Bytes(cpio.write(members), "initramfs")


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> KernelFiles:
    work = tmp_path_factory.mktemp("kernel")
    return kernel_files("debian-6.18-4k", work, folder=Path(), progress=Silent())


def test_the_list_in_the_image_tells_what_was_built_in(new: KernelFiles) -> None:
    built_in = b"kernel/fs/overlayfs/overlay.ko\nkernel/net/ethernet/macb.ko\nkernel/fs/nowhere.ko\n"
    assert counterparts(Bytes(b"no kernel", "x"), _initramfs(builtin=built_in), new) == ("macb", "overlay")


def test_without_a_list_the_match_tables_of_the_old_kernel_tell(new: KernelFiles) -> None:
    """Of one kernel with itself nothing comes but what shares an id with something built in."""
    names = counterparts(FileBytes(new.image), _initramfs(), new)
    assert set(names) <= {"parport_pc", "parport_serial"}


def test_of_what_cannot_be_read_nothing_is_known(new: KernelFiles) -> None:
    assert (
        counterparts(Bytes(b"\0" * 4096, "x"), _initramfs(order=b"kernel/fs/overlayfs/overlay.ko\n"), new)
        == ()
    )


def test_names_that_only_look_like_paths(new: KernelFiles) -> None:
    hostile = b"../../../etc/passwd\n\xff\xfe\0kernel/macb.kox\n" + b"a" * 5000
    assert counterparts(Bytes(b"", "x"), _initramfs(builtin=hostile), evolve(new, added=("x",))) == ()
