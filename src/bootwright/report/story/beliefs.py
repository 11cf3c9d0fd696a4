"""What was believed, and what became of it, in words."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve, frozen

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.observations import Observation, Source
from bootwright.investigate.decision.beliefs import WHY, BeliefResult
from bootwright.investigate.decision.decide import Decision
from bootwright.investigate.plans.changes import Remark
from bootwright.investigate.running.investigation import Investigation
from bootwright.report.story.answers import describe_change
from bootwright.report.story.names import Names
from bootwright.report.story.pairs import Comparison, compare, with_contrast
from bootwright.report.words import capital, clean, listed, sentence

STATUS = {
    "refuted": "refuted",
    "stands": "stands",
    "shown": "shown",
    "partly": "shown in part",
    "open": "not decided",
    "untested": "not tested",
    "weakened": "weakened",
    "set-aside": "set aside",
}


@frozen
class Conclusion:
    """What became of a belief, or of its narrower claim."""

    id: str
    says: str
    status: str
    word: str
    why: str
    shown: tuple[str, ...]
    """A sentence for each cell that speaks against it, or for each change that speaks for it."""
    comparison: Comparison | None
    caption: str
    """Of the comparison."""
    narrower: tuple[Conclusion, ...] = ()
    limit: str = ""
    history: tuple[str, ...] = ()
    """What is known of the versions it names; no run here shows it."""


def beliefs(investigation: Investigation, decision: Decision, names: Names) -> tuple[Conclusion, ...]:
    """Every belief with what became of it."""
    return tuple(_belief(investigation, belief, names) for belief in decision.beliefs)


def _belief(investigation: Investigation, belief: BeliefResult, names: Names) -> Conclusion:
    plan = investigation.plan
    declared = next((b for b in (plan.belief if plan else []) if b.id == belief.id), None)
    proxies = {proxy.claim: proxy for proxy in (declared.proxy if declared else [])}
    narrower = tuple(
        _conclusion(
            ("", narrower_claim.claim, narrower_claim.status, WHY[narrower_claim.status]),
            _against(
                _Claim(investigation, names, narrower_claim.claim, proxy.outcome, tuple(proxy.cause)),
                narrower_claim.by,
            ),
            limit=clean(narrower_claim.limit, 400),
        )
        for narrower_claim in belief.narrower
        if (proxy := proxies.get(narrower_claim.claim)) is not None
    )
    claim = _Claim(investigation, names, belief.id, belief.outcome, tuple(declared.cause) if declared else ())
    return evolve(
        _conclusion(
            (belief.id, belief.says, belief.status, belief.why),
            _for(claim, belief) if belief.changes else _against(claim, belief.by),
        ),
        narrower=narrower,
        history=tuple(_remark(remark) for remark in belief.history),
    )


@frozen
class _Claim:
    """A claim that an outcome fails because of some factors, and what it is held against."""

    investigation: Investigation
    names: Names
    who: str
    outcome: str
    subjects: tuple[str, ...]

    def compared(self, ids: Sequence[str]) -> Comparison:
        return compare(self.investigation, self.outcome, ids, self.subjects, self.names)


@frozen
class _Evidence:
    shown: tuple[str, ...] = ()
    comparison: Comparison | None = None
    caption: str = ""


def _conclusion(texts: tuple[str, str, str, str], evidence: _Evidence, *, limit: str = "") -> Conclusion:
    identity, says, status, why = texts
    return Conclusion(
        id=clean(identity, 40),
        says=clean(says, 400),
        status=status if status in STATUS else "open",
        word=STATUS.get(status, clean(status, 40)),
        why=sentence(clean(why, 400)),
        shown=evidence.shown,
        comparison=evidence.comparison,
        caption=evidence.caption,
        limit=limit,
    )


def _against(claim: _Claim, by: Sequence[str]) -> _Evidence:
    """The cells that contradict a claim."""
    by_id = {observation.id: observation for observation in claim.investigation.observations}
    cells = [by_id[identity] for identity in by if identity in by_id]
    if not cells:
        return _Evidence()
    shown = []
    for observation in cells:
        held = listed(
            [
                f"{claim.names.factor(name)} {clean(observation.level(name) or '?', 80)}"
                for name in claim.subjects
            ]
        )
        failed = observation.outcomes.get(claim.outcome) is Verdict.FAILS
        shown.append(
            f"{clean(observation.id, 60)} ({observation.source.word}; {held}) "
            + ("fails without what it blames." if failed else "works in spite of what it blames.")
        )
    sides = with_contrast(claim.investigation, claim.outcome, by, claim.subjects)
    contrast = ", and the nearest cell with the other result" if len(sides) > len(by) else ""
    return _Evidence(
        shown=(*shown, *_reservations(cells, claim.outcome)),
        comparison=claim.compared(sides),
        caption=f"What speaks against {clean(claim.who, 80)}{contrast}",
    )


def _reservations(against: Sequence[Observation], outcome: str) -> list[str]:
    """How far the cells that refute a belief go."""
    sentences = []
    if all(observation.outcomes.get(outcome) is Verdict.FAILS for observation in against):
        sentences.append("So it is not the only cause; it may still be one of several.")
    if all(observation.source <= Source.PREDICTED for observation in against):
        sentences.append("This rests on predictions and reports, not on a boot.")
    return sentences


def _for(claim: _Claim, belief: BeliefResult) -> _Evidence:
    """The single changes that speak for a claim, and what of it was not varied."""
    changes = belief.changes
    shown = [capital(describe_change(claim.investigation, change, claim.names)) for change in changes]
    unchanged = [name for name in claim.subjects if all(change.factor != name for change in changes)]
    if unchanged and belief.status != "weakened":
        was = "was" if len(unchanged) == 1 else "were"
        shown.append(f"{capital(listed(claim.names.factors(unchanged)))} {was} not changed alone there.")
    shown += [
        f"At which {claim.names.factor(change.factor)} between {clean(change.from_level, 80)} and "
        f"{clean(change.to_level, 80)} that begins was not looked at."
        for change in changes
        if change.factor in belief.unpinned
    ]
    return _Evidence(
        shown=tuple(shown),
        comparison=claim.compared((changes[0].fails, changes[0].works)),
        caption=f"What speaks for {clean(claim.who, 80)}",
    )


def _remark(remark: Remark) -> str:
    """One sentence on whether the version a belief names has a known change."""
    change = remark.change
    title, version = clean(change.what, 300), clean(remark.version, 40)
    commits = listed([clean(commit.id, 40) for commit in change.commit])
    if remark.agrees:
        return f"{version} has the change that is known to mend it: {title} ({commits})."
    older = [f"{clean(text, 40)} of the older series" for text in change.also_in]
    first = listed([*older, clean(change.first_in, 40)], "or")
    return f"{version} does not mend it: only from {first} on, {title} ({commits})."
