"""The verdicts of a board's goals with what was gathered: what `check` and a release gate ask.

Where the stepping of a board is not known, every stepping is judged, and the board's answer is theirs
together: `works` and `fails` are said of the board only where they hold on each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from bootwright.boards.model import ONLY, Board, Stepping, boards, boards_of
from bootwright.foundation.choices import no_such
from bootwright.foundation.errors import Missing
from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.predict.api import (
    OS_GOAL,
    OS_GOALS,
    OS_START,
    GoalVerdict,
    has_early_needs,
    judge,
    judge_os,
    predict,
)
from bootwright.predict.given.blobs import Origin
from bootwright.predict.given.gathered import Gathered, Resolved
from bootwright.predict.given.unlisted import resolve_unlisted, unlisted
from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.misfit import headed
from bootwright.predict.model import Answer, Evidence, Link
from bootwright.predict.roles.board import made_board, with_made_goals
from bootwright.predict.solving.configured import ConfiguredKernel

if TYPE_CHECKING:
    from bootwright.bootchain.model import Chain
    from bootwright.formats.devicetree.fdt import Tree


@frozen
class Asked:
    """What is asked about each board."""

    goals: tuple[str, ...] = ()
    """Names; empty for all of the board's, and the operating system's mounts where something is known of
    them."""
    os: Mapping[str, Version] | None = None
    """The operating system, where none is in the artifacts or another is meant."""
    overlays: tuple[Path, ...] = ()
    code: int | None = None
    """The board's revision code, where known."""
    unlisted: tuple[str, ...] = ()
    """Boards without a file, by their own compatible or the file name of their devicetree."""
    lenient: bool = False
    """Whether a goal that a board does not have is passed over."""
    offers: bool = False
    """Whether the answer names what could be asked for besides."""
    remedies: bool = True
    """Whether kernels on this machine are looked through for a driver that one lacks: it takes long."""


@frozen
class BoardVerdicts:
    """What is predicted of one stepping of a board."""

    board: Board
    stepping: str
    dtb: Path | None
    """None where the board's devicetree is not among the artifacts."""
    kernel: str
    """Its name."""
    goals: Mapping[str, GoalVerdict]
    notes: tuple[str, ...] = ()
    """What the firmware did to the devicetree."""
    more: tuple[str, ...] = ()
    """Goals that could be asked for besides, where that was wanted: made of the devicetree, not of a file."""

    @property
    def title(self) -> str:
        """For a person."""
        return f"{self.board.called(self.stepping)} with {self.kernel} and {self.dtb_name}"

    @property
    def dtb_name(self) -> str:
        """The devicetree's file name, or `no devicetree`."""
        return self.dtb.name if self.dtb is not None else "no devicetree"


@frozen
class Together:
    """One goal of one board, over those of its steppings that were judged."""

    board: Board
    goal: str
    steppings: Mapping[str, Verdict]
    """Stepping → verdict, in the board's order."""

    @property
    def verdict(self) -> Verdict:
        """What holds whichever of the steppings it is."""
        return agreed(self.steppings.values())

    @property
    def split(self) -> bool:
        """Whether it depends on the stepping."""
        return len(set(self.steppings.values())) > 1

    @property
    def words(self) -> str:
        """`d0 fails, c0 works; give --revision or --stepping`, or what holds on each."""
        if not self.split:
            return f"{self.verdict} on every stepping ({', '.join(self.steppings)})"
        order = (Verdict.FAILS, Verdict.UNKNOWN, Verdict.WORKS)
        ordered = sorted(self.steppings.items(), key=lambda item: order.index(item[1]))
        texts = ", ".join(
            f"{name} is unknown" if verdict is Verdict.UNKNOWN else f"{name} {verdict}"
            for name, verdict in ordered
        )
        return f"{self.verdict}: {texts}; the stepping is not known: give {which_stepping(self.board)}"


def which_stepping(board: Board) -> str:
    """The options that say which stepping of a board is meant."""
    return "--revision CODE (of /proc/cpuinfo) or --stepping" if board.revision else "--stepping"


