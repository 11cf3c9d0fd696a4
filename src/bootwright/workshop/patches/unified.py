"""Unified diffs as git writes them: which files and which of their lines a patch touches.

The form: "Generating patch text with -p" in git-diff(1), Git 2.39. What is no part of a diff (a mail's head,
its text, a list of changes) is passed over.
"""

from __future__ import annotations

import re

from attrs import field, frozen

from bootwright.foundation.errors import Malformed

_HUNK = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
_QUOTED = re.compile(rb'\\([abtnvfr"\\]|[0-7]{3})')
_LETTERS = {b"a": 7, b"b": 8, b"t": 9, b"n": 10, b"v": 11, b"f": 12, b"r": 13, b'"': 34, b"\\": 92}
_NOWHERE = b"/dev/null"


@frozen
class Hunk:
    """Some lines of one file: where they were and what becomes of them."""

    old_start: int
    """The first line concerned before the change, from 1; with no lines, the one after which to add."""
    lines: tuple[bytes, ...]
    """Each begins with a space (kept), `-` (removed) or `+` (added); without its line end."""

    @property
    def old_lines(self) -> int:
        """How many lines it covers before the change."""
        return sum(not line.startswith(b"+") for line in self.lines)


@frozen
class FileChange:
    """What a patch does to one file."""

    old: str | None
    """Its path before; None where the patch makes it."""
    new: str | None
    """Its path afterwards; None where the patch removes it."""
    hunks: tuple[Hunk, ...] = ()
    whole: bool = False
    """Changed as a whole, not by lines: binary, its mode, or its name."""
    copied: bool = field(default=False, kw_only=True)
    """Made from another file, which stays."""

    @property
    def paths(self) -> frozenset[str]:
        """Every path it concerns."""
        return frozenset(path for path in (self.old, self.new) if path is not None)


def read_changes(patch: bytes, where: str) -> tuple[FileChange, ...]:
    """What a patch does, file by file; raises `Malformed` with the place where the diff is damaged.

    `where` names the patch in errors.
    """
    return tuple(_Reader(patch, where).changes())


class _Reader:
    def __init__(self, patch: bytes, where: str) -> None:
        self._lines = patch.split(b"\n")
        self._size = len(patch)
        self._where = where
        self._at = 0
        self._offset = 0

    def changes(self) -> list[FileChange]:
        changes: list[FileChange] = []
        while self._at < len(self._lines):
            line = self._line()
            following = self._lines[self._at + 1] if self._at + 1 < len(self._lines) else b""
            if line.startswith(b"diff --git "):
                changes.append(self._git_change())
            elif line.startswith(b"--- ") and following.startswith(b"+++ "):
                changes.append(self._plain_change())
            else:
                self._next()
        return changes

    def _git_change(self) -> FileChange:
        names = _both_names(self._line()[len(b"diff --git ") :])
        self._next()
        old, new = names if names is not None else (None, None)
        old_known = new_known = names is not None
        whole = copied = False
        hunks: tuple[Hunk, ...] = ()
        made = removed = False
        while self._at < len(self._lines):
            line = self._line()
            word, _, rest = line.partition(b" ")
            if line.startswith((b"rename from ", b"copy from ")):
                old, old_known, whole, copied = _path(rest[5:]), True, True, word == b"copy"
            elif line.startswith((b"rename to ", b"copy to ")):
                new, new_known, whole = _path(rest[3:]), True, True
            elif line.startswith(b"new file mode "):
                made = True
            elif line.startswith(b"deleted file mode "):
                removed = True
            elif line.startswith((b"old mode ", b"new mode ", b"Binary files ", b"GIT binary patch")):
                whole = True
            elif line.startswith(b"--- "):
                plain = self._plain_change()
                old, new, hunks = plain.old, plain.new, plain.hunks
                old_known = new_known = True
                break
            elif not line.startswith((b"index ", b"similarity index ", b"dissimilarity index ")):
                break
            self._next()
        if not (old_known and new_known):
            raise self._malformed("the names of the file that is changed", self._line())
        return FileChange(None if made else old, None if removed else new, hunks, whole, copied=copied)

    def _plain_change(self) -> FileChange:
        old = _stripped(self._line()[4:])
        self._next()
        if not self._line().startswith(b"+++ "):
            raise self._malformed("a line that begins with +++", self._line())
        new = _stripped(self._line()[4:])
        self._next()
        if old is None and new is None:
            raise self._malformed("the path of a file", b"/dev/null on both sides")
        hunks: list[Hunk] = []
        while self._at < len(self._lines) and (match := _HUNK.match(self._line())):
            hunks.append(self._hunk(match))
        if not hunks:
            raise self._malformed("a hunk that begins with @@", self._line())
        return FileChange(old, new, tuple(hunks))

    def _hunk(self, match: re.Match[bytes]) -> Hunk:
        old_left, new_left = int(match[2] or 1), int(match[4] or 1)
        self._next()
        lines: list[bytes] = []
        while old_left > 0 or new_left > 0:
            if self._at >= len(self._lines):
                raise self._malformed(f"{old_left + new_left} more lines of the hunk", b"the end")
            line = self._line()
            if line.startswith(b"\\"):
                self._next()
                continue
            # Mail programs take the space of an empty context line away; git-apply(1) puts up with that.
            kind = line[:1] or b" "
            if kind not in b" -+" or (kind in b" -" and old_left < 1) or (kind in b" +" and new_left < 1):
                raise self._malformed("a line of the hunk, as its head counts them", line)
            old_left -= kind in b" -"
            new_left -= kind in b" +"
            lines.append(line or b" ")
            self._next()
        if self._at < len(self._lines) and self._line().startswith(b"\\"):
            self._next()
        return Hunk(int(match[1]), tuple(lines))

    def _line(self) -> bytes:
        return self._lines[self._at] if self._at < len(self._lines) else b""

    def _next(self) -> None:
        self._offset += len(self._line()) + 1
        self._at += 1

    def _malformed(self, expected: str, found: bytes) -> Malformed:
        shown = found[:60].decode(errors="replace")
        return Malformed(self._where, min(self._offset, self._size), expected, repr(shown))


def _both_names(text: bytes) -> tuple[str, str] | None:
    """The two paths of a `diff --git` line, where they are the same; None where that line cannot tell."""
    if text.startswith(b'"'):
        end = re.match(rb'"(?:[^"\\]|\\.)*"', text)
        if end is None:
            return None
        first, second = end[0], text[end.end() + 1 :]
    else:
        # `a/NAME b/NAME`: a name may hold spaces, but both have the same length.
        half = (len(text) - 1) // 2
        first, second = text[:half], text[half + 1 :]
    old, new = _stripped(first), _stripped(second)
    return (old, new) if old is not None and old == new else None


def _path(text: bytes) -> str:
    """A path as git writes it, quoted where it has to be."""
    text = text.rstrip(b"\r")
    if text.startswith(b'"') and text.endswith(b'"') and len(text) > 1:
        text = _QUOTED.sub(_unquoted, text[1:-1])
    return text.decode("utf-8", "surrogateescape")


def _unquoted(match: re.Match[bytes]) -> bytes:
    return bytes([_LETTERS[match[1]] if match[1] in _LETTERS else int(match[1], 8) & 0xFF])


def _stripped(text: bytes) -> str | None:
    """A path without `a/` or `b/`, and without what diff(1) puts behind it; None for /dev/null."""
    name = text.partition(b"\t")[0] if not text.startswith(b'"') else text
    if name.rstrip(b"\r") == _NOWHERE:
        return None
    path = _path(name)
    return path.partition("/")[2] if "/" in path else path
