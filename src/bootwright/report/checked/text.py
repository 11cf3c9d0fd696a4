"""The verdicts of `bootwright check` for a person: one screen for a board, the rest on request."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

from attrs import evolve, frozen

from bootwright.foundation.screen import LINE_WIDTH, line_width, screen_size
from bootwright.foundation.verdict import Verdict, worst
from bootwright.predict.model import GoalVerdict, Link
from bootwright.predict.verdicts import BoardVerdicts, together, which_stepping
from bootwright.report.checked.fold import Folded, Place, Row, Warned, by_steppings, fold_board, touched
from bootwright.report.words import count, listed

MOST_NODES = 3


@frozen
class Size:
    """What a board's answer may fill."""

    columns: int = LINE_WIDTH
    lines: int | None = None
    """None where nobody looks at a screen."""

    def less(self, lines: int) -> Size:
        """What is left beside so many lines."""
        return self if self.lines is None else evolve(self, lines=max(self.lines - lines, 0))

    @property
    def endless(self) -> Size:
        """As wide, and as long as need be."""
        return evolve(self, lines=None)


def terminal_size() -> Size:
    """Of the screen, less the command's line and the next prompt's."""
    _, lines = screen_size()
    return Size(line_width(), max(lines - 2, 8) if lines else None)


@frozen
class _Detail:
    """How much is said."""

    remarks: bool = True
    """What is not checked, instead of how much."""
    reasons: bool = True
    """Why a hazard is one, beside its title and remedy."""
    labels: bool = True
    """A line each for what breaks, why, and the remedy, instead of one paragraph."""
    hazards: bool = True
    """Hazards with their remedies, instead of their titles in one paragraph."""
    rows: int | None = None
    """Of how many rows it is said what breaks them; None for all."""


def _details(rows: int) -> Iterator[_Detail]:
    """From all to little: the least important goes first where a screen is too small."""
    yield _Detail()
    yield _Detail(remarks=False)
    yield _Detail(remarks=False, reasons=False)
    yield _Detail(remarks=False, reasons=False, labels=False)
    for shown in reversed(range(rows + 1)):
        yield _Detail(remarks=False, reasons=False, labels=False, hazards=False, rows=shown)


def screens(judged: Iterable[BoardVerdicts], size: Size = Size()) -> list[str]:
    """Every board's answer; where several together are longer than the screen, each is its verdicts alone."""
    boards = [list(same) for _, same in itertools.groupby(judged, key=lambda verdicts: verdicts.board.id)]
    if len(boards) == 1:
        return screen(boards[0], size)
    whole = [line for board in boards for line in screen(board, size.endless)]
    if size.lines is None or len(whole) <= size.lines:
        return whole
    short = [line for board in boards for line in _short(board, size.columns)]
    return [*short, f"--board {boards[0][0].board.id}, or another, says why; --explain says all"]


def _short(judged: Sequence[BoardVerdicts], width: int) -> Iterator[str]:
    """A board's verdicts in a line or two, what fails first."""
    folded = fold_board(judged)
    verdicts = (
        text
        for verdict, rows in itertools.groupby(folded.rows, key=lambda row: row.verdict)
        for text in _named(verdict, [place for row in rows for place in row.places], folded)
    )
    yield from _wrapped("", f"{judged[0].board.name}: {'; '.join(verdicts)}", width)


def screen(judged: Sequence[BoardVerdicts], size: Size = Size()) -> list[str]:
    """One board with one kernel, on all steppings judged: the verdict, what breaks it and what mends that.

    What several goals share is said once. Where that is longer than the screen, what is not checked is only
    counted, then hazards lose their reasons and remedies, then the last rows theirs; `--explain` has all.
    """
    folded = fold_board(judged)
    text: list[str] = []
    for detail in _details(sum(bool(row.broken) for row in folded.rows)):
        text = list(_screen(judged, folded, detail, size.columns))
        if size.lines is None or len(text) <= size.lines:
            break
    return text


