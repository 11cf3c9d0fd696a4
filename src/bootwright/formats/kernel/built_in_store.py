"""What an Image has built in, kept in the cache as JSON: reading it takes seconds and never differs."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

from bootwright.formats.kernel.arm64_image import unwrapped
from bootwright.formats.kernel.built_in import BuiltIn, Driver, EarlyEntry
from bootwright.formats.kernel.match_tables import OfId, PciId
from bootwright.formats.sources.bytesource import ByteSource, FileBytes
from bootwright.formats.sources.spool import digest
from bootwright.foundation.cache import DRIVERS
from bootwright.foundation.processes.locks import locked
from bootwright.foundation.progress import Silent

_FORMAT = 11


def is_kept(sha256: str) -> bool:
    """Whether what the image of that SHA-256 has built in is in the cache."""
    with contextlib.suppress(OSError), (DRIVERS.folder() / f"{sha256}.json").open("rb") as file:
        return file.read(24).startswith(b'{"format":%d,' % _FORMAT)
    return False


def read_once(image: Path, sha256: str) -> BuiltIn:
    """What the Image in a file has built in, from the cache where it was read before.

    Raises `Malformed` where the image has no symbol table.
    """
    key = sha256 or hashlib.sha256(image.read_bytes()).hexdigest()
    return _kept(key) or _read(key, unwrapped(FileBytes(image))[0], str(image))


def read_bare_once(image: ByteSource) -> BuiltIn:
    """The same of an Image that was unwrapped already.

    Raises `Malformed` where the image has no symbol table.
    """
    key = digest(image)
    return _kept(key) or _read(key, image, image.name)


def _kept(key: str) -> BuiltIn | None:
    try:
        return unpacked(DRIVERS.read(DRIVERS.folder() / f"{key}.json"))
    except OSError:
        return None


def _read(key: str, image: ByteSource, name: str) -> BuiltIn:
    from bootwright.formats.kernel.builtin_drivers import read_built_in

    with locked(DRIVERS.folder() / f".{key}.lock", Silent()):  # others would take the same seconds
        built_in = _kept(key)
        if built_in is None:
            built_in = read_built_in(image.read(0, image.size), name)
            DRIVERS.write(DRIVERS.folder() / f"{key}.json", packed(built_in))
    return built_in


def packed(built_in: BuiltIn) -> bytes:
    """What an Image has built in, as `unpacked` reads it."""
    return json.dumps(_to_json(built_in), separators=(",", ":")).encode()


def unpacked(content: bytes) -> BuiltIn | None:
    """What `packed` gave; None where it is of another version, or damaged."""
    try:
        document = json.loads(content)
        return _from_json(document) if document["format"] == _FORMAT else None
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None


def _to_json(built_in: BuiltIn) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "of_node": built_in.of_node,
        "early": [[entry.kind, entry.compatible, entry.keeps_device] for entry in built_in.early],
        "drivers": [
            {
                "name": driver.name,
                "buses": driver.buses,
                "registered_by": driver.registered_by,
                "object": driver.object,
                "of": [entry.compatible for entry in driver.of],
                "ids": driver.ids,
                "pci": [
                    [pci_id.vendor, pci_id.device, pci_id.device_class, pci_id.class_mask]
                    for pci_id in driver.pci
                ],
                "amba": driver.amba,
                "calls": driver.calls,
                "probe": driver.probe,
                "table": driver.table,
            }
            for driver in built_in.drivers
        ],
    }


def _from_json(document: dict[str, Any]) -> BuiltIn:
    return BuiltIn(
        drivers=tuple(
            Driver(
                name=entry["name"],
                buses=tuple(entry["buses"]),
                registered_by=entry["registered_by"],
                object=entry["object"],
                of=tuple(OfId(compatible) for compatible in entry["of"]),
                ids=tuple(entry["ids"]),
                pci=tuple(PciId(*pci_id) for pci_id in entry["pci"]),
                amba=tuple((amba_id[0], amba_id[1]) for amba_id in entry["amba"]),
                calls=tuple(entry["calls"]),
                probe=entry["probe"],
                table=entry["table"],
            )
            for entry in document["drivers"]
        ),
        early=tuple(EarlyEntry(*entry) for entry in document["early"]),
        of_node=document["of_node"],
    )
