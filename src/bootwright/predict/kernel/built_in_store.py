"""What an Image has built in, kept in the cache as JSON: reading it takes seconds and never differs."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

from bootwright.formats.kernel.arm64_image import unwrapped
from bootwright.formats.kernel.builtin_drivers import BuiltIn, Driver, EarlyEntry, read_built_in
from bootwright.formats.kernel.match_tables import OfId, PciId
from bootwright.formats.modules.module_index import is_indexed
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation.atomic import write_bytes
from bootwright.foundation.places import cache_dir
from bootwright.kernels.model import Kernel

_FORMAT = 9


def is_read(kernel: Kernel) -> bool:
    """Whether all that `kernel_facts` reads is in the cache already."""
    store = cache_dir() / "drivers" / f"{kernel.image_sha256}.json"
    with contextlib.suppress(OSError), store.open("rb") as file:
        return file.read(24).startswith(b'{"format":%d,' % _FORMAT) and (
            kernel.modules is None or is_indexed(str(kernel.modules))
        )
    return False


def read_once(image: Path, sha256: str) -> BuiltIn:
    """What an Image has built in, from the cache where it was read before.

    Raises `Malformed` where the image has no symbol table.
    """
    key = sha256 or hashlib.sha256(image.read_bytes()).hexdigest()
    store = cache_dir() / "drivers" / f"{key}.json"
    try:
        document = json.loads(store.read_bytes())
        if document["format"] == _FORMAT:
            return _from_json(document)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not there yet, or damaged: made again
    source = unwrapped(FileBytes(image))[0]
    built_in = read_built_in(source.read(0, len(source)), str(image))
    write_bytes(store, json.dumps(_to_json(built_in), separators=(",", ":")).encode())
    return built_in


def _to_json(found: BuiltIn) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "of_node": found.of_node,
        "early": [[entry.kind, entry.compatible, entry.keeps_device] for entry in found.early],
        "drivers": [
            {
                "name": driver.name,
                "buses": driver.buses,
                "symbol": driver.symbol,
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
            for driver in found.drivers
        ],
    }


def _from_json(document: dict[str, Any]) -> BuiltIn:
    return BuiltIn(
        drivers=tuple(
            Driver(
                name=one["name"],
                buses=tuple(one["buses"]),
                symbol=one["symbol"],
                of=tuple(OfId(compatible) for compatible in one["of"]),
                ids=tuple(one["ids"]),
                pci=tuple(PciId(*entry) for entry in one["pci"]),
                amba=tuple((entry[0], entry[1]) for entry in one["amba"]),
                calls=tuple(one["calls"]),
                probe=one["probe"],
                table=one["table"],
            )
            for one in document["drivers"]
        ),
        early=tuple(EarlyEntry(*entry) for entry in document["early"]),
        of_node=document["of_node"],
    )
