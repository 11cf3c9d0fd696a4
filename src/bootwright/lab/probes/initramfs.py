"""The initramfs a probe boots from: init, the few nodes it needs, and what the probes ask for."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from bootwright.formats.archives import cpio
from bootwright.foundation.atomic import write_bytes
from bootwright.foundation.cache import INITRAMFS
from bootwright.lab.probes.probe import Init


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
    path = INITRAMFS.folder() / f"{digest}.cpio"
    if path.is_file() and path.stat().st_size == len(archive):
        os.utime(path)
    else:
        write_bytes(path, archive)
        INITRAMFS.evict(keep=path)
    return path, digest
