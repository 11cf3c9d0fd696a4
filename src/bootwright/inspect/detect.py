"""What kind of thing a source is, by its bytes alone."""

from __future__ import annotations

from bootwright.formats.archives.initramfs import is_cpio
from bootwright.formats.disks.gpt import is_gpt
from bootwright.formats.disks.mbr import is_mbr
from bootwright.formats.filesystems.ext4 import is_ext
from bootwright.formats.filesystems.fat import is_fat
from bootwright.formats.filesystems.squashfs import is_squashfs
from bootwright.formats.filesystems.superblocks import read_named
from bootwright.formats.filesystems.xfs_format import is_xfs
from bootwright.formats.kernel.pe import is_pe, read_pe
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.formats.sources.compressed import compression_of
from bootwright.foundation.errors import Malformed


def detect(source: ByteSource) -> str | None:
    """The format's name, or None where it is none that is known here.

    `kernel`, `uki`, `efi`, `devicetree`, `package`, `tar`, `initramfs`, `disk`, `vfat`, `xfs`, `ext`,
    `squashfs`, `superblock` (swap, btrfs, iso9660), `module`, or `compressed`.
    """
    if not len(source):
        return None
    head = source.read(0, min(512, len(source)))
    if len(head) >= 64 and head[56:60] == b"ARM\x64":
        return "kernel"
    if head[:4] == b"\xd0\x0d\xfe\xed":
        return "devicetree"
    if is_squashfs(source):
        return "squashfs"
    if is_xfs(source):
        return "xfs"
    if head[:8] == b"!<arch>\n" and head[8:21] == b"debian-binary":
        return "package"
    if is_cpio(source):
        return "initramfs"
    if is_pe(source):
        return _pe(source, head)
    if compression_of(source):
        return "compressed"
    if is_gpt(source):
        return "disk"
    if is_fat(source):
        return "vfat"
    if is_ext(source):
        return "ext"
    if head[257:262] == b"ustar":
        return "tar"
    if is_mbr(source):
        return "disk"
    if head[:4] == b"\x7fELF":
        return "elf"
    return "superblock" if read_named(source) else None


def _pe(source: ByteSource, head: bytes) -> str:
    try:
        headers = read_pe(source)
    except Malformed:
        return "efi"
    if headers.is_uki:
        return "uki"
    return "kernel" if head[4:8] == b"zimg" else "efi"
