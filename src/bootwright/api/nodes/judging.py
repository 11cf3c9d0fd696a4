"""The goals of an image that is not made yet, as `check` judges them of what stands in for its parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from bootwright.api.checking import Checked
    from bootwright.boards.model import Board
    from bootwright.foundation.progress import Progress
    from bootwright.predict.by_release.by_version import OwnKernel
    from bootwright.predict.by_release.remark import Remark
    from bootwright.prepare.factory.foretold import LikeGoal
    from bootwright.prepare.factory.schematic import Schematic
    from bootwright.prepare.factory.stand_in import StandIn


@frozen
class Like:
    """What `check` says of what stands in."""

    goals: tuple[LikeGoal, ...] = ()
    hazards: tuple[Remark, ...] = ()
    remarks: tuple[Remark, ...] = ()
    """In what it is not what was asked for."""
    words: str = ""
    """What the goals were judged with; empty where none were."""
    lacks: str = ""
    """Why none were, where the board is to blame."""


def judged_like(
    stand_in: StandIn,
    schematic: Schematic,
    board: Board,
    asked: Mapping[str, str | None],
    *,
    own: OwnKernel | None,
    progress: Progress | None,
) -> Like:
    """The goals and hazards that `check` says of what stands in, and in what it is not what was asked for."""
    from bootwright.foundation.verdict import Verdict
    from bootwright.predict.api import OS_GOALS
    from bootwright.predict.by_release.by_version import excluded
    from bootwright.predict.by_release.remark import Remark
    from bootwright.predict.given.gathered import NoDevicetree
    from bootwright.prepare.factory.foretold import LikeGoal, configured, of_boot_loader

    if not stand_in.kernel:
        return Like()
    remarks = tuple(_of_another_kernel(stand_in, board, asked, own))
    try:
        checked = _checked(stand_in, schematic, board, asked, progress)
    except NoDevicetree as error:
        if stand_in.own_trees:
            raise
        # What stands in has none for the board, which says nothing of the image.
        return Like(remarks=remarks, lacks=error.message)

    goals: list[LikeGoal] = []
    hazards: dict[str, Remark] = {}
    lacking: list[str] = []
    for judged in checked.judged:
        if judged.dtb is None and not stand_in.own_trees:
            lacking.append(board.stepping(judged.stepping).dtb)
            continue
        for name, goal in judged.goals.items():
            broken = goal.first_broken
            because = f"{broken.node}: {broken.reason or broken.needs}" if broken is not None else ""
            # What is to be done about a kernel that the image does not have is no help.
            remedy = broken.remedy or "" if broken is not None and not stand_in.other else ""
            if stand_in.like_trees and (stand_in.own_kernel or name not in OS_GOALS):
                goals.append(LikeGoal(name, judged.stepping, goal.verdict, because, remedy))
            for hazard in goal.hazards:
                of_the_image = stand_in.own_kernel or not (
                    configured(hazard.name) or (own is not None and excluded(hazard.name, own))
                )
                if not schematic.overlay.name and not stand_in.whole and of_boot_loader(hazard.name):
                    continue
                if hazard.effect is not Verdict.FAILS and of_the_image:
                    remark = Remark(
                        hazard.effect,
                        f"{hazard.title}: {hazard.reason}",
                        hazard.remedy,
                        "; ".join(hazard.sources),
                    )
                    hazards.setdefault(hazard.name, remark)
    remarks += tuple(_not_as_asked(stand_in, schematic, checked, asked))
    lacks = f"{stand_in.kernel} has no {', '.join(lacking)}" if lacking else ""
    return Like(tuple(goals), tuple(hazards.values()), remarks, stand_in.words if goals else "", lacks)


def _checked(
    stand_in: StandIn,
    schematic: Schematic,
    board: Board,
    asked: Mapping[str, str | None],
    progress: Progress | None,
) -> Checked:
    from bootwright.api.checking import check
    from bootwright.formats.sources.address import is_address
    from bootwright.foundation.processes.work_folder import temporary_folder

    text = schematic.option("configTxt") + "\n" + schematic.option("configTxtAppend")
    with temporary_folder() as folder:
        artifacts = [stand_in.kernel, *stand_in.trees]
        # An installer has no config.txt: its overlay's program writes one.
        if text.strip() and (not stand_in.whole or is_address(stand_in.kernel)):
            config = folder / "config.txt"
            config.write_text(text, encoding="utf-8")
            artifacts.append(str(config))
        return check(
            artifacts,
            boards=board.id,
            revision=asked["revision"],
            stepping=asked["stepping"],
            os=None if stand_in.whole else asked["os"],
            cmdline=None if stand_in.whole else " ".join(_added(schematic)) or None,
            progress=progress,
        )


def _of_another_kernel(
    stand_in: StandIn, board: Board, asked: Mapping[str, str | None], own: OwnKernel | None
) -> Iterator[Remark]:
    """That a kernel which was given as the image's own is none of that version."""
    from bootwright.foundation.verdict import Verdict
    from bootwright.predict.by_release.remark import Remark

    if stand_in.other and own is not None:
        yield Remark(
            Verdict.UNKNOWN,
            f"{stand_in.kernel} is Linux {stand_in.other}, and the image of this version has {own.uname}: "
            "what is said of it below is no verdict",
            f"leave --kernel out. Of an image of your own with this kernel: bootwright check "
            f"{stand_in.kernel} {' '.join(stand_in.trees)} --board {board.id} --os {asked['os']}".replace(
                "  ", " "
            ),
        )


def _not_as_asked(
    stand_in: StandIn, schematic: Schematic, checked: Checked, asked: Mapping[str, str | None]
) -> Iterator[Remark]:
    """In what an image is of another schematic or version than the one that is asked about."""
    from bootwright.foundation.verdict import Verdict
    from bootwright.predict.by_release.remark import Remark

    if not stand_in.whole:
        return
    wanted = (asked["os"] or "").partition("=")[2]
    versions = {version.text.removeprefix("v") for version in checked.os.values()}
    if versions and wanted not in versions:
        said = ", ".join(sorted(versions))
        yield Remark(Verdict.FAILS, f"{stand_in.kernel} is of version {said}, and {wanted} is asked for")
    elif not versions:
        yield Remark(Verdict.UNKNOWN, f"{stand_in.kernel} does not say of which version it is")
    for chain in checked.boots.values():
        there = set(chain.arguments.split())
        for word in schematic.customization.arguments:
            taken = word.startswith("-")
            if (word.removeprefix("-") in there) is taken:
                what = f"still has {word[1:]}" if taken else f"lacks {word}"
                yield Remark(
                    Verdict.UNKNOWN, f"{stand_in.kernel} {what}: it is of another schematic", "make it anew"
                )


def _added(schematic: Schematic) -> tuple[str, ...]:
    """Arguments that are added; `-name` takes one of the default ones away."""
    return tuple(word for word in schematic.customization.arguments if not word.startswith("-"))
