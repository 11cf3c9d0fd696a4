"""Two cells side by side: what was the same, what differed, what came of it."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.observations import Observation
from bootwright.investigate.running.investigation import Investigation
from bootwright.report.story.cells import levels
from bootwright.report.story.names import Names
from bootwright.report.words import capital, clean, listed


@frozen
class Line:
    """One factor in every cell of a comparison."""

    factor: str
    levels: tuple[str, ...]
    differs: bool
    subject: bool
    """It is the factor that the comparison is about."""


@frozen
class Side:
    """One cell of a comparison."""

    id: str
    source: str
    kernel: str
    verdict: str


@frozen
class Comparison:
    """Cells, mostly two, next to each other."""

    outcome: str
    sides: tuple[Side, ...]
    lines: tuple[Line, ...]


@frozen
class Ruling:
    """Factors that are no cause of an outcome, and the cells that show it."""

    factors: tuple[str, ...]
    outcome: str
    says: str
    comparison: Comparison


def rulings(investigation: Investigation, outcome: str, names: Names) -> tuple[Ruling, ...]:
    """The factors ruled out for an outcome; those that the same cells rule out share an entry."""
    together: dict[tuple[tuple[str, ...], bool], list[str]] = {}
    for refutation in investigation.judgements[outcome].refuted:
        two = len(refutation.by) == 2 and _same(investigation, refutation.by, refutation.factor)
        together.setdefault((refutation.by, two), []).append(refutation.factor)
    made_rulings = []
    for (by, two), factors in together.items():
        labels = names.factors(factors)
        if two:
            are, pronoun = ("is", "it") if len(labels) == 1 else ("are", "them")
            says = (
                f"{capital(listed(labels))} {are} the same in {listed(by)}, and yet one works and the other "
                f"fails. No cause that still fits involves {pronoun}."
            )
        else:
            says = (
                f"No value of {listed(labels, 'or')}, alone or together with one other factor, "
                f"fits what {listed(by)} show."
            )
        made_rulings.append(
            Ruling(
                tuple(labels),
                names.outcome(outcome),
                says,
                compare(investigation, outcome, by, factors, names),
            )
        )
    return tuple(made_rulings)


def compare(
    investigation: Investigation, outcome: str, ids: Sequence[str], subjects: Sequence[str], names: Names
) -> Comparison:
    """The cells with these ids side by side, at most six, factors in the plan's order."""
    by_id = {observation.id: observation for observation in investigation.observations}
    cells = [by_id[identity] for identity in ids if identity in by_id][:6]
    lines = []
    for factor in investigation.factors:
        values = tuple(levels(observation, factor.name) for observation in cells)
        if any(values):
            lines.append(
                Line(
                    names.factor(factor.name),
                    values,
                    differs=len(set(values)) > 1,
                    subject=factor.name in subjects,
                )
            )
    return Comparison(
        outcome=names.outcome(outcome),
        sides=tuple(
            Side(
                clean(observation.id, 60),
                observation.source.word,
                clean(observation.evidence.get("kernel", ""), 80),
                str(observation.outcomes.get(outcome, Verdict.UNKNOWN)),
            )
            for observation in cells
        ),
        lines=tuple(lines),
    )


def with_contrast(
    investigation: Investigation, outcome: str, ids: Sequence[str], subjects: Sequence[str]
) -> tuple[str, ...]:
    """`ids`; where it is one alone, also the cell with the opposite result that differs least from it.

    Cells with the same levels of `subjects` come first, then the later kinds of source.
    """
    alone = [observation for observation in investigation.observations if observation.id in ids]
    if len(alone) != 1:
        return tuple(ids)
    other_observation = alone[0]
    opposite = {Verdict.WORKS: Verdict.FAILS, Verdict.FAILS: Verdict.WORKS}.get(
        other_observation.outcomes.get(outcome, Verdict.UNKNOWN)
    )
    observations = [
        observation
        for observation in investigation.counting(outcome)
        if observation.outcomes.get(outcome) is opposite
    ]
    if opposite is None or not observations:
        return tuple(ids)

    def apart(row_observation: Observation) -> tuple[int, int, int]:
        return (
            sum(row_observation.values.get(name) != other_observation.values.get(name) for name in subjects),
            sum(
                row_observation.values.get(factor.name) != other_observation.values.get(factor.name)
                for factor in investigation.factors
            ),
            -row_observation.source,
        )

    return (other_observation.id, min(observations, key=apart).id)


def _same(investigation: Investigation, ids: Sequence[str], factor: str) -> bool:
    values = [
        observation.level(factor) for observation in investigation.observations if observation.id in ids
    ]
    return len(values) == len(ids) and None not in values and len(set(values)) == 1
