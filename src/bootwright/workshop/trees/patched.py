"""A tree with patches, in a folder of its own that is changed no more than the patches say.

Files whose content stays as it was keep their time, so that make builds again only what a change touches:
that is what makes one build after another with other patches cheap.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from bootwright.foundation import atomic, tools
from bootwright.foundation.errors import Malformed, Refused, ToolFailed
from bootwright.foundation.processes.work_folder import temporary_folder
from bootwright.foundation.progress import Progress
from bootwright.workshop.trees.model import KernelTree
from bootwright.workshop.trees.series import Patch

_STATE = "patched.json"
_SECONDS = 120.0
_NOT_CONFIGURING = re.compile(r"(?!scripts/|tools/).*\.(c|h|S|rs|dts|dtsi|rst|txt)")
"""Files that Kconfig never reads: it reads Kconfig files, configurations, and what their shell calls run
(`$(srctree)/scripts/…` and `arch/…/tools/….sh` only, in Linux 6.12 to 7.3)."""


@frozen
class Content:
    """What a file is to be: its bytes and mode, or a link's target."""

    data: bytes
    mode: int
    link: bool = False


def patched_tree(base: KernelTree, patches: Sequence[Patch], place: Path, progress: Progress) -> Path:
    """The folder below `place` with the files of `base` and these patches, and no others, applied.

    What other patches changed there before is taken back. Killed at any point, the next call sets it right.
    Raises `Refused` for the first patch that does not apply, with the file and line, and changes nothing
    then.
    """
    return lay_out(base, _apply(base, patches), place, progress)


def lay_out(base: KernelTree, touched: Mapping[str, Content | None], place: Path, progress: Progress) -> Path:
    """The folder below `place` with the files of `base`, but those of `touched` as they are there.

    Raises `Missing` where the disk is full.
    """
    folder = place / "source"
    state = place / _STATE
    changed_before = _state(state)
    try:
        if changed_before is None or not folder.is_dir():
            with progress.step("copy the source, to patch it"):
                shutil.rmtree(folder, ignore_errors=True)
                _copy(base.folder, folder, link=base.kept)
            changed_before = []
        elif not base.kept:
            _follow(base.folder, folder, {*changed_before, *touched}, progress)
        # First what may differ, so that a killed run leaves nothing unknown.
        atomic.write_text(state, json.dumps(sorted({*changed_before, *touched})))
        for name in {*changed_before, *touched}:
            wanted = touched[name] if name in touched else content_of(base.folder / name)
            put_file(folder / name, wanted)
        atomic.write_text(state, json.dumps(sorted(touched)))
    except OSError as error:
        raise atomic.explained(error, folder) from error
    return folder


def configuring_state(base: KernelTree, place: Path) -> str:
    """What the configuration of the tree below `place` hangs on: the base, and patched files that it reads.

    The same text, the same configuration by the same compiler; patches to C files alone leave it as it was.
    """
    digest = hashlib.sha256(base.identity.encode())
    for name in _state(place / _STATE) or ():
        if _NOT_CONFIGURING.fullmatch(name) is None:
            digest.update(f"\0{name}\0{content_of(place / 'source' / name)!r}".encode())
    return digest.hexdigest()


def _state(path: Path) -> list[str] | None:
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return [str(name) for name in names] if isinstance(names, list) else None


def _copy(source: Path, target: Path, *, link: bool) -> None:
    """All files with their times; `link` gives what never changes a second name instead."""
    target.parent.mkdir(parents=True, exist_ok=True)
    copy = os.link if link else shutil.copy2
    try:
        shutil.copytree(
            source, target, symlinks=True, ignore=shutil.ignore_patterns(".git"), copy_function=copy
        )
    except shutil.Error as error:
        raise OSError(str(error)) from error