def agreed(verdicts: Iterable[Verdict]) -> Verdict:
    """What is true of each of several cases of which it is not known which one applies."""
    present = set(verdicts)
    return present.pop() if len(present) == 1 else Verdict.UNKNOWN


def together(judged: Iterable[BoardVerdicts]) -> list[Together]:
    """The verdicts by board and goal."""
    groups: dict[tuple[str, str], tuple[Board, dict[str, Verdict]]] = {}
    for board_verdicts in judged:
        for name, goal in board_verdicts.goals.items():
            _, steppings = groups.setdefault((board_verdicts.board.id, name), (board_verdicts.board, {}))
            steppings[board_verdicts.stepping] = goal.verdict
    return [Together(board, goal, steppings) for (_, goal), (board, steppings) in groups.items()]


def places(gathered: Gathered, chosen: Sequence[Board], stepping: str | None) -> Iterator[tuple[Board, str]]:
    """(board, stepping): of the boards asked for, or of all that a devicetree here is for.

    Without a stepping, every one of a board's.
    """
    for board in chosen or boards():
        for candidate in board.steppings:
            if stepping is not None and candidate.name != stepping:
                continue
            if chosen or gathered.is_for(board, candidate.name):
                yield board, candidate.name


def judge_boards(
    gathered: Gathered, facts: KernelFacts, chosen: Sequence[Board], stepping: str | None, asked: Asked
) -> list[BoardVerdicts]:
    """Judge each stepping of each board. `facts` are those of `gathered`: they cost most, and serve all.

    A stepping whose devicetree is not among the artifacts is `unknown`. Raises `Refused` for a devicetree,
    given by the user, of another board.
    """
    judged: list[BoardVerdicts] = []
    by_board: dict[str, list[str]] = {}
    named = {board.id: board for board in chosen or boards()}
    for board, name in places(gathered, chosen, stepping):
        by_board.setdefault(board.id, []).append(name)
    for identity, names in by_board.items():
        board = named[identity]
        resolved: dict[str, Resolved | Missing] = {}
        for name in names:
            try:
                resolved[name] = gathered.resolve(
                    board, name, overlays=asked.overlays, code=asked.code, os=asked.os
                )
            except Missing as error:
                resolved[name] = error
        wanted = asked if chosen else evolve(asked, lenient=True)
        for name, resolution in resolved.items():
            if isinstance(resolution, Missing):
                judged.append(_without_devicetree(board, name, facts.name, wanted, resolution))
            else:
                judged.append(verdicts(resolution, facts, wanted))
    return [board_verdicts for board_verdicts in judged if board_verdicts.goals]


@frozen
class Answers:
    """What is predicted of the boards that were asked for."""

    judged: list[BoardVerdicts]
    boots: Mapping[str, Chain]
    """Board → how the kernel of an image is started on it."""
    notes: tuple[str, ...]


def answer(
    gathered: Gathered,
    chosen: Sequence[Board],
    stepping: str | None,
    asked: Asked,
    again: Callable[[Board], Gathered],
) -> Answers:
    """Judge each stepping of each board, with the kernel that the board's firmware starts.

    `again` gathers the artifacts for one board, where it depends on the board what boots. Raises as
    `judge_boards`.
    """
    listed = (
        [place[0] for place in places(gathered, chosen, stepping)] if chosen or not asked.unlisted else []
    )
    if not any(gathered.depends_on(board) for board in listed):
        judged = _judged(gathered, chosen, stepping, asked) if chosen or not asked.unlisted else []
        judged += _unlisted(gathered, chosen, stepping, asked, alone=not judged)
        boots = {
            board_verdicts.board.id: gathered.chain for board_verdicts in judged if gathered.chain is not None
        }
        return Answers(judged, boots, gathered.notes)
    judged, boots, notes = [], {}, list(gathered.notes)
    for board in {board.id: board for board in listed}.values():
        own = again(board) if gathered.depends_on(board) else gathered
        judged += _judged(own, (board,), stepping, asked if chosen else evolve(asked, lenient=True))
        notes += own.notes
        if own.chain is not None:
            boots[board.id] = own.chain
    judged += _unlisted(gathered, chosen, stepping, asked, alone=not judged)
    return Answers(judged, boots, tuple(dict.fromkeys(notes)))


