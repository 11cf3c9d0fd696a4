"""What a kernel module says of itself: the `.modinfo` section of a `.ko`, bare or compressed.

`.modinfo` is a run of NUL-terminated `key=value` strings (include/linux/moduleparam.h `__MODULE_INFO`,
Linux 6.12). A signed module ends with the text in `_SIGNATURE` (include/linux/module_signature.h).
Only ELF64 little-endian, as on arm64, is read.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

from bootwright.formats.sources.bytesource import ByteSource, FileBytes, positions
from bootwright.formats.sources.streams import Recent, compression
from bootwright.foundation.errors import Malformed, first_bytes

_SIGNATURE = b"~Module signature appended~\n"
# struct module_signature: algo, hash, id_type, signer_len, key_id_len, 3 pad, sig_len (big-endian)
_SIGNATURE_TAIL = struct.Struct(">BBBBB3xI")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_MOST = 512 << 20
_RECENT = Recent(32 << 20)
"""Hundreds of modules, as an initramfs has: put in order, checked, put in, and verified."""

_MOST_MODINFO = 4 << 20


@frozen
class ModuleInfo:
    """The facts of one module."""

    name: str
    """As `lsmod` shows it: with `_`, never `-`."""
    fields: Mapping[str, tuple[str, ...]] = field(repr=False)
    """Every key with all its values, in their order."""
    signed: bool
    """Whether a signature is appended; it was not checked."""
    origin: str

    def first(self, key: str) -> str | None:
        """The first value of a key, or None."""
        return next(iter(self.fields.get(key, ())), None)

    @property
    def depends(self) -> tuple[str, ...]:
        """Modules that must be loaded before."""
        return tuple(name for name in (self.first("depends") or "").split(",") if name)

    @property
    def aliases(self) -> tuple[str, ...]:
        """The patterns of the devices it drives, such as `of:N*T*Cbrcm,bcm2712-pcie`."""
        return self.fields.get("alias", ())

    @property
    def softdeps(self) -> tuple[str, ...]:
        """`pre: a b post: c` lines, as written."""
        return self.fields.get("softdep", ())

    @property
    def firmware(self) -> tuple[str, ...]:
        """Firmware files it may ask for."""
        return self.fields.get("firmware", ())

    @property
    def vermagic(self) -> str | None:
        """The kernel release and options it was built for."""
        return self.first("vermagic")

    @property
    def license(self) -> str | None:
        """Its licence, in the kernel's words."""
        return self.first("license")


def read_module(path: Path) -> ModuleInfo:
    """`read_modinfo` of a file; raises `Missing` when it cannot be read."""
    return read_modinfo(FileBytes(path))


def read_modinfo(source: ByteSource) -> ModuleInfo:
    """Facts of a `.ko`, `.ko.xz`, `.ko.zst` or `.ko.gz`; raises `Malformed` with the offset."""
    data = plain_module(source)
    return modinfo_of(_modinfo_section(data, source.name), source.name, signed=is_signed(data))


def modinfo_of(section: bytes, origin: str, *, signed: bool) -> ModuleInfo:
    """The facts in the bytes of a `.modinfo` section, of the module file `origin`."""
    fields: dict[str, list[str]] = {}
    for entry in section.split(b"\0"):
        key, equals, value = entry.partition(b"=")
        if equals:
            fields.setdefault(key.decode("utf-8", "replace"), []).append(value.decode("utf-8", "replace"))
    stem = origin.rsplit("/", 1)[-1].split(".ko", 1)[0]
    return ModuleInfo(
        name=fields.get("name", [stem])[0].replace("-", "_"),
        fields={key: tuple(values) for key, values in fields.items()},
        signed=signed,
        origin=origin,
    )


def plain_module(source: ByteSource, *, limit: int = _MOST) -> bytes:
    """A module's ELF bytes, from a `.ko`, `.ko.xz`, `.ko.zst` or `.ko.gz`, told apart by magic.

    Raises `Malformed` where it is damaged, cut short or larger than `limit` bytes.
    """
    if source.size > limit:
        raise Malformed(source.name, 0, f"a module below {limit} bytes", f"{source.size} bytes")
    kind = compression(source.read(0, min(source.size, 8)))
    if kind is None:
        return source.read(0, source.size)
    return _RECENT.decompressed(source, 0, source.size, kind, limit=limit)


def _modinfo_section(data: bytes, where: str) -> bytes:
    if len(data) < 64 or data[:6] != b"\x7fELF\x02\x01":
        raise Malformed(where, 0, "a 64-bit little-endian ELF file", first_bytes(data, 6))
    (table,) = struct.unpack_from("<Q", data, 40)
    size, count, names_index = struct.unpack_from("<HHH", data, 58)
    if size != _SECTION.size or not count or table + size * count > len(data):
        raise Malformed(
            where, 40, "a section table within the file", f"{count} entries of {size} at {table:#x}"
        )
    if names_index >= count:
        raise Malformed(where, 62, f"a section index below {count}", str(names_index))
    names_at, names_size = _SECTION.unpack_from(data, table + size * names_index)[4:6]
    if names_at + names_size > len(data):
        raise Malformed(where, table, "section names within the file", f"{names_at:#x}+{names_size:#x}")
    names = data[names_at : names_at + names_size]
    wanted = set(positions(names, b".modinfo\0"))
    for index in range(count):
        entry = _SECTION.unpack_from(data, table + size * index)
        if entry[0] in wanted:
            offset, length = entry[4], entry[5]
            if offset + length > len(data) or length > _MOST_MODINFO:
                raise Malformed(
                    where, table + size * index, ".modinfo within the file", f"{offset:#x}+{length:#x}"
                )
            return data[offset : offset + length]
    raise Malformed(
        where, table, "a .modinfo section", "none", hint="this is an ELF file, but no kernel module"
    )


def unsigned(source: ByteSource) -> tuple[bytes, bool]:
    """(a module's ELF bytes without a signature at their end, whether there was one); raises `Malformed`."""
    data = plain_module(source)
    size = _signature_size(data)
    return (data[: len(data) - size], True) if size else (data, False)


def is_signed(data: bytes) -> bool:
    """Whether a signature is appended to a module's ELF bytes; it is not checked."""
    return _signature_size(data) > 0


def _signature_size(data: bytes) -> int:
    """Bytes from the signature to the file's end; 0 without one."""
    if not data.endswith(_SIGNATURE):
        return 0
    at = len(data) - len(_SIGNATURE) - _SIGNATURE_TAIL.size
    if at < 0:
        return 0
    size: int = _SIGNATURE_TAIL.unpack_from(data, at)[-1]
    return len(data) - at + size if 0 < size <= at else 0