def _follow(source: Path, target: Path, but: set[str], progress: Progress) -> None:
    """Bring over what the user changed in the source since: by size and time, as rsync and make do."""
    with progress.step("look what has changed in the source"):
        now, before = dict(_stamps(source)), dict(_stamps(target))
        for name in before.keys() - now.keys() - but:
            (target / name).unlink()
        for name, stamp in now.items():
            if stamp != before.get(name) and name not in but:
                path = target / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.unlink(missing_ok=True)
                shutil.copy2(source / name, path, follow_symlinks=False)


def _stamps(folder: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git"]
        for name in names:
            path = os.path.join(place, name)  # noqa: PTH118 - for 90,000 files, a path object each costs 1 s
            status = os.lstat(path)
            yield os.path.relpath(path, folder), (status.st_size, status.st_mtime_ns)


def content_of(path: Path) -> Content | None:
    """The file or link as it is; None where there is none."""
    if path.is_symlink():
        return Content(os.fsencode(path.readlink()), 0, link=True)
    if not path.is_file():
        return None
    return Content(path.read_bytes(), path.stat().st_mode & 0o777)


def put_file(path: Path, wanted: Content | None) -> None:
    """Make the file what is wanted; one that is that already is not touched."""
    if content_of(path) == wanted:
        return
    # Never written in place: it may be a second name of the cache's own file.
    path.unlink(missing_ok=True)
    if wanted is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if wanted.link:
        path.symlink_to(os.fsdecode(wanted.data))
    else:
        path.write_bytes(wanted.data)
        path.chmod(wanted.mode)


def _apply(base: KernelTree, patches: Sequence[Patch]) -> dict[str, Content | None]:
    """What each file that a patch touches becomes; None for one that goes."""
    touched: dict[str, Content | None] = {}
    with temporary_folder() as temporary:
        scratch = temporary / "tree"
        scratch.mkdir()
        for patch in patches:
            names = patched_names(patch, scratch)
            for name in names:
                if name not in touched:
                    original = content_of(base.folder / name)
                    touched[name] = original
                    if original is not None:
                        put_file(scratch / name, original)
            try:
                _git(scratch, patch, "--whitespace=nowarn")
            except ToolFailed as error:
                raise _refused(error, patch, scratch, base) from error
            for name in names:
                touched[name] = content_of(scratch / name)
    return touched


def _git(scratch: Path, patch: Patch, *options: str) -> bytes:
    # Outside of any repository: git-apply passes over files that another one's folder does not hold.
    environment = {"GIT_CEILING_DIRECTORIES": str(scratch.parent), "GIT_DIR": str(scratch.parent / "none")}
    command = ["git", "apply", "-p1", *options, "-"]
    return tools.run(command, cwd=scratch, input_bytes=patch.data, env=environment, timeout=_SECONDS)


def patched_names(patch: Patch, scratch: Path) -> list[str]:
    """The files that a patch names, old names of moved ones included (git-apply(1), --numstat -z)."""
    try:
        output = _git(scratch, patch, "--numstat", "-z")
    except ToolFailed as error:
        raise Malformed(patch.name, None, "a patch that git can read", error.output.strip()[:200]) from error
    names: list[str] = []
    fields = iter(output.decode("utf-8", "surrogateescape").split("\0"))
    for field in fields:
        if field:
            name = field.split("\t", 2)[-1]
            names += [name] if name else [next(fields, ""), next(fields, "")]
    for name in names:
        if name.startswith("/") or ".." in name.split("/") or not name:
            raise Malformed(patch.name, None, "names of files inside the source", repr(name[:100]))
    return names


def _refused(error: ToolFailed, patch: Patch, scratch: Path, base: KernelTree) -> Refused:
    lines = [line.removeprefix("error: ") for line in error.output.splitlines() if line.startswith("error: ")]
    reason = next((line for line in lines if "does not apply" not in line), lines[0] if lines else "")
    try:
        _git(scratch, patch, "--check", "--reverse")
    except ToolFailed:
        hint = f"it is made for another source than Linux {base.version}: rebase it, or leave it out"
    else:
        hint = "the source has it already: leave it out"
    return Refused(f"{patch.name} does not apply: {reason or error.message}", hint=hint)
