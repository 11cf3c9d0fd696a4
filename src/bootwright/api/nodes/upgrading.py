"""What a node will be after an upgrade."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bootwright.api._common import paths

if TYPE_CHECKING:
    from bootwright.api.checking import Checked
    from bootwright.boards.model import Board
    from bootwright.foundation.progress import Progress
    from bootwright.foundation.verdict import Verdict
    from bootwright.prepare.upgrading.installer import Installer
    from bootwright.prepare.upgrading.partition import Node, Partition
    from bootwright.prepare.upgrading.steps import Step

UPGRADE_SCHEMA = "bootwright/upgrade-check/1"


@frozen
class UpgradeForetold:
    """A node after an upgrade."""

    node: Node
    partition: Partition
    """The files of its EFI system partition, and what becomes of them."""
    steps: tuple[Step, ...]
    """What the upgrade needs of the disk; none where no list of partitions was given."""
    checked: Checked | None
    """What is predicted with the new kernel and the partition as it will be; None where that is not known."""
    overlay_known: bool
    """Whether it is known what the installer's overlay brings."""
    notes: tuple[str, ...] = ()
    """What is not known, and why."""

    @property
    def verdict(self) -> Verdict:
        """Of the upgrade and the goals; `unknown` where what the overlay brings is not known."""
        from bootwright.foundation.verdict import Verdict, worst

        done = [step.verdict for step in self.steps]
        known = self.checked is not None and self.overlay_known
        goals = self.checked.verdict if known and self.checked is not None else Verdict.UNKNOWN
        return worst([*done, goals])

    @property
    def first_broken(self) -> str:
        """The first thing that does not work, with its reason: of the upgrade, then of the new start."""
        from bootwright.foundation.verdict import Verdict
        from bootwright.prepare.upgrading.steps import first_broken

        step = first_broken(self.steps)
        if step is not None and step.verdict is Verdict.FAILS:
            return f"{step.needs}: {step.reason}"
        judged = self.checked.judged if self.checked is not None else ()
        for verdicts in judged:
            for name, goal in verdicts.goals.items():
                if goal.verdict is Verdict.FAILS and goal.first_broken is not None:
                    broken = goal.first_broken
                    on = f" on {verdicts.stepping}" if len(verdicts.board.steppings) > 1 else ""
                    return f"{name}{on}: {broken.node}: {broken.reason or broken.needs}"
        return f"{step.needs}: {step.reason}" if step is not None else ""

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/upgrade-check.schema.json."""
        return {
            "schema": UPGRADE_SCHEMA,
            "verdict": self.verdict.value,
            "node": {
                "kernel": self.node.release or None,
                "talos": self.node.version or None,
                "arguments": self.node.arguments or None,
            },
            "overlay_known": self.overlay_known,
            "files": {change.path: change.what for change in self.partition.changes},
            "upgrade": [
                {
                    "needs": step.needs,
                    "verdict": step.verdict.value,
                    "reason": step.reason,
                    "remedy": step.remedy,
                    "source": step.source,
                }
                for step in self.steps
            ],
            "first_broken": self.first_broken or None,
            "notes": list(self.notes),
            "check": self.checked.as_json() if self.checked is not None else None,
        }


def upgrade_check(
    node: str | Path | Sequence[str | Path],
    to: str | Path,
    *,
    board: str,
    revision: str | None = None,
    stepping: str | None = None,
    goals: str | Sequence[str] = (),
    overlay: str | Path | None = None,
    no_overlay: bool = False,
    os: str | None = None,
    progress: Progress | None = None,
) -> UpgradeForetold:
    """Predict a node after `talosctl upgrade`: the new kernel with what stays on its boot partition.

    `node` are files that were saved of it: a folder with a copy of its EFI system partition, or a listing of
    it, and where they are at hand lists of its partitions (talosctl, lsblk, sfdisk, parted), its kernel log,
    `/proc/cmdline` and what `talosctl version` prints. `to` is the installer image, or the kernel in it, in
    any form that `check` takes. What the installer's overlay puts on that partition is taken from the
    installer image, where `to` is one; else `overlay` is a folder with it, and `no_overlay` says that it has
    none; where it is not known the verdict is `unknown`. `os` is the version upgraded to (`talos=1.13.2`),
    where the image does not say it. Without a revision or stepping the board's is taken from the kernel log,
    where that decides it.

    Returns an `UpgradeForetold`: `.verdict`, `.partition`, `.steps`, `.checked`, `.first_broken`,
    `.as_json()`. Raises as `check`, and `Missing` without a copy or a listing of the partition.

        upgrade_check(["esp/", "dmesg.txt"], "talos-1.13.2-4k", board="raspberrypi-5").verdict
    """
    from bootwright.api.asked import asked_boards, operating_system
    from bootwright.foundation.errors import Refused
    from bootwright.foundation.processes.work_folder import temporary_folder
    from bootwright.prepare.upgrading.installer import Installer
    from bootwright.prepare.upgrading.partition import after, read_node
    from bootwright.prepare.upgrading.steps import steps

    if overlay is not None and no_overlay:
        raise Refused("an overlay, and none", hint="give one of the two")
    (chosen,), of_asked = asked_boards((board,), revision=revision, stepping=stepping)
    operating_system(os)
    read = read_node(paths(node))
    of_node = _of_that_board(read, chosen, of_asked)
    with temporary_folder() as folder:
        made, brought = folder / "esp", folder / "overlay"
        made.mkdir()
        brought.mkdir()
        installer = _installer(str(to), chosen.id, brought, progress)
        if overlay is not None or no_overlay or installer is None:
            own = Path(overlay) if overlay is not None else None
            known = overlay is not None or no_overlay
            sizes = (installer.kernel, installer.initramfs) if installer is not None else (None, None)
            installer = Installer(own, known, *sizes)
        partition = after(read, installer.overlay, made)
        checked, unseen = _checked(
            [str(to), str(made)],
            partition,
            {
                "boards": board,
                "revision": revision,
                "stepping": of_node,
                "goals": goals,
                "os": os,
                "progress": progress,
            },
        )
    paths_there = [change.path for change in partition.changes]
    needed = steps(read.disks, paths_there, installer)
    notes = (*installer.notes, *unseen)
    return UpgradeForetold(read, partition, needed, checked, installer.overlay_known, notes)


def _of_that_board(node: Node, board: Board, stepping: str | None) -> str | None:
    """The stepping: the one that was asked for, else the only one that the node's kernel log allows.

    Raises `Refused` where that log is of another board, or of the same one of another revision.
    """
    from bootwright.boards.model import board_of_model
    from bootwright.foundation.errors import Refused

    of_log = board_of_model(node.model)
    if of_log is None:
        return stepping
    if of_log.id != board.id:
        raise Refused(
            f"the node's log is of a {node.model}, not of a {board.name}",
            hint=f"give --board {of_log.id}, or the log of that node",
        )
    its = board.steppings_of_model(node.model)
    if stepping is None:
        return next(iter(its)) if len(its) == 1 else None
    if stepping not in its:
        raise Refused(
            f"the node's log is of a {node.model}, which is stepping {' or '.join(sorted(its))}, "
            f"not {stepping}",
            hint="give that board's revision code or stepping, or the log of that node",
        )
    return stepping


def _installer(to: str, board: str, folder: Path, progress: Progress | None) -> Installer | None:
    """What is in an installer image; None for anything else, such as a kernel of the catalogue."""
    from bootwright.api._common import reporter
    from bootwright.formats.sources.address import is_address
    from bootwright.prepare.knowledge import PREPARATIONS
    from bootwright.prepare.upgrading.installer import read_installer

    if not is_address(to) and not Path(to).exists():
        return None
    images = PREPARATIONS.get("talos").images
    overlays = [overlay for overlay in images.overlays if overlay.board == board] if images else []
    return read_installer(to, overlays, folder, reporter(progress))


def _checked(
    artifacts: list[str], partition: Partition, asked: dict[str, Any]
) -> tuple[Checked | None, tuple[str, ...]]:
    """What is predicted, and what of it is not known as files were only listed."""
    from bootwright.api.checking import check
    from bootwright.foundation.errors import Missing

    unseen = [path for path in partition.of("unseen") if path.lower().endswith((".dtb", "config.txt"))]
    if not unseen:
        return check(artifacts, **asked), ()
    note = f"what is in {', '.join(unseen[:6])} is not known: give a copy in place of the listing"
    try:
        checked = check(artifacts, **asked)
    except Missing:
        return None, (note,)
    return (None if any(path.lower().endswith(".txt") for path in unseen) else checked), (note,)
