"""Commits as a back-port looks at them: what they say, what they mend, and whether another tree has them.

The words that a kernel's commits carry: Documentation/process/submitting-patches.rst (`Fixes:`) and
stable-kernel-rules.rst (the upstream commit of a back-port, `Stable-dep-of:`), Linux 6.12.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from attrs import frozen

from bootwright.workshop.repository import Repository

_FIELDS = ("%H", "%P", "%an <%ae>", "%aI", "%s", "%B")
_FIXES = re.compile(r"^Fixes:\s*(?:commit\s+)?([0-9a-f]{7,64})\b", re.IGNORECASE | re.MULTILINE)
_FIXED_SUBJECT = re.compile(r'^Fixes:\s*[0-9a-f]{7,64}\s*\(\s*"(.+)"\s*\)\s*$', re.IGNORECASE | re.MULTILINE)
_STABLE_DEP = re.compile(
    r"^(?:Stable-)?dep(?:ends)?-o[fn]:\s*([0-9a-f]{7,64})\b", re.IGNORECASE | re.MULTILINE
)
_UPSTREAM = re.compile(
    r"^(?:\[ *)?(?:upstream commit ([0-9a-f]{12,64})|commit ([0-9a-f]{12,64}) upstream\.?)(?: *\])?\s*$"
    r"|\(cherry picked from commit ([0-9a-f]{12,64})\)",
    re.IGNORECASE | re.MULTILINE,
)
_REVERTS = re.compile(r"This reverts commit ([0-9a-f]{7,64})")


@frozen
class Commit:
    """One commit, read whole."""

    name: str
    parents: tuple[str, ...]
    author: str
    date: str
    """When it was written, ISO 8601."""
    subject: str
    message: str

    @property
    def short(self) -> str:
        """Twelve digits and the subject, as `Fixes:` has them."""
        return f'{self.name[:12]} ("{self.subject}")'

    @property
    def fixes(self) -> tuple[str, ...]:
        """The commits that it mends, as it names them."""
        return tuple(_FIXES.findall(self.message))

    @property
    def fixed_subjects(self) -> tuple[str, ...]:
        """The subjects of these commits, which stay the same in every tree."""
        return tuple(_FIXED_SUBJECT.findall(self.message))

    @property
    def stable_dep_of(self) -> tuple[str, ...]:
        """The commits that it was taken into a stable tree for."""
        return tuple(_STABLE_DEP.findall(self.message))

    @property
    def upstream(self) -> tuple[str, ...]:
        """The commits that it is a back-port of."""
        return tuple("".join(groups) for groups in _UPSTREAM.findall(self.message))

    @property
    def reverts(self) -> tuple[str, ...]:
        """The commits that it takes back."""
        return tuple(_REVERTS.findall(self.message))

    def as_json(self) -> dict[str, object]:
        """As docs/schemas/kernel-patches.schema.json has it."""
        return {
            "commit": self.name,
            "subject": self.subject,
            "author": self.author,
            "date": self.date,
            "fixes": list(self.fixes),
            "stable_dep_of": list(self.stable_dep_of),
            "reverts": list(self.reverts),
        }


def read_commits(repository: Repository, *selection: str, paths: Sequence[str] = ()) -> tuple[Commit, ...]:
    """The commits that `git log` selects, each behind those it was made on.

    Merges are left out; `paths` keeps those that touch one of them.
    """
    text = repository.text(
        *("log", "-z", "--topo-order", "--reverse", "--no-merges", "--encoding=UTF-8", "--no-show-signature"),
        f"--format={'%x00'.join(_FIELDS)}",
        *selection,
        "--",
        *paths,
    )
    fields = text.split("\0")
    size = len(_FIELDS)
    return tuple(
        Commit(fields[at].strip(), tuple(fields[at + 1].split()), *fields[at + 2 : at + size])
        for at in range(0, len(fields) - size + 1, size)
    )


def read_commit(repository: Repository, name: str) -> Commit:
    """One commit, a merge too."""
    text = repository.text(
        *("log", "-1", "--encoding=UTF-8", "--no-show-signature", f"--format={'%x00'.join(_FIELDS)}", name)
    )
    fields = text.removesuffix("\n").split("\0")
    return Commit(fields[0], tuple(fields[1].split()), *fields[2:6])


def patch_of(repository: Repository, name: str, *paths: str) -> bytes:
    """A commit as a patch with whole object names, so that it can be merged where it does not fit.

    With `paths` only what it does to these files.
    """
    return repository.run(
        *("diff-tree", "-p", "--root", "--binary", "--full-index", "-M", "--no-ext-diff", "--no-textconv"),
        *("--no-commit-id", name, "--", *paths),
    )


def patch_ids(repository: Repository, names: Iterable[str]) -> dict[str, str]:
    """Commit → what its patch does, whatever the lines' numbers: git-patch-id(1), --stable."""
    listed = "".join(f"{name}\n" for name in names).encode()
    if not listed:
        return {}
    patches = repository.run(
        *("diff-tree", "--stdin", "-p", "--root", "--full-index", "--no-ext-diff", "--no-textconv"),
        input_bytes=listed,
    )
    lines = repository.text("patch-id", "--stable", input_bytes=patches).splitlines()
    pairs = [line.split() for line in lines]
    return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}


def touched_files(repository: Repository, *selection: str) -> dict[str, frozenset[str]]:
    """Commit → the files that it changes, of the commits that `git log` selects."""
    text = repository.text(
        "log", "-z", "--no-merges", "--name-only", "--no-renames", "--format=%x01%H", *selection
    )
    result: dict[str, frozenset[str]] = {}
    for entry in text.split("\1")[1:]:
        name, *paths = entry.split("\0")
        result[name.strip()] = frozenset(path.strip("\n") for path in paths if path.strip("\n"))
    return result


@frozen
class Names:
    """Commits by the beginnings of their names, as trailers give them."""

    known: Mapping[int, Mapping[str, str]]

    @classmethod
    def of(cls, names: Iterable[str]) -> Names:
        """An index of these commits."""
        known: dict[int, dict[str, str]] = {}
        for name in names:
            for length in range(7, len(name) + 1):
                known.setdefault(length, {})[name[:length]] = name
        return cls(known)

    def find(self, beginning: str) -> str | None:
        """The whole name; None where none of them begins so."""
        return self.known.get(len(beginning), {}).get(beginning.lower())
