"""From observations to what they say: causes left, what is refuted, whether it is settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from attrs import frozen

from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.investigate.analysis.causes import (
    Bracket,
    Cause,
    CauseSpace,
    Condition,
    bracket,
    neighbours,
    spoken,
)
from bootwright.investigate.analysis.either import Part, explain_either
from bootwright.investigate.analysis.noise import doubt
from bootwright.investigate.analysis.observations import Flaky, Observation, Source, Weighed, weigh
from bootwright.investigate.analysis.refute import Refuted, evidence_against, refuted_factors


@frozen
class Judgement:
    """What the observations say of one outcome."""

    outcome: str
    causes: tuple[Cause, ...]
    """Every cause that fits, simplest first."""
    brackets: tuple[Bracket, ...]
    """Of the thresholds of the only cause left."""
    refuted: tuple[Refuted, ...]
    settled: bool
    """One cause is left."""
    either: tuple[Part, ...]
    """Where no one cause fits: the fewest of which any one is enough."""
    works: int
    """How many cells were seen to work, and to fail."""
    fails: int
    flaky: tuple[Flaky, ...]
    set_aside: tuple[str, ...]
    """Observations that a later kind of source contradicts, or without which alone a cause fits."""
    outweighed: Mapping[str, str]
    """Those of them that a later kind contradicts → the id of what does."""
    kept: tuple[Observation, ...]
    """What counts: one a cell, with the verdict that counts there."""
    note: str

    @property
    def disputed(self) -> tuple[Flaky, ...]:
        """The cells about which boards contradict each other."""
        return tuple(flaky for flaky in self.flaky if flaky.disputed)

    @property
    def cause(self) -> Cause | None:
        """The cause, where it is settled."""
        return self.causes[0] if self.settled else None

    def cause_text(self, cause: Cause, space: CauseSpace) -> str:
        """A cause of this outcome in words, by factor names."""
        return spoken(cause, self.kept, self.outcome, {factor.name: factor for factor in space.factors})

    def spans(self, cause: Cause, space: CauseSpace) -> tuple[Bracket, ...]:
        """What was seen on both sides of a cause's thresholds."""
        factors = {factor.name: factor for factor in space.factors}
        return tuple(
            bracket(cause, condition, self.kept, self.outcome, factors)
            for condition in cause.conditions
            if condition.relation != "is"
        )

    def beside(self, cause: Cause, condition: Condition, space: CauseSpace) -> tuple[str | None, str | None]:
        """The versions that were seen to work nearest below and above the one that a condition names."""
        factors = {factor.name: factor for factor in space.factors}
        below, above = neighbours(cause, condition, self.kept, self.outcome, factors)
        return below[0] if below is not None else None, above[0] if above is not None else None


def counted(
    space: CauseSpace, observations: Sequence[Observation], outcome: str
) -> tuple[list[Observation], tuple[str, ...], Weighed]:
    """The observations that count for an outcome, the ids set aside, and how cells were weighed.

    When no cause fits all of them, the reports are set aside if one cause then does: reports err. Else
    several causes may act, and everything counts that they explain together. Only where even that fails
    are the kinds of source that weigh least set aside one after the other. What is left always has a
    failure in it, if there was one: nothing is explained by forgetting it.

    Where outcomes may lie (`space.noise`), those that the likeliest cause contradicts are set aside, if
    chance explains as many; else boards that more others contradict in their own cell. From a cell about
    which boards contradict each other otherwise, nothing is concluded.
    """
    if space.noise and (doubted := doubt(space, observations, outcome, space.noise)).plausible:
        lies = [observation.id for observation in doubted.lies if observation.id not in doubted.disputed]
        weighed = weigh([observation for observation in observations if observation.id not in lies], outcome)
        return list(weighed.counted), (*weighed.outweighed, *weighed.beneath, *lies), weighed
    weighed = weigh(observations, outcome, space.noise)
    aside = (*weighed.outweighed, *weighed.beneath, *weighed.outvoted)
    every = list(weighed.counted)
    failed = any(observation.outcomes[outcome] is Verdict.FAILS for observation in every)
    kinds = sorted({observation.source for observation in every})
    kept_from = [[observation for observation in every if observation.source >= kind] for kind in kinds] or [
        every
    ]
    trustworthy = 2 if kinds[:1] == [Source.REPORTED] else 1
    choices = [
        *((relevant, False) for relevant in kept_from[:trustworthy]),
        *((relevant, True) for relevant in kept_from[:trustworthy]),
        *((relevant, several) for relevant in kept_from[trustworthy:] for several in (False, True)),
    ]
    for relevant, several in choices:
        if failed and not any(observation.outcomes[outcome] is Verdict.FAILS for observation in relevant):
            continue
        if explain_either(space, relevant, outcome) if several else space.consistent(relevant, outcome):
            dropped = tuple(observation.id for observation in every if observation not in relevant)
            return relevant, (*aside, *dropped), weighed
    return every, aside, weighed


