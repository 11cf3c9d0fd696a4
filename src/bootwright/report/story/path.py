"""How each run was chosen, and what could be run or tried next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import frozen

from bootwright.investigate.analysis.choose import Choice
from bootwright.investigate.decision.decide import Decision
from bootwright.investigate.decision.next_steps import NextStep
from bootwright.investigate.plans.runs import Run
from bootwright.investigate.running.given_first import ANSWER
from bootwright.investigate.running.investigation import Investigation, Step
from bootwright.report.story.cells import Shown, cells_of, shown
from bootwright.report.story.names import Names
from bootwright.report.words import capital, clean, count, listed, seconds, sentence, share, size

PURPOSES = {
    "settle": "to find the cause",
    "confirm": "to check the answer without trusting the reports",
    "side": "to answer a side question",
}


@frozen
class Stop:
    """One step of the way."""

    number: int
    run: str
    where: str
    purpose: str
    why: str
    bits: float
    before: int
    after: int | None
    showed: tuple[Shown, ...]
    took: str
    recorded: bool
    """It was not run now but read from the run's folder."""


@frozen
class Offer:
    """Something that could be run here."""

    run: str
    where: str
    answers: str
    bits: float
    time: str
    download: str
    """Empty where it is not known; `in the cache` where nothing has to be fetched."""


@frozen
class Try:
    """What a person could try on a board."""

    cell: tuple[tuple[str, str], ...]
    outcomes: tuple[str, ...]
    bits: float
    why: str
    how: str
    """What to do, how long it takes, and why it takes that long."""
    changes: str
    """How it differs from the nearest report, in words; empty where there is no report to compare with."""


def stops(investigation: Investigation, names: Names) -> tuple[Stop, ...]:
    """Every step, in the order taken."""
    return tuple(
        _stop(investigation, number, step, names) for number, step in enumerate(investigation.steps, 1)
    )


def _stop(investigation: Investigation, number: int, step: Step, names: Names) -> Stop:
    worth = {name: bits for name, bits in step.choice.worth.items() if bits >= 0.005}
    main = max(worth, key=lambda name: worth[name], default="")
    kernel = step.run.kernel
    spans = [done_run.recording.wall_seconds for done_run in step.done]
    return Stop(
        number=number,
        run=clean(kernel.name if kernel else step.run.id, 120),
        where=_where(step.run, names),
        purpose=_purpose(step.purpose),
        why=_why(step, worth, names),
        bits=sum(worth.values()),
        before=step.left.get(main, 0),
        after=_after(investigation, number, step, main),
        showed=tuple(shown(investigation, cells_of(investigation, step), names)),
        took=seconds(sum(spans)) if spans else "",
        recorded=bool(step.done) and not any(done_run.fresh for done_run in step.done),
    )


def _purpose(purpose: str) -> str:
    if purpose.startswith(ANSWER):
        return f"to have an answer for {clean(purpose.removeprefix(ANSWER), 120)}"
    if purpose.startswith("belief "):
        return f"to put {clean(purpose.removeprefix('belief '), 40)} to the test"
    return PURPOSES.get(purpose, clean(purpose, 60))


def _where(run: Run, names: Names) -> str:
    if run.experiment.source == "predicted":
        levels = run.devicetree.set if run.devicetree else {}
        settings = listed([f"{names.factor(name)} {clean(level, 80)}" for name, level in levels.items()])
        return f"predicted from its files for {settings}" if settings else "predicted from its files"
    return f"on {clean(run.experiment.machine, 60)}"


def _why(step: Step, worth: Mapping[str, float], names: Names) -> str:
    """Outcomes of which the same is to be said share a sentence."""
    alike: dict[tuple[int, tuple[int, ...]], list[str]] = {}
    for name in worth:
        key = (step.left.get(name, 0), tuple(step.choice.splits.get(name, ())))
        alike.setdefault(key, []).append(f"“{names.outcome(name)}”")
    return " ".join(
        f"{count(remaining, 'cause')}{' each' if len(outcomes) > 1 else ''} of {listed(outcomes)} "
        f"{'was' if remaining == 1 else 'were'} left. Depending on its result, this run leaves "
        f"{listed([f'{group_size:,}' for group_size in splits], 'or')}."
        for (remaining, splits), outcomes in alike.items()
    )


