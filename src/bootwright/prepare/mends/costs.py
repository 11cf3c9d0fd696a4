"""How much a change costs: of several that work, the least is made."""

from __future__ import annotations

from collections.abc import Mapping

from bootwright.foundation.versions import Version
from bootwright.prepare.model import MendKind

COSTS: Mapping[MendKind, float] = {
    MendKind.CONFIG_TXT: 1,
    MendKind.ARGUMENTS: 1.5,
    MendKind.DEVICETREE: 4,
    MendKind.MODULES: 12,
    MendKind.KERNEL: 40,
}
"""By how much of what the image was tried with is not the same any more: a line, a file that the kernel
reads, files of the very kernel, the kernel itself. Several small ones cost less than the next larger one."""

_OTHER_PAGES = 20.0
_SERIES = 1.0
"""What each series between two versions adds."""


def cost_of(
    kind: MendKind,
    *,
    before: Version | None = None,
    after: Version | None = None,
    other_pages: bool = False,
) -> float:
    """The cost of a change; `before` and `after` are the kernel's version and that of what replaces it."""
    cost = COSTS[kind]
    if before is not None and after is not None:
        cost += _SERIES * min(distance(before, after), 10.0)
    return cost + (_OTHER_PAGES if other_pages else 0)


def distance(left: Version, other: Version) -> float:
    """How far two versions are apart, in series; less than one within a series."""
    first, second = (*left.key[0], 0, 0, 0)[:3], (*other.key[0], 0, 0, 0)[:3]
    if first[:2] == second[:2]:
        return min(abs(first[2] - second[2]), 99) / 100
    # Linux 6.19 is followed by 7.0: a new first number is one more series.
    return 1.0 + (abs(first[1] - second[1]) if first[0] == second[0] else 1.0 + abs(first[0] - second[0]) * 2)
