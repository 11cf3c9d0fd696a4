"""The initramfs a probe boots from: init, the few nodes it needs, and what the probes ask for."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterable
from pathlib import Path

from bootwright.artifacts import cpio
from bootwright.foundation.atomic import write_bytes
from bootwright.foundation.places import cache_dir
from bootwright.lab.probe import Init


def build(init: Init, extra: Iterable[cpio.Member] = (), *, appended: bytes = b"") -> tuple[Path, str]:
    """The archive in the cache and its SHA-256.

    `appended` is a further archive, which the kernel unpacks after the first. Uncompressed: unpacking costs
    more than reading here.
    """
    members = [
        cpio.folder("dev"),
        # Documentation/admin-guide/devices.txt: 5,1 is the console, 1,11 the kernel's log.
        cpio.character_device("dev/console", 5, 1),
        cpio.character_device("dev/kmsg", 1, 11),
        cpio.Member("init", init.path.read_bytes(), stat.S_IFREG | 0o755),
        *extra,
    ]
    archive = cpio.write(members) + appended
    digest = hashlib.sha256(archive).hexdigest()
    path = cache_dir() / "initramfs" / f"{digest}.cpio"
    if not path.is_file() or path.stat().st_size != len(archive):
        write_bytes(path, archive)
    return path, digest
