"""Which architecture a devicetree is for: its processors say so. One file each in `data/architectures/`."""

from __future__ import annotations

import fnmatch

from attrs import field, frozen

from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.foundation.errors import Refused
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import STEM


@frozen
class Architecture:
    """An architecture that is not arm64, and how a processor's node tells it."""

    id: str = field(metadata=STEM)
    title: str
    source: tuple[str, ...]
    compatibles: tuple[str, ...] = ()
    """Patterns of processors' compatibles; `*` stands for any text."""
    properties: frozenset[str] = frozenset()
    """Properties that only its processors have."""
    names: tuple[str, ...] = ()
    """Patterns of processors' node names."""

    def has(self, processor: Node) -> bool:
        """Whether a processor is one of this architecture."""
        return (
            not self.properties.isdisjoint(processor.properties)
            or any(
                fnmatch.fnmatchcase(name, form) for name in processor.compatible for form in self.compatibles
            )
            or any(fnmatch.fnmatchcase(processor.name, form) for form in self.names)
        )


ARCHITECTURES = Kind("architectures", "an architecture", Architecture)
"""`data/architectures/`, and the user's own."""


def architecture(tree: Tree) -> Architecture | None:
    """The architecture that all processors of a devicetree are of, where it is not arm64.

    None where there are none, or any is not known to be of another architecture.
    """
    cpus = tree.root.child("cpus")
    processors = [child for child in cpus.children if _is_processor(child)] if cpus is not None else []
    for known in ARCHITECTURES.all().values() if processors else ():
        if all(known.has(processor) for processor in processors):
            return known
    return None


def require_arm64(tree: Tree) -> None:
    """Raise `Refused` for a devicetree of another architecture."""
    tree_architecture = architecture(tree)
    if tree_architecture is not None:
        raise Refused(
            f"{tree.name}: expected a devicetree for arm64, found one for {tree_architecture.title}",
            hint="give the devicetree that the arm64 kernel gets; a kernel's package has them below dtb/",
        )


def _is_processor(node: Node) -> bool:
    return node.string("device_type") == "cpu" or node.name.partition("@")[0] == "cpu"