def _after(investigation: Investigation, number: int, step: Step, outcome: str) -> int | None:
    """The causes left after a step; None where that is not known, or nothing ever failed."""
    if (
        not outcome
        or step.purpose == "confirm"
        or not cells_of(investigation, step)
        or not investigation.judgements[outcome].fails
    ):
        return None
    later = [
        following
        for following in investigation.steps[number:]
        if outcome in following.left and following.purpose == step.purpose
    ]
    changed = next(
        (following.left[outcome] for following in later if following.left[outcome] != step.left[outcome]),
        None,
    )
    # No cause at all is left where several act, and then the number says nothing.
    return changed if changed is not None else len(investigation.judgements[outcome].causes) or None


def offers(investigation: Investigation, runs: Iterable[Run], names: Names) -> tuple[Offer, ...]:
    """What could be run here, best first."""
    by_id = {run.id: run for run in runs}
    return tuple(_offer(choice, by_id.get(choice.trial.id), names) for choice in investigation.offered)


def _offer(choice: Choice, run: Run | None, names: Names) -> Offer:
    experiment, _, kernel = choice.trial.id.partition("/")
    download = ""
    if run is not None and run.kernel is not None:
        fetched = run.kernel.modules_bytes if run.experiment.modules else run.kernel.download_bytes
        download = size(fetched) if fetched else "in the cache"
    worth = [name for name, bits in choice.worth.items() if bits >= 0.005]
    return Offer(
        run=clean(kernel or choice.trial.id, 120),
        where=_where(run, names) if run else clean(experiment, 60),
        answers=listed([names.outcome(name) for name in worth]),
        bits=choice.bits,
        time=seconds(choice.trial.cost),
        download=download,
    )


def tries(investigation: Investigation, decision: Decision, names: Names) -> tuple[Try, ...]:
    """What to try on a board, best first."""
    steps = [next_step for next_step in (decision.next, *decision.next_after) if next_step is not None]
    return tuple(_try(investigation, step, names) for step in steps)


def _try(investigation: Investigation, step: NextStep, names: Names) -> Try:
    outcomes = tuple(names.outcome(name) for name in step.outcomes)
    worth = sum(
        len(investigation.judgements[name].causes)
        for name in step.outcomes
        if name in investigation.judgements
    )
    return Try(
        cell=tuple((names.factor(name), names.level(name, level)) for name, level in step.factors.items()),
        outcomes=outcomes,
        bits=step.bits,
        why=capital(
            (f"{count(worth, 'cause fits', 'causes fit')} so far for “{listed(outcomes)}”; " if worth else "")
            + f"after this one experiment {share(step.bits)}."
        )
        if step.bits
        else "Everything known says that all of it works here; this shows whether it does.",
        how=" ".join(
            [sentence(clean(step.how, 600)), f"About {seconds(step.hours * 3600)}."]
            + [sentence(f"That long because {clean(reason, 300)}") for reason in step.because]
        ).strip(),
        changes=_changes(investigation, step, names),
    )


def _changes(investigation: Investigation, step: NextStep, names: Names) -> str:
    """The report it is nearest to, and what is changed in it."""
    nearest: tuple[str, list[str]] | None = None
    for observation in investigation.observations:
        if not any(name in observation.outcomes for name in step.outcomes):
            continue
        apart = [
            f"{names.factor(name)} {clean(level, 80)} in place of {' or '.join(clean(v, 80) for v in have)}"
            for name, level in step.factors.items()
            if (have := observation.values.get(name, ())) and level not in have
        ]
        if nearest is None or len(apart) < len(nearest[1]):
            nearest = (observation.id, apart)
    if nearest is None:
        return ""
    if not nearest[1]:
        return f"Repeat {clean(nearest[0], 60)}, with what it leaves open fixed as here."
    return f"Like {clean(nearest[0], 60)}, but with {listed(nearest[1])}."
