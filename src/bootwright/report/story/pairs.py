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


def rulings(found: Investigation, outcome: str, names: Names) -> tuple[Ruling, ...]:
    """The factors ruled out for an outcome; those that the same cells rule out are told together."""
    together: dict[tuple[tuple[str, ...], bool], list[str]] = {}
    for one in found.judgements[outcome].refuted:
        two = len(one.by) == 2 and _same(found, one.by, one.factor)
        together.setdefault((one.by, two), []).append(one.factor)
    made = []
    for (by, two), factors in together.items():
        labels = names.factors(factors)
        if two:
            are, them = ("is", "it") if len(labels) == 1 else ("are", "them")
            says = (
                f"{capital(listed(labels))} {are} the same in {listed(by)}, and yet one works and the other "
                f"fails. No cause that still fits involves {them}."
            )
        else:
            says = (
                f"No value of {listed(labels, 'or')}, alone or together with one other factor, "
                f"fits what {listed(by)} show."
            )
        made.append(
            Ruling(tuple(labels), names.outcome(outcome), says, compare(found, outcome, by, factors, names))
        )
    return tuple(made)


def compare(
    found: Investigation, outcome: str, ids: Sequence[str], subjects: Sequence[str], names: Names
) -> Comparison:
    """The cells with these ids side by side, at most six, factors in the plan's order."""
    by_id = {seen.id: seen for seen in found.observations}
    cells = [by_id[one] for one in ids if one in by_id][:6]
    lines = []
    for factor in found.factors:
        values = tuple(levels(seen, factor.name) for seen in cells)
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
                clean(seen.id, 60),
                seen.source.word,
                clean(seen.evidence.get("kernel", ""), 80),
                str(seen.outcomes.get(outcome, Verdict.UNKNOWN)),
            )
            for seen in cells
        ),
        lines=tuple(lines),
    )


def with_contrast(
    found: Investigation, outcome: str, ids: Sequence[str], subjects: Sequence[str]
) -> tuple[str, ...]:
    """`ids`; where it is one alone, also the cell with the opposite result that differs least from it.

    Cells with the same levels of `subjects` come first, then the later kinds of source.
    """
    alone = [seen for seen in found.observations if seen.id in ids]
    if len(alone) != 1:
        return tuple(ids)
    one = alone[0]
    opposite = {Verdict.WORKS: Verdict.FAILS, Verdict.FAILS: Verdict.WORKS}.get(
        one.outcomes.get(outcome, Verdict.UNKNOWN)
    )
    others = [seen for seen in found.counting(outcome) if seen.outcomes.get(outcome) is opposite]
    if opposite is None or not others:
        return tuple(ids)

    def apart(seen: Observation) -> tuple[int, int, int]:
        return (
            sum(seen.values.get(name) != one.values.get(name) for name in subjects),
            sum(seen.values.get(factor.name) != one.values.get(factor.name) for factor in found.factors),
            -seen.source,
        )

    return (one.id, min(others, key=apart).id)


def _same(found: Investigation, ids: Sequence[str], factor: str) -> bool:
    values = [seen.level(factor) for seen in found.observations if seen.id in ids]
    return len(values) == len(ids) and None not in values and len(set(values)) == 1
