"""What the commands share about values of options: each is checked before anything long begins.

A value that does not exist is one line with the one that was probably meant (`foundation.choices`), and
exit status 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from bootwright.boards.model import Board
    from bootwright.foundation.progress import Progress
    from bootwright.foundation.versions import Version


class OneOf(click.ParamType[str]):
    """One of some names, which may come from files and are then read when first needed."""

    name = "name"

    def __init__(self, names: Sequence[str] | Callable[[], Iterable[str]], what: str, kind: str = "") -> None:
        """`what` names the thing in the singular, such as `machine`; `kind` in the plural."""
        self._names = names
        self._what = what
        self._kind = kind or f"{what}s"

    @property
    def names(self) -> tuple[str, ...]:
        """Every value there is."""
        return tuple(self._names() if callable(self._names) else self._names)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:  # noqa: ARG002
        """The values themselves where they are few and known without reading files."""
        return None if callable(self._names) else f"[{'|'.join(self._names)}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401, ARG002
        """Raises `Refused` with the name that was probably meant."""
        from bootwright.foundation.choices import no_such

        given = str(value)
        if given in self.names:
            return given
        option = f"{param.opts[0]}: " if param is not None and param.opts[0].startswith("-") else ""
        raise no_such(f"{option}there is no {self._what} {given!r}", given, self.names, kind=self._kind)


def goal_names() -> list[str]:
    """The goals of all boards, and the operating system's."""
    from bootwright.boards.model import boards
    from bootwright.predict.api import OS_GOAL

    return [*dict.fromkeys(goal.name for board in boards() for goal in board.goals), OS_GOAL]


def stepping_names() -> list[str]:
    """The steppings of all boards."""
    from bootwright.boards.model import boards

    return list(dict.fromkeys(one.name for board in boards() for one in board.steppings))


def asked_boards(
    names: Sequence[str],
    *,
    revision: str | None = None,
    stepping: str | None = None,
    goals: Sequence[str] = (),
) -> tuple[tuple[Board, ...], str | None]:
    """The boards named, and the stepping that `--revision` or `--stepping` says.

    Raises `Refused` for a board, stepping, revision or goal that does not exist, or that one of the boards
    does not have, and for a revision that is of another stepping than the one named.
    """
    from bootwright.boards.model import board
    from bootwright.foundation.choices import no_such, one_of
    from bootwright.foundation.errors import Refused
    from bootwright.predict.api import OS_GOAL

    chosen = tuple(board(name) for name in dict.fromkeys(names))
    if revision is not None:
        if len(chosen) != 1:
            raise Refused("a revision code is one board's", hint="give that board with --board")
        said = chosen[0].stepping_of(revision).name
        if stepping is not None and chosen[0].stepping(stepping).name != said:
            raise Refused(
                f"revision {revision} is stepping {said}, not {stepping}", hint="leave one of the two out"
            )
        stepping = said
    if stepping is not None:
        for one in chosen:
            one.stepping(stepping)
        if not chosen:
            one_of(stepping, stepping_names(), what="stepping", kind="steppings")
    for goal in goals:
        for one in chosen:
            known = [*(each.name for each in one.goals), OS_GOAL]
            if goal not in known:
                raise no_such(f"{one.id} has no goal {goal}", goal, known, kind="its goals")
        if not chosen:
            one_of(goal, goal_names(), what="goal", kind="goals")
    return chosen, stepping


def machines() -> list[str]:
    """What a kernel can be booted on."""
    from bootwright.lab.machines.machine import MACHINES

    return MACHINES.names()


def probes() -> list[str]:
    """What can be probed in a boot."""
    from bootwright.lab.probes.boot import PROBES

    return [*PROBES, "all"]


def image_machines() -> list[str]:
    """What an image can be booted on, and the word for finding out which."""
    from bootwright.image_boot.machine import BOARD_MACHINES, VIRT
    from bootwright.image_boot.start import AUTO

    return [AUTO, VIRT, *BOARD_MACHINES.names()]


def firmware_names() -> list[str]:
    """The firmware that QEMU's virt can be given."""
    from bootwright.lab.machines.firmware import FIRMWARE

    return FIRMWARE.names()


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
    models = [each.model for each in MACHINES.get(VIRT).processors if each.model]
    one_of(cpu, models, what="CPU model of virt called", kind="CPU models")


def refuse_given(names: Iterable[str], why: str) -> None:
    """Raise a usage error for an option of these parameters that was given, though it would do nothing."""
    context = click.get_current_context()
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in names and source is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{parameter.opts[0]} {why}")


def note_goal(until: str | None, progress: Progress) -> None:
    """Say that a text is waited for, where it is almost the name of a goal: any text may be one."""
    from bootwright.foundation.choices import near
    from bootwright.image_boot.goal import NAMED

    if until is not None and until not in NAMED and until.isalnum():
        meant = near(until, NAMED, most=1)
        if meant:
            progress.note(f"note: {until!r} is waited for as a text on the console; did you mean {meant[0]}?")


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
