"""Will a board's goals be reached with these artifacts? One kernel, or every kernel with every devicetree."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from bootwright.api._common import paths, reporter, texts

if TYPE_CHECKING:
    from bootwright.boards.model import Board
    from bootwright.bootchain.model import Chain
    from bootwright.formats.sources.compressed import Growth
    from bootwright.foundation.progress import Progress
    from bootwright.foundation.verdict import Verdict
    from bootwright.foundation.versions import Version
    from bootwright.predict.all_devicetrees import AllDevicetrees
    from bootwright.predict.given.gathered import Gathered
    from bootwright.predict.matrix import Matrix
    from bootwright.predict.verdicts import BoardVerdicts, Together

SCHEMA = "bootwright/check/1"


@frozen
class Checked:
    """What is predicted of each stepping of each board, and of the boards as a whole."""

    judged: tuple[BoardVerdicts, ...]
    """One for each stepping of each board, with its goals."""
    answers: tuple[Together, ...]
    """One for each board and goal: what holds on every stepping that was judged."""
    boots: Mapping[str, Chain]
    """Board → how the kernel of an image is started on it; empty where no image was given."""
    notes: tuple[str, ...]
    """Remarks on how the artifacts were read."""
    os: Mapping[str, Version] = field(factory=dict)
    """The operating system that was judged for, by its ID in os-release: asked for, or the image's own."""

    @property
    def verdict(self) -> Verdict:
        """The worst of all boards and goals."""
        from bootwright.foundation.verdict import worst

        return worst(answer.verdict for answer in self.answers)

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/check.schema.json."""
        parts = [
            {
                "board": verdicts.board.id,
                "stepping": verdicts.stepping,
                "dtb": str(verdicts.dtb) if verdicts.dtb is not None else None,
                "kernel": verdicts.kernel,
                "boots": self.boots[verdicts.board.id].as_json() if verdicts.board.id in self.boots else None,
                "goals": {name: goal.as_json() for name, goal in verdicts.goals.items()},
                "more": list(verdicts.more),
            }
            for verdicts in self.judged
        ]
        document: dict[str, Any] = {"schema": SCHEMA}
        document |= parts[0] if len(parts) == 1 else {"boards": parts}
        if len(parts) > 1:
            document["together"] = [
                {
                    "board": answer.board.id,
                    "goal": answer.goal,
                    "verdict": answer.verdict.value,
                    "steppings": {name: verdict.value for name, verdict in answer.steppings.items()},
                }
                for answer in self.answers
            ]
        if self.notes:
            document["notes"] = list(self.notes)
        return document


def check(
    artifacts: str | Path | Sequence[str | Path],
    *,
    boards: str | Sequence[str] = (),
    revision: str | None = None,
    stepping: str | None = None,
    goals: str | Sequence[str] = (),
    os: str | None = None,
    overlays: str | Path | Sequence[str | Path] = (),
    devicetrees: str | Path | None = None,
    modules: str | Path | None = None,
    config: str | Path | None = None,
    entry: str | None = None,
    cmdline: str | None = None,
    progress: Progress | None = None,
) -> Checked:
    """Predict which goals of a board are reached with these artifacts, and where the chain breaks.

    `artifacts` are images, kernels (catalogue names, .deb files, folders, Images), devicetrees or folders
    of them, config.txt files and initramfs. Without `boards`, every known board that a devicetree is for is
    judged, and every devicetree given that is for none, by goals made of what its nodes are for; a board
    without a file is named by its devicetree's file name or compatible. Without `revision` or `stepping`,
    every stepping is. `goals` limits what is asked, `os` is `talos=1.12.1`, `overlays` are applied to the
    devicetree in order. `devicetrees` is a folder, or the name of a source that was fetched
    (`raspberrypi-firmware`): the board gets what its firmware would pick there. `modules` is a
    `/lib/modules/RELEASE` folder and `config` a kernel configuration; `entry` chooses a boot entry and
    `cmdline` replaces its arguments. Nothing is booted.

    Returns a `Checked`. Raises `Refused` for an unknown or contradictory name and where no devicetree is
    for a known board, `Missing` for what is not there, `Malformed` for what is damaged.

        checked = check("debian-6.18.15-4k", boards="raspberrypi-5", goals="ethernet", stepping="d0")
        checked.verdict                                       # Verdict.FAILS
        checked.judged[0].goals["ethernet"].first_broken      # the link that breaks, with its remedy
    """
    progress = reporter(progress)
    names = texts(artifacts)
    with contextlib.ExitStack() as stack:
        growth: Growth | None = None
        if names and Path(names[0]).is_file():
            from bootwright.formats.sources.compressed import Growth

            growth = stack.enter_context(Growth())
            growth.begin(names[0], progress)  # an image is expanded while the rest is imported
        from bootwright.api.asked import asked_boards, is_unlisted, operating_system
        from bootwright.foundation.errors import Refused
        from bootwright.predict.given.gather import gather
        from bootwright.predict.verdicts import Asked, answer, together

        if not names:
            raise Refused("there is nothing to check", hint="give at least one artifact")
        if devicetrees is not None:
            from bootwright.api.devicetrees import devicetree_folder

            names = (*names, str(devicetree_folder(devicetrees)))
        wanted_goals = texts(goals)
        board_names = texts(boards)
        unlisted = tuple(name for name in board_names if is_unlisted(name))
        listed = [name for name in board_names if name not in unlisted]
        if revision is not None and board_names and not listed:
            raise Refused("a revision code is one of a known board", hint="leave it out")
        chosen, stepping = asked_boards(
            listed,
            revision=revision,
            stepping=stepping,
            goals=wanted_goals,
            made=True,
        )
        systems = operating_system(os)

        def gathered(board: Board | None, growth: Growth | None = None) -> Gathered:
            return gather(
                names,
                progress,
                modules=Path(modules) if modules is not None else None,
                config=Path(config) if config is not None else None,
                entry=entry,
                cmdline=cmdline,
                board=board,
                growth=growth,
            )

        # One board decides at once what its firmware starts; several may differ.
        first = gathered(chosen[0] if len(chosen) == 1 else None, growth)
    code = int(revision, 16) if revision is not None else None
    asked = Asked(wanted_goals, systems, paths(overlays), code, unlisted, offers=not wanted_goals)
    answered = answer(first, chosen, stepping, asked, gathered)
    if not answered.judged:
        whom = " or ".join(unlisted) or "a known board"
        what = f", with the goal {' or '.join(wanted_goals)}" if wanted_goals else ""
        raise Refused(
            f"none of the devicetrees is for {whom}{what}",
            hint="bootwright boards list --kernel NAME has the boards that a kernel has devicetrees for",
        )
    notes = [*answered.notes, *(note for verdicts in answered.judged for note in verdicts.notes)]
    return Checked(
        tuple(answered.judged),
        tuple(together(answered.judged)),
        answered.boots,
        tuple(dict.fromkeys(notes)),
        systems if systems is not None else first.os,
    )


def check_matrix(
    artifacts: str | Path | Sequence[str | Path] = (),
    *,
    boards: str | Sequence[str] = (),
    revision: str | None = None,
    stepping: str | None = None,
    goals: str | Sequence[str] = (),
    progress: Progress | None = None,
) -> Matrix:
    """Predict every kernel with every source of devicetrees.

    `artifacts` are kernels and folders of devicetrees; without any, all kernels on this machine that have
    modules and devicetrees are taken. Returns a `Matrix`: `.cells`, `.together()`, `.as_json()`. Raises as
    `check`, and `Missing` where there is no kernel.

        table = check_matrix(["debian-6.12.117-4k", "debian-6.18.15-4k"], boards="raspberrypi-5")
        [cell.kernel for cell in table.cells if cell.verdict is Verdict.FAILS]
    """
    from bootwright.api.asked import asked_boards
    from bootwright.foundation.errors import Refused
    from bootwright.predict.api import OS_GOALS
    from bootwright.predict.matrix import matrix

    wanted_goals = texts(goals)
    chosen, stepping = asked_boards(texts(boards), revision=revision, stepping=stepping, goals=wanted_goals)
    for name in {*OS_GOALS}.intersection(wanted_goals):
        raise Refused(f"{name} is not for --matrix", hint="check the kernels one by one, with --os")
    kernels = texts(artifacts) or kernels_here()
    return matrix(kernels, chosen, wanted_goals, reporter(progress), stepping=stepping)


def check_all_devicetrees(
    kernel: str | Path,
    folder: str | Path | None = None,
    *,
    goals: str | Sequence[str] = (),
    modules: str | Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> AllDevicetrees:
    """Predict the goals of every devicetree under one kernel: those it comes with, or those of a folder.

    A devicetree for a known board has the goals of the board's file, any other those that its nodes have
    roles for. `goals` limits what is asked, by name or role; `modules` is a `/lib/modules/RELEASE` folder;
    `workers` is how many processes share the work (as many as processors, two at most).

    Returns an `AllDevicetrees`: `.devicetrees`, `.counts`, `.as_json()`. Raises as `check`, and `Missing`
    where there are no devicetrees.

        everything = check_all_devicetrees("debian-6.18.15-4k", goals="ethernet")
        [judged.dtb for judged in everything.devicetrees if not judged.goals]
    """
    from bootwright.api.asked import asked_boards
    from bootwright.foundation.errors import Missing, Refused
    from bootwright.predict.all_devicetrees import all_devicetrees
    from bootwright.predict.api import OS_GOALS
    from bootwright.predict.given.inputs import kernel_at

    wanted_goals = texts(goals)
    asked_boards((), goals=wanted_goals)
    for name in {*OS_GOALS}.intersection(wanted_goals):
        raise Refused(f"{name} is not for --all-devicetrees", hint="check one board, with --os")
    reports = reporter(progress)
    chosen = kernel_at(str(kernel), reports, modules=Path(modules) if modules is not None else None)
    place = Path(folder) if folder is not None else chosen.dtbs
    if place is None:
        raise Missing(f"{chosen.name} comes without devicetrees", hint="add a folder with some")
    if not place.is_dir():
        raise Missing(f"{place} is no folder", hint="give a kernel, and a folder of devicetrees at most")
    return all_devicetrees(chosen, place, wanted_goals, reports, workers=workers)


def kernels_here() -> tuple[str, ...]:
    """The kernels on this machine with modules and devicetrees, by name; raises `Missing` without any."""
    from bootwright.foundation.errors import Missing
    from bootwright.kernels.catalogue import open_library

    store = open_library(offline=True).store
    manifests = [manifest for name in store.names() if (manifest := store.manifest(name)) is not None]
    complete = tuple(manifest.name for manifest in manifests if manifest.modules and manifest.dtbs)
    if not complete:
        raise Missing(
            "no kernel with its modules is on this machine", hint="bootwright kernels fetch NAME --modules"
        )
    return complete
