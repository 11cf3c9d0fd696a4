"""What was worked out from files instead of being run: the first broken link, and what may still go wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from bootwright.investigate.analysis.observations import Observation, Source
from bootwright.investigate.running.investigation import Investigation
from bootwright.report.story.cells import levels, outweighed
from bootwright.report.story.names import Names
from bootwright.report.words import clean, listed, sentence

MOST = 12


@frozen
class Broken:
    """The first link of the chain that does not hold."""

    node: str
    """Path of the devicetree node, or empty."""
    link: str
    reason: str
    remedy: str


@frozen
class Foretold:
    """One goal as predicted."""

    outcome: str
    verdict: str
    """What was predicted."""
    outweighed: str
    """A sentence where a boot or a board says otherwise; else empty."""
    broken: Broken | None
    hazards: tuple[tuple[str, str, str], ...]
    """(title, reason, remedy): what may fail in a way that the chain does not show."""
    not_checked: tuple[str, ...]


@frozen
class Prediction:
    """One predicted cell."""

    id: str
    cell: str
    goals: tuple[Foretold, ...]
    facts: tuple[tuple[str, str], ...]
    limit: str


@frozen
class Alike:
    """Cells of which the same is predicted, for the same reason."""

    outcome: str
    verdict: str
    broken: Broken | None
    cells: tuple[Prediction, ...]
    outweighed: tuple[tuple[str, str], ...]
    """(cell, the sentence that says what a boot or a board showed instead)."""

    @property
    def standing(self) -> tuple[str, ...]:
        """The cells of which nothing says otherwise."""
        gone = {cell for cell, _ in self.outweighed}
        return tuple(prediction.id for prediction in self.cells if prediction.id not in gone)


@frozen
class Shared:
    """Something that is true of several cells."""

    texts: tuple[str, ...]
    ids: tuple[str, ...]
    """The cells; empty where it is true of all."""


@frozen
class Folded:
    """The predictions with each thing said once."""

    alike: tuple[Alike, ...]
    hazards: tuple[Shared, ...]
    """Title, reason and remedy."""
    not_checked: tuple[Shared, ...]
    limits: tuple[Shared, ...]


def fold(predictions: Sequence[Prediction]) -> Folded:
    """Put together what is said of several cells, in the order in which it is said first."""
    alike: dict[tuple[str, str, Broken | None], list[tuple[Prediction, Foretold]]] = {}
    hazards: dict[tuple[str, ...], list[str]] = {}
    not_checked: dict[tuple[str, ...], list[str]] = {}
    limits: dict[tuple[str, ...], list[str]] = {}
    for prediction in predictions:
        for goal in prediction.goals:
            alike.setdefault((goal.outcome, goal.verdict, goal.broken), []).append((prediction, goal))
            for hazard in goal.hazards:
                hazards.setdefault(hazard, []).append(prediction.id)
            for text in goal.not_checked:
                not_checked.setdefault((text,), []).append(prediction.id)
        if prediction.limit:
            limits.setdefault((prediction.limit,), []).append(prediction.id)
    every = [prediction.id for prediction in predictions]
    return Folded(
        tuple(
            Alike(
                *key,
                tuple(prediction for prediction, _ in cells),
                tuple((prediction.id, goal.outweighed) for prediction, goal in cells if goal.outweighed),
            )
            for key, cells in alike.items()
        ),
        *(_shared(texts, every) for texts in (hazards, not_checked, limits)),
    )


def _shared(texts: Mapping[tuple[str, ...], Sequence[str]], every: Sequence[str]) -> tuple[Shared, ...]:
    cells = {text: tuple(dict.fromkeys(ids)) for text, ids in texts.items()}
    return tuple(Shared(text, () if len(ids) == len(every) else ids) for text, ids in cells.items())


def predictions(investigation: Investigation, names: Names) -> tuple[Prediction, ...]:
    """Every predicted cell, in the order made."""
    return tuple(
        _prediction(investigation, observation, names)
        for observation in investigation.observations
        if observation.source is Source.PREDICTED
    )


def _prediction(investigation: Investigation, observation: Observation, names: Names) -> Prediction:
    evidence = observation.evidence
    facts = (
        ("Kernel", _text(evidence, "kernel")),
        ("Release", _text(evidence, "release")),
        ("Kernel image, SHA-256", _text(evidence, "kernel_sha256")),
        (
            "Board",
            " ".join(
                name_part
                for name_part in (_text(evidence, "board"), _text(evidence, "stepping"))
                if name_part
            ),
        ),
        ("Devicetree", _text(evidence, "devicetree")),
        ("Whose devicetree", _text(evidence, "devicetree_from")),
        ("Devicetree, SHA-256", _text(evidence, "devicetree_sha256")),
    )
    goals = _map(evidence.get("goals"))
    return Prediction(
        id=clean(observation.id, 60),
        cell=listed([f"{names.factor(name)} {levels(observation, name)}" for name in observation.values]),
        goals=tuple(
            _foretold(
                names.outcome(outcome),
                str(verdict),
                _map(goals.get(outcome)),
                outweighed(investigation, observation, outcome, names),
            )
            for outcome, verdict in observation.outcomes.items()
        ),
        facts=tuple((label, text) for label, text in facts if text),
        limit=_text(evidence, "limit", 500),
    )


def _foretold(outcome: str, verdict: str, goal: Mapping[str, Any], better: str) -> Foretold:
    broken = _map(goal.get("first_broken"))
    return Foretold(
        outcome=outcome,
        verdict=verdict,
        outweighed=better,
        broken=Broken(
            node=_text(broken, "node"),
            link=_text(broken, "link"),
            reason=sentence(_text(broken, "reason", 500)),
            remedy=sentence(_text(broken, "remedy", 500)),
        )
        if broken
        else None,
        hazards=tuple(
            (
                sentence(_text(hazard, "title")),
                sentence(_text(hazard, "reason", 500)),
                sentence(_text(hazard, "remedy", 500)),
            )
            for hazard in map(_map, list(goal.get("hazards") or ())[:MOST])
            # The one that breaks the chain is already shown as its first broken link.
            if hazard.get("reason") != broken.get("reason")
        ),
        not_checked=tuple(sentence(clean(text, 300)) for text in list(goal.get("not_checked") or ())[:MOST]),
    )


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(values: Mapping[str, Any], key: str, most: int = 200) -> str:
    return clean(values.get(key) or "", most)
