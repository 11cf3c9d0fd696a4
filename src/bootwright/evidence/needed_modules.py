"""The modules of a kernel that a board's goals need, and that an image's initramfs lacks."""

from __future__ import annotations

from collections.abc import Iterable

from bootwright.formats.modules.module_index import ModuleIndex
from bootwright.predict.model import GoalVerdict
from bootwright.predict.start.start import module_of


def needed_modules(
    index: ModuleIndex, goals: Iterable[GoalVerdict], before: frozenset[str]
) -> tuple[tuple[str, ...], frozenset[str]]:
    """The modules to add to those that are there `before`, and all that are then in the initramfs.

    `goals` are judged with all modules of the kernel at hand; `index` is of these. What a module needs comes
    along by itself, and is named only where it is on a goal's way too.
    """
    chain = {module for goal in goals for link in goal.chain if (module := module_of(link)) is not None}
    there = _closed(index, (name for name in before if name in index))
    wanted = _closed(index, chain) - there
    return tuple(sorted(module for module in chain if module in wanted)), frozenset(there | wanted)


def _closed(index: ModuleIndex, names: Iterable[str]) -> set[str]:
    """Modules with all that loading them loads first."""
    closed = set(names)
    for name in tuple(closed):
        closed.update(needed for needed in index.closure(name) if needed in index)
    return closed
