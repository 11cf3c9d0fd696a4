"""The verdicts of `bootwright check` for a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from bootwright.foundation.verdict import Verdict
from bootwright.predict.model import GoalVerdict, Link
from bootwright.predict.verdicts import Together


def lines(
    title: str, verdicts: Mapping[str, GoalVerdict], *, explain: bool = False, width: int = 100
) -> Iterator[str]:
    """A board's goals, one below the other: the verdict, the chain, the first broken link, what mends it."""
    yield title
    for name, goal in verdicts.items():
        yield f"  {name}: {goal.verdict.value}"
        if explain:
            for link in goal.chain:
                yield from _link(link)
        elif goal.verdict is not Verdict.FAILS or goal.first_broken is None:
            yield from _wrapped("    ", " → ".join(_stations(goal)), width)
        broken = goal.first_broken
        if broken is not None:
            yield from _wrapped("    ", f"first broken link: {broken.node}: {broken.needs}", width)
            yield from _wrapped(
                "    ", f"why: {broken.reason or 'its verdict is ' + broken.verdict.value}", width
            )
            if broken.remedy:
                yield from _wrapped("    ", f"remedy: {broken.remedy}", width)
        for hazard in goal.hazards:
            if broken is None or hazard.reason != broken.reason:
                yield from _wrapped("    ", f"hazard: {hazard.title}: {hazard.reason}", width)
                yield from _wrapped("      ", f"remedy: {hazard.remedy}", width)
        if goal.not_checked:
            yield from _wrapped("    ", f"not checked: {'; '.join(goal.not_checked)}", width)


def summary(answers: Iterable[Together]) -> Iterator[str]:
    """What is true of each board of which several steppings were judged."""
    for answer in answers:
        if len(answer.steppings) > 1:
            yield from _wrapped("", f"{answer.board.name}: {answer.goal}: {answer.words}", 100)


def _stations(goal: GoalVerdict) -> list[str]:
    """The devices of a chain, each once, in the order they come up, with their drivers."""
    drivers: dict[str, str] = {}
    for link in goal.chain:
        if link.node == "/":
            continue  # the kernel as a whole: no device on the way
        drivers.setdefault(link.node, "")
        if link.needs.startswith("driver "):
            drivers[link.node] = link.needs.removeprefix("driver ")
    return [
        f"{node.rpartition('/')[2] or node}{f' ({driver})' if driver else ''}"
        for node, driver in drivers.items()
    ]


def _link(link: Link) -> Iterator[str]:
    mark = {Verdict.WORKS: "+", Verdict.FAILS: "-", Verdict.UNKNOWN: "?"}[link.verdict]
    yield f"    {mark} {link.node}: {link.needs}"
    yield f"        {link.because}"
    if link.reason:
        yield f"        {link.reason}"


def _wrapped(indent: str, text: str, width: int) -> Iterator[str]:
    import textwrap

    yield from textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
