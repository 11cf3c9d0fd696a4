"""Our loader of modules in front of an initramfs's own init (`probes/early/`): where it finds what."""

from __future__ import annotations

from bootwright.formats.filesystems.filesystem import FileSystem, lookup, read_small
from bootwright.formats.modules.module_facts import module_name

OWN_LIST, OWN_INIT = "bootwright/modules", "bootwright/init"
"""The list of modules it loads, one path a line, and the init that it then becomes."""

_MOST_LIST = 1 << 16


def loaded_before_init(tree: FileSystem) -> frozenset[str]:
    """Names of the modules that it loads; none where the initramfs does not hold it, list and init."""
    if lookup(tree, f"/{OWN_INIT}") is None:
        return frozenset()
    listed = read_small(tree, f"/{OWN_LIST}", _MOST_LIST) or b""
    return frozenset(module_name(line) for line in listed.decode("utf-8", "replace").split())
