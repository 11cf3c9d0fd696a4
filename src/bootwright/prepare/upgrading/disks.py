"""Partition lists that were saved of a node: talosctl's, lsblk's, sfdisk's and parted's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import evolve, frozen

from bootwright.foundation.errors import BootwrightError, Malformed
from bootwright.prepare.factory.yaml_text import Scalar, read_yaml

_MOST = 4 << 20
_MOST_DOCUMENTS = 2000
_UNITS = {"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "s": 512}
_DECIMAL = {"kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZE = re.compile(r"(\d+(?:[.,]\d+)?)\s*([kKMGT]?i?B?|s)")
_JSON_MARKS = ('"blockdevices"', '"partitiontable"', "block.talos.dev")
_JSON = re.compile(r"\{|\[\s*[\[{]")
"""How lists of disks begin: a kernel's log begins with `[    0.000000]`."""
_NUMBER = re.compile(r"^(.*?\D)p?(\d{1,3})$")
_TABLES = {"msdos": "dos", "mbr": "dos", "dos": "dos", "gpt": "gpt"}


@frozen
class Part:
    """A partition."""

    number: int | None
    label: str
    """Of the partition table (GPT); for what talosctl calls a volume, its name."""
    size: int | None
    """Bytes; None where the list does not say it."""
    filesystem: str = ""


@frozen
class Disk:
    """A disk with its partitions, as far as the lists say it."""

    name: str
    """`/dev/mmcblk0`."""
    table: str = ""
    """`gpt` or `dos`; empty where no list says it."""
    size: int | None = None
    parts: tuple[Part, ...] = ()

    @property
    def labels(self) -> frozenset[str]:
        """The labels of its partitions."""
        return frozenset(part.label for part in self.parts if part.label)

    def part(self, label: str) -> Part | None:
        """The partition of that label."""
        return next((part for part in self.parts if part.label == label), None)


def read_disks(data: bytes, where: str) -> tuple[Disk, ...] | None:
    """The disks in a saved list; None where it is none of the forms.

    Known are `talosctl get disks|discoveredvolumes|volumestatus -o yaml` (or json), `lsblk -J`, `sfdisk -d`
    and `-J`, and `parted … print` (with `-m` or not). Raises `Malformed` for one of them that is damaged.
    """
    if len(data) > _MOST:
        return None
    text = data.decode("utf-8", "replace").lstrip("\ufeff")
    stripped = text.lstrip()
    if _JSON.match(stripped):
        return _of_json(stripped, where)
    if re.search(r"^label(?:-id)?: ", text, re.MULTILINE) and " : start=" in text:
        return _merged(_of_sfdisk(text))
    if re.match(r"(?:BYT|CHS|CYL);", stripped):
        return _merged(_of_parted_lines(stripped))
    if re.search(r"^Partition Table: ", text, re.MULTILINE):
        return _merged(_of_parted(text))
    if re.search(r"^(?:spec|metadata):", text, re.MULTILINE) and ".block.talos.dev" in text:
        return _merged(_of_talos(_yaml_documents(text, where)))
    return None


def merged(lists: Iterable[tuple[Disk, ...]]) -> tuple[Disk, ...]:
    """Several lists of one node as one."""
    return _merged(disk for disks in lists for disk in disks)


def _merged(disks: Iterable[Disk]) -> tuple[Disk, ...]:
    by_name: dict[str, Disk] = {}
    for disk in disks:
        old = by_name.get(disk.name)
        by_name[disk.name] = disk if old is None else _joined(old, disk)
    return tuple(by_name[name] for name in sorted(by_name))


def _joined(old: Disk, new: Disk) -> Disk:
    parts = {part.number if part.number is not None else part.label: part for part in old.parts}
    for part in new.parts:
        key = part.number if part.number is not None else part.label
        known = parts.get(key)
        if known is not None:
            part = Part(
                part.number,
                part.label or known.label,
                part.size or known.size,
                part.filesystem or known.filesystem,
            )
        parts[key] = part
    return evolve(
        old,
        table=new.table or old.table,
        size=new.size or old.size,
        parts=tuple(sorted(parts.values(), key=lambda part: (part.number is None, part.number or 0))),
    )


