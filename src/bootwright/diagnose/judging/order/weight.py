"""How much a finding that fails nothing matters beside others: by what its lines carry, not by its name.

What its speaker means as information comes last. Else what goes on or is a device's last word comes before
what was said once and got over, an error before a warning, a device that a machine is there for
(`data/device-roles/`) before another one; what comes again, or when the machine had long been up, before what
was said while it started.
"""

from __future__ import annotations

from typing import Final

from bootwright.diagnose.judging.device_roles import role_of
from bootwright.diagnose.judging.gravity import WARNING, level_of
from bootwright.diagnose.judging.order.kept_lines import span
from bootwright.diagnose.messages.speaker import speaker
from bootwright.diagnose.model import Finding
from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.voice import PROGRAM, voice_of
from bootwright.formats.messages.model import ERROR

_LOOKED_AT: Final = 8
"""Lines of proof whose levels are looked up."""
_AGAIN: Final = 3
_FOR_LONG: Final = 30.0
"""Seconds over which something comes again."""
_LONG_UP: Final = 300.0
"""Seconds on the kernel's clock after which a start is over."""


def weight_of(finding: Finding) -> tuple[int, ...]:
    """Lower comes first."""
    facts = dict(finding.facts)
    raws = [line.text.encode() for line in finding.lines[:_LOOKED_AT]]
    levels = [level for raw in raws if (level := level_of(raw)) is not None]
    gravity = min(levels, default=ERROR if _of_programs(raws) else WARNING)
    times = [
        seconds for line in finding.lines if (seconds := prefix.split(line.text.encode()).seconds) is not None
    ]
    lasted = span(line.text.encode() for line in finding.lines)
    again = finding.count >= _AGAIN and (lasted is None or lasted >= _FOR_LONG)
    late = bool(times) and times[-1] >= _LONG_UP
    return (
        gravity > WARNING,
        _lasting(facts, again=again, lines=len(raws)),
        gravity > ERROR,
        not _is_goal(facts, raws),
        not (again or late),
    )


def _lasting(facts: dict[str, str], *, again: bool, lines: int) -> int:
    """0: it goes on to the end; 1: it comes again, or is a device's last word; 2: neither."""
    again = again or facts.get("again") == "yes"
    if "final" not in facts:
        return 0 if again else 2
    final = facts["final"] == "yes"
    if final and (again or lines > 1):
        return 0
    return 1 if final or again else 2


def _of_programs(raws: list[bytes]) -> bool:
    """Whether programs say it, which give no level: of what failed they speak in good earnest."""
    return all(voice_of(prefix.split(raw)) == PROGRAM for raw in raws)


def _is_goal(facts: dict[str, str], raws: list[bytes]) -> bool:
    """Whether it is about a device of a role, as far as its facts or its lines' drivers tell."""
    if "role" in facts:
        return facts["role"] != "other"
    said = [speaker(prefix.split(raw).text) for raw in raws]
    return any(
        role_of({owner.file for owner in entry.likely_owners}) is not None
        for entry in said
        if entry is not None
    )
