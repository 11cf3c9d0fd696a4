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
    Source.REPORTED: "Reported by somebody, not checked here.",
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


def matrix(investigation: Investigation, names: Names) -> Matrix:
    """Every observation; goals come first among the outcomes."""
    ordered = sorted(investigation.outcomes, key=lambda name: name not in investigation.goals)
    spoken = [
        name
        for name in ordered
        if any(_is_decided(observation, name) for observation in investigation.observations)
    ]
    factors = [
        factor.name
        for factor in investigation.factors
        if any(observation.values.get(factor.name) for observation in investigation.observations)
    ]
    rows = tuple(
        Row(
            id=clean(observation.id, 60),
            source=observation.source.word,
            kernel=clean(observation.evidence.get("kernel", ""), 80),
            levels=tuple(levels(observation, name) for name in factors),
            verdicts=tuple(verdict_of(investigation, observation, name) for name in spoken),
            note=clean(observation.evidence.get("note", ""), 400),
        )
        for observation in investigation.observations
    )
    kinds = sorted({observation.source for observation in investigation.observations})
    return Matrix(
        factors=tuple(names.factors(factors)),
        outcomes=tuple(names.outcome(name) for name in spoken),
        goals=sum(name in investigation.goals for name in spoken),
        rows=rows,
        sources=tuple((kind.word, SOURCES[kind]) for kind in kinds),
        silent=tuple(names.outcome(name) for name in ordered if name not in spoken),
        outweighed=tuple(
            f"{clean(observation.id, 60)}: {text}"
            for observation in investigation.observations
            for name in spoken
            if (text := outweighed(investigation, observation, name, names))
        ),
    )


def verdict_of(investigation: Investigation, observation: Observation, outcome: str) -> str:
    """What counts for an outcome in a cell: its own verdict, or that of a better source; empty for none."""
    if outcome not in observation.outcomes:
        return ""
    return str(_better(investigation, observation, outcome).outcomes[outcome])


def outweighed(investigation: Investigation, observation: Observation, outcome: str, names: Names) -> str:
    """A sentence where a better source contradicts what was seen; else empty."""
    better = _better(investigation, observation, outcome)
    if better is observation:
        return ""
    return (
        f"“{names.outcome(outcome)}” {observation.source.word}: {observation.outcomes[outcome]}; but "
        f"{clean(better.id, 60)} ({better.source.word}) says {better.outcomes[outcome]}, which counts."
    )


def _better(investigation: Investigation, observation: Observation, outcome: str) -> Observation:
    by = investigation.judgements[outcome].outweighed.get(observation.id)
    return next(
        (other_observation for other_observation in investigation.observations if other_observation.id == by),
        observation,
    )


@frozen
class Shown:
    """What a run showed in one cell."""

    id: str
    differs: str
    """What sets this cell apart from the others of the same run, in words; often empty."""
    verdicts: tuple[tuple[str, str], ...]
    """(outcome, verdict), goals first."""


def cells_of(investigation: Investigation, step: Step) -> list[Observation]:
    """The cells that a step made."""
    boots = {f"{done_run.run.id}#{done_run.repeat}" for done_run in step.done}
    if step.run.experiment.source == "emulated":
        return [
            observation
            for observation in investigation.observations
            if observation.evidence.get("boot") in boots
        ]
    tree = step.run.devicetree.set if step.run.devicetree else {}
    kernel = step.run.kernel.name if step.run.kernel else None
    return [
        observation
        for observation in investigation.observations
        if observation.source is Source.PREDICTED
        and observation.evidence.get("kernel") == kernel
        and all(observation.level(name) == level for name, level in tree.items())
    ]


def shown(investigation: Investigation, cells: Sequence[Observation], names: Names) -> Iterator[Shown]:
    """The cells of one run, each with what sets it apart."""
    varied = [
        factor.name
        for factor in investigation.factors
        if len({observation.values.get(factor.name) for observation in cells}) > 1
    ]
    for observation in cells:
        ordered = sorted(observation.outcomes.items(), key=lambda item: item[0] not in investigation.goals)
        yield Shown(
            id=clean(observation.id, 60),
            differs=listed([f"{names.factor(name)} {levels(observation, name)}" for name in varied]),
            verdicts=tuple((names.outcome(name), str(verdict)) for name, verdict in ordered),
        )


def levels(observation: Observation, factor: str) -> str:
    """`16K`, or `rev 1.0 or rev 1.1` where it may be either."""
    return " or ".join(clean(level, 80) for level in observation.values.get(factor, ()))


def _is_decided(observation: Observation, outcome: str) -> bool:
    return observation.outcomes.get(outcome, Verdict.UNKNOWN) is not Verdict.UNKNOWN
