"""FAT12, FAT16 and FAT32 with long names, read only.

Microsoft FAT specification (fatgen103, 2005-08-30); the kind of FAT follows from the number of clusters
alone (section "FAT Type Determination"). Linux's reader is fs/fat (6.12).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from attrs import frozen

from bootwright.formats.filesystems.filesystem import Entry, EntryKind, join, safe_name, text_of
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.formats.sources.extents import BlockCache, Extent, Extents
from bootwright.foundation.errors import Malformed

_BPB = struct.Struct("<3s8sHBHBHHBHHHII")
_DIR_ENTRY = 32
_MAX_DIRECTORY = 65536 * _DIR_ENTRY
"""fatgen103: a directory has at most 65,536 entries."""

_ATTR_VOLUME, _ATTR_DIRECTORY, _ATTR_LONG = 0x08, 0x10, 0x0F
_LOWER_BASE, _LOWER_EXTENSION = 0x08, 0x10
"""Bits of byte 12 that Windows NT and Linux use for short names in lower case."""


@frozen
class Geometry:
    """The boot sector's numbers. Sizes and offsets are in bytes."""

    bits: int
    """12, 16 or 32."""
    sector_size: int
    cluster_size: int
    fat_offset: int
    root_offset: int
    """FAT12/16: of the fixed root directory."""
    root_entries: int
    root_cluster: int
    """FAT32: where the root directory begins."""
    data_offset: int
    clusters: int
    label: str | None
    volume_id: str | None


def is_fat(source: ByteSource) -> bool:
    """Whether the boot sector's parameter block makes sense as a FAT volume."""
    try:
        read_geometry(source)
    except Malformed:
        return False
    return True


