"""The matrix: what was seen, a row a cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import frozen

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.observations import Observation, Source
from bootwright.investigate.running.investigation import Investigation, Step
from bootwright.report.story.names import Names
from bootwright.report.words import clean, listed

SOURCES = {
    Source.REPORTED: "Somebody saw it and told.",
    Source.PREDICTED: "Worked out from the files, not run.",
    Source.EMULATED: "Booted here, in an emulator.",
    Source.BENCH: "Run on a real board.",
}


@frozen
class Row:
    """One cell that was seen."""

    id: str
    source: str
    kernel: str
    """The catalogue name of what was booted, or empty."""
    levels: tuple[str, ...]
    """One a factor column; several possible levels are joined by `or`, none is empty."""
    verdicts: tuple[str, ...]
    """One an outcome column; empty where this cell says nothing of it."""
    note: str


@frozen
class Matrix:
    """All rows, under the factors and the outcomes that any of them speaks of."""

    factors: tuple[str, ...]
    outcomes: tuple[str, ...]
    goals: int
    """How many of the outcome columns, from the first, are goals."""
    rows: tuple[Row, ...]
    sources: tuple[tuple[str, str], ...]
    """The kinds of source that occur, and what each means."""
    silent: tuple[str, ...]
    """Outcomes that nothing was seen of."""
    outweighed: tuple[str, ...]
    """A sentence for each entry that shows what a better source says instead of its own."""


def matrix(found: Investigation, names: Names) -> Matrix:
    """Every observation; goals come first among the outcomes."""
    ordered = sorted(found.outcomes, key=lambda name: name not in found.goals)
    spoken = [name for name in ordered if any(_known(seen, name) for seen in found.observations)]
    factors = [
        factor.name
        for factor in found.factors
        if any(seen.values.get(factor.name) for seen in found.observations)
    ]
    rows = tuple(
        Row(
            id=clean(seen.id, 60),
            source=seen.source.word,
            kernel=clean(seen.evidence.get("kernel", ""), 80),
            levels=tuple(levels(seen, name) for name in factors),
            verdicts=tuple(verdict_of(found, seen, name) for name in spoken),
            note=clean(seen.evidence.get("note", ""), 400),
        )
        for seen in found.observations
    )
    kinds = sorted({seen.source for seen in found.observations})
    return Matrix(
        factors=tuple(names.factors(factors)),
        outcomes=tuple(names.outcome(name) for name in spoken),
        goals=sum(name in found.goals for name in spoken),
        rows=rows,
        sources=tuple((kind.word, SOURCES[kind]) for kind in kinds),
        silent=tuple(names.outcome(name) for name in ordered if name not in spoken),
        outweighed=tuple(
            f"{clean(seen.id, 60)}: {text}"
            for seen in found.observations
            for name in spoken
            if (text := outweighed(found, seen, name, names))
        ),
    )


def verdict_of(found: Investigation, seen: Observation, outcome: str) -> str:
    """What counts for an outcome in a cell: its own verdict, or that of a better source; empty for none."""
    if outcome not in seen.outcomes:
        return ""
    return str(_better(found, seen, outcome).outcomes[outcome])


def outweighed(found: Investigation, seen: Observation, outcome: str, names: Names) -> str:
    """A sentence where a better source contradicts what was seen; else empty."""
    better = _better(found, seen, outcome)
    if better is seen:
        return ""
    return (
        f"“{names.outcome(outcome)}” {seen.source.word}: {seen.outcomes[outcome]}; but "
        f"{clean(better.id, 60)} ({better.source.word}) says {better.outcomes[outcome]}, which counts."
    )


def _better(found: Investigation, seen: Observation, outcome: str) -> Observation:
    by = found.judgements[outcome].outweighed.get(seen.id)
    return next((other for other in found.observations if other.id == by), seen)


@frozen
class Shown:
    """What a run showed in one cell."""

    id: str
    differs: str
    """What sets this cell apart from the others of the same run, in words; often empty."""
    verdicts: tuple[tuple[str, str], ...]
    """(outcome, verdict), goals first."""


def cells_of(found: Investigation, step: Step) -> list[Observation]:
    """The cells that a step made."""
    boots = {f"{one.run.id}#{one.repeat}" for one in step.done}
    if step.run.experiment.source == "emulated":
        return [seen for seen in found.observations if seen.evidence.get("boot") in boots]
    tree = step.run.devicetree.set if step.run.devicetree else {}
    kernel = step.run.kernel.name if step.run.kernel else None
    return [
        seen
        for seen in found.observations
        if seen.source is Source.PREDICTED
        and seen.evidence.get("kernel") == kernel
        and all(seen.level(name) == level for name, level in tree.items())
    ]


def shown(found: Investigation, cells: Sequence[Observation], names: Names) -> Iterator[Shown]:
    """The cells of one run, each with what sets it apart."""
    varied = [
        factor.name for factor in found.factors if len({seen.values.get(factor.name) for seen in cells}) > 1
    ]
    for seen in cells:
        ordered = sorted(seen.outcomes.items(), key=lambda item: item[0] not in found.goals)
        yield Shown(
            id=clean(seen.id, 60),
            differs=listed([f"{names.factor(name)} {levels(seen, name)}" for name in varied]),
            verdicts=tuple((names.outcome(name), str(verdict)) for name, verdict in ordered),
        )


def levels(seen: Observation, factor: str) -> str:
    """`16K`, or `rev 1.0 or rev 1.1` where it may be either."""
    return " or ".join(clean(level, 80) for level in seen.values.get(factor, ()))


def _known(seen: Observation, outcome: str) -> bool:
    return seen.outcomes.get(outcome, Verdict.UNKNOWN) is not Verdict.UNKNOWN
