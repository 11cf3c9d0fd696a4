"""Differences of two sequences as pieces that can be taken from either: lines of a file, kernel arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

from attrs import frozen

_HEADER = re.compile(r"\s*\[[^\]\n]{1,60}\]\s*")


@frozen
class Hunk:
    """One difference: what stands at its place in the good and in the bad sequence."""

    name: str
    good: tuple[str, ...]
    bad: tuple[str, ...]


@frozen
class Mix:
    """Two sequences as what they share and where they differ, in order."""

    pieces: tuple[tuple[str, ...] | Hunk, ...]

    @property
    def hunks(self) -> tuple[Hunk, ...]:
        """The differences, in order."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Hunk))

    def choose(self, from_bad: frozenset[str]) -> list[str]:
        """The sequence with the hunks of these names as in the bad one, the others as in the good one."""
        result: list[str] = []
        for piece in self.pieces:
            if isinstance(piece, Hunk):
                result += piece.bad if piece.name in from_bad else piece.good
            else:
                result += piece
        return result


def mix_arguments(good: Sequence[str], bad: Sequence[str]) -> Mix:
    """Kernel arguments: a changed value is one hunk, everything else one argument at a time."""
    return _mix(
        good, bad, key=lambda text: text.partition("=")[0], context=lambda _: "", whole=lambda _: False
    )


def mix_lines(good: Sequence[str], bad: Sequence[str]) -> Mix:
    """Lines of config.txt: a changed setting is one hunk; lines that move a `[filter]` stay together."""
    sections = dict([*_sections(good, 0), *_sections(bad, 1)])
    return _mix(
        good,
        bad,
        key=_setting,
        context=lambda place: sections.get(place, ""),
        whole=lambda lines: any(_HEADER.fullmatch(line) for line in lines),
    )


def _setting(line: str) -> str:
    """What a line sets; `initramfs FILE followkernel` is the one setting without an equals sign."""
    words = line.split(None, 1)
    return words[0] if words[:1] == ["initramfs"] else line.partition("=")[0].strip()


def _sections(lines: Sequence[str], side: int) -> list[tuple[tuple[int, int], str]]:
    places = []
    section = ""
    for number, line in enumerate(lines):
        if _HEADER.fullmatch(line):
            section = f"{line.strip()} "
        places.append(((side, number), section))
    return places


def _mix(
    good: Sequence[str],
    bad: Sequence[str],
    *,
    key: Callable[[str], str],
    context: Callable[[tuple[int, int]], str],
    whole: Callable[[Sequence[str]], bool],
) -> Mix:
    pieces: list[tuple[str, ...] | Hunk] = []
    used: dict[str, int] = {}

    def add(old: Sequence[str], new: Sequence[str], place: tuple[int, int]) -> None:
        words = [f"-{line.strip()}" for line in old] + [f"+{line.strip()}" for line in new]
        if len(old) == len(new) == 1:
            words = [f"{old[0].strip()} → {new[0].strip()}"]
        name = f"{context(place)}{' '.join(words)}"[:160] or "empty line"
        used[name] = used.get(name, 0) + 1
        if used[name] > 1:
            name = f"{name} ({used[name]})"
        pieces.append(Hunk(name, tuple(old), tuple(new)))

    matcher = SequenceMatcher(a=list(good), b=list(bad), autojunk=False)
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        if kind == "equal":
            pieces.append(tuple(good[i1:i2]))
            continue
        if whole([*good[i1:i2], *bad[j1:j2]]):
            add(good[i1:i2], bad[j1:j2], (0, i1) if i2 > i1 else (1, j1))
            continue
        left = list(range(j1, j2))
        for i in range(i1, i2):
            match = next((j for j in left if key(bad[j]) == key(good[i])), None)
            if match is not None:
                left.remove(match)
                add([good[i]], [bad[match]], (0, i))
            else:
                add([good[i]], [], (0, i))
        for j in left:
            add([], [bad[j]], (1, j))
    return Mix(tuple(pieces))
