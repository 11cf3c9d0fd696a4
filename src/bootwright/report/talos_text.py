"""What `bootwright talos` says for a person: the verdict, why, what is not known, and the next steps."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator
from itertools import pairwise

from attrs import evolve

from bootwright.foundation.verdict import Verdict
from bootwright.prepare.factory.foretold import Foretold, LikeGoal
from bootwright.prepare.factory.remark import Remark

_WIDTH = 100


def lines(foretold: Foretold, address: str, schematic: str, *, explain: bool = False) -> Iterator[str]:
    """One screen; `schematic` is the file's name, `explain` adds sources and what goes well."""
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
        yield from _wrapped("not known without: ", text)
    if foretold.verdict is not Verdict.FAILS:
        yield from _next(foretold, address, schematic)


def _head(foretold: Foretold) -> Iterator[str]:
    asked = foretold.schematic.overlay
    stepping = f", stepping {foretold.stepping}" if foretold.stepping else ""
    number = foretold.version.text.removeprefix("v")
    yield f"Talos Linux {number} on {foretold.board.name}{stepping}: {foretold.verdict}"
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
    yield from _wrapped("  ", f"{kernel}; {overlay}")
    if foretold.trees is not None:
        yield from _wrapped("  ", f"devicetrees: {foretold.trees.text}")
    extensions = foretold.schematic.customization.extensions.official
    if extensions:
        yield from _wrapped("  ", f"extensions: {', '.join(extensions)}")
    if foretold.schematic.customization.bootloader:
        yield f"  boot loader: {foretold.schematic.customization.bootloader}"
    arguments = foretold.schematic.customization.arguments
    if arguments:
        yield from _wrapped("  ", f"arguments: {' '.join(arguments)}")
    yield f"  schematic {foretold.identity or f'id not known: {foretold.not_known}'}"


def _remark(word: str, remark: Remark, *, explain: bool) -> Iterator[str]:
    yield from _wrapped(f"{word}: ", remark.text)
    if remark.remedy:
        yield from _wrapped("  do: ", remark.remedy)
    if explain and remark.source:
        yield from _wrapped("  source: ", remark.source)


def _goals(foretold: Foretold) -> Iterator[str]:
    how = "judged with" if foretold.exact else "not a verdict: with stand-ins,"
    yield from _wrapped("", f"{how} {foretold.judged_with}:")
    by_words: dict[tuple[str, str, str], list[str]] = {}
    several = len({goal.stepping for goal in foretold.goals}) > 1
    for goal in foretold.goals:
        by_words.setdefault((str(goal.verdict), goal.because, goal.remedy), []).append(
            _name(goal, several=several)
        )
    for (verdict, because, remedy), names in sorted(by_words.items()):
        yield from _wrapped("  ", f"{verdict}: {', '.join(names)}")
        if because:
            yield from _wrapped("    ", because)
        if remedy:
            yield from _wrapped("    do: ", remedy)


def _name(goal: LikeGoal, *, several: bool) -> str:
    return f"{goal.goal} on {goal.stepping}" if several else goal.goal


def _next(foretold: Foretold, address: str, schematic: str) -> Iterator[str]:
    yield ""
    if not foretold.identity:
        yield "next: give the factory the schematic, which answers with its id:"
        yield f"  curl -X POST --data-binary @{shlex.quote(schematic)} https://factory.talos.dev/schematics"
        return
    yield "next: give the factory the schematic; check the image that it makes, and mend it where it must be:"
    yield f"  curl -X POST --data-binary @{shlex.quote(schematic)} https://factory.talos.dev/schematics"
    board = f"--board {foretold.board.id}" + (f" --stepping {foretold.stepping}" if foretold.stepping else "")
    yield f"  bootwright prepare talos {board} \\"
    yield f"    --image {address}"


def _wrapped(head: str, text: str) -> Iterator[str]:
    indent = " " * (len(head) - len(head.lstrip()) + 2)
    yield from textwrap.wrap(
        head + text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
