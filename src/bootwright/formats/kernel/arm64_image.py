"""The arm64 kernel `Image`, bare or in one of its wrappings.

Bare: Documentation/arch/arm64/booting.rst (Linux 6.12), section 4. Wrapped: `Image.gz` and its kin, and the
EFI zboot image `vmlinuz.efi` (drivers/firmware/efi/libstub/zboot-header.S, since Linux 6.1).
Limits: lz4 and lzo payloads are named, not read.
"""

from __future__ import annotations

import re
import struct

from attrs import frozen

from bootwright.formats.programs.pe import MACHINES
from bootwright.formats.sources.bytesource import Bytes, ByteSource
from bootwright.formats.sources.streams import CHUNK, Recent, compression
from bootwright.foundation.errors import Malformed

_HEADER = 64
_MAGIC = b"ARM\x64"
_PAGE_SIZES = {1: 4096, 2: 16384, 3: 65536}
_READABLE = {"gzip", "xz", "lzma", "zstd", "xzkern"}
# The kernel must fit in the linear map near its load address; distribution images are below 64 MiB.
_MOST_IMAGE = 256 << 20
# init/version.c: "Linux version " UTS_RELEASE " (" builder ") (" compiler ") " UTS_VERSION "\n"
_BANNER = re.compile(rb"Linux version (\d+\.[!-~]{1,80}) \([ -~]{0,600}[\n\0]")
_MOST_BANNER = 1024
_MOST_SECTIONS = 16
_RELEASE = re.compile(r"(\d+(?:\.\d+)+)(?:-?(rc\d+))?")
# UTS_VERSION of Debian's packages: "#1 SMP Debian 6.1.192-2 (2026-11-16)"
_PACKAGED = re.compile(r"\bSMP\b.* Debian (\d+(?:\.\d+)+)")


@frozen
class KernelImage:
    """What an arm64 `Image` says of itself."""

    release: str | None
    """`uname -r`, from the banner inside the image; None where the image holds none."""
    banner: str | None
    """The whole `Linux version …` line."""
    page_size: int | None
    """Bytes; None where the header says "unspecified" (flags bits 1-2 are 0)."""
    text_offset: int
    image_size: int
    """Bytes in memory, BSS included; 0 before Linux 3.17, which did not say."""
    file_size: int
    """Bytes of the bare Image."""
    big_endian: bool
    anywhere: bool
    """Whether it may be placed anywhere in memory (flags bit 3), or must lie near its start."""
    efi_stub: bool
    """Whether firmware can start it as an EFI application (`MZ` at 0, PE header at the offset in 0x3c)."""
    wrapping: tuple[str, ...]
    """What was taken off to reach it, outermost first: `gzip`, `zboot`, …; empty for a bare Image."""
    origin: str
    """The file or container path it was read from."""
    stated_size: int = 0
    """Bytes of the bare Image by the section table of its EFI stub; 0 where it has none."""

    @property
    def cut_short(self) -> str:
        """What its end lacks, in words; empty where nothing says that it lacks anything."""
        if self.file_size >= self.stated_size:
            return ""
        return f"the kernel is cut short: it has {self.file_size} bytes of {self.stated_size}"

    def require_whole(self) -> None:
        """Raises `Malformed` for one that is cut short."""
        if self.cut_short:
            raise Malformed(
                self.origin,
                self.file_size,
                f"a kernel of {self.stated_size} bytes",
                "its end",
                hint="the file is cut short: copy or build it again",
            )

    @property
    def version(self) -> str | None:
        """The version of the source it was built from, such as `6.18.5`; None where nothing says.

        Debian's releases up to 12 name an ABI (`6.1.0-56-arm64`); there the banner's end has the version.
        """
        match = _RELEASE.match(self.release or "")
        if match is None:
            return None
        packaged = _PACKAGED.search(self.banner or "")
        stem = match[1].removesuffix(".0")
        if match[1].endswith(".0") and packaged and packaged[1].startswith(f"{stem}."):
            return packaged[1]
        return f"{match[1]}-{match[2]}" if match[2] else match[1]


def read_kernel_image(source: ByteSource) -> KernelImage:
    """Facts of the image in `source`; raises `Malformed` with the offset and what was expected there."""
    image, wrapping = unwrapped(source)
    head = image.read(0, _HEADER)
    text_offset, image_size, flags = struct.unpack_from("<QQQ", head, 8)
    banner = _banner(image)
    return KernelImage(
        release=banner.split(" ")[2] if banner else None,
        banner=banner,
        page_size=_PAGE_SIZES.get(flags >> 1 & 3),
        text_offset=text_offset,
        image_size=image_size,
        file_size=image.size,
        big_endian=bool(flags & 1),
        anywhere=bool(flags & 8),
        efi_stub=_has_efi_stub(image, head),
        wrapping=wrapping,
        origin=source.name,
        stated_size=_stated_size(image, head) if _has_efi_stub(image, head) else 0,
    )


