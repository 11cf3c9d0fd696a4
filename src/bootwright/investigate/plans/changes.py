"""Upstream changes that are known, to corroborate what boots have shown.

They never decide anything: a change is named only when a threshold that boots found lies where the change
went in, and the calls that failed below it are the ones the change is about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.investigate.analysis.judge import Judgement
from bootwright.investigate.analysis.observations import Observation
from bootwright.investigate.plans.plan import Belief, covers
from bootwright.kernels.changes import CHANGES, Change


@frozen
class Remark:
    """What a known change says of the version that a belief names."""

    change: Change
    version: str
    """The version from which the belief has things work."""
    agrees: bool
    """That version has the change."""


def corroborating(judgement: Judgement, observations: Sequence[Observation]) -> list[Change]:
    """The changes that went in between the two levels a settled threshold lies between."""
    return [
        change
        for change in CHANGES.all().values()
        if _seen(change.symptom, judgement.outcome, observations)
        and any(
            bracket.factor == change.factor and _between(bracket.fails, change.first_in, bracket.works)
            for bracket in judgement.brackets
        )
    ]


def explaining(outcome: str, observations: Sequence[Observation]) -> list[Change]:
    """The changes whose symptom some of the observations show where the outcome fails."""
    return [change for change in CHANGES.all().values() if _seen(change.symptom, outcome, observations)]


def remarks(belief: Belief, observations: Sequence[Observation]) -> list[Remark]:
    """The changes that speak of the version a belief says is needed (`<6.19`: it works from 6.19 on).

    Only one whose symptom was seen in a failing cell that the belief is about is named.
    """
    about = [seen for seen in observations if covers(dict(belief.cause), seen.values)]
    said = []
    for change in CHANGES.all().values():
        bound = belief.cause.get(change.factor, "")
        version = Version.parse(bound.removeprefix("<"))
        if bound.startswith("<") and version is not None and _seen(change.symptom, belief.outcome, about):
            said.append(Remark(change, version.text, change.is_in(version)))
    return said


def _between(fails: str | None, first: str, works: str | None) -> bool:
    low, at, high = (Version.parse(text or "") for text in (fails, first, works))
    return low is not None and at is not None and high is not None and low < at <= high


def _seen(symptom: Mapping[str, str], outcome: str, observations: Sequence[Observation]) -> bool:
    return any(
        _shows(symptom, outcome, seen.evidence)
        for seen in observations
        if seen.outcomes.get(outcome) is Verdict.FAILS
    )


def _shows(symptom: Mapping[str, str], outcome: str, evidence: Mapping[str, Any]) -> bool:
    """Whether what a failing cell rests on has the symptom: a failed call, or a hazard met."""
    if hazard := symptom.get("hazard"):
        goal = evidence.get("goals", {}).get(outcome, {})
        return any(
            struck["name"] == hazard and struck["effect"] == "fails" for struck in goal.get("hazards", ())
        )
    return any(
        test["ok"] is False and all(test.get(key) == value for key, value in symptom.items())
        for test in evidence.get("tests", ())
    )
