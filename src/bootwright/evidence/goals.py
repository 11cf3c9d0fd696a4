"""What `check` would say of the goal that a finding is about, with the artifacts given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import evolve

from bootwright.boards.model import Board
from bootwright.diagnose.model import Evidence, Finding, Severity, Stance
from bootwright.evidence.board import AREAS
from bootwright.evidence.image import Artifact
from bootwright.formats.devicetree.fdt import Tree
from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.verdict import Verdict
from bootwright.predict.api import Prediction, judge, predict
from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.model import GoalVerdict

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
    solved: list[Prediction | None] = []
    for finding in findings:
        serious = finding.severity in {Severity.FATAL, Severity.DEGRADING}
        goals = [name for name in AREAS.get(finding.area, ()) if name in known and name not in done]
        if not serious or not goals:
            yield finding
            continue
        if not solved:
            solved.append(_solved(artifacts, board, stepping))
        prediction = solved[0]
        if prediction is None:
            yield finding
            continue
        verdicts = [judge(prediction, board, board.goal(name)) for name in goals]
        if finding.area == "devices":
            # Of a device in general only what fails is telling.
            verdicts = [each for each in verdicts if each.verdict is Verdict.FAILS]
        else:
            done |= set(goals)
        yield evolve(finding, evidence=(*finding.evidence, *(_evidence(board, each) for each in verdicts)))


def _solved(artifacts: Sequence[Artifact], board: Board, stepping: str | None) -> Prediction | None:
    """What becomes of the board's devices; None where kernel or devicetree is not among the artifacts."""
    pair = _kernel_and_tree(artifacts, board.stepping(stepping).dtb)
    return predict(*pair, board=board, stepping=stepping) if pair is not None else None


def _kernel_and_tree(artifacts: Sequence[Artifact], dtb: str) -> tuple[KernelFacts, Tree] | None:
    try:
        facts = next((each.facts for each in artifacts if each.facts is not None), None)
        tree = next((tree for each in artifacts for tree in each.trees(frozenset({dtb}))), None)
    except BootwrightError:
        return None  # said where the findings were held against it
    return (facts, tree) if facts is not None and tree is not None else None


def _evidence(board: Board, goal: GoalVerdict) -> Evidence:
    says = f"check: {goal.goal} of the {board.name} {goal.verdict.value}"
    broken = goal.first_broken
    if broken is None:
        where = goal.node or board.id
        hazards = "; ".join(each.title for each in goal.hazards)
        return Evidence(
            _STANCES[goal.verdict], f"{says}{f', but beware: {hazards}' if hazards else ''}.", where
        )
    reason = broken.reason or broken.needs
    return Evidence(_STANCES[goal.verdict], f"{says}: {broken.node}: {reason}.", str(broken.because))
