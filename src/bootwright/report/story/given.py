"""What to do now: for each given value (a board, its revision, what is plugged in) the answer in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import frozen

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.observations import Observation, Source
from bootwright.investigate.decision.configurations import Configuration, History, Way
from bootwright.investigate.decision.decide import Decision
from bootwright.investigate.decision.disputes import Disputed
from bootwright.investigate.decision.given import Answer
from bootwright.investigate.decision.single_changes import SingleChange
from bootwright.investigate.plans.given import Given, Silicon, silicon
from bootwright.investigate.plans.ways import still_to_tell
from bootwright.investigate.running.investigation import Investigation
from bootwright.report.story.names import Names, cell_words, value
from bootwright.report.story.reports import reason
from bootwright.report.words import capital, clean, count, listed, seconds, sentence

HOW_KNOWN = {
    "reported": "Somebody reported it; it was not looked at here.",
    "predicted": "Predicted from files; not run on a board yet.",
    "emulated": "Seen under emulation; not run on a board yet.",
    "bench": "Seen on a board.",
}
HEADLINES = {
    "bench": "Seen to work{} on a board",
    "emulated": "Seen to work{}, not yet run on a board",
    "in part": "Seen to work{} as far as it was told of a board, the rest still to be seen there",
    "predicted": "Predicted to work{}, not yet run on a board",
    "reported": "Reported to work{}, not looked at here",
}
Cell = tuple[tuple[str, str], ...]
"""(label of a factor, its level), in the plan's order."""


@frozen
class Working:
    """A whole cell in which every goal works, as far as is known."""

    word: str
    """`Predicted to work`, `Seen to work on a board` …"""
    cell: Cell
    why: str


@frozen
class Command:
    """A command that a reader can give."""

    lead: str
    """What is said before it: that it is an alternative, or needs an image; or empty."""
    command: str
    says: str
    """What it brings, and how that is known; or empty."""
    unseen: bool = False
    """It is another configuration than the best one, and no run looked at it."""


@frozen
class WhatToDo:
    """The answer for one given value."""

    name: str
    """`rpi5-rev-1.1`; with several given factors `board rpi5-rev-1.1, HAT none`; empty without any."""
    what: str
    """What that is, by the board's file; or empty."""
    verdict: str
    source: str
    """How it is known where it works: `reported`, `predicted`, `emulated`, `bench`; else empty."""
    use: Cell
    """What to choose; empty where nothing is known to work."""
    commands: tuple[Command, ...]
    """What leads there, the first one for a reader who has nothing yet."""
    ready: str
    """What that can be had with ready made; or empty."""
    says: str
    """How it is known, or what is missing, or that nothing that can be chosen helps."""
    todo: str
    """What to do on the board; or empty."""
    cost: str
    why: tuple[str, ...]
    """Why not otherwise: what fails with this value where one free factor differs; of a value with which
    nothing is known to work, why its cells fail."""
    history: tuple[str, ...]
    """From the public history, not shown by a run."""
    cell: Cell
    """What to try on the board, whole; empty where there is nothing."""
    works: tuple[Working, ...]
    """All that is known to work, the best first."""
    in_part: bool
    """Some of it was seen on a board, and not all."""
    again: tuple[str, ...]
    """What is to be looked at again, because boards contradict each other about it."""

    @property
    def shown(self) -> bool:
        """Whether there is anything to say of what to do."""
        return bool(self.name or self.use or self.cell or self.again)


def what_to_do(investigation: Investigation, decision: Decision, names: Names) -> tuple[WhatToDo, ...]:
    """One for each answer."""
    return tuple(_what_to_do(investigation, answer, names) for answer in decision.answers)


def _what_to_do(investigation: Investigation, answer: Answer, names: Names) -> WhatToDo:
    best = answer.best if answer.verdict is Verdict.WORKS else None
    step = answer.next
    on_board = [goal for goal, basis in best.basis.items() if basis.endswith("(bench)")] if best else []
    missing = [goal for goal in investigation.goals if goal not in on_board]
    values = {name: (level,) for name, level in best.factors.items()} if best else {}
    still = still_to_tell(investigation.plan, values, missing) if on_board else []
    part = silicon(investigation.plan, answer.given) if investigation.plan and answer.given else None
    cost = f"About {seconds(step.hours * 3600)}" if step else ""
    if step and step.because:
        cost += f": {'; '.join(clean(text, 300) for text in step.because)}"
    return WhatToDo(
        name=value(answer.given, names),
        what=_silicon(part),
        verdict=str(answer.verdict),
        source=best.source if best else "",
        use=_cell(investigation, best.factors, names, without=answer.given) if best else (),
        commands=tuple(_commands(answer, names)),
        ready=_ready_made(investigation, best, answer.given, names) if best and not answer.ways else "",
        says=(_seen_in_part(on_board, names) if still else HOW_KNOWN[best.source])
        if best
        else _says(answer, names),
        todo=sentence(f"Still to tell: {clean('; '.join(still), 600)}")
        if still
        else sentence(clean(step.how, 600))
        if step
        else "",
        cost="" if still else sentence(cost),
        why=tuple(_fails_with(investigation, change, names) for change in answer.changes)
        if best
        else _reasons(investigation, answer),
        history=tuple(_history(known, names) for known in answer.history),
        cell=_cell(investigation, step.factors, names) if step else (),
        works=tuple(_working(investigation, made, names) for made in answer.works),
        in_part=bool(still),
        again=tuple(_again(investigation, dispute, names) for dispute in answer.disputed),
    )


