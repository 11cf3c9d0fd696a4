"""What became of each belief: the observations decide, and the public history may add a remark."""

from __future__ import annotations

from attrs import frozen

from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.investigate.analysis.judge import weigh_claim
from bootwright.investigate.analysis.observations import Source
from bootwright.investigate.decision.single_changes import Pair, SingleChange, pairs
from bootwright.investigate.plans.changes import Remark, remarks
from bootwright.investigate.plans.plan import Belief, covers
from bootwright.investigate.running.investigation import Investigation


@frozen
class Narrower:
    """A narrower claim of a belief, tested on another outcome."""

    claim: str
    status: str
    by: tuple[str, ...]
    limit: str


@frozen
class BeliefResult:
    """What became of a belief.

    `status`: `refuted`, `stands`, `shown` (changing just what it blames made the difference, for every
    factor it names), `partly` (for some of them), `open`, `untested`, `weakened` (a narrower claim that it
    rests on is refuted, or leaving what it blames by one factor did not mend it on a board), `set-aside` (by
    the reports themselves).
    """

    id: str
    says: str
    outcome: str
    status: str
    by: tuple[str, ...]
    """Ids of the cells that refute it."""
    why: str
    narrower: tuple[Narrower, ...] = ()
    changes: tuple[SingleChange, ...] = ()
    """The single changes that speak for it, one a factor it names."""
    unpinned: tuple[str, ...] = ()
    """Factors of which it names a version, where the change was not shown to be at that version."""
    history: tuple[Remark, ...] = ()
    """What is known of the versions it names; it decided nothing."""


def weigh_beliefs(investigation: Investigation) -> tuple[BeliefResult, ...]:
    """Every belief of the plan, in its order."""
    return tuple(
        _weigh(investigation, belief) for belief in (investigation.plan.belief if investigation.plan else ())
    )


def _weigh(investigation: Investigation, belief: Belief) -> BeliefResult:
    if belief.set_aside:
        return BeliefResult(belief.id, belief.says, belief.outcome, "set-aside", (), belief.set_aside)
    wanted = investigation.plan.wanted if investigation.plan else {}
    tested = weigh_claim(
        investigation.space, investigation.observations, belief.outcome, belief.cause, wanted
    )
    narrower = tuple(
        Narrower(proxy.claim, tested_proxy.status, tested_proxy.by, proxy.limit)
        for proxy in belief.proxy
        for tested_proxy in [
            weigh_claim(investigation.space, investigation.observations, proxy.outcome, proxy.cause, wanted)
        ]
    )
    status = tested.status
    telling: dict[str, Pair] = {}
    unpinned: tuple[str, ...] = ()
    if status == "open":
        telling = _speaking_for(investigation, belief)
        unpinned = tuple(name for name, pair in telling.items() if not _pinned(investigation, belief, pair))
        if telling:
            status = "shown" if set(telling) == set(belief.cause) and not unpinned else "partly"
    if status in {"open", "untested"} and any(
        narrower_claim.status == "refuted" for narrower_claim in narrower
    ):
        status = "weakened"
    unmended = _unmended(investigation, belief) if status in {"open", "partly"} else ""
    if unmended:
        status = "weakened"
    return BeliefResult(
        id=belief.id,
        says=belief.says,
        outcome=belief.outcome,
        status=status,
        by=tested.by,
        why=unmended or WHY[status],
        narrower=narrower,
        changes=tuple(pair.change for pair in telling.values()),
        unpinned=unpinned,
        history=tuple(remarks(belief, investigation.observations)) if status != "refuted" else (),
    )


def _speaking_for(investigation: Investigation, belief: Belief) -> dict[str, Pair]:
    """Factor → the best pair in which leaving what the belief blames, by that factor alone, mends it."""
    best: dict[str, Pair] = {}
    for pair in pairs(investigation, belief.outcome):
        if (
            pair.factor in belief.cause
            and covers(dict(belief.cause), pair.bad.values)
            and not covers(dict(belief.cause), pair.good.values)
        ):
            held = best.get(pair.factor)
            if held is None or pair.weight > held.weight:
                best[pair.factor] = pair
    return best


def _unmended(investigation: Investigation, belief: Belief) -> str:
    """That leaving what the belief blames, by one factor alone, did not mend it on boards; else empty."""
    plan = investigation.plan
    failing = [
        observation
        for observation in investigation.counting(belief.outcome)
        if observation.source is Source.BENCH and observation.outcomes.get(belief.outcome) is Verdict.FAILS
    ]
    for blamed in failing if plan is not None else ():
        for other in failing if covers(dict(belief.cause), blamed.values) else ():
            apart = [
                factor.name
                for factor in investigation.factors
                if blamed.values.get(factor.name) != other.values.get(factor.name)
            ]
            if len(apart) != 1 or apart[0] not in belief.cause or covers(dict(belief.cause), other.values):
                continue
            (name,) = apart
            label = plan.factor[name].label if plan is not None and name in plan.factor else ""
            levels = f"from {blamed.level(name)} to {other.level(name)}"
            return f"changing {label or name} alone, {levels}, did not mend it on a board"
    return ""


def _pinned(investigation: Investigation, belief: Belief, pair: Pair) -> bool:
    """Whether a pair shows the very version that a belief names, and not only one that may lie far from it.

    So it does where no version that there is lies between the two, but for others of their own series, and
    the later one is of the named version's series or the first that there is from it on. A level that is no
    bound is shown by any pair.
    """
    bound = belief.cause[pair.factor]
    named = Version.parse(bound.lstrip("<>="))
    ends = [version for level in (pair.from_level, pair.to_level) if (version := Version.parse(level))]
    if not bound.startswith(("<", ">=")) or named is None or len(ends) != 2:
        return True
    low, high = sorted(ends)
    levels = next(factor.levels for factor in investigation.factors if factor.name == pair.factor)
    between = [version for level in levels if (version := Version.parse(level)) and low < version < high]
    near = {low.series(), high.series()}
    return all(version.series() in near for version in between) and (
        high.series() == named.series() or not any(named <= version for version in between)
    )


WHY = {
    "refuted": "what was seen contradicts it",
    "stands": "it is the only cause that fits what was seen",
    "shown": "changing just what it blames made the difference",
    "partly": "changing just a part of what it blames made the difference",
    "open": "it fits what was seen, and so do other causes",
    "untested": "nothing was seen that speaks of it",
    "weakened": "it fits the reports, but a narrower claim that it rests on is refuted",
}
