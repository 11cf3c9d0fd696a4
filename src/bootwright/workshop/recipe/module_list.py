"""The list of modules that an image takes, made to fit what another kernel builds."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from attrs import frozen

from bootwright.workshop.recipe.kbuild import Built


@frozen
class ModuleChange:
    """One line that is another."""

    before: str | None
    """None: it was not there."""
    after: str | None
    """None: it goes."""
    because: str


def fitted(text: str, built: Built, wanted: Iterable[str]) -> tuple[str, tuple[ModuleChange, ...]]:
    """The list with what is not built any more taken out or renamed, and with `wanted` in it; what changed.

    Lines that name no module stay. New names go where their order puts them, as the list is in order.
    """
    by_name: dict[str, list[str]] = {}
    for path in sorted(built.modules):
        by_name.setdefault(posixpath.basename(path), []).append(path)
    lines: list[str] = []
    changes: list[ModuleChange] = []
    new: set[str] = set()
    listed = set(text.split())
    for line in text.splitlines():
        path = line.strip()
        if not path.startswith("kernel/") or not path.endswith(".ko") or path in built.modules:
            lines.append(line)
            continue
        moved = [other for other in by_name.get(posixpath.basename(path), ()) if other not in listed]
        if path in built.builtin:
            changes.append(ModuleChange(path, None, "it is built in"))
        elif len(moved) == 1:
            changes.append(ModuleChange(path, moved[0], "it has moved"))
            new.add(moved[0])
        else:
            changes.append(ModuleChange(path, None, "it is not built"))
    asked = set(wanted) - {*lines, *new}
    changes += [ModuleChange(None, path, "the fragments ask for it") for path in sorted(asked)]
    for path in sorted(new | asked):
        after = [at for at, line in enumerate(lines) if line.startswith("kernel/") and line < path]
        lines.insert(after[-1] + 1 if after else 0, path)
    return "".join(f"{line}\n" for line in lines), tuple(changes)
