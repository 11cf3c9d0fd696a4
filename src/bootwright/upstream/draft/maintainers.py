"""Who looks after files of a kernel's tree: its MAINTAINERS, read as scripts/get_maintainer.pl reads it.

Nothing of the tree is run. The sections' letters: the head of MAINTAINERS, Linux 6.18. Of the script's
answers those of history (git's authors) are left out, as with `--no-git --no-git-fallback`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate

from attrs import define, field, frozen

_ENTRY = re.compile(r"^([A-Z]):\s*(.+)$")
_CHIEF = "torvalds@"
"""Is listed for everything, and written to about nothing: @penguin_chief of the script."""


@frozen
class Recipient:
    """A person or a list."""

    address: str
    is_list: bool


@define
class Section:
    """One entry of MAINTAINERS."""

    title: str
    people: list[str] = field(factory=list)
    """`M:`, and the reviewers `R:`."""
    lists: list[str] = field(factory=list)
    files: list[str] = field(factory=list)
    excluded: list[str] = field(factory=list)
    names: list[str] = field(factory=list)
    """`N:`, regular expressions on paths."""

    def covers(self, path: str) -> bool:
        """Whether a file is its business."""
        if any(_fits(path, pattern) for pattern in self.excluded):
            return False
        return any(_fits(path, pattern) for pattern in self.files) or any(
            _searches(expression, path) for expression in self.names
        )


def read_maintainers(text: str) -> list[Section]:
    """The sections of a MAINTAINERS file; what has no entries is passed over."""
    sections: list[Section] = []
    title = ""
    current: Section | None = None
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        entry = _ENTRY.match(line)
        if entry is None:
            if not line.strip():
                current = None
            elif not line[0].isspace():
                title, current = line.strip(), None
            continue
        if current is None:
            current = Section(title)
            sections.append(current)
        letter, value = entry[1], entry[2].strip()
        if letter in "MR":
            current.people.append(value)
        elif letter == "L":
            current.lists.append(value.partition(" ")[0])
        elif letter == "F":
            current.files.append(value)
        elif letter == "X":
            current.excluded.append(value)
        elif letter == "N":
            current.names.append(value)
    return sections


def recipients(sections: Iterable[Section], paths: Iterable[str]) -> tuple[Recipient, ...]:
    """Who is to be written to about these files, the most specific sections first."""
    listed = list(sections)
    chosen: dict[str, Recipient] = {}
    for path in dict.fromkeys(paths):
        covering = [section for section in listed if section.covers(path)]
        for section in sorted(covering, key=lambda section: -_depth(section, path)):
            people = [address for address in section.people if _CHIEF not in address]
            for addresses, is_list in ((people, False), (section.lists, True)):
                for address in addresses:
                    chosen.setdefault(address, Recipient(address, is_list))
    return tuple(chosen.values())


def _depth(section: Section, path: str) -> int:
    """How many parts of the path the longest pattern that fits names."""
    fitting = [pattern for pattern in section.files if _fits(path, pattern)]
    return max((pattern.rstrip("/").count("/") + 1 for pattern in fitting), default=0)


def _fits(path: str, pattern: str) -> bool:
    """`folder/` is everything below; a pattern without wildcard at its end also what is directly below it.

    `*` does not go over a `/`.
    """
    expression = (
        translate(pattern.rstrip("/")).replace(".*", "[^/]*").replace("(?s:", "(?:").removesuffix(r"\Z")
    )
    if pattern.endswith("/"):
        return re.match(f"{expression}/", path) is not None
    return re.fullmatch(expression, path) is not None


def _searches(expression: str, path: str) -> bool:
    try:
        return re.search(expression, path) is not None
    except re.error:
        return False