def judge(
    space: CauseSpace,
    observations: Sequence[Observation],
    outcome: str,
    wanted: Mapping[str, str] = MappingProxyType({}),
) -> Judgement:
    """What is known of one outcome; of equal proofs, the one at the `wanted` levels is named."""
    relevant, set_aside, weighed = counted(space, observations, outcome)
    verdicts = [observation.outcomes[outcome] for observation in relevant]
    fails, works = verdicts.count(Verdict.FAILS), verdicts.count(Verdict.WORKS)
    remaining = space.consistent(relevant, outcome) if fails else 0
    if remaining and space.noise:
        doubted = doubt(space, observations, outcome, space.noise)
        remaining = doubted.causes if doubted.plausible else remaining
    causes = tuple(space.members(remaining))
    either = explain_either(space, relevant, outcome) if fails and not causes else ()
    all_parts = space.mask(cause for part in either for cause in part.causes)
    by_name = {factor.name: factor for factor in space.factors}
    brackets: tuple[Bracket, ...] = ()
    if len(causes) == 1:
        brackets = tuple(
            bracket(causes[0], condition, relevant, outcome, by_name)
            for condition in causes[0].conditions
            if condition.relation != "is"
        )
    note = ""
    if not fails and weighed.disputed:
        note = "boards contradict each other about it, and nothing else that was seen failed"
    elif not fails:
        note = "nothing failed in what was seen" if works else "nothing is known of it"
    elif either:
        note = f"no one cause explains what was seen; {len(either)} together do, any one being enough"
    elif not causes:
        note = "no level, threshold or pair explains what was seen: a factor is missing, or more than two act"
    return Judgement(
        outcome=outcome,
        causes=causes,
        brackets=brackets,
        refuted=tuple(refuted_factors(space, relevant, outcome, remaining or all_parts, wanted)),
        settled=len(causes) == 1,
        either=either,
        works=works,
        fails=fails,
        flaky=weighed.flaky,
        set_aside=set_aside,
        outweighed=weighed.outweighed,
        kept=tuple(relevant),
        note=note,
    )


@frozen
class Tested:
    """What became of a claim that an outcome fails because of a cause."""

    status: str
    """`refuted`, `stands` (it is the only cause left), `open`, or `untested` (nothing was seen)."""
    by: tuple[str, ...]
    """Ids of the observations that refute it."""
    only_reports: bool
    """True where nothing but reports speaks of it."""


def weigh_claim(
    space: CauseSpace,
    observations: Sequence[Observation],
    outcome: str,
    claim: Mapping[str, str],
    wanted: Mapping[str, str] = MappingProxyType({}),
) -> Tested:
    """Hold a claimed cause (factor → `16K`, `<6.19`, `>=6.19`) against what was seen.

    Where failures have more than one cause, a failure without the claimed one says nothing against it.
    """
    relevant, _, _ = counted(space, observations, outcome)
    if not relevant:
        return Tested("untested", (), only_reports=True)
    cause = claim_mask(space, claim)
    causes = space.consistent(relevant, outcome)
    telling = (
        relevant
        if causes
        else [observation for observation in relevant if observation.outcomes[outcome] is Verdict.WORKS]
    )
    against = evidence_against(space, telling, outcome, cause, wanted) if cause else ()
    only_reports = all(observation.source is Source.REPORTED for observation in relevant)
    if against:
        return Tested("refuted", tuple(observation.id for observation in against), only_reports=only_reports)
    alone = (
        bool(cause)
        and causes == cause
        and any(observation.outcomes[outcome] is Verdict.FAILS for observation in relevant)
    )
    return Tested("stands" if alone else "open", (), only_reports=only_reports)


def claim_mask(space: CauseSpace, claim: Mapping[str, str]) -> int:
    """The cause a claim means, as a bit set; 0 when the levels known cannot express it.

    A threshold at a version that was never a level is the one at the next level known.
    """
    by_name = {factor.name: factor for factor in space.factors}
    wanted: dict[str, tuple[str, ...]] = {}
    for name, text in claim.items():
        factor = by_name.get(name)
        if factor is None:
            return 0
        bound = Version.parse(text.lstrip("<>="))
        if text.startswith(("<", ">=")) and bound is not None:
            below = [
                level for level in factor.levels if (v := Version.parse(level)) is not None and v < bound
            ]
            above = tuple(level for level in factor.levels if level not in below)
            wanted[name] = tuple(below) if text.startswith("<") else above
        else:
            wanted[name] = (text,)
    for index, cause in enumerate(space.causes):
        if {condition.factor for condition in cause.conditions} == set(wanted) and all(
            space.levels_of(condition) == wanted[condition.factor] for condition in cause.conditions
        ):
            return 1 << index
    return 0
