"""The image that is prepared, and the board it is prepared for: what every candidate is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import evolve, field, frozen

from bootwright.boards.fit import Fit, fit
from bootwright.boards.model import Board, Stepping
from bootwright.bootchain.model import Chain
from bootwright.firmware.config_txt import ConfigTxt, read_config_txt
from bootwright.formats.devicetree.fdt import read_fdt_file
from bootwright.formats.filesystems.filesystem import lookup, read_small
from bootwright.foundation.errors import BootwrightError, Missing
from bootwright.foundation.progress import Progress
from bootwright.foundation.versions import Version
from bootwright.images.opened import OpenImage, Volume, open_image
from bootwright.predict.given.blobs import Blob, Origin
from bootwright.predict.given.gather import gather
from bootwright.predict.given.gathered import Gathered, NoKernel
from bootwright.predict.verdicts import Asked, judge_boards
from bootwright.prepare.model import Judged, Setup

CONFIG = "/config.txt"


@frozen
class Target:
    """The board it is for, and what it must do there."""

    board: Board
    stepping: str | None = None
    """None: all of them."""
    code: int | None = None
    """The revision code, where known."""
    wanted: tuple[str, ...] = ()
    """The goals that decide."""
    os: Mapping[str, Version] | None = None
    """The operating system, where it is another than the one that is found in the image."""

    @property
    def steppings(self) -> tuple[Stepping, ...]:
        """Those that were asked for."""
        return tuple(stepping for stepping in self.board.steppings if self.stepping in {None, stepping.name})

    @property
    def title(self) -> str:
        """`Raspberry Pi 5, stepping d0 (revision e04171)`."""
        stepping = f", stepping {self.stepping}" if self.stepping and len(self.board.steppings) > 1 else ""
        return f"{self.board.name}{stepping}" + (f" (revision {self.code:x})" if self.code else "")

    @property
    def words(self) -> tuple[str, ...]:
        """`--board raspberrypi-5 --revision e04171`, as a command is told which board it is."""
        if self.code is not None:
            return ("--board", self.board.id, "--revision", f"{self.code:x}")
        return ("--board", self.board.id, *(("--stepping", self.stepping) if self.stepping else ()))

    def judge(self, gathered: Gathered, *, remedies: bool = False) -> Judged:
        """What is predicted of each stepping; raises what `judge_boards` raises.

        With `remedies` kernels on this machine are looked through for the drivers that are missing.
        """
        asked = Asked(os=self.os, code=self.code, remedies=remedies)
        boards = tuple(judge_boards(gathered, gathered.facts(), (self.board,), self.stepping, asked))
        return Judged(boards, self.wanted)


def gathered_of(
    image: str, target: Target, progress: Progress, *, handed_over: Sequence[Path] = ()
) -> Gathered:
    """What an image (a path or an address) holds for the board.

    Where it has no devicetree for the board, `handed_over` are those that its own firmware may bring. Raises
    as `gather`.
    """
    try:
        gathered = gather((image,), progress, board=target.board, need_devicetrees=False)
    except NoKernel as error:
        hint = "`bootwright inspect` shows what it holds; give the image of a whole disk that boots"
        raise Missing(f"{image} holds no kernel of arm64", hint=hint) from error
    if handed_over and not any(_has(gathered, target.board, stepping) for stepping in target.steppings):
        return gather((image, *map(str, handed_over)), progress, board=target.board)
    return gathered


def _has(gathered: Gathered, board: Board, stepping: Stepping) -> bool:
    """Whether there is a devicetree that a stepping gets, its own or not."""
    try:
        gathered.choose(board, stepping.name)
    except Missing:
        return False
    return True


def by_firmware(gathered: Gathered) -> bool:
    """Whether the devicetree is one that the user named as the firmware's, and no part of the image."""
    return any(blob.origin is Origin.GIVEN for blob in gathered.blobs)


@frozen(eq=False)
class BoardImage:
    """A disk image on this machine, opened for changes."""

    path: Path
    opened: OpenImage
    target: Target
    chain: Chain | None
    """How it boots on the board; None where that is not known."""
    config_volume: Volume | None = field(default=None)
    """The volume with config.txt, where there is one."""

    @property
    def config_txt(self) -> bytes | None:
        """The bytes of config.txt."""
        return read_small(self.config_volume.files, CONFIG) if self.config_volume is not None else None

    def parsed(self, text: bytes) -> ConfigTxt:
        """config.txt with this text, and what it includes from the image."""
        volume = self.config_volume
        where = volume.path(CONFIG) if volume is not None else CONFIG

        def load(name: str) -> bytes | None:
            return read_small(volume.files, f"/{name}") if volume is not None else None

        return read_config_txt(text, where, load=load)

    def tree_places(self, name: str) -> list[str]:
        """Where a devicetree of that file name is: `EFI:/bcm2712-rpi-5-b.dtb`."""
        return [volume.path(entry.path) for volume, entry in self.opened.trees() if entry.name == name]

    def place_for(self, name: str, relative: str) -> str | None:
        """Where a devicetree goes that the image does not have; None where nothing would read it.

        `relative` is its path in the folder of the kernel's devicetrees, such as `broadcom/x.dtb`.
        """
        if self.chain is not None and self.chain.devicetree is not None:
            return self.chain.devicetree.place
        if self.config_volume is not None and self.target.board.firmware_models:
            return self.config_volume.path(f"/{name}")
        if self.chain is not None and self.chain.devicetree_directory is not None:
            folder = self.chain.devicetree_directory
            nested = lookup(folder.volume.files, f"{folder.path}/{relative.rpartition('/')[0]}") is not None
            return f"{folder.place}/{relative if nested else name}"
        return None

    def hands_over(self) -> str | None:
        """The place of the devicetree that the boot loader hands over whatever the firmware picked."""
        return self.chain.devicetree.place if self.chain is not None and self.chain.devicetree else None


def open_board_image(path: Path, target: Target, progress: Progress) -> BoardImage:
    """Open an image for changes; raises `Malformed` for what is no disk image."""
    opened = open_image(path, progress)
    try:
        chain: Chain | None = opened.chain(target.board)
    except BootwrightError:
        chain = None
    return BoardImage(path, opened, target, chain, opened.config_txt())


def with_tree(setup: Setup, name: str, path: Path, *, handed_over: bool) -> Setup:
    """The image with another devicetree under the name that a stepping's has."""
    gathered = setup.gathered
    new = Blob(name, path, Origin.IMAGE)
    blobs = tuple(new if blob.name == name else blob for blob in gathered.blobs)
    if new not in blobs:
        blobs = (*blobs, new)
    placed = {
        place: new if place.rpartition("/")[2] == name else blob
        for place, blob in gathered.placed_dtbs.items()
    }
    if gathered.boot_partition and not any(place.rpartition("/")[2] == name for place in placed):
        placed[f"/{name}"] = new
    return evolve(
        setup,
        gathered=evolve(
            gathered,
            blobs=blobs,
            placed_dtbs=placed,
            on_partition=gathered.on_partition | set(placed),
            devicetree=new if handed_over and gathered.devicetree is not None else gathered.devicetree,
        ),
    )


def is_for(board: Board, path: Path) -> bool:
    """Whether a devicetree file is the board's own."""
    try:
        return fit(board, read_fdt_file(path).compatible) is Fit.OWN
    except BootwrightError:
        return False
