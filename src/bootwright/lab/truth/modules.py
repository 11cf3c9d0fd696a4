"""The archive that a recording of truth boots from: modules, and the two tables the guest loads them by.

All modules of a kernel take 100 MB to unpack and thousands of patterns to compare with each device, which is
most of a boot's work. A machine that is booted again and again needs only those that a device of it, or the
kernel itself, may ask for (`wanted`).
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from attrs import frozen

from bootwright.formats.archives import cpio
from bootwright.formats.devicetree.fdt import Tree
from bootwright.formats.modules.module_index import ModuleIndex, read_module_tree
from bootwright.foundation.errors import Missing
from bootwright.foundation.guest import program
from bootwright.kernels.model import Kernel
from bootwright.lab.probes import initramfs
from bootwright.lab.probes.probe import init as find_init

_FOLDER = "bootwright"


@frozen
class Archive:
    """An initramfs in the cache, and what the guest must find in it."""

    path: Path
    modules: tuple[str, ...]
    """Names of the modules in it, sorted."""
    aliases: int
    """Lines of its table of aliases."""


def pack(kernel: Kernel, names: Iterable[str] | None = None) -> Archive:
    """The archive with the named modules (all of the kernel's where None), each as the package has it.

    What a module depends on and is not named is left out, so that its absence can be seen in a boot. Raises
    `Missing` where the kernel came without modules, or the guest's programs cannot be built.
    """
    index = index_of(kernel)
    order = sorted(index.names if names is None else index.names & set(names))
    modules = index.modules
    aliases = [
        f"{number} {alias}\n"
        for number, name in enumerate(order)
        for alias in modules[name].aliases
        if ":" in alias
    ]
    path, _ = initramfs.build(find_init(), _members(_tree(kernel), index, order, "".join(aliases)))
    return Archive(path, tuple(order), len(aliases))


def index_of(kernel: Kernel) -> ModuleIndex:
    """The kernel's modules; raises `Missing` where it came without."""
    return read_module_tree(_tree(kernel))


def wanted(index: ModuleIndex, tree: Tree, seen: Iterable[str]) -> frozenset[str]:
    """Modules that may matter to a machine: those `seen` loaded in a boot with all of them, those with an
    alias for any compatible of its devicetree, and what these depend on, soft dependencies included.
    """
    names = {name for name in seen if name in index}
    for node in tree.nodes:
        for compatible in node.compatible:
            names.update(index.by_compatible(compatible))
    for name in tuple(names):
        names.update(other for other in index.closure(name) if other in index)
        names.update(other for other in index.soft_needs(name)[1] if other in index)
    return frozenset(names)


def _tree(kernel: Kernel) -> Path:
    if kernel.modules is None:
        raise Missing(f"{kernel.name} has no modules here", hint="fetch it with its modules")
    return kernel.modules


def _members(tree: Path, index: ModuleIndex, order: Sequence[str], aliases: str) -> Iterator[cpio.Member]:
    """The tables come last: a guest that has them whole has all that stands before them too."""
    number = {name: position for position, name in enumerate(order)}
    yield cpio.folder("sbin")
    yield cpio.Member("sbin/modprobe", _modprobe(), stat.S_IFREG | 0o755)
    yield cpio.folder(_FOLDER)
    yield cpio.folder(f"{_FOLDER}/modules")
    for name in order:
        path = tree / index.path(name)
        yield cpio.Member(f"{_FOLDER}/modules/{path.name}", path.read_bytes())
    yield cpio.Member(f"{_FOLDER}/truth.modules", _module_table(index, order, number).encode())
    yield cpio.Member(f"{_FOLDER}/truth.aliases", aliases.encode())


def _modprobe() -> bytes:
    """The program that the kernel runs to load a module it asks for by itself (request_module)."""
    return program("modprobe").path.read_bytes()


def _module_table(index: ModuleIndex, order: Sequence[str], number: dict[str, int]) -> str:
    lines = []
    for name in order:
        before = [str(number[other]) for other in index.closure(name) if other in number]
        file = index.path(name).rpartition("/")[2]
        lines.append(f"/{_FOLDER}/modules/{file} {''.join(f'{earlier},' for earlier in before)}\n")
    return "".join(lines)
