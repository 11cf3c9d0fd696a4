"""A unit that failed, with what its own program said of why."""

from __future__ import annotations

import re
from typing import Final

from attrs import evolve

from bootwright.diagnose.judging.first_program import BY_INIT
from bootwright.diagnose.judging.order.joining import MOST_LINES
from bootwright.diagnose.judging.order.kept_lines import KeptLines
from bootwright.diagnose.model import SERIOUS, Finding, Line
from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.patterns import printable

_TAG: Final = re.compile(rb"\(?(?P<name>[\w.@/:-]{2,64}?)\)?\[\d{1,10}\]: (?P<words>.*)", re.DOTALL)
_HINTS_AT_KERNEL: Final = re.compile(
    r"wrong fs type|can't read superblock|fsconfig system call failed|Invalid argument"
    r"|Structure needs cleaning"
)
"""Of why a mount failed."""
_MOST_UNITS: Final = 3
_LONGEST: Final = 240
_LONGEST_LINE: Final = 400
"""Characters of what one program said that are told, and of its line that are shown."""


def with_own_words(finding: Finding, fact: str, kept: KeptLines | None) -> Finding:
    """The finding with what the units that its `fact` names said, if it was kept; as it is without."""
    facts = dict(finding.facts)
    if not fact or kept is None or finding.severity not in SERIOUS or _tells(facts.get("why", "")):
        return finding
    said: dict[str, None] = {}
    lines: list[Line] = []
    for unit in facts.get(fact, "").split(", ")[:_MOST_UNITS]:
        named = [line.number for line in finding.lines if unit and unit in line.text]
        # What a table or a status says of a unit stands before its log.
        places = next(
            (spoken for number in (*named[:1], *named[-1:]) if (spoken := kept.own_words(number, unit))), ()
        )
        lines += [Line(place.line, printable(place.raw.rstrip())[:_LONGEST_LINE]) for place in places]
        if places:
            said[_words(places[0].raw)] = None
    if not said:
        return finding
    words = "; ".join(said)
    return evolve(
        finding,
        cause=f"{finding.cause} Before that, {words}.",
        lines=(*lines, *(line for line in finding.lines if line not in lines))[:MOST_LINES],
        facts=tuple(sorted((*finding.facts, ("own_words", words)))),
    )


def _tells(why: str) -> bool:
    """Whether a reason is known, and no mere hint at the kernel's own words."""
    return bool(why) and _HINTS_AT_KERNEL.match(why) is None


def _words(raw: bytes) -> str:
    """Who said a line, and what."""
    text = prefix.split(raw).text
    tag, first = _TAG.match(text), BY_INIT.match(text)
    who, what = (tag["name"], tag["words"]) if tag is not None else (b"the kernel", text)
    if tag is None and first is not None:
        who, what = b"init", text[first.end() :]
    return f"{printable(who)} said: `{printable(what)[:_LONGEST].rstrip()}`"
