"""What a change of an image does to what worked: `check` before and after, goal by goal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import define, evolve, field, frozen

from bootwright.boards.model import Board
from bootwright.evidence.chain_files import check_result
from bootwright.evidence.needed_modules import needed_modules
from bootwright.formats.devicetree import writer
from bootwright.foundation.errors import BootwrightError, Refused
from bootwright.foundation.progress import Progress
from bootwright.foundation.verdict import Verdict
from bootwright.images.change.changes import Changes
from bootwright.kernels.model import Kernel
from bootwright.predict.api import OS_GOAL, OS_GOALS, OS_START, has_early_needs, judge_os, predict
from bootwright.predict.given.gather import gather
from bootwright.predict.given.gathered import Gathered
from bootwright.predict.given.inputs import kernel_at, with_parts
from bootwright.predict.model import GoalVerdict
from bootwright.predict.rules.knowledge import knowledge
from bootwright.predict.start.arguments import DECIDE
from bootwright.predict.verdicts import Asked, answer


@frozen
class Place:
    """What a verdict is of."""

    board: str
    """Its name; empty for the operating system's goals, which are the same on every board."""
    stepping: str
    goal: str

    def __str__(self) -> str:
        """`ethernet on Raspberry Pi 5 c0`."""
        return f"{self.goal} on {self.board} {self.stepping}" if self.board else self.goal


def may_matter(changes: Changes) -> bool:
    """Whether a prediction asks for anything that the changes change: most kernel arguments it does not."""
    if changes.kernel or changes.modules or changes.initramfs or changes.trees or changes.config:
        return True
    if changes.files or changes.removed:
        return True
    names = {edit.text.partition("=")[0].replace("-", "_") for edit in changes.arguments}
    return not names.isdisjoint(DECIDE | knowledge().argument_names)


@define
class Judge:
    """Refuses a change by which something stops working. `board` None: on every board of the image."""

    image: Path
    board: Board | None
    progress: Progress
    changes: Changes = field(factory=Changes)
    notes: list[str] = field(factory=list)
    """What the user should know of a result that is not refused."""

    def __call__(self, made: Path) -> None:
        """Compare `made`, the changed copy, with the image. Raises `Refused`."""
        with self.progress.step("check the boot chain of the result"):
            check_result(self.image, made, self.board)
        try:
            with self.progress.step("check the image as it is"):
                before = _verdicts(self.image, self.board, self.progress)
        except BootwrightError as error:
            self.notes.append(f"not checked whether the change breaks something: {error.message}")
            return
        try:
            with self.progress.step("check the result"):
                after = _verdicts(made, self.board, self.progress)
        except BootwrightError as error:
            raise _refused(f"the result cannot be checked, as the image could: {error.message}") from error
        failing = [place for place, verdict in after.items() if verdict.verdict is Verdict.FAILS]
        mended, added = self._with_more_modules(made, failing)
        options = " ".join(f"--add-module {name}" for name in added)
        for place in failing:
            earlier = before.get(place)
            was = earlier.verdict if earlier is not None else Verdict.UNKNOWN
            if was is not Verdict.FAILS:
                remedy = f"bring more of the kernel's modules: {options}" if place in mended else ""
                raise _refused(f"{place} {_worked(was)}: {_why(after[place])}", after[place], remedy)
        worked = [place for place, verdict in before.items() if verdict.verdict is Verdict.WORKS]
        for place in worked:
            now = after.get(place)
            if now is None and place.board:
                raise _refused(f"{place} works, and the image would have no devicetree for it any more")
            if now is None:
                self.notes.append(f"{place} worked before; the result does not say what system it starts")
            elif now.verdict is Verdict.UNKNOWN:
                self.notes.append(f"{place} is unknown now, and worked before: {_why(now)}")
        if not any(place.board for place in after):
            self.notes.append(self._no_board())
        if failing:
            self.notes.append(f"fails as before: {_listed(failing)} (bootwright check says why)")
        if mended:
            self.notes.append(f"{_listed(mended)} would work with more of the kernel's modules: {options}")

    def _no_board(self) -> str:
        board = self.board.name if self.board is not None else "any board"
        name = self.board.id if self.board is not None else "NAME"
        return (
            f"not judged for {board}, as the image has no devicetree; with the one that firmware hands over: "
            f"bootwright check IMAGE DEVICETREE --board {name}"
        )

    def _with_more_modules(
        self, made: Path, failing: Sequence[Place]
    ) -> tuple[tuple[Place, ...], tuple[str, ...]]:
        """Which goals that fail would work with all modules of the kernel, and those that they need."""
        if not any(place.board for place in failing) or not (self.changes.kernel or self.changes.modules):
            return (), ()
        gatherings: list[Gathered] = []

        def whole(gathered: Gathered) -> Gathered:
            gatherings.append(gathered)
            return evolve(gathered, kernel=self._whole_kernel(gathered), initramfs_modules=None)

        try:
            with self.progress.step("look for modules that the image lacks"):
                judged = _verdicts(made, self.board, self.progress, whole)
                mended = [
                    place
                    for place in failing
                    if (goal := judged.get(place)) is not None and goal.verdict is Verdict.WORKS
                ]
                index = whole(gatherings[0]).facts().modules
        except BootwrightError:
            return (), ()  # a kernel whose modules are not at hand
        there = gatherings[0].initramfs_modules
        if index is None or not there:
            return (), ()
        added, _ = needed_modules(index, (judged[place] for place in mended), there)
        return (tuple(mended), added) if added else ((), ())

    def _whole_kernel(self, gathered: Gathered) -> Kernel | None:
        modules = Path(self.changes.modules).expanduser() if self.changes.modules else None
        if self.changes.kernel:
            return kernel_at(self.changes.kernel, self.progress, modules=modules)
        kernel = gathered.kernel
        return with_parts(kernel, modules=modules, config=None) if kernel is not None else None


