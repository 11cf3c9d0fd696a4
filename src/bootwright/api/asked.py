"""Values of a request that are checked before anything long begins: boards, goals, machines, versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bootwright.boards.model import Board
    from bootwright.foundation.versions import Version


def goal_names() -> list[str]:
    """The goals of all boards, and the operating system's."""
    from bootwright.boards.model import boards
    from bootwright.boards.role import ROLES
    from bootwright.predict.api import OS_GOALS

    named = (goal.name for board in boards() for goal in board.goals)
    return [*dict.fromkeys((*named, *ROLES.names())), *OS_GOALS]


def is_unlisted(name: str) -> bool:
    """Whether a board is named by its devicetree (file name, or the root's compatible) and has no file of its
    own."""
    from bootwright.boards.model import listed, names_devicetree

    return names_devicetree(name) and listed(name) is None


def stepping_names() -> list[str]:
    """The steppings of all boards."""
    from bootwright.boards.model import boards

    return list(dict.fromkeys(stepping.name for board in boards() for stepping in board.steppings))


def asked_boards(
    names: Sequence[str],
    *,
    revision: str | None = None,
    stepping: str | None = None,
    goals: Sequence[str] = (),
    made: bool = False,
) -> tuple[tuple[Board, ...], str | None]:
    """The boards named, and the stepping that the revision code or the stepping's name says, or the
    devicetree that names the only board. `made`: goals that a devicetree may have are asked for as well.

    Where none is named, a revision code says whose it is. Raises `Refused` for a board, stepping, revision or
    goal that does not exist, or that one of the boards does not have, and for a revision or devicetree that
    is of another stepping than the one named.
    """
    from bootwright.boards.model import board as board_named
    from bootwright.boards.model import boards_of_code, listed
    from bootwright.boards.role import is_of_role
    from bootwright.foundation.choices import no_such, one_of
    from bootwright.foundation.errors import Refused

    chosen = tuple({board.id: board for board in map(board_named, names)}.values())
    by_devicetree = {of_name[1] for name in names if (of_name := listed(name)) is not None}
    if len(names) == len(by_devicetree) == 1 and len(chosen[0].steppings) > 1:
        (of_devicetree,) = by_devicetree
        if of_devicetree is not None and stepping not in {None, of_devicetree}:
            raise Refused(
                f"{names[0]} is of stepping {of_devicetree}, not {stepping}", hint="leave one of the two out"
            )
        stepping = stepping or of_devicetree
    if revision is not None:
        chosen = chosen or boards_of_code(revision)
        if len(chosen) != 1:
            raise Refused("a revision code is one board's", hint="give that board with --board")
        of_revision = chosen[0].stepping_of(revision).name
        if stepping is not None and chosen[0].stepping(stepping).name != of_revision:
            raise Refused(
                f"revision {revision} is stepping {of_revision}, not {stepping}",
                hint="leave one of the two out",
            )
        stepping = of_revision
    if stepping is not None:
        for board in chosen:
            board.stepping(stepping)
        if not chosen:
            one_of(stepping, stepping_names(), what="stepping", kind="steppings")
    for goal in goals:
        from bootwright.predict.api import OS_GOALS  # slow to import

        for board in chosen:
            known = [*(known_goal.name for known_goal in board.goals), *OS_GOALS]
            if goal not in known and not (made and is_of_role(goal)):
                raise no_such(f"{board.id} has no goal {goal}", goal, known, kind="its goals")
        if not chosen:
            stem, _, number = goal.rpartition("-")  # ethernet-2 of a board without a file
            one_of(stem if number.isdigit() else goal, goal_names(), what="goal", kind="goals")
    return chosen, stepping


def check_cpu(machine: str, cpu: str | None) -> None:
    """Raise `Refused` for a CPU model that QEMU's virt does not have, or another machine cannot be given."""
    from bootwright.foundation.choices import one_of
    from bootwright.foundation.errors import Refused
    from bootwright.image_boot.machine import VIRT
    from bootwright.image_boot.start import AUTO
    from bootwright.lab.machines.machine import MACHINES

    if cpu is None:
        return
    if machine not in {AUTO, VIRT}:
        raise Refused(f"{machine} has its own CPU", hint="--cpu is for --machine virt")
    models = [processor.model for processor in MACHINES.get(VIRT).processors if processor.model]
    one_of(cpu, models, what="CPU model of virt called", kind="CPU models")


def check_chosen_cpu(machine: str, cpu: str | None) -> None:
    """Raise `Refused` for a CPU model where the machine that was found for an image has its own."""
    from bootwright.foundation.errors import Refused
    from bootwright.image_boot.machine import VIRT

    if machine != VIRT and cpu is not None:
        raise Refused(f"{machine} has its own CPU", hint="--cpu is for --machine virt")


def operating_system(text: str | None) -> dict[str, Version] | None:
    """`talos=1.12.1` as a name and a version.

    Raises `Refused` for another form, and for a system that no knowledge file speaks of: nothing would be
    checked of it.
    """
    from bootwright.foundation.choices import no_such
    from bootwright.foundation.errors import Refused
    from bootwright.foundation.versions import Version
    from bootwright.predict.rules.knowledge import knowledge

    if text is None:
        return None
    name, _, number = text.partition("=")
    version = Version.parse(number.removeprefix("v"))
    known = knowledge().systems
    if name not in known:
        raise no_such(
            f"nothing is known of an operating system {name!r}", name, known, kind="operating systems"
        )
    if version is None:
        raise Refused(f"{text!r} is no operating system", hint="it looks like talos=1.12.1")
    return {name: version}
