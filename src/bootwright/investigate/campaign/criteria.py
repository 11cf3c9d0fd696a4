"""Whether a task's criterion holds, by what was seen. Pure: nothing is run here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

from bootwright.foundation.verdict import Verdict, worst
from bootwright.investigate.analysis.judge import Judgement
from bootwright.investigate.analysis.known import Known, known_at, source_of
from bootwright.investigate.analysis.observations import Observation, Source, Values
from bootwright.investigate.campaign.steps import StepResult
from bootwright.investigate.plans.given import Given, fits, text
from bootwright.investigate.plans.plan import covers
from bootwright.investigate.plans.tasks import Criterion, Task
from bootwright.investigate.running.investigation import Investigation

_NOT_FAILED = {verdict.exit_status for verdict in (Verdict.WORKS, Verdict.UNKNOWN)}


@frozen
class Held:
    """What is known of a criterion, or of a task."""

    verdict: Verdict
    source: Source | None = None
    """The weakest kind of source that it rests on; None where nothing is known, or steps alone tell."""
    says: str = ""
    open_given: tuple[Given, ...] = ()
    """The given values for which it is not known by a board."""
    rows: tuple[tuple[Given, Verdict, Source | None], ...] = ()
    """What is known for each given value, where that is what is asked."""


def judge_task(
    investigation: Investigation, task: Task, results: Mapping[str, StepResult], *, board: bool
) -> Held:
    """All criteria of a task together; `results` are of its steps, `board` whether only a board proves."""
    held = [
        judge_criterion(investigation, criterion, task.steps, results, board=board)
        for criterion in task.criterion
    ]
    sources = [judged.source for judged in held if judged.source is not None]
    values = {text(given): given for judged in held for given in judged.open_given}
    return Held(
        worst(judged.verdict for judged in held),
        min(sources, default=None),
        "; ".join(dict.fromkeys(judged.says for judged in held if judged.says)),
        tuple(values.values()),
        held[0].rows if len(held) == 1 else (),
    )


def judge_criterion(
    investigation: Investigation,
    criterion: Criterion,
    steps: Sequence[str],
    results: Mapping[str, StepResult],
    *,
    board: bool,
) -> Held:
    """What is known of one criterion."""
    if criterion.by == "works":
        return _works(investigation, criterion, board=board)
    if criterion.by == "compared":
        return _compared(investigation, criterion)
    if criterion.by == "cause":
        return _cause(investigation, criterion)
    if criterion.by == "link":
        return _link(investigation, criterion)
    return _steps(steps, results)


def cells_of(investigation: Investigation, criterion: Criterion, given: Given) -> tuple[Values, ...]:
    """Every whole cell of a criterion with a given value and the wanted levels: seen, or to be tried."""
    plan = investigation.plan
    wanted = {**criterion.cells, **(plan.wanted if plan else {})}
    names = {factor.name for factor in investigation.factors}
    seen = (
        observation.values
        for observation in investigation.observations
        if observation.source > Source.REPORTED
    )
    trials = (*investigation.trials, *investigation.bench_trials)
    views = (values for trial in trials for outcome, values in trial.views if outcome == criterion.outcome)
    cells = {
        tuple(sorted(values.items())): values
        for values in (*seen, *views)
        if set(values) == names
        and all(len(levels) == 1 for levels in values.values())
        and covers(wanted, values)
        and fits(values, given)
    }
    return tuple(cells.values())


def known_of(investigation: Investigation, outcome: str, values: Values) -> Known:
    """What is known of an outcome in a cell; nothing where those who saw it contradict each other."""
    judgement = investigation.judgements[outcome]
    known = known_at(investigation.space, judgement, values)
    return (
        Known(Verdict.UNKNOWN) if known.by is not None and known.by.id in disputed_ids(judgement) else known
    )


def disputed_ids(judgement: Judgement) -> frozenset[str]:
    """The observations of cells that were seen to work and to fail."""
    return frozenset(identity for flaky in judgement.flaky for identity in flaky.ids)


def named(given: Given) -> str:
    """A given value in short: its levels."""
    return ", ".join(given.values())


def _works(investigation: Investigation, criterion: Criterion, *, board: bool) -> Held:
    """For each given value: does it work in one of the cells, or is it known to fail in all of them?"""
    verdicts: dict[str, Verdict] = {}
    sources: list[Source] = []
    says: list[str] = []
    open_given: list[Given] = []
    rows: list[tuple[Given, Verdict, Source | None]] = []
    judgement = investigation.judgements[criterion.outcome]
    # What no cell with a given value speaks of is seen on what stands in for it, once for all of them.
    by_given = [(given, cells_of(investigation, criterion, given)) for given in investigation.given]
    if not any(cells for _, cells in by_given):
        by_given = [({}, cells_of(investigation, criterion, {}))]
    for given, cells in by_given:
        known = [known_of(investigation, criterion.outcome, cell) for cell in cells]
        working = [answer for answer in known if answer.verdict is Verdict.WORKS and answer.by is not None]
        proved_by: Source | None = None
        if working:
            best = max(working, key=lambda answer: source_of(answer, judgement))
            verdict, proved_by = Verdict.WORKS, source_of(best, judgement)
        elif known and all(answer.verdict is Verdict.FAILS for answer in known):
            # Seen to fail on a board in one of them, and known to fail in all others.
            verdict, proved_by = Verdict.FAILS, max(source_of(answer, judgement) for answer in known)
        else:
            verdict = Verdict.UNKNOWN
        verdicts[text(given)] = verdict
        rows.append((given, verdict, proved_by))
        sources += [proved_by] if proved_by is not None else []
        if given and (verdict is Verdict.UNKNOWN or (board and proved_by is not Source.BENCH)):
            open_given.append(given)
        if proved_by is not None:
            words = [named(given), verdict.value, f"({proved_by.word})"]
            says.append(" ".join(word for word in words if word))
    distinct = set(verdicts.values())
    overall = (
        Verdict.WORKS
        if Verdict.WORKS in distinct
        else Verdict.FAILS
        if distinct == {Verdict.FAILS}
        else Verdict.UNKNOWN
    )
    return Held(overall, min(sources, default=None), ", ".join(says), tuple(open_given), tuple(rows))


def _compared(investigation: Investigation, criterion: Criterion) -> Held:
    """The best pair of cells that differ in the factor alone; that they are known is what was asked."""
    judgement = investigation.judgements[criterion.outcome]
    wanted = {**criterion.cells, **(investigation.plan.wanted if investigation.plan else {})}
    seen = [
        observation
        for observation in judgement.kept
        if observation.source > Source.REPORTED
        and covers(wanted, observation.values)
        and observation.id not in disputed_ids(judgement)
    ]
    best: tuple[Source, bool, Observation, Observation] | None = None
    for first, second in _pairs(seen, criterion.factor):
        weight = min(first.source, second.source)
        differs = first.outcomes[criterion.outcome] is not second.outcomes[criterion.outcome]
        if best is None or (weight, differs) > best[:2]:
            best = (weight, differs, first, second)
    needed = investigation.given if any(criterion.factor in given for given in investigation.given) else ()
    if best is None:
        return Held(Verdict.UNKNOWN, open_given=tuple(needed))
    weight, differs, first, second = best
    pairs = ", ".join(
        f"{observation.level(criterion.factor)} {observation.outcomes[criterion.outcome].value}"
        for observation in (first, second)
    )
    open_given = tuple(given for given in needed if weight is not Source.BENCH)
    says = f"{'it differs' if differs else 'no difference'}: {pairs} ({weight.word})"
    return Held(Verdict.WORKS, weight, says, open_given)


def _pairs(observations: Sequence[Observation], factor: str) -> Iterator[tuple[Observation, Observation]]:
    rows: dict[tuple[tuple[str, tuple[str, ...]], ...], list[Observation]] = {}
    for observation in observations:
        if observation.level(factor) is not None:
            rest = tuple(
                sorted((name, levels) for name, levels in observation.values.items() if name != factor)
            )
            rows.setdefault(rest, []).append(observation)
    for row in rows.values():
        yield from ((a, b) for i, a in enumerate(row) for b in row[i + 1 :])


def _cause(investigation: Investigation, criterion: Criterion) -> Held:
    judgement = investigation.judgements[criterion.outcome]
    if judgement.cause is None:
        return Held(Verdict.UNKNOWN)
    sources = [observation.source for observation in judgement.kept if observation.source > Source.REPORTED]
    cause = judgement.cause_text(judgement.cause, investigation.space)
    return Held(Verdict.WORKS, min(sources, default=Source.REPORTED), f"it fails where {cause}")


def _link(investigation: Investigation, criterion: Criterion) -> Held:
    """The first broken link in a failing cell: by the log of a board, else by a prediction.

    Open are given values of which a board failed, and no log says at what.
    """
    failing = [
        observation
        for observation in investigation.counting(criterion.outcome)
        if observation.outcomes.get(criterion.outcome) is Verdict.FAILS
    ]
    named: list[tuple[Source, str]] = []
    for observation in failing:
        if observation.evidence.get("cause"):
            named.append((observation.source, str(observation.evidence["cause"])))
            continue
        broken = observation.evidence.get("goals", {}).get(criterion.outcome, {}).get("first_broken")
        if broken:
            named.append((observation.source, f"{broken['node']}: {broken['link']}"))
    on_board = [observation for observation in failing if observation.source is Source.BENCH]
    silent = tuple(
        given
        for given in investigation.given
        if (there := [observation for observation in on_board if fits(observation.values, given)])
        and not any(observation.evidence.get("cause") for observation in there)
    )
    if not named:
        return Held(Verdict.UNKNOWN, open_given=silent)
    best = max(source for source, _ in named)
    says = list(dict.fromkeys(words for source, words in named if source is best))
    return Held(Verdict.WORKS, best, "; ".join(says[:2]), silent)


def _steps(steps: Sequence[str], results: Mapping[str, StepResult]) -> Held:
    ended = [results[step] for step in steps if step in results]
    failed = [step_result for step_result in ended if step_result.status not in _NOT_FAILED]
    if failed:
        return Held(Verdict.FAILS, None, f"{failed[0].command} ended with status {failed[0].status}")
    if len(ended) == len(steps) and all(step_result.status == 0 for step_result in ended):
        return Held(Verdict.WORKS, None, "")
    return Held(Verdict.UNKNOWN)