def _screen(judged: Sequence[BoardVerdicts], folded: Folded, detail: _Detail, width: int) -> Iterator[str]:
    yield from _wrapped("", f"{_title(judged)}: {_headline(judged)}", width)
    remedies: set[str] = set()
    shown = folded.rows[: detail.rows]
    for row in shown:
        yield from _places(row.verdict, row.places, folded, width)
        if row.broken:
            yield from _broken(row, detail, remedies, width)
    for verdict, rows in itertools.groupby(folded.rows[len(shown) :], key=lambda row: row.verdict):
        places = tuple(place for row in rows for place in row.places)
        yield from _places(verdict, places, folded, width)
    if len(folded.every) == 1 and folded.rows[0].verdict is Verdict.WORKS:
        (goal,) = judged[0].goals.values()
        yield from _wrapped("    ", " → ".join(_stations(goal)), width)
    if detail.hazards:
        for warned in folded.hazards:
            yield from _hazard(warned, folded, detail, remedies, width)
    elif folded.hazards:
        titles = "; ".join(
            f"{warned.hazard.title} ({', '.join(dict.fromkeys(place.goal for place in warned.places))})"
            for warned in folded.hazards
        )
        yield from _wrapped("  ", f"hazards: {titles}", width)
    yield from _unchecked(folded, detail, width)
    more = dict.fromkeys(name for verdicts in judged for name in verdicts.more)
    if more:
        yield from _wrapped("  ", f"not asked: {', '.join(more)} (--goal NAME)", width)
    trees = {verdicts.stepping: verdicts.dtb_name for verdicts in judged}
    if len(set(trees.values())) > 1:
        words = ", ".join(f"{stepping} {tree}" for stepping, tree in trees.items())
        yield from _wrapped("  ", f"devicetrees: {words}", width)
    if detail != _Detail():
        yield "  --explain says the rest"


def notes(remarks: Sequence[str], size: Size = Size()) -> list[str]:
    """Remarks on how the artifacts were read; on a screen no more than a quarter of it, the rest counted."""
    most = 0 if size.lines is None else size.lines // 4
    lines: list[str] = []
    for number, remark in enumerate(remarks):
        wrapped = [*_wrapped("", f"note: {remark}", size.columns)]
        if size.lines is not None and len(lines) + len(wrapped) > most:
            more = count(len(remarks) - number, "note" if not number else "more note")
            return [*lines, f"note: {more}, with --explain"]
        lines += wrapped
    return lines


def links(verdicts: BoardVerdicts, width: int | None = None) -> Iterator[str]:
    """Every link of every goal with its evidence; what goals share stands with the first of them.

    Lines are as long as need be where nobody looks at a screen (`width` None, else its columns).
    """
    for line in _links(verdicts):
        if width is None or len(line) <= width:
            yield line
        else:
            text = line.lstrip()
            yield from _wrapped(line[: len(line) - len(text)], text, width)


def _links(verdicts: BoardVerdicts) -> Iterator[str]:
    yield verdicts.title
    shown: dict[Link, str] = {}
    for name, goal in verdicts.goals.items():
        yield f"  {name}: {goal.verdict.value}"
        for with_goal, same in _runs(goal.chain, shown):
            if with_goal is not None and len(same) > 1:
                yield f"    {_mark(worst(link.verdict for link in same))} {len(same)} links as of {with_goal}"
            else:
                for link in same:
                    yield from _link(link)
        shown = dict.fromkeys(goal.chain, name) | shown
        for hazard in goal.hazards:
            yield f"    ! hazard {hazard.name} ({', '.join(hazard.sources)})"
        if goal.not_checked:
            yield f"    not checked: {'; '.join(goal.not_checked)}"


def _title(judged: Sequence[BoardVerdicts]) -> str:
    first = judged[0]
    if len(judged) == 1:
        return first.title
    trees = {verdicts.dtb_name for verdicts in judged}
    return " and ".join([f"{first.board.name} with {first.kernel}", *(trees if len(trees) == 1 else ())])


def _headline(judged: Sequence[BoardVerdicts]) -> str:
    """The verdict of all goals, and what must be known where steppings differ."""
    answers = together(judged)
    verdict = worst(answer.verdict for answer in answers)
    if not any(answer.split for answer in answers):
        steppings = ", ".join(verdicts.stepping for verdicts in judged)
        return verdict.value + (f" on every stepping ({steppings})" if len(judged) > 1 else "")
    option = which_stepping(judged[0].board)
    if verdict is Verdict.UNKNOWN:
        return f"{verdict.value}: it depends on the stepping: give {option}"
    return f"{verdict.value}, and some goals depend on the stepping: give {option}"


