"""Which devicetree a prediction of a plan is made with: the user's, a fetched one, a stand-in, or the kernel's."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from bootwright.boards.model import board as board_named
from bootwright.devicetrees.fetched import fetched
from bootwright.devicetrees.source import SOURCES
from bootwright.foundation import tools
from bootwright.foundation.cache import DEVICETREES
from bootwright.foundation.choices import no_such
from bootwright.foundation.errors import Missing
from bootwright.foundation.places import DATA
from bootwright.foundation.progress import Silent
from bootwright.investigate.plans.plan import Devicetree, Plan
from bootwright.kernels.model import Kernel
from bootwright.predict.api import dtb_for
from bootwright.predict.given.gather import gather
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


def choose(tree: Devicetree, kernel: Kernel, folders: Folders) -> Chosen:
    """The devicetree that a plan's `[[experiment.devicetree]]` means, for a kernel.

    Real ones come first: those of the user's folder for one of its levels, then those of its `source` where
    they were fetched; the stand-in `file` is for when there are none.

    Raises `Missing` where there is none at all, `Malformed` for a damaged one, `ToolFailed` from dtc.
    """
    for level in tree.set.values():
        if level in folders:
            return Chosen(None, _gathered(folders[level]), f"{folders[level]} (--devicetrees {level}=…)", "")
    if not tree.source and not tree.file:
        return Chosen(dtb_for(kernel, tree.board, tree.stepping), None, "the kernel's package", tree.limit)
    here = fetched(SOURCES.get(tree.source)) if tree.source else None
    if here is not None:
        return Chosen(None, _gathered(here.folder), f"{here.title}, fetched", "")
    how = f"bootwright devicetrees fetch {tree.source}"
    if not tree.file:
        raise Missing(f"the devicetrees of {tree.source} are not on this machine", hint=how)
    real = f" The real ones are not here: {how}." if tree.source else ""
    return Chosen(compiled(tree.file), None, f"a stand-in, {tree.file}", f"{tree.limit}{real}".strip())


def check_folders(plan: Plan, folders: Folders) -> None:
    """Hold the user's folders to the plan, before anything is run.

    Raises `Refused` for a level that no devicetree of the plan stands for, `Missing` for a folder that is not
    there or has none of a board's devicetrees, `Malformed` for a damaged one.
    """
    trees = [
        tree
        for experiment in plan.experiment
        for tree in experiment.devicetree
        if tree.source or tree.file
    ]
    levels = dict.fromkeys(level for tree in trees for level in tree.set.values())
    for level, folder in folders.items():
        if level not in levels:
            raise no_such(f"the plan has no devicetrees called {level!r}", level, levels, kind="devicetrees")
        if not folder.is_dir():
            raise Missing(f"there is no folder {folder}", hint=f"--devicetrees {level}=FOLDER")
        gathered = _gathered(folder)
        for tree in trees:
            if level in tree.set.values():
                gathered.resolve(board_named(tree.board), tree.stepping)


def _gathered(folder: Path) -> Gathered:
    return gather([str(folder)], Silent())


def compiled(name: str) -> Path:
    """The blob of a devicetree source in `data/devicetrees/`, made by dtc and cached by content.

    Raises `Missing` without dtc or such a file, `ToolFailed` when dtc refuses it.
    """
    source = DATA / "devicetrees" / name
    try:
        text = source.read_bytes()
    except OSError as error:
        raise Missing(f"there is no devicetree {name}", hint=f"put it into {source.parent}") from error

    def blob() -> bytes:
        dtc = tools.need("dtc", purpose=f"compile the devicetree {name}")
        with tempfile.TemporaryDirectory(prefix="bootwright-") as folder:
            path = Path(folder) / "blob.dtb"
            tools.run([dtc, "-q", "-@", "-I", "dts", "-O", "dtb", "-o", path, source])
            return path.read_bytes()

    return DEVICETREES.kept(f"{hashlib.sha256(text).hexdigest()}.dtb", blob)
