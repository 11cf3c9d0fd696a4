"""What a node will be after an upgrade."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bootwright.api._common import paths

if TYPE_CHECKING:
    from bootwright.api.checking import Checked
    from bootwright.foundation.progress import Progress
    from bootwright.foundation.verdict import Verdict
    from bootwright.prepare.upgrade import Node, Partition

UPGRADE_SCHEMA = "bootwright/upgrade-check/1"


@frozen
class UpgradeForetold:
    """A node after an upgrade."""

    node: Node
    partition: Partition
    """The files of its EFI system partition, and what becomes of them."""
    checked: Checked
    """What is predicted with the new kernel and the partition as it will be."""
    overlay_known: bool
    """Whether it is known what the installer's overlay brings."""

    @property
    def verdict(self) -> Verdict:
        """Of the goals; `unknown` where what the overlay brings is not known."""
        from bootwright.foundation.verdict import Verdict

        return self.checked.verdict if self.overlay_known else Verdict.UNKNOWN

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
            "check": self.checked.as_json(),
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

    `node` are files that were saved of it: a folder with a copy of its EFI system partition, and where they
    are at hand its kernel log, `/proc/cmdline` and what `talosctl version` prints. `to` is the installer
    image, or the kernel in it, in any form that `check` takes. `overlay` is a folder with what the
    installer's overlay puts on that partition, `no_overlay` says that it has none; without either the
    verdict is `unknown`. `os` is the version upgraded to (`talos=1.13.2`), where the image does not say it.

    Returns an `UpgradeForetold`: `.verdict`, `.partition`, `.checked`, `.as_json()`. Raises as `check`, and
    `Missing` without a copy of the partition.

        upgrade_check(["esp/", "dmesg.txt"], "talos-1.13.2-4k", board="raspberrypi-5").verdict
    """
    from tempfile import TemporaryDirectory

    from bootwright.api.asked import asked_boards, operating_system
    from bootwright.api.checking import check
    from bootwright.foundation.errors import Refused
    from bootwright.prepare.upgrade import after, read_node

    if overlay is not None and no_overlay:
        raise Refused("an overlay, and none", hint="give one of the two")
    asked_boards((board,), revision=revision, stepping=stepping)
    operating_system(os)
    read = read_node(paths(node))
    with TemporaryDirectory(prefix="bootwright-") as folder:
        made = Path(folder) / "esp"
        made.mkdir()
        partition = after(read, Path(overlay) if overlay is not None else None, made)
        checked = check(
            [str(to), str(made)],
            boards=board,
            revision=revision,
            stepping=stepping,
            goals=goals,
            os=os,
            progress=progress,
        )
    return UpgradeForetold(read, partition, checked, overlay is not None or no_overlay)
