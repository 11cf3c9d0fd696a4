"""What an initramfs holds for the kernel's modules."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from attrs import frozen

from bootwright.formats.archives.initramfs import InitramfsTree, read_segments
from bootwright.formats.filesystems.filesystem import Entry, walk
from bootwright.formats.modules.early_loader import loaded_before_init
from bootwright.formats.modules.modprobe_config import ModprobeConfig, read_modprobe
from bootwright.formats.modules.module_facts import module_name
from bootwright.formats.sources.bytesource import FileBytes

_TREE = re.compile(r"/(?:usr/)?lib/modules/([^/]+)/.")


@frozen
class EarlyModules:
    """The modules of an initramfs by the release whose folder they lie in, and its modprobe.d."""

    by_release: dict[str, frozenset[str]]
    """Release → names; those outside of `lib/modules/RELEASE` under the empty name."""
    modprobe: ModprobeConfig
    before_init: frozenset[str]
    """Those that our loader loads before the system's own init runs."""

    def of(self, release: str | None) -> frozenset[str]:
        """Names that modprobe of that release finds, and those that init may load by path.

        All of them where the release is not known.
        """
        if release is None:
            return frozenset().union(*self.by_release.values())
        return self.by_release.get(release, frozenset()) | self.by_release.get("", frozenset())

    def others(self, release: str | None) -> tuple[str, ...]:
        """Releases whose modules it holds, which are not this one."""
        if release is None:
            return ()
        return tuple(sorted(held for held in self.by_release if held not in {"", release}))


def early_modules(path: Path) -> EarlyModules:
    """The kernel modules in an initramfs (cpio archives, compressed or not).

    Raises `Missing` or `Malformed`.
    """
    source = FileBytes(path)
    tree = InitramfsTree(source.name, read_segments(source))
    names_of: dict[str, set[str]] = defaultdict(set)
    for entry in walk(tree):
        if isinstance(entry, Entry) and entry.name.endswith((".ko", ".ko.xz", ".ko.zst", ".ko.gz")):
            match = _TREE.match(entry.path)
            names_of[match[1] if match is not None else ""].add(module_name(entry.name))
    return EarlyModules(
        {release: frozenset(names) for release, names in names_of.items()},
        read_modprobe(tree),
        loaded_before_init(tree),
    )
