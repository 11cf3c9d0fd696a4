"""The patches to put on a tree: a folder, files, or a range of commits, in order."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.workshop.repository import open_repository

_MOST_BYTES = 64 << 20
"""Of one patch."""
_MOST_PATCHES = 20_000
# git-format-patch(1): each mail begins so; mbox quotes the same words inside a mail with `>`.
_MAIL = re.compile(rb"^From [0-9a-f]{40} ", re.MULTILINE)


@frozen
class Patch:
    """One patch, as git-apply(1) reads it: what stands around the differences is passed over."""

    name: str
    """For messages: its file, or its commit and subject."""
    data: bytes

    @property
    def digest(self) -> str:
        """SHA256 of its bytes."""
        return hashlib.sha256(self.data).hexdigest()


def read_patches(given: Sequence[str | Path], source: Path | None) -> tuple[Patch, ...]:
    """The patches that a user names, in the order given.

    Each is a file (one patch, or a mailbox of several), a folder (in the order of its `series` file, else of
    the names of `*.patch`), or a range of commits `A..B` of the git repository that `source` is in, or
    `FOLDER@A..B` of another. Raises `Missing` for what is not there, `Refused` for a folder without patches.
    """
    patches: list[Patch] = []
    for entry in given:
        path = Path(entry).expanduser()
        if path.is_dir():
            patches += _folder(path)
        elif path.exists():
            patches += _file(path)
        elif ".." in str(entry):
            patches += _range(str(entry), source)
        else:
            raise Missing(
                f"there are no patches {entry}", hint="give a folder, a file, or a range of commits A..B"
            )
        if len(patches) > _MOST_PATCHES:
            raise Refused(f"{entry}: more than {_MOST_PATCHES} patches", hint="begin from a nearer source")
    return tuple(patches)


def _folder(folder: Path) -> list[Patch]:
    series = folder / "series"
    if series.is_file():
        lines = _read(series).decode("utf-8", "replace").splitlines()
        names = [_listed(line, series, number) for number, line in enumerate(lines, 1)]
        files = [folder / name for name in names if name is not None]
    else:
        files = sorted(path for path in folder.iterdir() if path.suffix in {".patch", ".diff"})
    if not files:
        raise Refused(f"{folder} holds no patches", hint="their names end in .patch, or `series` lists them")
    return [patch for path in files for patch in _file(path)]


def _listed(line: str, series: Path, number: int) -> str | None:
    """The file that a line of quilt's `series` names (quilt(1)); None for a comment."""
    words = line.partition("#")[0].split()
    if not words:
        return None
    if words[1:] not in ([], ["-p1"]) or "\0" in words[0]:
        raise Malformed(
            str(series), None, "a patch's name, at most with -p1", f"line {number}: {line[:80]!r}"
        )
    return words[0]


def _file(path: Path) -> list[Patch]:
    data = _read(path)
    starts = [match.start() for match in _MAIL.finditer(data)]
    if len(starts) < 2:
        return [_checked(Patch(path.name, data))]
    ends = [*starts[1:], len(data)]
    mails = [data[start:end] for start, end in zip(starts, ends, strict=True)]
    return [_checked(Patch(f"{path.name}, patch {number}", mail)) for number, mail in enumerate(mails, 1)]


def _checked(patch: Patch) -> Patch:
    if not re.search(rb"^(diff --git |--- |Binary files )", patch.data, re.MULTILINE):
        raise Malformed(patch.name, None, "a patch (diff -u, or git format-patch)", "no difference in it")
    return patch


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise Missing(
            f"cannot read {path}: {error.strerror}", hint="check its name and permissions"
        ) from error
    if len(data) > _MOST_BYTES:
        raise Malformed(str(path), _MOST_BYTES, f"a patch below {_MOST_BYTES >> 20} MiB", "more")
    return data


def _range(text: str, source: Path | None) -> list[Patch]:
    place, at, span = text.rpartition("@")
    folder = Path(place).expanduser() if at else source
    if folder is None or not folder.is_dir():
        raise Missing(f"{text}: a range of commits of which repository?", hint="give it as FOLDER@A..B")
    repository = open_repository(folder, hint="give commits of another repository as FOLDER@A..B")
    start, _, end = span.partition("..")
    first, last = repository.commit(start), repository.commit(end.removeprefix(".") or "HEAD")
    form = "--format=%H %s"
    listed = repository.text("log", "--reverse", "--no-merges", "--topo-order", form, f"{first}..{last}")
    if not listed:
        raise Refused(f"there are no commits in {text}", hint="the older name comes first")
    patches: list[Patch] = []
    for line in listed.splitlines():
        commit, _, subject = line.partition(" ")
        data = repository.run(
            "diff-tree", "-p", "--binary", "--full-index", "--no-ext-diff", "--no-textconv", "--root", commit
        )
        if data.strip():
            patches.append(Patch(f"{commit[:12]} {subject[:80]}", data))
    return patches
