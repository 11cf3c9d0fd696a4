"""What `check` would say of the goal that a finding is about, with the artifacts given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import evolve

from bootwright.boards.fit import Fit, described, fit
from bootwright.boards.model import Board
from bootwright.diagnose.model import SERIOUS, Evidence, Finding, Stance
from bootwright.evidence.board import AREAS
from bootwright.evidence.image import Artifact
from bootwright.formats.devicetree.fdt import Tree
from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.verdict import Verdict
from bootwright.predict.api import Prediction, judge, predict
from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.model import GoalVerdict
from bootwright.predict.verdicts import Together

_STANCES = {
    Verdict.FAILS: Stance.CONFIRMS,
    Verdict.WORKS: Stance.REFUTES,
    Verdict.UNKNOWN: Stance.TELLS,
}


def about_goals(
    findings: Sequence[Finding], artifacts: Sequence[Artifact], board: Board, stepping: str | None
) -> Iterator[Finding]:
    """The findings, the first serious one of each area with the verdict on the board's goal."""
    done: set[str] = set()
    known = {goal.name for goal in board.goals}
    solved: list[Prediction] | None = None
    for finding in findings:
        serious = finding.severity in SERIOUS
        goals = [name for name in AREAS.get(finding.area, ()) if name in known and name not in done]
        if not serious or not goals:
            yield finding
            continue
        if solved is None:
            solved = _solved(artifacts, board, stepping)
        if not solved:
            done |= set(goals)
            yield evolve(finding, evidence=(*finding.evidence, *_not_the_boards(artifacts, board, stepping)))
            continue
        evidence = []
        for name in goals:
            goal_verdicts = [judge(prediction, board, board.goal(name)) for prediction in solved]
            # Of a device in general only what fails is telling.
            if finding.area != "devices" or {goal_verdict.verdict for goal_verdict in goal_verdicts} == {
                Verdict.FAILS
            }:
                evidence.append(
                    _evidence(
                        board, [prediction.around.stepping or "" for prediction in solved], goal_verdicts
                    )
                )
        if finding.area != "devices":
            done |= set(goals)
        yield evolve(finding, evidence=(*finding.evidence, *evidence))


def _solved(artifacts: Sequence[Artifact], board: Board, stepping: str | None) -> list[Prediction]:
    """What becomes of the board's devices on the stepping of the log, or on each where it tells none.

    Nothing where kernel or devicetree is not among the artifacts, or the devicetree is not the board's.
    """
    solved = []
    for variant in board.steppings:
        if stepping in {None, variant.name}:
            pair = _kernel_and_tree(artifacts, variant.dtb)
            if pair is None or fit(board, pair[1].compatible) is not Fit.OWN:
                return []
            solved.append(predict(*pair, board=board, stepping=variant.name))
    return solved


def _not_the_boards(artifacts: Sequence[Artifact], board: Board, stepping: str | None) -> Iterator[Evidence]:
    """That a devicetree which is called as the board's is another board's."""
    for variant in board.steppings:
        pair = _kernel_and_tree(artifacts, variant.dtb) if stepping in {None, variant.name} else None
        if pair is not None and fit(board, pair[1].compatible) is Fit.OTHER:
            says = f"The devicetree is another board's than {board.name}: it is for "
            yield Evidence(Stance.CONFIRMS, f"{says}{described(pair[1].compatible)}.", pair[1].name)
            return


def _kernel_and_tree(artifacts: Sequence[Artifact], dtb: str) -> tuple[KernelFacts, Tree] | None:
    try:
        facts = next((artifact.facts for artifact in artifacts if artifact.facts is not None), None)
        tree = next((tree for artifact in artifacts for tree in artifact.trees(frozenset({dtb}))), None)
    except BootwrightError:
        return None  # said where the findings were held against it
    return (facts, tree) if facts is not None and tree is not None else None


def _evidence(board: Board, steppings: Sequence[str], judged: Sequence[GoalVerdict]) -> Evidence:
    """What `check` says of a goal, or that it depends on a stepping which the log does not tell."""
    goal = judged[0]
    both = Together(
        board,
        goal.goal,
        {name: goal_verdict.verdict for name, goal_verdict in zip(steppings, judged, strict=True)},
    )
    if both.split:
        says = f"check: {goal.goal} of the {board.name} is {both.words}"
        return Evidence(Stance.TELLS, f"{says}.", board.id)
    says = f"check: {goal.goal} of the {board.name} {goal.verdict.value}"
    broken = goal.first_broken
    if broken is None:
        where = goal.node or board.id
        hazards = "; ".join(hazard.title for hazard in goal.hazards)
        return Evidence(
            _STANCES[goal.verdict], f"{says}{f', but beware: {hazards}' if hazards else ''}.", where
        )
    reason = broken.reason or broken.needs
    return Evidence(_STANCES[goal.verdict], f"{says}: {broken.node}: {reason}.", str(broken.because))
