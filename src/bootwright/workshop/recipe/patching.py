"""The patches of a checkout, put on another kernel as its build does: with patch(1), which allows fuzz."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from attrs import field, frozen

from bootwright.foundation import tools
from bootwright.foundation.errors import Malformed, ToolFailed
from bootwright.foundation.processes.work_folder import temporary_folder
from bootwright.workshop.trees.model import KernelTree
from bootwright.workshop.trees.patched import Content, content_of, patched_names, put_file
from bootwright.workshop.trees.series import Patch

_SECONDS = 120.0


class Fit(StrEnum):
    """What becomes of a patch."""

    APPLIES = "applies"
    FUZZ = "fuzz"
    """It applies with lines around it ignored: look whether it is still right."""
    PRESENT = "present"
    """The kernel has it already, and the build stops at it."""
    FAILS = "fails"


@frozen
class Tried:
    """One patch on the new kernel."""

    name: str
    """Its path from the checkout's root."""
    fit: Fit
    detail: str = ""

    @property
    def applies(self) -> bool:
        """Whether the build gets past it."""
        return self.fit in {Fit.APPLIES, Fit.FUZZ}


@frozen
class Applied:
    """All of them, and what the files that they touch are then."""

    tried: tuple[Tried, ...]
    touched: Mapping[str, Content | None] = field(repr=False)


def read_patches(checkout: Path, folder: str) -> tuple[Patch, ...]:
    """In the order in which the build applies them: that of their paths, by bytes."""
    return tuple(
        Patch(str(path.relative_to(checkout)), path.read_bytes())
        for path in sorted((checkout / folder).rglob("*.patch"))
        if path.is_file()
    )


def apply(base: KernelTree, patches: Sequence[Patch]) -> Applied:
    """Put them on one after the other; one that does not apply is passed over."""
    touched: dict[str, Content | None] = {}
    tried: list[Tried] = []
    with temporary_folder() as temporary:
        scratch = temporary / "tree"
        scratch.mkdir()
        for patch in patches:
            try:
                names = patched_names(patch, scratch)
            except Malformed as error:
                tried.append(Tried(patch.name, Fit.FAILS, str(error)))
                continue
            for name in names:
                if name not in touched:
                    touched[name] = content_of(base.folder / name)
                    if touched[name] is not None:
                        put_file(scratch / name, touched[name])
            tried.append(_try(patch, scratch))
            for name in names:
                touched[name] = content_of(scratch / name)
    return Applied(tuple(tried), touched)


def _try(patch: Patch, scratch: Path) -> Tried:
    try:
        output = _patch(patch, scratch, "--forward", "--dry-run")
    except ToolFailed as error:
        try:
            _patch(patch, scratch, "--reverse", "--dry-run", "--force")
        except ToolFailed:
            return Tried(patch.name, Fit.FAILS, _reason(error.output))
        return Tried(patch.name, Fit.PRESENT)
    _patch(patch, scratch, "--forward")
    fuzzy = [line.strip() for line in output.splitlines() if " with fuzz " in line]
    return Tried(patch.name, Fit.FUZZ if fuzzy else Fit.APPLIES, "; ".join(fuzzy)[:300])


def _patch(patch: Patch, scratch: Path, *options: str) -> str:
    command = ["patch", "-p1", "--batch", "--no-backup-if-mismatch", "--reject-file=-", *options]
    return tools.run(command, cwd=scratch, input_bytes=patch.data, timeout=_SECONDS).decode(errors="replace")


def _reason(output: str) -> str:
    """The file and line of patch(1)'s first complaint (GNU patch 2.7)."""
    file = ""
    for line in output.splitlines():
        if match := re.match(r"(?:checking|patching) file (.+)", line):
            file = match[1]
        if match := re.match(r"Hunk #\d+ FAILED at (\d+)", line):
            return f"{file}:{match[1]}"
        if "previously applied" in line:
            return f"{file}: part of it is there already"
        if line.startswith("can't find file to patch"):
            return "a file that it changes is not there"
    return output.strip().rpartition("\n")[2][:200]