def _seen_in_part(goals: list[str], names: Names) -> str:
    return f"Seen on a board: {listed([f'“{names.outcome(goal)}”' for goal in goals])}."


def _again(investigation: Investigation, dispute: Disputed, names: Names) -> str:
    """`Boards contradict each other about kernel version 6.18.15; …: look again …`."""
    given = investigation.given[0]
    cell = cell_words(_cell(investigation, dispute.factors, names, without=given))
    says = listed(
        [
            f"“{names.outcome(by.outcome)}” was seen to work {count(by.works, 'time')} and to fail "
            f"{count(by.fails, 'time')} ({listed([clean(identity, 60) for identity in by.cells])})"
            for by in dispute.by
        ]
    )
    ids = {identity for by in dispute.by for identity in by.cells}
    boards = any(seen.source is Source.BENCH for seen in investigation.observations if seen.id in ids)
    hours = f" (about {seconds(dispute.hours * 3600)})" if dispute.hours is not None else ""
    weighed = "" if investigation.space.noise else "; with --noise 0.05 the most of them decide"
    return (
        f"{'Boards' if boards else 'Reports'} contradict each other about {cell}: {says}. Nothing is "
        f"concluded from it: look there again{hours}{weighed}."
    )


def _silicon(part: Silicon | None) -> str:
    """`Raspberry Pi 5 (BCM2712D0, boards of revision 1.1, and those with 2 GB)`."""
    if part is None:
        return ""
    note = clean(part.stepping.note, 200)
    return clean(part.board.name, 100) + (f" ({note})" if note else "")


def _says(answer: Answer, names: Names) -> str:
    text = sentence(clean(answer.why, 400)) if answer.why else ""
    open_goals = listed([f"“{names.outcome(goal)}”" for goal in answer.open_goals])
    if not answer.exhausted:
        return f"{text} Not known to work: {open_goals}." if open_goals else text
    others = listed([value(given, names) for given in answer.instead])
    return f"Everything that can be chosen was exhausted: {text[:1].lower()}{text[1:]} " + (
        f"Only something else to have is left: it works with {others}."
        if others
        else "Nothing else that was asked about works either."
    )


def _cell(
    investigation: Investigation, factors: Mapping[str, str], names: Names, without: Mapping[str, str] = {}
) -> Cell:
    return tuple(
        (names.factor(factor.name), names.level(factor.name, factors[factor.name]))
        for factor in investigation.factors
        if factor.name in factors and factor.name not in without
    )


def _fails_with(investigation: Investigation, change: SingleChange, names: Names) -> str:
    """`Not with kernel version 6.18.15 (cell-17, predicted): the pin controller …`."""
    bad: Observation = next(seen for seen in investigation.observations if seen.id == change.fails)
    because = reason(bad, change.outcome)
    return (
        f"Not with {names.factor(change.factor)} {clean(change.from_level, 80)} "
        f"({clean(bad.id, 60)}, {bad.source.word}){f': {because}' if because else '.'}"
    )


def _reasons(investigation: Investigation, answer: Answer) -> tuple[str, ...]:
    """Why the cells with a given value fail, each reason once."""
    cells: dict[str, list[str]] = {}
    for seen in investigation.observations:
        if seen.id not in answer.tried:
            continue
        for goal in investigation.goals:
            if because := reason(seen, goal):
                cells.setdefault(because, []).append(f"{clean(seen.id, 60)} ({seen.source.word})")
    return tuple(f"{because} So in {listed(ids)}." for because, ids in cells.items())


def _history(known: History, names: Names) -> str:
    """`6.18.32 and later of its series and 7.0 and later have the change …`, and the release that has it."""
    change = known.change
    older = [f"{clean(text, 40)} and later of its series" for text in change.also_in]
    since = listed([*older, f"{clean(change.first_in, 40)} and later"])
    commits = listed([clean(commit.id, 40) for commit in change.commit])
    text = f"{since} have the change that is known to mend it: {clean(change.what, 300)} ({commits})."
    if not known.release:
        return text
    level = f"{names.factor(change.factor)} {clean(known.level, 80)}"
    hours = f", about {seconds(known.hours * 3600)} to try" if known.hours is not None else ""
    return f"{text} {clean(known.release, 120)} is the first release with it ({level}{hours})."


