"""The whole story of an investigation, in the order a reader wants it."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from bootwright.investigate.analysis.judge import Judgement
from bootwright.investigate.decision.decide import Decision
from bootwright.investigate.plans.runs import Run
from bootwright.investigate.running.investigation import Investigation
from bootwright.report.story import answers, path, settings
from bootwright.report.story.beliefs import Conclusion, beliefs
from bootwright.report.story.boots import Boot, boots
from bootwright.report.story.causes import Left, left
from bootwright.report.story.cells import Matrix, matrix
from bootwright.report.story.names import Names
from bootwright.report.story.pairs import Ruling, rulings
from bootwright.report.story.predictions import Prediction, predictions
from bootwright.report.story.probes import Table, tables
from bootwright.report.story.reports import ReportTold, reports
from bootwright.report.words import capital, clean, count, listed, sentence


@frozen
class Story:
    """Everything a report says. All texts are harmless: one line each, no control characters."""

    title: str
    question: str
    plan: str
    verdict: str
    headline: str
    goals: tuple[answers.Goal, ...]
    configuration: tuple[settings.Setting, ...]
    works: tuple[answers.Working, ...]
    changes: tuple[str, ...]
    """Settings that made the difference all by themselves."""
    confirm: path.Try | None
    seen_to_work: str
    """A cell that was run here in which every settled goal works, in words; or empty."""
    aliases: tuple[str, ...]
    reports: tuple[ReportTold, ...]
    beliefs: tuple[Conclusion, ...]
    rulings: tuple[Ruling, ...]
    left: tuple[Left, ...]
    """Of the goals, and of other outcomes that failed somewhere."""
    told: tuple[tuple[str, str, str], ...]
    """(outcome, what was seen, the plan's note) of outcomes that are no goals."""
    matrix: Matrix
    stops: tuple[path.Stop, ...]
    offers: tuple[path.Offer, ...]
    tries: tuple[path.Try, ...]
    predictions: tuple[Prediction, ...]
    probes: tuple[Table, ...]
    boots: tuple[Boot, ...]
    limits: tuple[str, ...]
    notes: tuple[str, ...]
    sources: tuple[answers.Link, ...]


def tell(found: Investigation, decision: Decision, runs: Iterable[Run] = ()) -> Story:
    """Retell an investigation. `runs` (what can be run here) gives a dry run the sizes of downloads."""
    names = Names(found)
    plan = found.plan
    told = answers.goals(found, decision, names)
    failed = [name for name in found.outcomes if name not in found.goals and found.judgements[name].fails]
    dones = [done for step in found.steps for done in step.done]
    return Story(
        title=clean(found.title, 200) or "Observations",
        question=clean(plan.question, 400) if plan else "",
        plan=clean(plan.name, 100) if plan else "",
        verdict=str(decision.verdict),
        headline=answers.headline(decision, told),
        goals=told,
        configuration=settings.configuration(found, decision, names),
        works=answers.working(found, decision, names),
        changes=answers.changes(found, decision, names),
        confirm=path.confirmation(found, decision, names),
        seen_to_work=_seen_to_work(found),
        aliases=_aliases(found, names),
        reports=reports(found, decision, names),
        beliefs=beliefs(found, decision, names),
        rulings=tuple(ruling for name in (*found.goals, *failed) for ruling in rulings(found, name, names)),
        left=tuple(left(found, name, names) for name in (*found.goals, *failed)),
        told=_told(found, names),
        matrix=matrix(found, names),
        stops=path.stops(found, names),
        offers=path.offers(found, runs, names),
        tries=path.tries(found, decision, names),
        predictions=predictions(found, names),
        probes=tables(dones),
        boots=boots(found, names),
        limits=_limits(found, names),
        notes=tuple(sentence(clean(note, 400)) for note in found.notes),
        sources=tuple(
            answers.Link(clean(url, 200), answers.web_address(url)) for url in (plan.found_at if plan else ())
        ),
    )


def _seen_to_work(found: Investigation) -> str:
    """The cell nearest to what is wanted where the goals that are settled were seen to work here."""
    settled = [name for name in found.goals if found.judgements[name].settled]
    wanted = found.plan.wanted if found.plan else {}
    if not settled:
        return ""
    for seen in found.observations:
        if seen.source.word in {"emulated", "bench"} and all(
            seen.outcomes.get(name) == "works" and seen in found.counting(name) for name in settled
        ):
            if any(seen.level(name) != level for name, level in wanted.items()):
                continue
            kernel = clean(seen.evidence.get("kernel", ""), 100)
            how = "booted here" if seen.source.word == "emulated" else "run on a board"
            return f"{kernel or clean(seen.id, 60)}, {how} ({clean(seen.id, 60)})"
    return ""


def _aliases(found: Investigation, names: Names) -> tuple[str, ...]:
    said = []
    for group in found.aliases.groups:
        labels = names.factors(group)
        text = f"{capital(listed(labels))} changed together every time in the reports: none was varied alone."
        named = [
            clean(belief.id, 40)
            for belief in (found.plan.belief if found.plan else ())
            if set(belief.cause) & set(group)
        ]
        if named:
            follows = "does not follow" if len(named) == 1 else "do not follow"
            text += f" So {listed(named)} {follows} from the reports."
        said.append(text)
    if found.aliases.never_varied:
        labels = names.factors(found.aliases.never_varied)
        was = "was" if len(labels) == 1 else "were"
        said.append(f"{capital(listed(labels))} {was} the same in every report.")
    if found.aliases.not_known:
        labels = names.factors(found.aliases.not_known)
        said.append(f"The reports leave open: {listed(labels)}.")
    remaining = [group for group in found.aliases_left.groups if found.steps]
    said += [
        f"After all runs, {listed(names.factors(group))} still never changed apart from each other."
        for group in remaining
    ]
    return tuple(said)


def _told(found: Investigation, names: Names) -> tuple[tuple[str, str, str], ...]:
    rows = []
    for name in found.outcomes:
        if name in found.goals:
            continue
        judgement = found.judgements[name]
        note = clean(found.plan.outcome[name].note, 300) if found.plan and name in found.plan.outcome else ""
        if not judgement.works and not judgement.fails:
            seen = "Nothing was seen of it."
        elif not judgement.fails:
            seen = f"Worked in every cell looked at ({judgement.works})."
        elif judgement.cause:
            seen = f"Fails where {names.cause(judgement.cause, judgement)}."
        elif not judgement.works:
            seen = f"Failed in every cell looked at ({judgement.fails})."
        else:
            seen = f"Worked in {count(judgement.works, 'cell')}, failed in {judgement.fails}. " + _simplest(
                judgement, names
            )
        rows.append((names.outcome(name), seen, note))
    return tuple(rows)


def _simplest(judgement: Judgement, names: Names) -> str:
    if not judgement.causes:
        return sentence(clean(judgement.note, 300))
    return (
        f"{count(len(judgement.causes), 'cause fits', 'causes fit')}; "
        f"the simplest: {names.cause(judgement.causes[0], judgement)}."
    )


def _limits(found: Investigation, names: Names) -> tuple[str, ...]:
    ran = {step.run.experiment.name: step.run.experiment for step in found.steps}
    said = [
        f"{capital(clean(experiment.name, 60))}: {clean(experiment.limit, 400)}"
        for experiment in ran.values()
        if experiment.limit
    ]
    limits = list(dict.fromkeys(said))
    unseen = [name for name in found.outcomes if not _seen(found, name)]
    if unseen:
        limits.append(f"Nothing was seen of {listed([f'“{names.outcome(name)}”' for name in unseen])}.")
    for name in found.goals:
        judgement = found.judgements[name]
        if judgement.set_aside:
            ids = listed([clean(one, 60) for one in judgement.set_aside])
            limits.append(f"“{names.outcome(name)}”: {ids} set aside, because later evidence contradicts it.")
        only = {
            seen.source.word for seen in found.observations if seen.outcomes.get(name) in {"works", "fails"}
        }
        if only == {"reported"}:
            limits.append(f"“{names.outcome(name)}”: only reports speak of it; nothing was run here.")
        elif only and only <= {"reported", "predicted"}:
            limits.append(
                f"“{names.outcome(name)}”: only reports and predictions speak of it; nothing was run."
            )
    if found.steps:
        limits.append(
            "A cause here is one thing, or two together. One cause is looked for that explains every failure "
            "of an outcome, and only where none does, up to three: separate faults can hide one another."
        )
    return tuple(sentence(limit) for limit in limits)


def _seen(found: Investigation, name: str) -> bool:
    return bool(found.judgements[name].works or found.judgements[name].fails)
