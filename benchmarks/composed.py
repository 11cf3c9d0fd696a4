"""A failing excerpt behind the beginning of another machine's healthy boot: long failing logs, made of two.

Most public failures are excerpts of a few lines. In a whole log the same lines stand behind hundreds of
others, some of which look wrong and are not. The end must decide there as it does alone: an excerpt that
fails still fails, and for the same reason. The healthy boot is cut before the stage that the excerpt is of;
the excerpt's clock goes on from the healthy one's.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

from attrs import field, frozen

from bootwright.diagnose.model import STAGES, Boot, Outcome
from other_clocks import lines_of
from relations import Case, rests_on_its_share, serious

LONG = 150
"""Lines of a healthy beginning at least."""
SHORT = 60
"""Lines of an excerpt at most."""
_STAMP = re.compile(rb"^(.{0,60}?\[ *)(\d+\.\d{3,6})(\])")
_BANNER = re.compile(rb"Linux version \d|Booting Linux on|U-Boot (?:SPL )?\d|NOTICE:  BL|coreboot-\d")
_KERNEL, _INIT, _READY = STAGES.index("kernel"), STAGES.index("init"), STAGES.index("ready")


@frozen
class Composed:
    """Both parts, and what they were made of."""

    host: str
    excerpt: Case
    data: bytes = field(repr=False)
    behind: int
    """Lines before the excerpt."""


def excerpts(cases: Sequence[Case]) -> list[Case]:
    """Failures of a kernel or a system, in a few lines, without a banner, not by their share."""
    return [case for case in cases if _is_excerpt(case)]


def _is_excerpt(case: Case) -> bool:
    if case.healthy or case.before.outcome is not Outcome.FAILED or len(case.before.boots) != 1:
        return False
    boot = case.before.boots[0]
    rank = STAGES.index(boot.stage) if boot.stage in STAGES else -1
    return (
        not boot.restarted
        and _KERNEL <= rank < _READY
        and len(lines_of(case.data)) <= SHORT
        and _BANNER.search(case.data) is None
        and _stamped(lines_of(case.data))
        and not rests_on_its_share(case)
    )


def hosts(cases: Sequence[Case]) -> list[Case]:
    """Healthy boots in which nothing is wrong, that are long enough before they are ready."""
    return [
        case
        for case in cases
        if case.healthy
        and len(case.before.boots) == 1
        and not serious(case.before)
        and _stamped(lines_of(case.data))
    ]


def composed(excerpt: Case, among: Sequence[Case], chance: random.Random) -> Iterator[Composed]:
    """The excerpt behind one healthy boot, of those that fit; none where none does."""
    boot = excerpt.before.boots[0]
    fitting = [(host, cut) for host in among if (cut := _cut(host.before.boots[0], boot.stage)) >= LONG]
    if not fitting:
        return
    host, cut = chance.choice(fitting)
    before = lines_of(host.data)[:cut]
    data = b"\n".join([*before, *_going_on(before, lines_of(excerpt.data))]) + b"\n"
    yield Composed(host.name, excerpt, data, len(before))


def _cut(host: Boot, stage: str) -> int:
    """Lines of the host before its first milestone of a stage that the excerpt is not past."""
    rank = STAGES.index(stage)
    wanted = "root" if rank < STAGES.index("root") else "init" if rank < _INIT else "ready"
    later = [entry.line for entry in host.stages if STAGES.index(entry.name) >= STAGES.index(wanted)]
    return min(later) - 1 if later else 0


def _stamped(lines: Sequence[bytes]) -> bool:
    """Whether most lines have the kernel's time stamp."""
    return 2 * sum(_STAMP.match(line) is not None for line in lines) > len(lines)


def _going_on(before: Sequence[bytes], lines: Sequence[bytes]) -> list[bytes]:
    """The lines with the clock of what stands before, where theirs is behind it."""
    last = max((float(match[2]) for line in before if (match := _STAMP.match(line))), default=0.0)
    first = next((float(match[2]) for line in lines if (match := _STAMP.match(line))), last)
    later = max(last - first + 0.1, 0.0)

    def moved(match: re.Match[bytes]) -> bytes:
        return b"%s%.6f%s" % (match[1], float(match[2]) + later, match[3])

    return [_STAMP.sub(moved, line) for line in lines]
