"""The whole story of an investigation, in the order a reader wants it."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from bootwright.investigate.analysis.judge import Judgement
from bootwright.investigate.decision.decide import Decision
from bootwright.investigate.plans.runs import Run
from bootwright.investigate.running.investigation import Investigation
from bootwright.report.story import answers, given, path, settings
from bootwright.report.story.beliefs import Conclusion, beliefs
from bootwright.report.story.boots import Boot, boots
from bootwright.report.story.causes import RemainingCauses, remaining_causes
from bootwright.report.story.cells import Matrix, matrix
from bootwright.report.story.names import Names
from bootwright.report.story.pairs import Ruling, rulings
from bootwright.report.story.predictions import Folded, fold, predictions
from bootwright.report.story.probes import Table, tables
from bootwright.report.story.reports import ExplainedReport, reports
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
    what_to_do: tuple[given.WhatToDo, ...]
    """The answer for each given value; one without a name where nothing is given."""
    changes: tuple[str, ...]
    """Settings that made the difference all by themselves."""
    seen_to_work: str
    """A cell that was run here in which every settled goal works, in words; or empty."""
    aliases: tuple[str, ...]
    reports: tuple[ExplainedReport, ...]
    beliefs: tuple[Conclusion, ...]
    rulings: tuple[Ruling, ...]
    remaining_causes: tuple[RemainingCauses, ...]
    """Of the goals, and of other outcomes that failed somewhere."""
    other_outcomes: tuple[tuple[str, str, str], ...]
    """(outcome, what was seen, the plan's note) of outcomes that are no goals."""
    matrix: Matrix
    stops: tuple[path.Stop, ...]
    offers: tuple[path.Offer, ...]
    left_out: tuple[str, ...]
    """What would tell more and is more to fetch than is allowed."""
    tries: tuple[path.Try, ...]
    predictions: Folded
    probes: tuple[Table, ...]
    boots: tuple[Boot, ...]
    limits: tuple[str, ...]
    notes: tuple[str, ...]
    sources: tuple[answers.Link, ...]

    @property
    def works(self) -> tuple[given.Working, ...]:
        """Every whole configuration that is known to work, given value by given value."""
        return tuple(configuration for answer in self.what_to_do for configuration in answer.works)


def tell(investigation: Investigation, decision: Decision, runs: Iterable[Run] = ()) -> Story:
    """Retell an investigation. `runs` (what can be run here) gives a dry run the sizes of downloads."""
    names = Names(investigation)
    plan = investigation.plan
    goals = answers.goals(investigation, decision, names)
    to_do = given.what_to_do(investigation, decision, names)
    failed = [
        name
        for name in investigation.outcomes
        if name not in investigation.goals and investigation.judgements[name].fails
    ]
    dones = [done for step in investigation.steps for done in step.done]
    return Story(
        title=clean(investigation.title, 200) or "Observations",
        question=clean(plan.question, 400) if plan else "",
        plan=clean(plan.name, 100) if plan else "",
        verdict=str(decision.verdict),
        headline=given.headline(to_do)
        if any(investigation.given)
        else answers.headline(decision, goals) + given.contradicted(to_do),
        goals=goals,
        configuration=settings.configuration(investigation, decision, names),
        what_to_do=to_do,
        changes=answers.changes(investigation, decision, names),
        seen_to_work=_seen_to_work(investigation),
        aliases=_aliases(investigation, names),
        reports=reports(investigation, decision, names),
        beliefs=beliefs(investigation, decision, names),
        rulings=tuple(
            ruling
            for name in (*investigation.goals, *failed)
            for ruling in rulings(investigation, name, names)
        ),
        remaining_causes=tuple(
            remaining_causes(investigation, name, names) for name in (*investigation.goals, *failed)
        ),
        other_outcomes=_other_outcomes(investigation, names),
        matrix=matrix(investigation, names),
        stops=path.stops(investigation, names),
        offers=path.offers(investigation, runs, names),
        left_out=tuple(sentence(clean(text, 400)) for text in dict.fromkeys(investigation.left_out.values())),
        tries=path.tries(investigation, decision, names),
        predictions=fold(predictions(investigation, names)),
        probes=tables(dones),
        boots=boots(investigation, names),
        limits=_limits(investigation, names),
        notes=tuple(sentence(clean(note, 400)) for note in investigation.notes),
        sources=tuple(
            answers.Link(clean(url, 200), answers.web_address(url)) for url in (plan.found_at if plan else ())
        ),
    )


def _seen_to_work(investigation: Investigation) -> str:
    """The cell nearest to what is wanted where the goals that are settled were seen to work here."""
    settled = [name for name in investigation.goals if investigation.judgements[name].settled]
    wanted = investigation.plan.wanted if investigation.plan else {}
    if not settled:
        return ""
    for observation in investigation.observations:
        if observation.source.word in {"emulated", "bench"} and all(
            observation.outcomes.get(name) == "works" and observation in investigation.counting(name)
            for name in settled
        ):
            if any(observation.level(name) != level for name, level in wanted.items()):
                continue
            kernel = clean(observation.evidence.get("kernel", ""), 100)
            how = "booted here" if observation.source.word == "emulated" else "run on a board"
            return f"{kernel or clean(observation.id, 60)}, {how} ({clean(observation.id, 60)})"
    return ""


def _aliases(investigation: Investigation, names: Names) -> tuple[str, ...]:
    sentences = []
    for group in investigation.aliases.groups:
        labels = names.factors(group)
        text = f"{capital(listed(labels))} changed together every time in the reports: none was varied alone."
        named = [
            clean(belief.id, 40)
            for belief in (investigation.plan.belief if investigation.plan else ())
            if set(belief.cause) & set(group)
        ]
        if named:
            follows = "does not follow" if len(named) == 1 else "do not follow"
            text += f" So {listed(named)} {follows} from the reports."
        sentences.append(text)
    if investigation.aliases.never_varied:
        labels = names.factors(investigation.aliases.never_varied)
        was = "was" if len(labels) == 1 else "were"
        sentences.append(f"{capital(listed(labels))} {was} the same in every report.")
    if investigation.aliases.not_known:
        labels = names.factors(investigation.aliases.not_known)
        sentences.append(f"The reports leave open: {listed(labels)}.")
    remaining = [group for group in investigation.aliases_left.groups if investigation.steps]
    sentences += [
        f"After all runs, {listed(names.factors(group))} still never changed apart from each other."
        for group in remaining
    ]
    return tuple(sentences)


def _other_outcomes(investigation: Investigation, names: Names) -> tuple[tuple[str, str, str], ...]:
    rows = []
    for name in investigation.outcomes:
        if name in investigation.goals:
            continue
        judgement = investigation.judgements[name]
        note = (
            clean(investigation.plan.outcome[name].note, 300)
            if investigation.plan and name in investigation.plan.outcome
            else ""
        )
        if not judgement.works and not judgement.fails:
            summary = "No result for it yet."
        elif not judgement.fails:
            summary = f"Worked in every cell looked at ({judgement.works})."
        elif judgement.cause:
            summary = f"Fails where {names.cause(judgement.cause, judgement)}."
        elif not judgement.works:
            summary = f"Failed in every cell looked at ({judgement.fails})."
        else:
            summary = (
                f"Worked in {count(judgement.works, 'cell')}, failed in {judgement.fails}. "
                + _simplest(judgement, names)
            )
        rows.append((names.outcome(name), summary, note))
    return tuple(rows)


def _simplest(judgement: Judgement, names: Names) -> str:
    if not judgement.causes:
        return sentence(clean(judgement.note, 300))
    return (
        f"{count(len(judgement.causes), 'cause fits', 'causes fit')}; "
        f"the simplest: {names.cause(judgement.causes[0], judgement)}."
    )


def _limits(investigation: Investigation, names: Names) -> tuple[str, ...]:
    ran = {step.run.experiment.name: step.run.experiment for step in investigation.steps}
    experiment_limits = [
        f"{capital(clean(experiment.name, 60))}: {clean(experiment.limit, 400)}"
        for experiment in ran.values()
        if experiment.limit
    ]
    limits = list(dict.fromkeys(experiment_limits))
    unseen = [name for name in investigation.outcomes if not _has_results(investigation, name)]
    if unseen:
        limits.append(f"There is no result for {listed([f'“{names.outcome(name)}”' for name in unseen])}.")
    for name in investigation.goals:
        judgement = investigation.judgements[name]
        disputed = [dispute.values for dispute in judgement.disputed]
        unsaid = {seen.id for seen in investigation.observations if seen.values in disputed}
        if aside := [clean(identity, 60) for identity in judgement.set_aside if identity not in unsaid]:
            limits.append(
                f"“{names.outcome(name)}”: {listed(aside)} set aside: stronger evidence contradicts it."
            )
        only = {
            observation.source.word
            for observation in investigation.observations
            if observation.outcomes.get(name) in {"works", "fails"}
        }
        if only == {"reported"}:
            limits.append(f"“{names.outcome(name)}”: only reports speak of it; nothing was run here.")
        elif only and only <= {"reported", "predicted"}:
            limits.append(
                f"“{names.outcome(name)}”: only reports and predictions speak of it; nothing was run."
            )
    if investigation.steps:
        limits.append(
            "A cause here is one thing, or two together. One cause is looked for that explains every failure "
            "of an outcome, and only where none does, up to three: separate faults can hide one another."
        )
    return tuple(sentence(limit) for limit in limits)


def _has_results(investigation: Investigation, name: str) -> bool:
    return bool(investigation.judgements[name].works or investigation.judgements[name].fails)
