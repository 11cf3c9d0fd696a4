"""What a decision says of one release: the cell that it is, with the rest as in the best configuration."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from bootwright.foundation.verdict import Verdict, worst
from bootwright.investigate.decision.given import Answer, known_in
from bootwright.investigate.plans.plan import Release
from bootwright.investigate.running.investigation import Investigation


@frozen
class AtRelease:
    """A release for one given value."""

    factors: Mapping[str, str]
    """Its cell; what it does not come with is as in the best configuration."""
    outcomes: Mapping[str, Verdict]
    """Goal → what is known of it there."""

    @property
    def verdict(self) -> Verdict:
        """Of all goals."""
        return worst(self.outcomes.values())


def at_release(investigation: Investigation, answer: Answer, release: Release) -> AtRelease:
    """What is known of a release for an answer's given value; without a whole cell nothing is."""
    best = answer.best.factors if answer.best is not None else {}
    factors = {**best, **release.factors, **answer.given}
    values = {name: (level,) for name, level in factors.items()}
    whole = values.keys() == {factor.name for factor in investigation.factors}
    return AtRelease(
        factors,
        {
            goal: known_in(investigation, goal, values).verdict if whole else Verdict.UNKNOWN
            for goal in investigation.goals
        },
    )
