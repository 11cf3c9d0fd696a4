"""Where in the kernel's source a node's driver is: that folder is its subsystem."""

from __future__ import annotations

from bootwright.formats.devicetree.fdt import Node
from bootwright.formats.modules.module_facts import module_name
from bootwright.predict.kernel.candidates import Candidate
from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.kernel.objects import objects

_TREE = "kernel/"
"""Modules lie below it as their sources do (scripts/Makefile.modinst, Linux 6.18)."""


def driver_folder(kernel: KernelFacts, candidate: Candidate, node: Node) -> str | None:
    """The folder of a driver's object, with a `/` at the end (`drivers/net/ethernet/cadence/`).

    A module's is where its file lies; a built-in driver's is looked up by the module that it would be: the
    one that modules.builtin.modinfo has the compatible for (Linux 6.18 and newer). None where that does not
    tell.
    """
    index = kernel.modules
    if index is None:
        return None
    if candidate.module is not None:
        return _folder(index.path(candidate.module))
    for compatible in node.compatible:
        for module in index.built_in_by_compatible(compatible):
            paths = objects().by_name.get(module_name(module), ())
            if len(paths) == 1:
                return _folder(paths[0])
    return None


def _folder(path: str) -> str | None:
    folder, slash, _ = path.rpartition("/")
    return f"{folder.removeprefix(_TREE)}/" if slash else None
