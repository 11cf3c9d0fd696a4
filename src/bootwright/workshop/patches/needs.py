"""Which patches of a series need which earlier ones: by the lines they touch, and by what they say.

A patch can be merged where the lines that it changes, and the next one on either side, stand as it found
them, one directly after the other. So it needs those that brought one of these lines, and those that took
lines away between two of them. This is followed through the series line by line; what a patch needs of the
patches before it is enough for `git apply --3way`, unless lines stand twice in a file, which applying them
shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import define, field

from bootwright.workshop.patches.commits import Commit, Names
from bootwright.workshop.patches.unified import FileChange, Hunk

CONTEXT = 1
"""Lines around a change that have to be as they were: what is nearer is a conflict of git's merge. A hunk
with fewer stands at the file's start or end."""

Owners = frozenset[int]
_NOBODY: Owners = frozenset()


@define
class _File:
    """Who brought each line of a file, and who took lines away between two; lines far down are not kept."""

    lines: list[Owners] = field(factory=list)
    """By line; a line beyond the end is the base's."""
    gaps: list[Owners] = field(factory=list)
    """Before each line."""
    whole: Owners = _NOBODY
    """Who made it, renamed it, or changed it as a whole."""

    def reach(self, length: int) -> None:
        """Know at least so many lines and the gap behind them."""
        missing = length + 1 - len(self.gaps)
        if missing > 0:
            self.gaps += [_NOBODY] * missing
            self.lines += [_NOBODY] * (len(self.gaps) - len(self.lines))

    def copy(self) -> _File:
        return _File(list(self.lines), list(self.gaps), self.whole)


def textual_needs(patches: Sequence[Sequence[FileChange]]) -> tuple[Owners, ...]:
    """For each patch the earlier ones that it needs directly, by position.

    The changes are those of a series that was applied in this order, each as a diff between the tree before
    and after it, with `CONTEXT` lines around a change, so that the numbers of lines are exact.
    """
    files: dict[str, _File] = {}
    needs: list[Owners] = []
    for number, changes in enumerate(patches):
        wanted: set[int] = set()
        results: dict[str, _File | None] = {}
        for change in changes:
            file = files.get(change.old if change.old is not None else change.new or "", _File())
            wanted |= file.whole
            changed = file.copy()
            # From the end on, so that the lines above keep their numbers.
            for hunk in reversed(change.hunks):
                wanted |= _apply(changed, hunk, number)
            if change.old is None or change.whole or change.old != change.new:
                changed.whole = frozenset({number})
            if change.new is None:
                wanted |= frozenset().union(*file.lines, *file.gaps)
                # Whoever makes it anew needs that it is gone.
                results[change.old or ""] = _File(whole=frozenset({number}))
            else:
                results[change.new] = changed
                if change.old is not None and change.old != change.new and not change.copied:
                    results[change.old] = _File(whole=frozenset({number}))
        files.update({path: file for path, file in results.items() if file is not None})
        needs.append(frozenset(wanted - {number}))
    return tuple(needs)


def _apply(file: _File, hunk: Hunk, number: int) -> set[int]:
    """Change a file's lines as a hunk does; who owned what it names."""
    length = hunk.old_lines
    first = hunk.old_start - 1 if length else hunk.old_start
    file.reach(first + length)
    wanted: set[int] = set()
    wanted.update(*file.lines[first : first + length])
    wanted.update(*file.gaps[first + 1 : first + length])
    leading, trailing = _context(hunk.lines), _context(hunk.lines[::-1])
    if leading < CONTEXT or not length:
        wanted |= file.gaps[first]
    if trailing < CONTEXT:
        wanted |= file.gaps[first + length]
    lines: list[Owners] = []
    gaps: list[Owners] = []
    pending = file.gaps[first]
    at = first
    for line in hunk.lines:
        if line.startswith(b"+"):
            lines.append(frozenset({number}))
            gaps.append(pending)
            pending = _NOBODY
        elif line.startswith(b"-"):
            at += 1
            pending |= frozenset({number}) | file.gaps[at]
        else:
            lines.append(file.lines[at])
            gaps.append(pending)
            at += 1
            pending = file.gaps[at]
    file.lines[first : first + length] = lines
    file.gaps[first : first + length + 1] = [*gaps, pending]
    return wanted


def _context(lines: Iterable[bytes]) -> int:
    count = 0
    for line in lines:
        if not line.startswith(b" "):
            break
        count += 1
    return count


def closed(needs: Sequence[Owners]) -> tuple[Owners, ...]:
    """For each patch all earlier ones that it needs, directly or through others."""
    result: list[Owners] = []
    for direct in needs:
        result.append(direct.union(*(result[number] for number in direct)))
    return tuple(result)


def declared_needs(commits: Sequence[Commit]) -> tuple[Owners, ...]:
    """For each commit the earlier ones that it, or they, say it needs, by position.

    A fix needs what it mends, a revert what it takes back; a commit needs those taken into a stable tree for
    it (`Stable-dep-of:`). They are named by the beginning of a commit's name, or by its subject.
    """
    index = Names.of(name for commit in commits for name in (commit.name, *commit.upstream))
    position = {
        name: number for number, commit in enumerate(commits) for name in (commit.name, *commit.upstream)
    }
    subjects = {commit.subject: number for number, commit in enumerate(commits) if commit.subject}
    needs: list[set[int]] = [set() for _ in commits]

    def places(names: Iterable[str]) -> list[int]:
        return [position[full] for name in names if (full := index.find(name)) is not None]

    for number, commit in enumerate(commits):
        mended = [*places((*commit.fixes, *commit.reverts))]
        mended += [subjects[subject] for subject in commit.fixed_subjects if subject in subjects]
        needs[number].update(earlier for earlier in mended if earlier < number)
        for place in places(commit.stable_dep_of):
            if place > number:
                needs[place].add(number)
    return tuple(frozenset(numbers) for numbers in needs)


def joined(first: Sequence[Owners], second: Sequence[Owners]) -> tuple[Owners, ...]:
    """The needs of both."""
    return tuple(own | other for own, other in zip(first, second, strict=True))
