"""Whether a rule holds for a boot, and for which devices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from attrs import evolve, frozen

from bootwright.diagnose.judging.errors.errnos import parse_errno
from bootwright.diagnose.judging.errors.error_kinds import kind_in
from bootwright.diagnose.judging.gravity import is_grave
from bootwright.diagnose.judging.order.kept_lines import Occurrence
from bootwright.diagnose.judging.roles import carries
from bootwright.diagnose.judging.state import BootState, Tally
from bootwright.diagnose.model import STAGES
from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.patterns import printable
from bootwright.diagnose.reading.voice import PROGRAM, voice_of
from bootwright.diagnose.signatures.model import Rule


@frozen
class Held:
    """A rule that holds: what it holds for, and the occurrences that prove it."""

    facts: dict[str, str]
    proof: tuple[Occurrence, ...]
    count: int
    first_line: int
    last_line: int


def hold(rule: Rule, boot: BootState) -> list[Held]:
    """One entry for each group of `rule.together` that the rule holds for."""
    if not any(name in boot.tallies for name in rule.triggers):
        return []
    if rule.excerpt and shows_start(boot, after=boot.elided):
        return []
    if rule.reached and boot.rank < STAGES.index(rule.reached):
        return []
    if rule.not_reached and boot.rank >= STAGES.index(rule.not_reached):
        return []
    keys = _groups(rule, boot)
    groups = [held for key in keys if (held := _held(rule, boot, key)) is not None]
    return groups if len(groups) >= rule.different else []


_STARTS: Final = ("@kernel/start", "@kernel/version", "@talos/initramfs", "@uboot/start", "@uboot/image")
"""First words of a boot; who shows them shows it from there on."""


def shows_start(boot: BootState, *, after: int = 0) -> bool:
    """Whether the log holds the start of the boot, in a line after that one."""
    return any(tally.last.line > after for name in _STARTS for tally in boot.tallies.get(name, {}).values())


def facts_match(wanted: Mapping[str, str], facts: Mapping[str, str]) -> bool:
    """Whether every wanted fact is there and matches; errno is compared by name."""
    for name, expression in wanted.items():
        value = facts.get(name, "")
        if name == "errno":
            error = parse_errno(value)
            value = error.name if error else value
        if re.fullmatch(expression, value) is None:
            return False
    return True


def _groups(rule: Rule, boot: BootState) -> list[dict[str, str]]:
    if not rule.together:
        return [{}]
    groups: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
    for name in rule.triggers:
        for tally in boot.tallies.get(name, {}).values():
            key = {item: tally.facts[item] for item in rule.together if item in tally.facts}
            if key:
                groups.setdefault(tuple(key.items()), key)
    return list(groups.values()) or [{}]


def _tallies(name: str, boot: BootState, key: Mapping[str, str]) -> list[Tally]:
    """The tallies of an event that belong to the group `key`."""
    return [
        tally
        for tally in boot.tallies.get(name, {}).values()
        if all(tally.facts.get(item, value) == value for item, value in key.items())
    ]


def _held(rule: Rule, boot: BootState, key: dict[str, str]) -> Held | None:
    by_event = _tallies_of_rule(rule, boot, key)
    if not _seen_as_asked(rule, by_event):
        return None
    used = [tally for tallies in by_event.values() for tally in tallies]
    if rule.latest:
        used = [max(used, key=lambda tally: tally.last.line)]
    order = sorted(used, key=lambda tally: -tally.last.line) if rule.last_facts else used
    facts = _first_facts(order, {})
    if rule.facts and not facts_match(rule.facts, facts):
        # The facts of another occurrence may match: keep only the tallies that do.
        used = [tally for tally in used if facts_match(rule.facts, {**facts, **tally.facts})]
        if not used:
            return None
        facts = {**facts, **used[0].facts}
    if rule.error:
        used = [tally for tally in used if _kind_of(tally) == rule.error]
        if not used:
            return None
        facts = {**facts, **used[-1].facts}
    if rule.latest:
        # When it came into its state matters, not when it was in it before.
        used = [evolve(tally, first=[tally.last]) if tally.count > 1 else tally for tally in used]
    first, last = _first(used), _last(used)
    extra = _following(rule, boot, key, first)
    facts = _first_facts(extra, facts)
    if (
        _seen_between(rule.without, boot, key)
        or _seen_between(rule.without_later, boot, key, after=last)
        or _seen_between(rule.without_earlier, boot, key, before=first)
    ):
        return None
    if rule.last_word is not None and (boot.live or _lines_after(last, used, boot) > rule.last_word):
        return None
    if rule.carries and not carries(rule.carries, facts, boot):
        return None
    if rule.late is not None and _clock_of(used) < rule.late:
        return None
    if rule.lasts is not None and not _lasted(rule.lasts, boot, used):
        return None
    by_event["also"] = extra
    return Held(facts, _proof(by_event, [*used, *extra]), sum(tally.count for tally in used), first, last)


def _kind_of(tally: Tally) -> str:
    """Whether the error that an event tells of passes by itself (`Rule.error`)."""
    return kind_in(tally.facts, printable(prefix.split(tally.first[0].raw).text))


def _tallies_of_rule(rule: Rule, boot: BootState, key: Mapping[str, str]) -> dict[str, list[Tally]]:
    """Event that the rule asks for → its tallies, of the stages that the rule names."""
    stages = {STAGES.index(name) for name in rule.stages}
    starting = bool(stages) and _READY not in stages
    return {
        name: [
            tally
            for tally in _tallies(name, boot, key)
            if (not stages or tally.stages & stages)
            and not (starting and _was_up(tally, boot))
            and (not rule.grave or is_grave(tally.first[0].raw))
            and (rule.latest or not _contradicts(rule.facts, tally.facts))
        ]
        for name in rule.triggers
    }


def _was_up(tally: Tally, boot: BootState) -> bool:
    """Whether an event was first seen when the kernel's clock says that the start was over."""
    first = tally.first[0]
    seconds = prefix.split(first.raw).seconds
    return seconds is not None and boot.was_up(first.line, seconds)


