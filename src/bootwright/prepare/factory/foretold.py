"""What is known of a schematic's image before it is made: its id, its kernel, and what will not work.

Three kinds of knowledge decide: what the schematic says (overlay, options, arguments), what the release's
kernel is (`data/releases/`), and the hazards that depend on versions alone (`data/hazards/`). What depends on
the image's own bytes is at most foretold with a stand-in, and stays `unknown`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import evolve, frozen

from bootwright.boards.model import Board
from bootwright.boards.model import board as board_named
from bootwright.foundation.choices import hint_for
from bootwright.foundation.verdict import Verdict, worst
from bootwright.foundation.versions import Version
from bootwright.kernels.releases import OverlayTrees, Release, Releases
from bootwright.predict.by_release.by_version import OwnKernel, certain
from bootwright.predict.by_release.remark import Remark
from bootwright.predict.rules.knowledge import HAZARDS
from bootwright.prepare.factory.config_options import APPENDS, REPLACES, config_remarks
from bootwright.prepare.factory.schematic import Schematic
from bootwright.prepare.knowledge import Overlay, Preparation

_NO_DUAL_BOOT = Version.from_toml("1.13.0")
"""The first release whose installer refuses it for arm64."""


@frozen
class LikeGoal:
    """A goal of the board with what stands in for the image's kernel and devicetrees."""

    goal: str
    stepping: str
    verdict: Verdict
    because: str = ""
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        """Part of docs/schemas/talos.schema.json."""
        return {
            "goal": self.goal,
            "stepping": self.stepping,
            "verdict": self.verdict.value,
            "because": self.because,
            "remedy": self.remedy,
        }


def with_release(goal: LikeGoal, remarks: Sequence[Remark]) -> LikeGoal:
    """A goal that fails, with the release to ask for where that is known to be why: nobody who asks a factory
    for an image chooses its kernel or devicetrees."""
    for remark in remarks:
        against = goal.verdict is Verdict.FAILS and remark.verdict is not Verdict.WORKS
        if against and remark.is_about(goal.goal, goal.stepping):
            return evolve(goal, remedy=remark.remedy)
    return goal


@frozen
class Foretold:
    """All of it."""

    schematic: Schematic
    identity: str
    """The schematic's id; empty where it is not known."""
    not_known: str
    """Why not."""
    version: Version
    release: Release | None
    board: Board
    stepping: str | None
    trees: OverlayTrees | None
    """Whose devicetrees the image has, as far as that is known."""
    remarks: tuple[Remark, ...]
    judged_with: str
    """The kernel and devicetrees that the goals were foretold with, in words; empty where there are none."""
    exact: bool
    """Whether those are the image's own."""
    goals: tuple[LikeGoal, ...]
    hazards: tuple[Remark, ...]
    """What may happen on the goals' ways, as far as what stands in says it."""
    missing: tuple[str, ...]
    """What would have to be known for a verdict."""

    @property
    def verdict(self) -> Verdict:
        """`fails` where something certain fails, `works` only with the image's own kernel and devicetrees."""
        certain = [remark.verdict for remark in self.remarks]
        if self.exact:
            certain += [goal.verdict for goal in self.goals]
        if self.missing or not self.exact:
            certain.append(Verdict.UNKNOWN)
        return worst(certain)


def overlays_of(preparation: Preparation, schematic: Schematic) -> list[Overlay]:
    """The overlays that are known by the image and name that a schematic gives, one for each board."""
    asked = schematic.overlay
    return [
        overlay
        for overlay in (preparation.images.overlays if preparation.images is not None else ())
        if (overlay.image, overlay.name) == (asked.image, asked.name)
    ]


def remarks_of(
    schematic: Schematic, version: Version, board: Board, preparation: Preparation, known: Releases
) -> Iterator[Remark]:
    """What follows from schematic, version and board, without a kernel or devicetree."""
    title = preparation.title
    fitting = [overlay for overlay in overlays_of(preparation, schematic) if overlay.board == board.id]
    others = preparation.images.overlays if preparation.images is not None else ()
    own = [overlay for overlay in others if overlay.board == board.id]
    suited = " or ".join(f"{overlay.name} of {overlay.image}" for overlay in own)
    if not fitting:
        yield _without_overlay(schematic, board, overlays_of(preparation, schematic), suited)
    for overlay in fitting:
        yield from _options(schematic, overlay, board)
        yield from _boot_loader(schematic.customization.bootloader, overlay)
    if known.of(version) is None:
        like = known.like(version)
        yield Remark(
            Verdict.UNKNOWN,
            f"no release {title} {version} is known here",
            f"ask for {like}, the newest near it, or give the image itself with --image",
        )
    yield from _customization(schematic, version)


