"""What `bootwright talos` says for a person: the verdict, why, what is not known, and the next steps."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import TypeAlias

from attrs import evolve

from bootwright.foundation.screen import LINE_WIDTH
from bootwright.foundation.verdict import Verdict
from bootwright.predict.by_release.remark import Remark
from bootwright.prepare.factory.foretold import Foretold, LikeGoal
from bootwright.report.words import command_lines

_Piece: TypeAlias = str | tuple[str, str]
"""A line as it is, or what it begins with and the text to be wrapped behind that."""


def lines(
    foretold: Foretold, address: str, schematic: str, *, explain: bool = False, width: int = LINE_WIDTH
) -> Iterator[str]:
    """One screen of so many columns; `schematic` is the file's name, `explain` adds sources."""
    for piece in _screen(foretold, address, schematic, explain=explain, width=width):
        if isinstance(piece, str):
            yield piece
        else:
            head, text = piece
            indent = " " * (len(head) - len(head.lstrip()) + 2)
            yield from textwrap.wrap(
                head + text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
            )


def _screen(
    foretold: Foretold, address: str, schematic: str, *, explain: bool, width: int
) -> Iterator[_Piece]:
    yield from _head(foretold)
    yield ""
    wrong = [remark for remark in foretold.remarks if remark.verdict is not Verdict.WORKS]
    for remark, following in pairwise(
        [*sorted(wrong, key=lambda remark: remark.verdict is not Verdict.FAILS), None]
    ):
        if remark is not None:
            # One remedy of several that follow one another is said once.
            again = following is not None and following.remedy == remark.remedy and not explain
            shown = evolve(remark, remedy="") if again else remark
            yield from _remark(str(remark.verdict), shown, explain=explain)
    for remark in foretold.remarks:
        if remark.verdict is Verdict.WORKS:
            yield from _remark("note", remark, explain=explain)
    if foretold.goals:
        yield from _goals(foretold)
    for hazard in foretold.hazards:
        yield from _remark("may happen", hazard, explain=explain)
    for text in foretold.missing:
        yield "not known without: ", text
    first = next((remark for remark in foretold.remarks if remark.comes_first), None)
    if first is not None:
        yield ""
        then = f"put into the schematic {first.remedy}, and ask again" if first.remedy else ""
        yield "next: ", then or "give an image that is made for the board: bootwright prepare FILE"
    elif foretold.verdict is not Verdict.FAILS:
        yield from _next(foretold, address, schematic, width)


def _head(foretold: Foretold) -> Iterator[_Piece]:
    asked = foretold.schematic.overlay
    stepping = f", stepping {foretold.stepping}" if foretold.stepping else ""
    number = foretold.version.text.removeprefix("v")
    yield "", f"Talos Linux {number} on {foretold.board.name}{stepping}: {foretold.verdict}"
    kernel = (
        f"Linux {foretold.release.kernel}, 4K pages"
        if foretold.release is not None
        else "a kernel that is not known"
    )
    overlay = "no overlay"
    if asked.name:
        version = (
            foretold.release.overlays.get(asked.image.rpartition("/")[2], "") if foretold.release else ""
        )
        overlay = f"overlay {asked.name} of {asked.image} {version or '(version not known here)'}"
    yield "  ", f"{kernel}; {overlay}"
    if foretold.trees is not None:
        yield "  ", f"devicetrees: {foretold.trees.text}"
    extensions = foretold.schematic.customization.extensions.official
    if extensions:
        yield "  ", f"extensions: {', '.join(extensions)}"
    if foretold.schematic.customization.bootloader:
        yield "  ", f"boot loader: {foretold.schematic.customization.bootloader}"
    arguments = foretold.schematic.customization.arguments
    if arguments:
        yield "  ", f"arguments: {' '.join(arguments)}"
    yield "  ", f"schematic {foretold.identity or f'id not known: {foretold.not_known}'}"


def _remark(word: str, remark: Remark, *, explain: bool) -> Iterator[_Piece]:
    yield f"{word}: ", remark.text
    if remark.remedy:
        yield "  do: ", remark.remedy
    if explain and remark.source:
        yield "  source: ", remark.source


def _goals(foretold: Foretold) -> Iterator[_Piece]:
    how = "judged with" if foretold.exact else "not a verdict: with stand-ins,"
    yield "", f"{how} {foretold.judged_with}:"
    by_words: dict[tuple[str, str, str], list[str]] = {}
    several = len({goal.stepping for goal in foretold.goals}) > 1
    for goal in foretold.goals:
        by_words.setdefault((str(goal.verdict), goal.because, goal.remedy), []).append(
            _name(goal, several=several)
        )
    for (verdict, because, remedy), names in sorted(by_words.items()):
        yield "  ", f"{verdict}: {', '.join(names)}"
        if because:
            yield "    ", because
        if remedy:
            yield "    do: ", remedy


def _name(goal: LikeGoal, *, several: bool) -> str:
    return f"{goal.goal} on {goal.stepping}" if several else goal.goal


def _next(foretold: Foretold, address: str, schematic: str, width: int) -> Iterator[_Piece]:
    yield ""
    posted = f"curl -X POST --data-binary @{shlex.quote(schematic)} https://factory.talos.dev/schematics"
    if not foretold.identity:
        yield "next: ", "give the factory the schematic, which answers with its id:"
        yield from command_lines(posted, width)
        return
    yield (
        "next: ",
        "give the factory the schematic; check the image that it makes, and mend it where it must be:",
    )
    yield from command_lines(posted, width)
    board = f"--board {foretold.board.id}" + (f" --stepping {foretold.stepping}" if foretold.stepping else "")
    yield from command_lines(f"bootwright prepare talos {board} --image {address}", width)