def _listed(places: Sequence[Place]) -> str:
    more = f" and {len(places) - 6} more" if len(places) > 6 else ""
    return ", ".join(map(str, places[:6])) + more


def _worked(was: Verdict) -> str:
    return "works, and would not any more" if was is Verdict.WORKS else "would fail"


def _why(verdict: GoalVerdict) -> str:
    broken = verdict.first_broken
    if broken is None:
        return "no link of its chain says why"
    return ": ".join(filter(None, (broken.node if broken.node != "/" else "", broken.reason or broken.needs)))


def _refused(message: str, verdict: GoalVerdict | None = None, remedy: str = "") -> Refused:
    broken = verdict.first_broken if verdict is not None else None
    remedy = remedy or (broken.remedy if broken is not None else "")
    return Refused(message, hint=f"{remedy}{'; or ' if remedy else ''}write it all the same: --any-result")


def _verdicts(
    image: Path,
    board: Board | None,
    progress: Progress,
    other: Callable[[Gathered], Gathered] = lambda gathered: gathered,
) -> Mapping[Place, GoalVerdict]:
    """Every goal of the board, or of every board that a devicetree of the image is for.

    `other` makes of what was gathered what is judged.
    """

    def gathered(of: Board | None) -> Gathered:
        return other(gather((str(image),), progress, board=of, need_devicetrees=False))

    first = gathered(board)
    if not first.blobs and first.devicetree is None:
        return dict(_of_system(first))
    chosen = (board,) if board is not None else ()
    asked = Asked(remedies=False)
    answered = answer(first, chosen, None, asked, gathered)
    return {
        _place(verdicts.board, verdicts.stepping, goal): verdict
        for verdicts in answered.judged
        for goal, verdict in verdicts.goals.items()
    } or dict(_of_system(first))


def _place(board: Board, stepping: str, goal: str) -> Place:
    return Place("", "", goal) if goal in OS_GOALS else Place(board.name, stepping, goal)


def _of_system(gathered: Gathered) -> Mapping[Place, GoalVerdict]:
    """What the operating system asks of the kernel, where the image has no devicetree."""
    os = gathered.os or None
    solved = predict(gathered.facts(), writer.empty(), os=os, given=gathered.given)
    goals = [OS_GOAL, *([OS_START] if has_early_needs(solved) else [])]
    return {Place("", "", goal): judge_os(solved, goal) for goal in goals}