def _contradicts(wanted: Mapping[str, str], facts: Mapping[str, str]) -> bool:
    """Whether an event has every wanted fact itself, and not as wanted."""
    return wanted.keys() <= facts.keys() and not facts_match(wanted, facts)


def _seen_as_asked(rule: Rule, by_event: Mapping[str, list[Tally]]) -> bool:
    """Whether the events that the rule asks for were seen, often enough and in its order."""
    if not all(by_event[name] for name in (*rule.seen, *rule.sequence)):
        return False
    if rule.any_of and not any(by_event[name] for name in rule.any_of):
        return False
    if any(sum(tally.count for tally in by_event[name]) < least for name, least in rule.at_least.items()):
        return False
    return all(
        _first(by_event[before]) <= _last(by_event[after])
        for before, after in zip(rule.sequence, rule.sequence[1:], strict=False)
    )


def _first_facts(tallies: Sequence[Tally], facts: Mapping[str, str]) -> dict[str, str]:
    """`facts` with those of the tallies; of a fact given twice the first counts."""
    joined = dict(facts)
    for tally in tallies:
        for name, value in tally.facts.items():
            joined.setdefault(name, value)
    return joined


_READY: Final = STAGES.index("ready")
_NEAR = 120
"""Lines after the first proof within which `also` events belong to it."""


_MOST_ALSO = 3


def _following(rule: Rule, boot: BootState, key: Mapping[str, str], first: int) -> list[Tally]:
    following = []
    for name in rule.also:
        tallies = _tallies(name, boot, key)
        near = _with_places(tallies, first, first + _NEAR) or _with_places(tallies, first - _NEAR, first)
        following.extend(sorted(near, key=lambda tally: tally.first[0].line)[:_MOST_ALSO])
    return following


def _with_places(tallies: Iterable[Tally], start: int, end: int) -> list[Tally]:
    """The tallies that were seen from line `start` to `end`, as if they had not been seen before."""
    return [
        evolve(tally, first=places)
        for tally in tallies
        if any(place.line <= end for place in tally.first)
        and (places := [place for place in tally.first if place.line >= start])
    ]


def _seen_between(
    names: Iterable[str],
    boot: BootState,
    key: Mapping[str, str],
    *,
    after: int = -1,
    before: int | None = None,
) -> bool:
    for name in names:
        if name.startswith("@stage:"):
            wanted = STAGES.index(name[7:])
            spans = [span for stage, span in boot.stage_lines.items() if STAGES.index(stage) >= wanted]
        else:
            spans = [(tally.first[0].line, tally.last.line) for tally in _tallies(name, boot, key)]
        for first, last in spans:
            if last > after and (before is None or first < before):
                return True
    return False


def _lines_after(last: int, used: Sequence[Tally], boot: BootState) -> int:
    """Lines that follow; after a program's last word what the kernel says for itself takes nothing back.

    Neither does what another console says.
    """
    raw = max((tally.last for tally in used), key=lambda place: place.line).raw
    of_kernel = 0
    if voice_of(prefix.split(raw)) == PROGRAM:
        of_kernel = sum(line > last for line in boot.kernel_lines)
    stray = sum(line > last for line in boot.stray_lines)
    return boot.last_line - last - of_kernel - stray


_LASTS = 3
"""Times it is said that show without any time that it lasts."""
_LONG = 60.0
"""Seconds of which the next line says nothing: a boot that goes on may print it at once."""


def _lasted(least: float, boot: BootState, used: Sequence[Tally]) -> bool:
    """Whether so many seconds came after.

    Where no line has a time: whether it came often, or, of what need not last long, any line came after.
    """
    if boot.live:
        return False
    first = prefix.split(min((tally.first[0] for tally in used), key=lambda place: place.line).raw)
    if first.seconds is not None and boot.last_seconds is not None:
        return boot.last_seconds - first.seconds >= least
    if first.wall is not None and boot.last_wall is not None:
        return boot.last_wall - first.wall >= least
    went_on = boot.last_line > _last(used) and least < _LONG
    return went_on or sum(tally.count for tally in used) >= _LASTS


def _clock_of(used: Sequence[Tally]) -> float:
    """The kernel's clock in the last of these lines; 0 where it has none."""
    return prefix.split(max((tally.last for tally in used), key=lambda place: place.line).raw).seconds or 0.0


def _first(tallies: Iterable[Tally]) -> int:
    return min(tally.first[0].line for tally in tallies)


def _last(tallies: Iterable[Tally]) -> int:
    return max(tally.last.line for tally in tallies)


_MOST_LINES = 30


def _proof(by_event: Mapping[str, list[Tally]], used: list[Tally]) -> tuple[Occurrence, ...]:
    """A few lines of every event, in order: the first ones, and the last where it came often."""
    lines: dict[int, Occurrence] = {}
    chosen = {id(tally) for tally in used}
    for depth in range(3):
        for tallies in by_event.values():
            for tally in tallies:
                if id(tally) not in chosen or len(lines) >= _MOST_LINES:
                    continue
                if depth < len(tally.first):
                    lines.setdefault(tally.first[depth].line, tally.first[depth])
    for tally in used:
        if tally.chosen:
            lines.update((place.line, place) for place in tally.first[: _MOST_LINES - len(lines)])
        if tally.count > 3 and len(lines) < _MOST_LINES + 2:
            lines.setdefault(tally.last.line, tally.last)
    return tuple(lines[number] for number in sorted(lines))