def _places(verdict: Verdict, places: Sequence[Place], folded: Folded, width: int) -> Iterator[str]:
    for text in _named(verdict, places, folded):
        yield from _wrapped("  ", text, width)


def _named(verdict: Verdict, places: Sequence[Place], folded: Folded) -> Iterator[str]:
    """`works: ethernet, usb`, or `d0 works: ethernet` where it is not so on each stepping."""
    steppings = {place.stepping for place in folded.every}
    for of, goals in by_steppings(places).items():
        where = "" if len(of) == len(steppings) else f"{', '.join(of)} "
        yield f"{where}{verdict.value}: {', '.join(goals)}"


def _broken(row: Row, detail: _Detail, remedies: set[str], width: int) -> Iterator[str]:
    link = row.broken[0]
    nodes = [broken.node for broken in row.broken[:MOST_NODES]]
    nodes += [f"{len(row.broken) - MOST_NODES} more"] if len(row.broken) > MOST_NODES else []
    if not detail.labels and link.reason:
        where = "" if link.node == "/" else f"{listed(nodes)}: "
        remedy = "" if link.remedy in remedies else link.remedy
        yield from _wrapped("    ", "; ".join(filter(None, (f"{where}{link.reason}", remedy))), width)
        remedies.add(link.remedy)
        return
    yield from _wrapped("    ", f"first broken link: {listed(nodes)}: {link.needs}", width)
    if link.reason:
        yield from _wrapped("    ", f"why: {link.reason}", width)
    yield from _remedy("    ", link.remedy, remedies, width)


def _hazard(warned: Warned, folded: Folded, detail: _Detail, remedies: set[str], width: int) -> Iterator[str]:
    hazard, of = warned.hazard, _of(warned, folded)
    if warned.is_told:
        yield from _wrapped("  ", f"hazard{of} too: {hazard.title}", width)
        return
    reason = f": {hazard.reason}" if detail.reasons else ""
    yield from _wrapped("  ", f"hazard{of}: {hazard.title}{reason}", width)
    yield from _remedy("    ", hazard.remedy, remedies, width)


def _of(warned: Warned, folded: Folded) -> str:
    places = touched(warned.places, folded.every)
    return f" of {places}" if places and len(folded.every) > 1 else ""


def _unchecked(folded: Folded, detail: _Detail, width: int) -> Iterator[str]:
    if not folded.unchecked:
        return
    if not detail.remarks:
        number = sum(len(unchecked.remarks) for unchecked in folded.unchecked)
        yield from _wrapped("  ", f"not checked: {count(number, 'thing')} that no file can tell", width)
        return
    texts = []
    for unchecked in folded.unchecked:
        goals = ", ".join(unchecked.goals) if len(folded.goals) > len(unchecked.goals) else ""
        missing = [goal for goal in folded.goals if goal not in unchecked.goals]
        if len(missing) < len(unchecked.goals) - 1:
            goals = f"all but {listed(missing)}" if missing else ""
        texts.append(f"{goals}{': ' if goals else ''}{'; '.join(unchecked.remarks)}")
    yield from _wrapped("  ", f"not checked: {'. '.join(texts)}", width)


def _remedy(indent: str, remedy: str, remedies: set[str], width: int) -> Iterator[str]:
    if remedy:
        yield from _wrapped(indent, f"remedy: {'the same' if remedy in remedies else remedy}", width)
        remedies.add(remedy)


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


def _runs(chain: Sequence[Link], shown: dict[Link, str]) -> Iterator[tuple[str | None, list[Link]]]:
    """A chain in pieces: links that stand with another goal already (its name), and new ones (None)."""
    for with_goal, links_of_it in itertools.groupby(chain, key=shown.get):
        yield with_goal, list(links_of_it)


def _mark(verdict: Verdict) -> str:
    return {Verdict.WORKS: "+", Verdict.FAILS: "-", Verdict.UNKNOWN: "?"}[verdict]


def _link(link: Link) -> Iterator[str]:
    yield f"    {_mark(link.verdict)} {link.node}: {link.needs}"
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
