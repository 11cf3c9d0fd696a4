"""A series as files that `git am` and `patch -p1` take, and the proof that they apply."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from bootwright.foundation.atomic import write_bytes
from bootwright.foundation.errors import Refused, ToolFailed
from bootwright.foundation.processes.work_folder import temporary_folder
from bootwright.workshop.patches.commits import Commit
from bootwright.workshop.patches.compare import range_diff
from bootwright.workshop.patches.series import Fit, Placed, Series
from bootwright.workshop.repository import Repository, ScratchTree

_FIRST_LINE = re.compile(rb"From [0-9a-f]{40,64} ")
# The user's settings of git-format-patch(1) must not change the files.
_PLAIN = (
    *("--no-signature", "--no-stat", "--no-cover-letter", "--no-thread", "--no-attach", "--no-signoff"),
    *("--no-to", "--no-cc", "--no-add-header", "--no-notes", "--no-base", "--full-index", "--binary"),
    *("--no-renames", "--no-numbered", "--no-ext-diff", "--no-textconv", "--no-encode-email-headers"),
)


def format_series(
    repository: Repository, scratch: ScratchTree, start: str, series: Series
) -> dict[str, bytes]:
    """File name → patch, of the commits that apply, in order; `start` is the commit that they go onto.

    Each patch is the difference that the commit makes on that tree, with its own message and author. The
    first line names the original commit.
    """
    applied = series.applied
    if not applied:
        return {}
    tips = _commits(scratch, start, applied)
    files: dict[str, bytes] = {}
    with temporary_folder() as temporary:
        scratch.repository.run("format-patch", "-q", "-o", str(temporary), *_PLAIN, f"{start}..{tips[-1]}")
        paths = sorted(temporary.iterdir())
        if len(paths) != len(applied):
            raise ToolFailed("git format-patch", f"{len(paths)} files for {len(applied)} commits")
        for path, placed in zip(paths, applied, strict=True):
            original = b"From %s " % placed.commit.name.encode()
            files[path.name] = _FIRST_LINE.sub(original, path.read_bytes(), count=1)
    _prove(repository, start, files, series.tree)
    return files


def changed_by_merging(scratch: ScratchTree, start: str, series: Series) -> dict[str, str]:
    """Commit → how its patch differs from the original (git-range-diff(1)), of those that were merged."""
    applied = series.applied
    if not any(placed.fit is Fit.MERGED for placed in applied):
        return {}
    tips = _commits(scratch, start, applied)
    return {
        placed.commit.name: range_diff(scratch.repository, placed.commit.name, tip)
        for placed, tip in zip(applied, tips, strict=True)
        if placed.fit is Fit.MERGED
    }


def _commits(scratch: ScratchTree, start: str, applied: Sequence[Placed]) -> list[str]:
    """The series as commits, one on the other, among the scratch's objects."""
    tips: list[str] = []
    for placed in applied:
        commit = placed.commit
        parent = tips[-1] if tips else start
        repository = Repository(
            scratch.repository.folder, {**scratch.repository.environment, **_author(commit)}
        )
        name = repository.text(
            "commit-tree", placed.tree, "-p", parent, "-F", "-", input_bytes=commit.message.encode()
        )
        tips.append(name.strip())
    return tips


def _author(commit: Commit) -> Mapping[str, str]:
    name, _, address = commit.author.rpartition(" <")
    return {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (
            ("NAME", name or "unknown"),
            ("EMAIL", address.rstrip(">")),
            ("DATE", commit.date),
        )
    }


def _prove(repository: Repository, start: str, files: Mapping[str, bytes], tree: str) -> None:
    """Apply the files as they are, without merging; they must give the series' tree."""
    with repository.scratch() as fresh:
        fresh.start(start)
        for name, patch in files.items():
            trouble = fresh.apply(patch, three_way=False)
            if trouble is not None:
                raise ToolFailed("git apply", f"{name}: {trouble}")
        if fresh.tree != tree:
            raise ToolFailed("git apply", f"the files give the tree {fresh.tree}, the commits {tree}")


def write_series(folder: Path, files: Mapping[str, bytes], *, force: bool) -> tuple[Path, ...]:
    """Write the patches into a folder, which must be new, empty or, with `force`, hold patches only.

    Raises `Refused` where something else is there.
    """
    if folder.exists() and not folder.is_dir():
        raise Refused(f"{folder} is not a folder", hint="give the name of a new folder with --out")
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    others = [path for path in there if path.suffix != ".patch" or not path.is_file()]
    if others or (there and not force):
        raise Refused(
            f"{folder} is not empty: {(others or there)[0].name}",
            hint="choose another folder" if others else "replace its patches with --force",
        )
    for path in there:
        path.unlink()
    for name, patch in files.items():
        write_bytes(folder / name, patch)
    return tuple(folder / name for name in files)