def _ready_made(investigation: Investigation, best: Configuration, given: Given, names: Names) -> str:
    """What the best configuration can be had with, and what is to be chosen beside it."""
    plan = investigation.plan
    release = (
        next((release for release in plan.release if release.name == best.release), None) if plan else None
    )
    if plan is None or release is None:
        return ""
    beside = [
        f"{label} {level}"
        for label, level in _cell(
            investigation, best.factors, names, without={**given, **release.factors, **plan.wanted}
        )
    ]
    rest = f"; choose beside it {listed(beside)}" if beside else ""
    return f"Ready made, in its own build: {clean(release.name, 120)}{rest}."


def _commands(answer: Answer, names: Names) -> Iterator[Command]:
    """The ways to the best configuration, as alternatives."""
    for number, way in enumerate(answer.ways):
        lead = "" if way.release else "with an image that you have (IMAGE):"
        if number:
            lead = f"or {lead or 'else:'}"
        unseen = way.source == "untried"
        yield Command(capital(lead), clean(way.command, 400), _brings(answer, way, names), unseen)


def _brings(answer: Answer, way: Way, names: Names) -> str:
    """What a way has that the best configuration has not, and how that is known."""
    if way.source not in {"history", "untried"}:
        return sentence(clean(way.note, 300))
    levels = [
        f"{names.factor(name)} {names.level(name, level)}"
        for name, level in way.factors.items()
        if answer.best is not None and answer.best.factors.get(name) != level
    ]
    hours = f" About {seconds(way.hours * 3600)}." if way.hours is not None else ""
    has = f"{clean(way.release, 120)}: {listed(levels)}"
    if way.source == "history":
        return f"{has}, else as below. By the public history it has the mend; no run here shows it.{hours}"
    known = f"Known of it: {clean('; '.join(way.known), 600)}" if way.known else "Nothing known is against it"
    return f"{has}; its files were not read. {known}."


def _working(investigation: Investigation, made: Configuration, names: Names) -> Working:
    why = [
        f"“{names.outcome(goal)}”: "
        + (
            f"it fails only where {names.cause(cause, investigation.judgements[goal])}"
            if basis.startswith("it fails only") and cause
            else basis
        )
        for goal, basis in made.basis.items()
        for cause in [investigation.judgements[goal].cause]
    ]
    word = {
        "reported": "Reported to work",
        "predicted": "Predicted to work",
        "emulated": "Seen to work under emulation",
        "bench": "Seen to work on a board",
    }[made.source]
    return Working(word, _cell(investigation, made.factors, names), clean("; ".join(why), 600) + ".")


def in_short(answer: WhatToDo) -> str:
    """`works (predicted)`, `fails`."""
    source = "in part on a board" if answer.in_part else answer.source
    return f"{answer.verdict} ({source})" if source else answer.verdict


def headline(answers: tuple[WhatToDo, ...]) -> str:
    """The whole answer in one line, where there are given factors."""
    return _by_given(answers) + contradicted(answers)


def contradicted(answers: tuple[WhatToDo, ...]) -> str:
    """What a headline ends with where boards contradict each other; else empty."""
    disputes = [answer.name for answer in answers if answer.again]
    about = f" about {_few(disputes)}" if any(disputes) else ""
    return f"; what was seen contradicts itself{about}: look again" if disputes else ""


def _by_given(answers: tuple[WhatToDo, ...]) -> str:
    by_verdict: dict[str, list[str]] = {}
    for answer in answers:
        by_verdict.setdefault(answer.verdict, []).append(answer.name)
    works = by_verdict.get("works", [])
    if len(works) == len(answers):
        by_source: dict[str, list[str]] = {}
        for answer in answers:
            by_source.setdefault("in part" if answer.in_part else answer.source, []).append(answer.name)
        if len(by_source) == 1:
            for_all = f" for {'both' if len(works) == 2 else f'all {len(works)}'}" if len(works) > 1 else ""
            return HEADLINES[next(iter(by_source))].format(for_all)
        heads = [
            HEADLINES[source].format(f" for {_few(by_source[source])}")
            for source in HEADLINES
            if source in by_source
        ]
        return "; ".join([heads[0], *(head[0].lower() + head[1:] for head in heads[1:])])
    said = {"works": "works with", "fails": "does not work with", "unknown": "not known for"}
    parts = [
        f"{words} {_few(by_verdict[verdict])}" for verdict, words in said.items() if verdict in by_verdict
    ]
    return capital("; ".join(parts))


def _few(values: list[str]) -> str:
    return listed(values) if len(values) < 4 else f"{values[0]} and {count(len(values) - 1, 'other')}"