def unwrapped(source: ByteSource) -> tuple[ByteSource, tuple[str, ...]]:
    """The bare Image in `source`, and what was taken off to reach it.

    Raises `Malformed` when there is none, the payload is damaged, or a compression cannot be read.
    """
    image = source
    wrapping: list[str] = []
    # Image.gz inside zboot is as deep as kernels go; more is an attack.
    for _ in range(3):
        head = image.read(0, min(image.size, _HEADER))
        if len(head) == _HEADER and head[56:60] == _MAGIC:
            return image, tuple(wrapping)
        if head[:2] == b"MZ" and head[4:8] == b"zimg":
            image = _zboot_payload(image, head)
            wrapping.append("zboot")
            continue
        kind = compression(head)
        if kind is None:
            break
        image = Bytes(_RECENT.decompressed(image, 0, image.size, kind, limit=_MOST_IMAGE), source.name)
        wrapping.append(kind)
    raise Malformed(
        source.name,
        56,
        "an arm64 kernel image (magic 'ARM\\x64' at byte 56), bare, gzip, xz, zstd or EFI zboot",
        _what(image),
        hint="give the arm64 Image or vmlinuz itself; a release's files for arm64 have arm64 or aarch64 in "
        "their names",
    )


def _zboot_payload(image: ByteSource, head: bytes) -> ByteSource:
    if len(head) < _HEADER:
        raise Malformed(image.name, len(head), f"an EFI zboot header of {_HEADER} bytes", "the end")
    offset, size = struct.unpack_from("<II", head, 8)
    kind = head[24:56].split(b"\0")[0].decode("ascii", errors="backslashreplace")
    if kind not in _READABLE:
        raise Malformed(image.name, 24, "gzip, xz, lzma or zstd compression", repr(kind))
    if size > image.size - offset:
        raise Malformed(image.name, 8, f"a payload within the file's {image.size} bytes", f"{offset}+{size}")
    kind = {"xzkern": "xz"}.get(kind, kind)
    return Bytes(_RECENT.decompressed(image, offset, size, kind, limit=_MOST_IMAGE), image.name)


_RECENT = Recent(96 << 20)
"""Two kernels of distributions: the one of the image, and the one to swap in."""


def _has_efi_stub(image: ByteSource, head: bytes) -> bool:
    (at,) = struct.unpack_from("<I", head, 60)
    return head[:2] == b"MZ" and at + 4 <= image.size and image.read(at, 4) == b"PE\0\0"


def _stated_size(image: ByteSource, head: bytes) -> int:
    """Where the last section ends that the file holds (arch/arm64/kernel/efi-header.S, Linux 6.12)."""
    (at,) = struct.unpack_from("<I", head, 60)
    if at + 24 > image.size:
        return 0
    count, optional = struct.unpack("<2xH12xH2x", image.read(at + 4, 20))
    table, size = at + 24 + optional, 40 * min(count, _MOST_SECTIONS)
    if table + size > image.size:
        return 0
    entries = struct.iter_unpack("<8xI4xII16x", image.read(table, size))
    return max((at + min(virtual or stored, stored) for virtual, stored, at in entries if at), default=0)


def _banner(image: ByteSource) -> str | None:
    tail = b""
    for offset in range(0, image.size, CHUNK):
        block = tail + image.read(offset, min(CHUNK, image.size - offset))
        match = _BANNER.search(block)
        if match:
            return match[0].rstrip(b"\n\0").decode("ascii", errors="replace")
        tail = block[-_MOST_BANNER:]
    return None


def _machine(image: ByteSource, head: bytes) -> str:
    """What a PE file is for, by its header; empty for arm64, and where it does not say."""
    if not _has_efi_stub(image, head.ljust(_HEADER, b"\0")):
        return ""
    (at,) = struct.unpack_from("<I", head, 60)
    if at + 6 > image.size:
        return ""
    (machine,) = struct.unpack("<H", image.read(at + 4, 2))
    return "" if MACHINES.get(machine) == "arm64" else MACHINES.get(machine, f"machine {machine:#06x}")


def _what(image: ByteSource) -> str:
    head = image.read(0, min(image.size, _HEADER))
    if head[:4] == b"\x7fELF":
        return "an ELF file (an uncompressed vmlinux with symbols?)"
    if head[:2] == b"MZ":
        machine = _machine(image, head)
        return f"a program for {machine}" if machine else "a PE file that is neither"
    if not head:
        return "an empty file"
    return f"{head[56:60] or head[:8]!r}"