def _without_overlay(schematic: Schematic, board: Board, of_others: Sequence[Overlay], suited: str) -> Remark:
    """What an image without the board's overlay lacks.

    Where the board's firmware wants files of its own on the medium, that is certain, unless the overlay is of
    boards with such firmware too; else firmware in the board's flash memory may start it.
    """
    asked = schematic.overlay
    what = "the schematic names no overlay: the image has no firmware files, boot loader or devicetrees"
    if asked.name:
        boards = ", ".join(dict.fromkeys(overlay.board for overlay in of_others))
        theirs = f"is for {boards}, and " if boards else ""
        what = f"{asked.name} of {asked.image} {theirs}is not known as an overlay"
    what = f"{what} for {board.name}"
    add = f"overlay: {suited}" if suited else ""
    alike = any(board_named(overlay.board).firmware_models for overlay in of_others)
    known = not asked.name or (bool(of_others) and not alike)
    if board.firmware_models and known:
        how = (
            "what its firmware looks for on the medium is not there (unless UEFI firmware is on another one)"
        )
        return Remark(Verdict.FAILS, f"{what}: {how}", add, goals=("*",), comes_first=True)
    if not board.firmware_models:
        what += ": it starts only where UEFI or U-Boot in the board's flash memory hands over a devicetree"
    return Remark(Verdict.UNKNOWN, what, add, comes_first=bool(suited))


def _options(schematic: Schematic, overlay: Overlay, board: Board) -> Iterator[Remark]:
    for name in schematic.overlay.options:
        if overlay.options and name not in overlay.options:
            yield Remark(
                Verdict.UNKNOWN,
                f"the overlay {overlay.name} reads no option {name}: it is passed over in silence",
                hint_for(name, overlay.options, kind="its options"),
            )
    options = {name: schematic.option(name) for name in (REPLACES, APPENDS)}
    yield from config_remarks(options, overlay, board)


def _boot_loader(asked: str, overlay: Overlay) -> Iterator[Remark]:
    if asked not in {"", "none", "dual-boot", overlay.bootloader} and overlay.bootloader:
        yield Remark(
            Verdict.UNKNOWN,
            f"{asked} takes the place of {overlay.bootloader}, which images with the overlay "
            f"{overlay.name} are made with: whether the board starts it was not seen",
            "leave bootloader out",
            overlay.source,
        )


def _customization(schematic: Schematic, version: Version) -> Iterator[Remark]:
    asked = schematic.customization
    if asked.bootloader == "dual-boot":
        refused = version >= _NO_DUAL_BOOT
        yield Remark(
            Verdict.FAILS if refused else Verdict.UNKNOWN,
            "bootloader: dual-boot is for amd64" + (", and no image for arm64 is made" if refused else ""),
            "leave bootloader out",
            "siderolabs/talos v1.13.0 internal/app/machined/pkg/runtime/v1alpha1/bootloader/dual/dual.go",
        )
    if asked.disk_image.sector_size not in (0, 512):
        yield Remark(
            Verdict.UNKNOWN,
            f"the image is made for disks with sectors of {asked.disk_image.sector_size} bytes; microSD "
            "cards and most USB drives have 512, and their partition table is then not found",
            "leave sectorSize out for a microSD card",
            "UEFI Specification 2.10, 5.3: the GPT header is in the second logical block",
        )
    if asked.machine_configuration:
        yield Remark(
            Verdict.WORKS,
            "the machine configuration is in the image: there is no maintenance mode to wait for",
        )
    if schematic.owner:
        yield Remark(Verdict.WORKS, f"it belongs to {schematic.owner[:60]}: only they can fetch the image")


def version_hazards(own: OwnKernel) -> Iterator[Remark]:
    """The hazards that hold for the release's version and its kernel's, whatever else is in the image."""
    for rule in certain(own):
        yield Remark(
            rule.effect,
            f"{rule.title} ({', '.join(rule.goals)}): {rule.reason}",
            rule.remedy,
            "; ".join(rule.sources),
        )


def configured(hazard: str) -> bool:
    """Whether a hazard depends on how a kernel was configured: of another build it says nothing."""
    if hazard not in HAZARDS.names():
        return True
    when = HAZARDS.get(hazard).when
    return any(
        condition.options or condition.built_in or condition.module or condition.security_module
        for condition in when.parts()
    )


def of_boot_loader(hazard: str) -> bool:
    """Whether a hazard is of the boot loader that an overlay brings: without one there is none."""
    return hazard in HAZARDS.names() and any(
        condition.u_boot_has or condition.u_boot_lacks for condition in HAZARDS.get(hazard).when.parts()
    )
