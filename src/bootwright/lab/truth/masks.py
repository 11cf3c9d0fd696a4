"""Masks: failures in recorded truth that are the emulator's, each with its errno and why it is to blame.

A mask names a node or a compatible (that is, every device of it), the errno that the driver's probe returned
(several where kernels differ), and the cause; it may be limited to some kernels. Where the recording says
otherwise than the mask, the mask is wrong, and an error; so is one for a node that has a dangling reference
in the tree that was booted: what fails there may fail for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from attrs import field, frozen

from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.foundation.errors import Malformed
from bootwright.foundation.structure import LONE, key
from bootwright.lab.truth.dangling import dangling
from bootwright.lab.truth.outcomes import Became, Outcome

EPROBE_DEFER = 517
"""include/linux/errno.h: the probe is deferred, as the recording says of a device that waits."""
ENODEV = 19
"""Also of a device that was never made, or that no driver was tried on: a bus scan did not find it."""
_MOST_ERRNO = 4095  # include/linux/err.h MAX_ERRNO
_ERRNO = re.compile(r"-(\d+)$")
_NO_DEVICE = Outcome(Became.NO_DEVICE)


@frozen
class Mask:
    """A node, or nodes of a compatible, whose failure the emulator makes."""

    errnos: frozenset[int] = field(metadata={**key("errno"), **LONE})
    """Positive."""
    cause: str
    node: str = ""
    """Path; empty where the mask is of a compatible."""
    compatible: str = ""
    kernels: frozenset[str] = frozenset()
    """Names of the kernels it holds for; empty for all."""

    def __attrs_post_init__(self) -> None:
        """Raise `ValueError` for a mask that does not say of what it is, or why."""
        name = self.node or self.compatible or "masked"
        if bool(self.node) is bool(self.compatible):
            raise ValueError(f"a mask of a node or of a compatible ({name})", "both or neither")
        if not self.errnos or not all(0 < errno <= _MOST_ERRNO for errno in self.errnos):
            raise ValueError(f"the errno of the mask of {name}, positive", sorted(self.errnos))
        if not self.cause.strip():
            raise ValueError(f"the cause of the mask of {name}", self.cause)

    def covers(self, node: Node) -> bool:
        """Whether it is about this node."""
        return node.path == self.node if self.node else self.compatible in node.compatible

    def __str__(self) -> str:
        return f"the mask of {self.node or self.compatible}"


def masked(
    masks: Iterable[Mask], tree: Tree, became: Mapping[str, Outcome], *, machine: str, kernel: str
) -> Mapping[str, Mask]:
    """Node → the mask that holds for it in a recording of that machine with that kernel.

    A mask says nothing about a node that bound, or that waits for a supplier which the kernel names: there
    the hardware was not even asked. Raises `Malformed` for a mask that does not fit the recording, or hides a
    node with a dangling reference.
    """
    masked_nodes: dict[str, Mask] = {}
    masks = tuple(mask for mask in masks if not mask.kernels or kernel in mask.kernels)
    where = f"{machine} with {kernel}"
    for node in tree.nodes:
        mask = next((candidate for candidate in masks if candidate.covers(node)), None)
        real = became.get(node.path, _NO_DEVICE)
        if mask is None or real.became is Became.BOUND or real.supplier is not None or not node.available:
            continue
        if references := dangling(tree, node):
            raise Malformed(
                where,
                None,
                f"{mask} to be of a node whose references point to nodes",
                f"{', '.join(references)} of {node.path}, which points to none",
                hint="remove the mask: the failure should be predicted",
            )
        errno = errno_of(real)
        if not mask.node and real.became is Became.NO_DEVICE and ENODEV not in mask.errnos:
            continue  # what holds for a compatible's devices says nothing where none was made
        if errno not in mask.errnos:
            expected = " or ".join(f"-{number}" for number in sorted(mask.errnos))
            raise Malformed(
                where,
                None,
                f"{node.path} to have failed with {expected}, as {mask} says",
                f"{real.became.value} {real.detail}".strip(),
                hint="the mask must name what the recording says, and why",
            )
        masked_nodes[node.path] = mask
    return masked_nodes


def errno_of(real: Outcome) -> int | None:
    """The errno that a node's outcome stands for; None where it bound."""
    if real.became is Became.FAILED:
        match = _ERRNO.search(real.detail)
        return int(match[1]) if match is not None else None
    if real.became is Became.WAITING:
        return EPROBE_DEFER
    return None if real.became is Became.BOUND else ENODEV
