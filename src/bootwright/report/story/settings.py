"""The configuration, a row a factor: what was asked for, what is needed, what makes no difference."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from bootwright.investigate.analysis.causes import Cause
from bootwright.investigate.decision.decide import Decision
from bootwright.investigate.decision.single_changes import SingleChange
from bootwright.investigate.running.investigation import Investigation
from bootwright.report.story.names import Names, value
from bootwright.report.words import bound, capital, clean, listed


@frozen
class Setting:
    """A row of the configuration."""

    factor: str
    value: str
    why: str
    state: str
    """`wanted`, `given` (what a person has), `needed`, `free` (ruled out as a cause of what is settled),
    `open`."""


def configuration(investigation: Investigation, decision: Decision, names: Names) -> tuple[Setting, ...]:
    """Every factor: wanted, needed, free, or open; those of which the same is said share a row.

    Empty without a plan.
    """
    if investigation.plan is None:
        return ()
    rows: dict[tuple[str, str, str], list[str]] = {}
    for factor in investigation.factors:
        setting = _setting(investigation, decision, factor.name, names)
        if setting:
            rows.setdefault(setting, []).append(names.factor(factor.name))
    settings = [
        Setting(capital(listed(factors)), value, why, state) for (state, value, why), factors in rows.items()
    ]
    order = ("wanted", "given", "needed", "free", "open")
    return tuple(sorted(settings, key=lambda row: order.index(row.state)))


def _causes_left(investigation: Investigation, goal: str) -> list[Cause]:
    """The causes that fit a goal, or those of its parts where only several together do."""
    judgement = investigation.judgements[goal]
    return [*judgement.causes, *(cause for part in judgement.either for cause in part.causes)]


def _setting(
    investigation: Investigation, decision: Decision, factor: str, names: Names
) -> tuple[str, str, str] | None:
    """(state, value, why) of one factor."""
    wanted = investigation.plan.wanted if investigation.plan else {}
    if factor in investigation.given[0]:
        levels = dict.fromkeys(clean(given[factor], 120) for given in investigation.given)
        return "given", listed(list(levels), "or"), "What you have; nothing here asks you to change it."
    settled = [name for name in investigation.goals if investigation.judgements[name].settled]
    needing = [goal.outcome for goal in decision.goals if factor in goal.needs]
    open_for = [
        name
        for name in investigation.goals
        if name not in settled and any(factor in cause.factors for cause in _causes_left(investigation, name))
    ]
    changing = [
        change for change in decision.single_changes if change.factor == factor and change.outcome in open_for
    ]
    free = [
        name
        for name in settled
        if any(refutation.factor == factor for refutation in investigation.judgements[name].refuted)
    ]
    pending = f"May still matter for {_quoted(open_for, names)}." if open_for else ""
    if needing:
        needed = bound(clean(decision.configuration[factor], 120))
        return "needed", needed, " ".join(f"Needed for {_quoted(needing, names)}. {pending}".split())
    if changing and factor not in wanted:
        why = " ".join(
            f"{_where(investigation, change, names)}{_quoted([change.outcome], names)} fails with "
            f"{clean(change.from_level, 120)} "
            f"({clean(change.fails, 60)}) and works with {clean(change.to_level, 120)} "
            f"({clean(change.works, 60)}); nothing else differs between the two."
            for change in changing
        )
        return "needed", clean(changing[0].to_level, 120), why
    if factor in wanted:
        return "wanted", names.level(factor, wanted[factor]), "What you asked for."
    if free:
        why = f"No effect on {_quoted(free, names)}. {pending}".strip()
        if pending:
            return "open", "not decided", why
        unsettled = [name for name in investigation.goals if name not in settled]
        if not unsettled:
            return "free", "any", why
        return "free", "no effect found", f"{why} No cause left for {_quoted(unsettled, names)} involves it."
    return ("open", "not decided", pending) if pending else None


def _where(investigation: Investigation, change: SingleChange, names: Names) -> str:
    """`With rpi5-rev-1.1, ` where a change was seen with one given value."""
    given = investigation.given[0]
    seen = next(seen for seen in investigation.observations if seen.id == change.fails)
    levels = {name: level for name in given if (level := seen.level(name)) is not None}
    return f"With {value(levels, names)}, " if levels else ""


def _quoted(outcomes: Sequence[str], names: Names) -> str:
    return listed([f"“{names.outcome(name)}”" for name in outcomes])