def _of_json(text: str, where: str) -> tuple[Disk, ...] | None:
    documents: list[Any] = []
    decoder, at = json.JSONDecoder(), 0
    try:
        while at < len(text) and len(documents) < _MOST_DOCUMENTS:
            document, at = decoder.raw_decode(text, at)
            documents.append(document)
            at += len(text[at:]) - len(text[at:].lstrip())
    except (ValueError, RecursionError) as error:
        if documents or any(
            mark in text for mark in ('"blockdevices"', '"partitiontable"', "block.talos.dev")
        ):
            raise Malformed(where, at, "JSON", str(error)[:80] or "something else") from error
        return None
    disks: list[Disk] = []
    known = False
    for document in documents:
        entries = document if isinstance(document, list) else [document]
        for entry in entries:
            if not isinstance(entry, dict):
                continue
            if isinstance(entry.get("blockdevices"), list):
                known = True
                disks += _of_lsblk(entry["blockdevices"])
            elif isinstance(entry.get("partitiontable"), dict):
                known = True
                disks.append(_of_sfdisk_json(entry["partitiontable"]))
            elif isinstance(entry.get("metadata"), dict) and isinstance(entry.get("spec"), dict):
                kind = str(entry["metadata"].get("type", ""))
                known |= kind.endswith(".block.talos.dev")
                disks += _of_talos([entry])
    return _merged(disks) if known else None


def _of_lsblk(devices: list[Any]) -> Iterator[Disk]:
    for device in devices:
        if not isinstance(device, dict) or device.get("type") not in {"disk", "loop", None}:
            continue
        parts = []
        for child in device.get("children") or ():
            if isinstance(child, dict) and child.get("type") in {"part", None}:
                number = _NUMBER.match(str(child.get("name", "")))
                parts.append(
                    Part(
                        int(number[2]) if number else None,
                        _text(child.get("partlabel")),
                        _size(child.get("size")),
                        _text(child.get("fstype")),
                    )
                )
        table = _TABLES.get(_text(device.get("pttype")), "")
        yield Disk(_device(_text(device.get("name"))), table, _size(device.get("size")), tuple(parts))


def _of_sfdisk_json(table: Mapping[str, Any]) -> Disk:
    sector = _integer(table.get("sectorsize")) or 512
    parts = []
    for entry in table.get("partitions") or ():
        if isinstance(entry, dict):
            number = _NUMBER.match(_text(entry.get("node")))
            size = _integer(entry.get("size"))
            parts.append(
                Part(
                    int(number[2]) if number else None,
                    _text(entry.get("name")),
                    size * sector if size is not None else None,
                )
            )
    return Disk(
        _device(_text(table.get("device"))), _TABLES.get(_text(table.get("label")), ""), None, tuple(parts)
    )


def _of_sfdisk(text: str) -> Iterator[Disk]:
    table, device, sector = "", "", 512
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon and key == "label":
            table, device = _TABLES.get(value.strip(), ""), ""
        elif colon and key == "device":
            device = value.strip()
        elif colon and key == "sector-size":
            sector = _integer(value.strip()) or 512
        elif " : start=" in line:
            node = line.partition(" : ")[0].strip()
            number = _NUMBER.match(node)
            size = re.search(r"\bsize=\s*(\d{1,18})", line)
            name = re.search(r'\bname="([^"]{0,72})"', line)
            part = Part(
                int(number[2]) if number else None,
                name[1] if name else "",
                int(size[1]) * sector if size else None,
            )
            yield Disk(device or (number[1].removesuffix("p") if number else node), table, None, (part,))


def _of_parted_lines(text: str) -> Iterator[Disk]:
    """`parted -m`: fields with colons, each line ended by a semicolon (parted(8))."""
    disk: Disk | None = None
    for line in text.splitlines():
        fields = line.strip().removesuffix(";").split(":")
        if line.startswith("/") and len(fields) >= 6:
            disk = Disk(fields[0], _TABLES.get(fields[5], ""), _size(fields[1]))
            yield disk
        elif disk is not None and fields[0].isdigit() and len(fields) >= 6:
            part = Part(_integer(fields[0]), fields[5], _size(fields[3]), fields[4])
            yield evolve(disk, parts=(part,))


