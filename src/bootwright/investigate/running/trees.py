"""Which devicetree a prediction is made with: the user's, a fetched one, a stand-in, or the kernel's own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import frozen

from bootwright.boards.model import board as board_named
from bootwright.devicetrees.fetched import fetched
from bootwright.devicetrees.source import SOURCES
from bootwright.foundation import tools
from bootwright.foundation.cache import DEVICETREES
from bootwright.foundation.choices import no_such
from bootwright.foundation.errors import Missing, Refused
from bootwright.foundation.places import DATA
from bootwright.foundation.processes.work_folder import temporary_folder
from bootwright.investigate.plans.plan import Devicetree, Plan
from bootwright.kernels.model import Kernel
from bootwright.predict.api import dtb_for
from bootwright.predict.given.gather import gather_devicetrees
from bootwright.predict.given.gathered import Gathered

Folders = Mapping[str, Path]
"""Level of a plan's factor, such as `firmware` → the folder with these devicetrees that the user has."""


@frozen
class Chosen:
    """The devicetree of one prediction, and whose it is."""

    path: Path | None
    """A file; None where the firmware picks one of `folder`."""
    folder: Gathered | None
    title: str
    """Whose it is, for a person."""
    limit: str
    """What the prediction is limited by, where the devicetree is not the real one."""
    source: str = ""
    """What `--devicetrees` takes for it: a source's name or the user's folder; empty for the kernel's own."""
    is_own: bool = False
    """Whether it is the kernel's."""


def choose(tree: Devicetree, kernel: Kernel, folders: Folders) -> Chosen:
    """The devicetree that a plan's `[[experiment.devicetree]]` means, for a kernel.

    Real ones come first: those of the user's folder for one of its levels, then those of its `source` where
    they were fetched; the stand-in `file` is for when there are none.

    Raises `Missing` where there is none at all, `Malformed` for a damaged one, `ToolFailed` from dtc.
    """
    for level in tree.set.values():
        if level in folders:
            return Chosen(
                None,
                gather_devicetrees(folders[level]),
                f"those of {folders[level]} (yours)",
                "",
                str(folders[level]),
            )
    if not tree.source and not tree.file:
        blob = dtb_for(kernel, tree.board, tree.stepping)
        return Chosen(blob, None, "the kernel's package", tree.limit, is_own=True)
    here = fetched(SOURCES.get(tree.source)) if tree.source else None
    if here is not None:
        return Chosen(
            None, gather_devicetrees(here.folder), f"those of {here.title} (fetched)", "", tree.source
        )
    how = f"bootwright devicetrees fetch {tree.source}"
    if not tree.file:
        raise Missing(f"the devicetrees of {tree.source} are not on this machine", hint=how)
    real = f" ({how} brings the real ones)" if tree.source else ""
    return Chosen(compiled(tree.file), None, f"the stand-in {tree.file}{real}", tree.limit, tree.source)


def folders_of(texts: Iterable[str]) -> dict[str, Path]:
    """The folders of `LEVEL=FOLDER` texts; raises `Refused` for another form, or a level named twice."""
    folders: dict[str, Path] = {}
    for text in texts:
        level, sign, folder = text.partition("=")
        if not sign or not level or not folder:
            raise Refused(f"{text!r} names no devicetrees", hint="it looks like firmware=FOLDER")
        if level in folders:
            raise Refused(f"the devicetrees of {level} are given twice", hint="leave one out")
        folders[level] = Path(folder).expanduser()
    return folders


def check_folders(plan: Plan, folders: Folders) -> None:
    """Hold the user's folders to the plan, before anything is run.

    Raises `Refused` for a level that no devicetree of the plan stands for, `Missing` for a folder that is not
    there or has none of a board's devicetrees, `Malformed` for a damaged one.
    """
    every = [tree for experiment in plan.experiment for tree in experiment.devicetree]
    trees = [tree for tree in every if tree.source or tree.file]
    own = {level for tree in every if tree not in trees for level in tree.set.values()}
    levels = [level for tree in trees for level in tree.set.values() if level not in own]
    for level, folder in folders.items():
        if level not in levels:
            raise no_such(f"the plan has no devicetrees called {level!r}", level, levels, kind="devicetrees")
        gathered = gather_devicetrees(folder)
        for tree in trees:
            if level in tree.set.values():
                gathered.resolve(board_named(tree.board), tree.stepping)


def compiled(name: str) -> Path:
    """The blob of a devicetree source in `data/devicetrees/`, made by dtc and cached by content.

    Raises `Missing` without dtc or such a file, `ToolFailed` when dtc refuses it.
    """
    source = DATA / "devicetrees" / name
    try:
        text = source.read_bytes()
    except OSError as error:
        raise Missing(
            f"cannot read the devicetree {name}: {error.strerror}", hint=f"it belongs into {source.parent}"
        ) from error

    def blob() -> bytes:
        dtc = tools.need("dtc", purpose=f"compile the devicetree {name}")
        with temporary_folder() as folder:
            path = folder / "blob.dtb"
            tools.run([dtc, "-q", "-@", "-I", "dts", "-O", "dtb", "-o", path, source])
            return path.read_bytes()

    return DEVICETREES.kept(f"{hashlib.sha256(text).hexdigest()}.dtb", blob)
