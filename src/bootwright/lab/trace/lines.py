"""Source lines of a trace's instructions, in the kernel's image and in its modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bootwright.foundation.errors import BootwrightError, Missing
from bootwright.lab.trace.debug_files import DebugFiles
from bootwright.lab.trace.places import Place, Places
from bootwright.lab.trace.sources import SourceLine, source_lines


def lines_of(
    named: Sequence[Place], places: Places, debug: DebugFiles, tree: Path | None, note: Callable[[str], None]
) -> Mapping[int, tuple[SourceLine, ...]]:
    """The lines by address, the innermost function first. `tree` is the kernel's source tree.

    `note` is told of modules whose lines are not here: the origin is known without. Raises as `source_lines`
    for the kernel's own.
    """
    lines: dict[int, tuple[SourceLine, ...]] = {}
    own = [place.address for place in named if place.module is None and place.function is not None]
    if own and debug.vmlinux is None:
        note(f"{debug.given} has no vmlinux: no lines of the kernel's own code")
    elif own and debug.vmlinux is not None:
        lines |= source_lines(debug.vmlinux, own, tree)
    for module in dict.fromkeys(place.module for place in named if place.module is not None):
        addresses = [place.address for place in named if place.module == module]
        try:
            lines |= _of_module(module, addresses, places, debug, tree)
        except BootwrightError as error:
            note(f"no lines of {module}: {error.message}")
    return lines


def _of_module(
    module: str, addresses: Sequence[int], places: Places, debug: DebugFiles, tree: Path | None
) -> Mapping[int, tuple[SourceLine, ...]]:
    code, start = places.code(module), places.start(module)
    file = None if code is None else debug.of_module(module, code)
    if file is None or start is None:
        raise Missing(
            f"{debug.given} has no debug information of it",
            hint="give the folder of an unpacked debug package, or the one the kernel was built in",
        )
    by_offset = source_lines(file, [address - start for address in addresses], tree, section=".text")
    return {start + offset: lines for offset, lines in by_offset.items()}
