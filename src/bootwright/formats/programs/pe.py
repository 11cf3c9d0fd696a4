"""PE/COFF files by their section table: unified kernel images, EFI stubs, zboot kernels.

Microsoft PE format specification (2024), sections 2-4; UKI sections as in the UAPI group's UKI
specification. pefile would read the whole file into memory and parse what is not needed here; it is the
oracle of the tests.
"""

from __future__ import annotations

import struct

from attrs import frozen

from bootwright.formats.sources.bytesource import ByteSource, Part
from bootwright.foundation.errors import Malformed

_MAX_SECTIONS = 512
MACHINES = {0xAA64: "arm64", 0x8664: "x86-64", 0x01C2: "arm", 0x014C: "x86", 0x5064: "riscv64"}
_EFI_APPLICATION = 10
_PE32_PLUS = 0x20B
_CERTIFICATES = 112 + 8 * 4
"""Offset of the certificate table's entry in a PE32+ optional header: the fifth data directory."""


@frozen
class Section:
    """A section; offsets and sizes in bytes."""

    name: str
    offset: int
    """In the file."""
    size: int
    """Bytes that mean something: the virtual size where that is the smaller one."""
    address: int
    """Relative to where the image is loaded."""


@frozen
class PeFile:
    """A PE file's headers."""

    machine: str
    subsystem: int
    """10: an EFI application."""
    sections: tuple[Section, ...]
    is_zboot: bool
    """An EFI zboot image (drivers/firmware/efi/libstub/zboot-header.S, Linux 6.12): `zimg` at byte 4."""
    signed: bool = False
    """Whether it has a certificate table (section 5.7); whether that holds is not looked at."""

    @property
    def is_efi_application(self) -> bool:
        """Whether firmware would start it."""
        return self.subsystem == _EFI_APPLICATION

    def section(self, name: str) -> Section | None:
        """The first section of that name."""
        return next((section for section in self.sections if section.name == name), None)

    @property
    def is_uki(self) -> bool:
        """Whether it carries a kernel and says which system it boots."""
        return self.section(".linux") is not None


def is_pe(source: ByteSource) -> bool:
    """Whether DOS and PE signatures are where they should be."""
    if source.size < 64 or source.read(0, 2) != b"MZ":
        return False
    (at,) = struct.unpack("<I", source.read(60, 4))
    return bool(at + 24 <= source.size and source.read(at, 4) == b"PE\0\0")


def read_pe(source: ByteSource) -> PeFile:
    """The headers and the section table; raises `Malformed`.

    A section whose data lies outside the file is an error: nothing could be read from it.
    """
    if not is_pe(source):
        raise Malformed(source.name, 0, "a PE file", "no MZ and PE signatures")
    (at,) = struct.unpack("<I", source.read(60, 4))
    machine, count, _, _, _, optional_size, _ = struct.unpack("<HHIIIHH", source.read(at + 4, 20))
    if count > _MAX_SECTIONS:
        raise Malformed(source.name, at + 6, f"at most {_MAX_SECTIONS} sections", str(count))
    subsystem, signed = 0, False
    if optional_size >= 70:
        (subsystem,) = struct.unpack("<H", source.read(at + 24 + 68, 2))
    if optional_size >= _CERTIFICATES + 8:
        optional = source.read(at + 24, _CERTIFICATES + 8)
        (magic,), (directories,) = struct.unpack_from("<H", optional), struct.unpack_from("<I", optional, 108)
        offset, length = struct.unpack_from("<II", optional, _CERTIFICATES)
        signed = magic == _PE32_PLUS and directories > 4 and 0 < offset < source.size and length > 0
    sections: list[Section] = []
    table = at + 24 + optional_size
    for index in range(count):
        entry = table + 40 * index
        raw_name, virtual, address, stored, offset = struct.unpack("<8sIIII", source.read(entry, 24))
        name = raw_name.rstrip(b"\0").decode("utf-8", "replace")
        size = min(virtual, stored) if virtual else stored
        if not offset:
            size = 0
        if offset + size > source.size:
            raise Malformed(
                source.name, entry + 16, f"section {name} inside the file", f"its end at {offset + size:#x}"
            )
        sections.append(Section(name, offset, size, address))
    return PeFile(
        machine=MACHINES.get(machine, f"{machine:#06x}"),
        subsystem=subsystem,
        sections=tuple(sections),
        is_zboot=source.read(4, 4) == b"zimg",
        signed=signed,
    )


def open_section(source: ByteSource, section: Section) -> ByteSource:
    """The bytes of a section."""
    return Part(source, section.offset, section.size, f"{source.name}:{section.name}")