def read_geometry(source: ByteSource) -> Geometry:
    """The volume's geometry from its boot sector; raises `Malformed`."""
    if source.size < 512:
        raise Malformed(source.name, 0, "a boot sector of 512 bytes", f"{source.size} bytes")
    sector = source.read(0, 512)
    (
        jump, _oem, sector_size, per_cluster, reserved, fats, root_entries, small_total, media,
        fat_size16, _track, _heads, _hidden, large_total,
    ) = _BPB.unpack_from(sector)  # fmt: skip
    if jump[0] not in {0xEB, 0xE9} or sector_size not in {512, 1024, 2048, 4096}:
        raise Malformed(source.name, 0, "a FAT boot sector", f"jump {jump.hex()}, sectors of {sector_size}")
    if not per_cluster or per_cluster & (per_cluster - 1) or media < 0xF0 or not reserved or not 0 < fats < 5:
        raise Malformed(
            source.name, 13, "a FAT parameter block", f"{per_cluster} sectors per cluster, {fats} FATs"
        )
    fat_size32, _flags, _version, root_cluster = struct.unpack_from("<IHHI", sector, 36)
    fat_sectors = fat_size16 or fat_size32
    total = small_total or large_total
    root_sectors = (root_entries * _DIR_ENTRY + sector_size - 1) // sector_size
    first_data = reserved + fats * fat_sectors + root_sectors
    if not fat_sectors or total <= first_data:
        raise Malformed(
            source.name, 32, f"more than {first_data} sectors in all", f"{total}, {fat_sectors} per FAT"
        )
    clusters = (total - first_data) // per_cluster
    bits = 12 if clusters < 4085 else 16 if clusters < 65525 else 32
    if fat_size16 == 0:
        bits = 32  # as Linux decides (fs/fat/inode.c: no 16-bit FAT length means FAT32)
    clusters = min(clusters, fat_sectors * sector_size * 8 // bits - 2)
    extended = 66 if bits == 32 else 38
    signature, volume_id, label = struct.unpack_from("<BI11s", sector, extended)
    named = label.rstrip(b" \0")
    return Geometry(
        bits=bits,
        sector_size=sector_size,
        cluster_size=per_cluster * sector_size,
        fat_offset=reserved * sector_size,
        root_offset=(reserved + fats * fat_sectors) * sector_size,
        root_entries=root_entries,
        root_cluster=root_cluster if bits == 32 else 0,
        data_offset=first_data * sector_size,
        clusters=clusters,
        label=_oem_text(named) if signature == 0x29 and named not in {b"", b"NO NAME"} else None,
        volume_id=f"{volume_id >> 16:04X}-{volume_id & 0xFFFF:04X}" if signature in {0x28, 0x29} else None,
    )


class Fat:
    """A FAT volume as a `FileSystem`.

    Chains of clusters are followed at most as far as the file's size says (a directory: 2 MiB), so that
    a cycle ends. Raises `Malformed` from every method for a volume that contradicts itself.
    """

    def __init__(self, source: ByteSource) -> None:
        self.geometry = read_geometry(source)
        self._source = source
        self._table = BlockCache(source)
        self._listed: dict[int, list[Entry]] = {}

    @property
    def name(self) -> str:
        """The volume's container path."""
        return self._source.name

    @property
    def type(self) -> str:
        """`vfat`."""
        return "vfat"

    @property
    def label(self) -> str | None:
        """The label in the root directory, or else in the boot sector."""
        if self.geometry.bits == 32:
            raw = b"".join(self._records(self.geometry.root_cluster))
        else:
            raw = self._source.read(self.geometry.root_offset, self.geometry.root_entries * _DIR_ENTRY)
        for at in range(0, len(raw), _DIR_ENTRY):
            record = raw[at : at + _DIR_ENTRY]
            if not record[0]:
                break
            if record[0] != 0xE5 and record[11] & 0x3F != _ATTR_LONG and record[11] & _ATTR_VOLUME:
                return _oem_text(record[:11].rstrip(b" ")) or None
        return self.geometry.label

    @property
    def uuid(self) -> str | None:
        """The volume id, as `ABCD-1234`."""
        return self.geometry.volume_id

    @property
    def folds_case(self) -> bool:
        """FAT names ignore case."""
        return True

    def root(self) -> Entry:
        """See `FileSystem.root`."""
        return Entry("/", EntryKind.DIRECTORY, 0, 0o755, handle=self.geometry.root_cluster)

    def children(self, directory: Entry) -> list[Entry]:
        """See `FileSystem.children`."""
        known = self._listed.get(directory.handle)
        if known is not None and (not known or known[0].path == join(directory, known[0].name)):
            return known
        if directory.handle == 0:
            geometry = self.geometry
            raw = self._source.read(geometry.root_offset, geometry.root_entries * _DIR_ENTRY)
        else:
            raw = b"".join(self._records(directory.handle))
        entries = list(_entries(raw, directory, self.name))
        if len(self._listed) < 4096:
            self._listed[directory.handle] = entries
        return entries

    def open(self, file: Entry) -> ByteSource:
        """See `FileSystem.open`."""
        geometry = self.geometry
        where = f"{self.name}:{file.path}"
        extents: list[Extent] = []
        covered = 0
        for cluster in self._chain(file.handle, where) if file.size else ():
            at = geometry.data_offset + (cluster - 2) * geometry.cluster_size
            last = extents[-1] if extents else None
            if last is not None and last.at is not None and last.at + last.size == at:
                extents[-1] = Extent(last.start, last.size + geometry.cluster_size, last.at)
            else:
                extents.append(Extent(covered, geometry.cluster_size, at))
            covered += geometry.cluster_size
            if covered >= file.size:
                break
        if covered < file.size:
            raise Malformed(
                where, covered, f"a chain of clusters for {file.size} bytes", f"its end after {covered}"
            )
        return Extents(self._source, extents, file.size, where)

    def _records(self, first: int) -> Iterator[bytes]:
        """The clusters of a directory, up to the largest a directory may be."""
        geometry = self.geometry
        total = 0
        seen: set[int] = set()
        for cluster in self._chain(first, self.name):
            if cluster in seen:
                raise Malformed(self.name, None, "a directory that ends", f"cluster {cluster} twice in it")
            seen.add(cluster)
            total += geometry.cluster_size
            if total > _MAX_DIRECTORY + geometry.cluster_size:
                raise Malformed(
                    self.name, None, f"a directory of at most {_MAX_DIRECTORY} bytes", "a longer one"
                )
            yield self._source.read(
                geometry.data_offset + (cluster - 2) * geometry.cluster_size, geometry.cluster_size
            )

    def _chain(self, first: int, where: str) -> Iterator[int]:
        geometry = self.geometry
        end = {12: 0xFF8, 16: 0xFFF8, 32: 0x0FFFFFF8}[geometry.bits]
        cluster = first
        for _ in range(geometry.clusters + 1):
            if not 2 <= cluster < geometry.clusters + 2:
                raise Malformed(where, None, f"a cluster from 2 to {geometry.clusters + 1}", str(cluster))
            yield cluster
            cluster = self._next(cluster)
            if cluster >= end:
                return
        raise Malformed(where, None, "a chain of clusters that ends", "a cycle")

    def _next(self, cluster: int) -> int:
        geometry = self.geometry
        if geometry.bits == 32:
            raw = self._table.read(geometry.fat_offset + cluster * 4, 4)
            return int.from_bytes(raw, "little") & 0x0FFFFFFF
        if geometry.bits == 16:
            return int.from_bytes(self._table.read(geometry.fat_offset + cluster * 2, 2), "little")
        pair = int.from_bytes(self._table.read(geometry.fat_offset + cluster * 3 // 2, 2), "little")
        return pair >> 4 if cluster & 1 else pair & 0xFFF


def _entries(raw: bytes, directory: Entry, where: str) -> Iterator[Entry]:
    long_parts: dict[int, bytes] = {}
    long_sum = -1
    for at in range(0, len(raw) - _DIR_ENTRY + 1, _DIR_ENTRY):
        record = raw[at : at + _DIR_ENTRY]
        if record[0] == 0:
            return
        attributes = record[11] & 0x3F
        if record[0] == 0xE5:
            long_parts = {}
            continue
        if attributes == _ATTR_LONG:
            if record[0] & 0x40:
                long_parts, long_sum = {}, record[13]
            if record[13] == long_sum:
                long_parts[record[0] & 0x3F] = record[1:11] + record[14:26] + record[28:32]
            continue
        short = record[:11]
        if attributes & _ATTR_VOLUME or short[:2] in {b". ", b".."}:
            long_parts = {}
            continue
        name = _long_name(long_parts, long_sum, short) or _short_name(short, record[12])
        long_parts = {}
        high, low, size = struct.unpack_from("<H4xHI", record, 20)
        is_directory = bool(attributes & _ATTR_DIRECTORY)
        yield Entry(
            path=join(directory, safe_name(name.encode("utf-8", "surrogateescape"), where, at)),
            kind=EntryKind.DIRECTORY if is_directory else EntryKind.FILE,
            size=0 if is_directory else size,
            mode=0o755,
            handle=(high << 16) | low,
        )


def _long_name(parts: dict[int, bytes], checksum: int, short: bytes) -> str | None:
    """The long name of a set of records, or None when they do not belong to this short name."""
    if not parts or sorted(parts) != list(range(1, len(parts) + 1)):
        return None
    total = 0
    for byte in short:
        total = ((total >> 1) | ((total & 1) << 7)) + byte & 0xFF
    if total != checksum:
        return None
    raw = b"".join(parts[index] for index in sorted(parts))
    name = raw.decode("utf-16-le", "replace").split("\0", 1)[0].rstrip("￿")
    return name if name and "/" not in name else None


def _short_name(short: bytes, case: int) -> str:
    base, extension = short[:8].rstrip(b" "), short[8:].rstrip(b" ")
    if base[:1] == b"\x05":
        base = b"\xe5" + base[1:]
    first = _oem_text(base).lower() if case & _LOWER_BASE else _oem_text(base)
    second = _oem_text(extension).lower() if case & _LOWER_EXTENSION else _oem_text(extension)
    return f"{first}.{second}" if second else first


def _oem_text(raw: bytes) -> str:
    """Code page 437, the default of Linux and of mtools' short names."""
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        return text_of(raw.decode("cp437").encode())