def _judged(
    gathered: Gathered, chosen: Sequence[Board], stepping: str | None, asked: Asked
) -> list[BoardVerdicts]:
    try:
        facts = gathered.facts()
    except Missing as error:
        if gathered.config is None:
            raise
        return not_judged(gathered, chosen, stepping, asked, error)
    return judge_boards(gathered, facts, chosen, stepping, asked)


def _unlisted(
    gathered: Gathered, chosen: Sequence[Board], stepping: str | None, asked: Asked, *, alone: bool
) -> list[BoardVerdicts]:
    """Of devicetrees for no known board, where no board was asked for, or these; `alone`: of no other."""
    if stepping is not None or (chosen and not asked.unlisted) or gathered.kernel is None:
        return []
    return judge_unlisted(gathered, gathered.facts(), asked, folders=alone)


def judge_unlisted(
    gathered: Gathered, facts: KernelFacts, asked: Asked, *, folders: bool
) -> list[BoardVerdicts]:
    """Judge the devicetrees that are for no known board, by goals made of what their nodes are for; one that
    was asked for and is a known board's, by the goals of its file.

    Raises `Refused` for a devicetree of which no node has a role, and where none has a goal asked for.
    """
    judged: list[BoardVerdicts] = []
    boards_here: list[Board] = []
    for blob in unlisted(gathered, asked.unlisted, folders=folders):

        def made(tree: Tree, name: str = blob.name) -> Board:
            known = boards_of(tree.compatible)
            if known:  # named by a devicetree of it that no stepping boots with
                return evolve(known[0], steppings=(Stepping(ONLY, name),), revision=None)
            return made_board(predict(facts, tree), name)

        resolved = resolve_unlisted(gathered, blob, made, overlays=asked.overlays, os=asked.os)
        boards_here.append(resolved.board)
        wanted = _named(resolved.board, asked.goals) or asked.goals
        its = verdicts(resolved, facts, evolve(asked, goals=wanted, lenient=True))
        judged += [its] if its.goals else []
    if boards_here and not judged:
        board, goal = boards_here[0], asked.goals[0]
        known = [own_goal.name for own_goal in board.goals]
        raise no_such(f"{board.name} has no goal {goal}", goal, known, kind="its goals")
    return judged


def _named(board: Board, asked: Sequence[str]) -> tuple[str, ...]:
    """The goals of a board that are asked for by name or role, and those of the system."""
    names = [
        name
        for wanted in asked
        for name in (*(goal.name for goal in board.goals), *OS_GOALS)
        if name == wanted or any(goal.name == name and goal.kind == wanted for goal in board.goals)
    ]
    return tuple(dict.fromkeys(names))


def not_judged(
    gathered: Gathered, chosen: Sequence[Board], stepping: str | None, asked: Asked, error: Missing
) -> list[BoardVerdicts]:
    """The answer `unknown` for each goal, where what is needed to say more is not on this machine."""
    name = gathered.config[0].name if gathered.config is not None else "no kernel"
    judged = []
    for board, variant in places(gathered, chosen, stepping):
        path = gathered.choose(board, variant).blob.path
        link = Link(
            "/",
            "drivers of the configuration",
            Answer.UNKNOWN,
            Evidence(name, "options are read by the match tables of a kernel of the same series"),
            error.message,
            remedy=error.hint or "",
        )
        goals = _of_board(board, asked.goals) or tuple(goal.name for goal in board.goals)
        verdict = {
            goal: GoalVerdict(goal, Verdict.UNKNOWN, None, (link,), link, (), board.not_checked)
            for goal in goals
        }
        judged.append(BoardVerdicts(board, variant, path, name, verdict))
    return judged


