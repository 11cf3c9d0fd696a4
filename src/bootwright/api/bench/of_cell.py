"""Whether a log or results are of a cell: what they say of the kernel, its pages and the board, against its
levels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from bootwright.foundation.errors import Refused
from bootwright.foundation.versions import Version

if TYPE_CHECKING:
    from bootwright.diagnose.model import Boot
    from bootwright.investigate.plans.plan import Plan
    from bootwright.lab.probes.ktap import ProbeResult

_HASH_TABLE = re.compile(rb"hash table entries: \d+ \(order: (\d{1,2}), (\d{1,12}) bytes")
"""Of `alloc_large_system_hash` (mm/mm_init.c): the order counts pages, so that both give the page's size."""
_ABI = re.compile(r"(\d+\.\d+)\.0-\d")
"""A release that names a package's ABI in place of its version: 6.1.0-47-arm64."""


class OfAnotherCell(Refused):
    """What was handed in is of another kernel or board than the cell's."""


@frozen
class Said:
    """What a log or results say of what ran; None where they do not say it."""

    release: str | None = None
    page_size: int | None = None
    """Bytes."""
    system: str | None = None
    """The version of the plan's system."""
    model: str | None = None
    revision: str | None = None


def said_by_boot(boot: Boot, logs: Sequence[bytes], plan: Plan) -> Said:
    """What one boot of logs says; the page size is that of the lines of that boot."""
    sizes: set[int] = set()
    for log in logs:
        lines = log.splitlines()[boot.first_line - 1 : boot.last_line] if len(logs) == 1 else [log]
        for match in (match for line in lines for match in _HASH_TABLE.finditer(line)):
            size, odd = divmod(int(match[2]), 1 << int(match[1]))
            sizes |= {size} if not odd and size & (size - 1) == 0 else set()
    system = plan.released.system if plan.released is not None else ""
    agreed = sizes.pop() if len(sizes) == 1 else None
    return Said(boot.fact("release"), agreed, boot.fact(system), boot.fact("model"), boot.fact("revision"))


def said_by_results(result: ProbeResult, console: bytes | None, plan: Plan) -> Said:
    """What tests say of the kernel under them, and the console around them of the machine."""
    from bootwright.api.diagnosis import diagnose

    boot = diagnose([console]).diagnosis.telling() if console is not None else None
    around = said_by_boot(boot, [console], plan) if boot is not None and console is not None else Said()
    return evolve(
        around, release=result.release or around.release, page_size=result.page_size or around.page_size
    )


def differences(plan: Plan, factors: Mapping[str, str], said: Said) -> Iterator[str]:
    """What is said against the levels of a cell, in words; nothing where all that is said fits."""
    from bootwright.investigate.plans.runs import page_size_level

    for name, level in factors.items():
        factor = plan.factor.get(name)
        if factor is None:
            continue
        its = f"the cell has {factor.label or name} {plan.word(name, level)}"
        if factor.fact == "page_size" and said.page_size is not None:
            size = page_size_level(said.page_size)
            if size.lower() != level.lower():
                yield f"it is of a kernel with {size} pages, and {its}"
        elif factor.fact == "version" and said.release is not None:
            if not is_of_release(said.release, plan.word(name, level), level):
                yield f"it is of Linux {said.release}, and {its}"
        elif plan.released is None or name != plan.released.system or said.system is None:
            continue
        elif not _is_version(said.system, plan.word(name, level)):
            yield f"it is of {name} {said.system}, and {its}"
    yield from _of_another_board(plan, factors, said)


def _of_another_board(plan: Plan, factors: Mapping[str, str], said: Said) -> Iterator[str]:
    """By the model and the revision code: another board, or the same one of another revision."""
    from bootwright.boards.model import board_of_model
    from bootwright.investigate.plans.given import silicon, text

    given = {name: factors[name] for name in plan.given if name in factors}
    part = silicon(plan, given)
    if part is None:
        return
    board, stepping = part.board, part.stepping.name
    if said.model is not None:
        announced = board_of_model(said.model)
        if announced is None or announced.id != board.id:
            yield f"it is of another machine, {said.model}, and the cell is for {text(given)}"
            return
    if said.revision is not None and board.revision is not None:
        try:
            its = frozenset({board.stepping_of(said.revision).name})
        except Refused:
            yield f"its revision code {said.revision} is of no {board.name}"
            return
        words = f"of revision code {said.revision}"
    elif said.model is not None:
        its, words = board.steppings_of_model(said.model), f"a {said.model}"
    else:
        return
    if stepping not in its:
        yield f"the board in it is {words}, and the cell is for {text(given)}"


def is_of_release(release: str, *levels: str) -> bool:
    """Whether a kernel of that `uname -r` is of a level's version; a level that is no version says nothing.

    A release that names an ABI (6.1.0-47) is known to its series only. What is no version says nothing.
    """
    from bootwright.investigate.running.execute import release_version

    said = release_version(release)
    if said is None:
        return True
    abi = _ABI.match(release)
    wanted = next((level for level in levels if Version.parse(level) is not None), None)
    if wanted is None:
        return True
    version = Version.parse(wanted)
    if abi is not None and version is not None:
        return version.series() == abi[1]
    return _is_version(said, wanted)


def _is_version(said: str, level: str) -> bool:
    """Whether a version is the level's, or of the series that the level names (1.12 of 1.12.5)."""
    version, wanted = Version.parse(said), Version.parse(level)
    if version is None or wanted is None:
        return True
    parts = level.removeprefix("v").partition("-")[0].count(".") + 1
    return version == wanted or (parts < 3 and version.series(parts) == wanted.series(parts))


def refuse_another(
    where: str, says: Iterable[str], plan: Plan, cells: Mapping[str, Mapping[str, str]], said: Said
) -> None:
    """Raises `OfAnotherCell` where anything is said against a cell.

    `cells` are the campaign's, name → levels: those that `said` fits are proposed.
    """
    against = list(says)
    if not against:
        return
    fits = [
        name
        for name, factors in cells.items()
        if said != Said() and not any(differences(plan, factors, said))
    ]
    names = ", ".join(fits[:_MOST_NAMED])
    hint = f"tell it of the cell that was booted: {names}" if fits else _HINT
    if len(fits) > _MOST_NAMED:
        hint += f", or {len(fits) - _MOST_NAMED} more"
    raise OfAnotherCell(f"{Path(where).name} is not of this cell: {'; '.join(against)}", hint=hint)


_MOST_NAMED = 3
_HINT = (
    "boot the cell's own image and give that log; what else was booted can be told by "
    "`bootwright investigate --observations FILE`"
)