def _of_parted(text: str) -> Iterator[Disk]:
    disk: Disk | None = None
    columns: dict[str, int] = {}
    for line in text.splitlines():
        name = re.match(r"Disk (/\S+): (\S+)", line)
        table = re.match(r"Partition Table: (\S+)", line)
        if name:
            disk, columns = Disk(name[1], "", _size(name[2])), {}
        elif table and disk is not None:
            disk = evolve(disk, table=_TABLES.get(table[1], ""))
            yield disk
        elif line.lstrip().startswith("Number ") and disk is not None:
            titles = ("Number", "Start", "End", "Size", "Type", "File system", "Name", "Flags")
            columns = {title: line.index(title) for title in titles if title in line}
        elif columns and disk is not None and line.split()[:1] and line.split()[0].isdigit():
            part = Part(
                _integer(line.split()[0]),
                _cell(line, columns, "Name"),
                _size(_cell(line, columns, "Size")),
                _cell(line, columns, "File system"),
            )
            yield evolve(disk, parts=(part,))


def _cell(line: str, columns: Mapping[str, int], title: str) -> str:
    """What stands below a title: up to the next one."""
    start = columns.get(title)
    if start is None:
        return ""
    return line[start : min((at for at in columns.values() if at > start), default=len(line))].strip()


def _yaml_documents(text: str, where: str) -> Iterator[Mapping[str, Any]]:
    offset = 0
    for number, piece in enumerate(re.split(r"^---[ \t]*$", text, flags=re.MULTILINE)):
        if number >= _MOST_DOCUMENTS:
            raise Malformed(where, offset, f"at most {_MOST_DOCUMENTS} documents", "more")
        try:
            document = read_yaml(piece.encode(), where)
        except BootwrightError as error:
            raise Malformed(where, offset, "what talosctl get -o yaml prints", error.message[:120]) from error
        if isinstance(document, dict):
            yield document
        offset += len(piece.encode()) + 4


def _of_talos(documents: Iterable[Mapping[str, Any]]) -> Iterator[Disk]:
    """Resources of siderolabs/talos pkg/machinery/resources/block: Disk, DiscoveredVolume, VolumeStatus."""
    for document in documents:
        metadata, spec = document.get("metadata"), document.get("spec")
        if not isinstance(metadata, dict) or not isinstance(spec, dict):
            continue
        kind = _text(metadata.get("type")).partition(".")[0]
        size = _size(spec.get("size"))
        if kind == "Disks":
            yield Disk(_text(spec.get("dev_path")) or _device(_text(metadata.get("id"))), "", size)
        elif kind == "DiscoveredVolumes" and spec.get("parent_dev_path"):
            part = Part(
                _integer(spec.get("partition_index")),
                _text(spec.get("partition_label")),
                size,
                _text(spec.get("name")),
            )
            yield Disk(_text(spec.get("parent_dev_path")), "gpt" if part.label else "", None, (part,))
        elif kind == "DiscoveredVolumes":
            table = _TABLES.get(_text(spec.get("name")), "")
            yield Disk(_text(spec.get("dev_path")) or _device(_text(metadata.get("id"))), table, size)
        elif kind == "VolumeStatuses" and spec.get("parentLocation"):
            number = _NUMBER.match(_text(spec.get("location")))
            label = _text(metadata.get("id"))
            part = Part(int(number[2]) if number else None, label, size, _text(spec.get("filesystem")))
            yield Disk(_text(spec.get("parentLocation")), "", None, (part,))


def _device(name: str) -> str:
    return name if name.startswith("/") or not name else f"/dev/{name}"


def _text(value: object) -> str:
    return str(value)[:200] if isinstance(value, str | Scalar | int) and not isinstance(value, bool) else ""


def _integer(value: object) -> int | None:
    text = _text(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _size(value: object) -> int | None:
    """Bytes of `63864569856`, `59.5G` (lsblk: binary), `105MB` (parted: decimal)."""
    match = _SIZE.fullmatch(_text(value).strip())
    if match is None:
        return None
    number, unit = match[1].replace(",", "."), match[2]
    factor = _DECIMAL.get(unit) or _UNITS.get(unit.removesuffix("B").removesuffix("i").upper() or unit)
    if unit == "s":
        factor = 512
    return round(float(number) * factor) if factor and len(number) < 20 else None