def _of_board(board: Board, goals: tuple[str, ...]) -> tuple[str, ...]:
    own = {goal.name for goal in board.goals} | {*OS_GOALS}
    return tuple(name for name in goals if name in own)


def verdicts(resolved: Resolved, facts: KernelFacts, asked: Asked) -> BoardVerdicts:
    """Judge every goal asked for of one stepping."""
    board, stepping = resolved.board, resolved.stepping
    os = resolved.os or None
    solved = predict(facts, resolved.tree, board=board, stepping=stepping, os=os, given=resolved.given)
    own = {goal.name for goal in board.goals} | {*OS_GOALS}
    made = with_made_goals(solved, board) if asked.offers or set(asked.goals) - own else board
    wanted = _wanted(made, own, asked) if asked.goals else tuple(goal.name for goal in board.goals)
    goals = {
        name: judge_os(solved, name) if name in OS_GOALS else judge(solved, board, made.goal(name))
        for name in wanted
    }
    if resolved.misfit is not None:
        goals = {
            name: goal if name in OS_GOALS else headed(goal, resolved.misfit) for name, goal in goals.items()
        }
    if resolved.unstarted is not None:
        goals = {name: headed(goal, resolved.unstarted) for name, goal in goals.items()}
    lacking = (goal.first_broken for goal in goals.values() if goal.first_broken is not None)
    if asked.remedies and any(broken.lacks for broken in lacking):
        from bootwright.predict.elsewhere import with_remedy

        beside = resolved.origin in {Origin.GIVEN, Origin.FOLDER}
        goals = {name: with_remedy(goal, facts, devicetree_beside=beside) for name, goal in goals.items()}
    if (os is not None or resolved.given.filesystems) and not asked.goals:
        goals.setdefault(OS_GOAL, judge_os(solved))
        if has_early_needs(solved):
            goals.setdefault(OS_START, judge_os(solved, OS_START))
    if isinstance(facts, ConfiguredKernel) and facts.alone:
        why = facts.because or f"{facts.name} alone was given"
        remark = f"whether the modules are installed: {why}; it is read by the drivers of {facts.tables.name}"
        goals = {name: evolve(goal, not_checked=(*goal.not_checked, remark)) for name, goal in goals.items()}
    more = tuple(goal.name for goal in made.goals if goal.name not in {*own, *goals}) if asked.offers else ()
    return BoardVerdicts(board, stepping, resolved.dtb, facts.name, goals, resolved.notes, more)


def _wanted(board: Board, own: Collection[str], asked: Asked) -> tuple[str, ...]:
    """The goals asked for: of the board's `own` by name, of those made of its devicetree also by role.

    Raises `Refused` for one that it does not have, unless that is passed over.
    """
    wanted: list[str] = []
    for goal in asked.goals:
        names = (goal,) if goal in own else _named(board, (goal,))
        if not names and not asked.lenient:
            known = [*(known.name for known in board.goals), *OS_GOALS]
            raise no_such(f"{board.id} has no goal {goal}", goal, known, kind="its goals")
        wanted += names
    return tuple(dict.fromkeys(wanted))


def _without_devicetree(
    board: Board, stepping: str, kernel: str, asked: Asked, error: Missing
) -> BoardVerdicts:
    """A stepping whose devicetree is not among the artifacts."""
    dtb = board.stepping(stepping).dtb
    remedy = f"give {dtb}, or a folder with it"
    if board.devicetrees:
        source = board.devicetrees
        remedy += f": --devicetrees {source}, after bootwright devicetrees fetch {source}"
    link = Link(
        "/",
        f"devicetree {dtb}",
        Answer.UNKNOWN,
        Evidence("the artifacts", "the firmware picks a devicetree by the board's stepping"),
        error.message,
        remedy=remedy,
    )
    goals = {
        name: GoalVerdict(name, Verdict.UNKNOWN, None, (link,), link, (), board.not_checked)
        for name in (_of_board(board, asked.goals) if asked.lenient else asked.goals)
        or (() if asked.goals else tuple(goal.name for goal in board.goals))
    }
    return BoardVerdicts(board, stepping, None, kernel, goals)
