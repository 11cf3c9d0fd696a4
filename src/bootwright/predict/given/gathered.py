"""What was gathered for a prediction, and what of it one stepping of one board gets. Neither changes.

`gather.gather(…)` makes a `Gathered`; `Gathered.resolve(board, stepping)` says which devicetree that board
gets, what the firmware does to it, and what else the kernel finds. Steppings and boards are resolved in any
order, each on its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from bootwright.boards.fit import Fit, fit, not_the_boards
from bootwright.boards.model import Board
from bootwright.formats.devicetree.fdt import Tree, read_fdt_file
from bootwright.formats.kernel.config import KernelConfig
from bootwright.formats.programs.eeprom import Eeprom
from bootwright.formats.programs.u_boot import UBoot
from bootwright.foundation.errors import BootwrightError, Malformed, Missing
from bootwright.foundation.versions import Version
from bootwright.kernels.model import Kernel
from bootwright.predict.given.blobs import Blob, Origin, base_of, of_the_board, root_compatible
from bootwright.predict.given.starter import not_started
from bootwright.predict.misfit import misfit
from bootwright.predict.model import Link
from bootwright.predict.rules.predicates import FileSystemFacts, Given

if TYPE_CHECKING:
    from bootwright.bootchain.model import Chain
    from bootwright.firmware.config_txt import ConfigTxt
    from bootwright.formats.modules.modprobe_config import ModprobeConfig
    from bootwright.predict.kernel.drivers import KernelFacts
    from bootwright.predict.start.arguments import Arguments
    from bootwright.predict.start.root_device import Volume


_GIVEN = "given"


class NoKernel(Missing):
    """No kernel is among the artifacts."""

    def __init__(self, *, alone: bool) -> None:
        super().__init__(
            "no kernel is among the artifacts",
            hint="add one: a catalogue name, a .deb, a folder or an Image; or its --config alone",
        )
        self.alone = alone
        """Whether devicetrees are, and nothing that should have a kernel of its own: any may be added."""


class NoDevicetree(Missing):
    """No devicetree is among the artifacts."""


@frozen
class Choice:
    """The devicetree that a board gets."""

    blob: Blob
    how: str
    """How it comes to be that one, for a person."""
    handed_over: bool = False
    """Whether the image decides it, so that a wrong one is what is wrong with the image."""
    overlays: tuple[Path, ...] = ()
    """What the boot loader puts on it, for this stepping."""


@frozen
class Resolved:
    """What one stepping of a board gets of what was gathered."""

    board: Board
    stepping: str
    dtb: Path
    tree: Tree
    """The devicetree Linux gets: the blob with what config.txt and `overlays` add."""
    given: Given
    os: Mapping[str, Version]
    arguments: str | None
    misfit: Link | None
    """What is wrong with the choice of the devicetree; None where it is the board's."""
    origin: Origin
    """Where the devicetree is from."""
    unstarted: Link | None = None
    """That the board's firmware does not start the image by itself; None where it does, or is not known."""
    notes: tuple[str, ...] = ()


@frozen
class Gathered:
    """Artifacts by what they are."""

    kernel: Kernel | None
    blobs: tuple[Blob, ...]
    initramfs_modules: frozenset[str] | None = None
    """Names of the modules in the initramfs; None where none was given."""
    os: Mapping[str, Version] = field(factory=dict)
    """The operating system that an image holds."""
    config: tuple[Path, KernelConfig] | None = None
    """A kernel configuration that the user gave: it counts for what it says, whatever the kernel has."""
    config_txt: ConfigTxt | None = None
    boot_partition: bool = False
    """Whether config.txt was read where the firmware reads it, so that what is not beside it is missing."""
    overlay_files: Mapping[str, Path] = field(factory=dict)
    """Overlay → file: by name, or by path on the partition that config.txt is on (`/overlays/x.dtbo`)."""
    placed_dtbs: Mapping[str, Blob] = field(factory=dict)
    """Devicetrees by path on that partition."""
    on_partition: frozenset[str] = frozenset()
    """The paths there, as far as config.txt makes them count."""
    chain: Chain | None = None
    """How an image's kernel is started."""
    devicetree: Blob | None = None
    """The one that an image's boot loader hands over, whatever the firmware picks."""
    devicetree_choices: tuple[Blob, ...] = ()
    """Of a UKI: its stub hands over the first whose first compatible is that of the firmware's devicetree,
    which is the board's, before `devicetree`."""
    handed_over_by: str = ""
    """The boot entry that does."""
    read_for: Board | None = None
    """The board for which an image's chain was looked for; None: for any."""
    filesystems: tuple[FileSystemFacts, ...] | None = None
    """To be mounted by the kernel; None where no image is among the artifacts."""
    arguments: str | None = None
    """The kernel's, by the boot entry of an image."""
    cmdline: str | None = None
    """The kernel's, where the user says it."""
    early_modprobe: ModprobeConfig | None = None
    root_modprobe: ModprobeConfig | None = None
    """What the initramfs, and what the root file system, says to modprobe."""
    volumes: tuple[Volume, ...] | None = None
    """The partitions of a disk image."""
    has_initramfs: bool | None = None
    """Whether the kernel has one; None where that is not known."""
    before_init: frozenset[str] = frozenset()
    """Modules that our loader in the initramfs loads before the system's own init runs."""
    u_boot: UBoot | None = None
    """The U-Boot that the board's firmware starts, as far as it is known."""
    eeprom: Eeprom | None = None
    """The board's EEPROM, where it is among the artifacts."""
    partition_table: str = ""
    """Of a disk image, `gpt` or `dos`."""
    firmware: frozenset[str] | None = None
    """Paths below `/lib/firmware`; None where there is no root file system among the artifacts."""
    notes: tuple[str, ...] = ()

    def facts(self) -> KernelFacts:
        """The kernel as the predictor sees it, with the initramfs and the arguments it is started with.

        Raises `Missing` where there is neither a kernel nor one to read its configuration by, and
        `Malformed` where its match tables cannot be read and no configuration was given.
        """
        from bootwright.predict.api import facts_of
        from bootwright.predict.solving.configured import configured, facts_of_config

        if self.kernel is None:
            if self.config is None:
                raise Missing("no kernel is among the artifacts", hint="add one")
            return facts_of_config(
                *self.config, initramfs_modules=self.initramfs_modules, arguments=self.kernel_arguments
            )
        modprobe = (self.early_modprobe, self.root_modprobe)
        arguments = self.kernel_arguments
        if self.config is None:
            return facts_of(self.kernel, self.initramfs_modules, arguments, modprobe)
        try:
            facts = facts_of(self.kernel, self.initramfs_modules, arguments, modprobe)
        except Malformed as error:
            # The configuration says what is built, whether or not the Image's own tables can be read.
            return facts_of_config(
                *self.config,
                because=error.message,
                initramfs_modules=self.initramfs_modules,
                arguments=arguments,
            )
        return configured(facts, *self.config, alone=False)

    def depends_on(self, board: Board) -> bool:
        """Whether the board's firmware may start something else of the image, or nothing."""
        if self.chain is None or self.read_for is not None:
            return False
        return bool(self.chain.boards) or not (self.chain.by_raspberry_pi or not board.firmware_models)

    @property
    def kernel_arguments(self) -> Arguments | None:
        """The kernel's command line and who says it: the user, else the boot entry of an image."""
        from bootwright.predict.start.arguments import Arguments

        if self.cmdline is not None:
            return Arguments(self.cmdline, "--cmdline")
        return Arguments(self.arguments, "the boot entry") if self.arguments is not None else None

    @property
    def dtbs(self) -> dict[str, Path]:
        """File name → path; of several with one name, the first."""
        paths: dict[str, Path] = {}
        for blob in self.blobs:
            paths.setdefault(blob.name, blob.path)
        return paths

    def choose(self, board: Board, stepping: str) -> Choice:
        """The devicetree that Linux gets on a stepping of a board: a file that the user named; else the one
        that the image's boot loader hands over; else the one that the firmware picks by its name:
        `device_tree=` of config.txt, the stepping's own, or where firmware takes another stepping's, that.

        Raises `Refused` where what the user gave is for something else than the board, and `Missing` where
        there is none to choose.
        """
        named = [blob for blob in self.blobs if blob.origin is Origin.GIVEN]
        wanted = board.stepping(stepping).dtb
        if named:
            return Choice(of_the_board(board, wanted, named), _GIVEN)
        folder = next((b for b in self.blobs if b.origin is Origin.FOLDER and b.name == wanted), None)
        handed_over = self._matching(board) or self.devicetree
        if handed_over is not None and folder is None:
            entry = f"boot entry {self.handed_over_by!r}" if self.handed_over_by else "boot loader"
            return Choice(handed_over, f"the {entry} hands it over", handed_over=True)
        names: list[tuple[str, str]] = []
        if self.config_txt is not None:
            from bootwright.predict.board_tree import devicetree_name, devicetree_place

            place = devicetree_place(self.config_txt, board, wanted, self.on_partition)
            placed = self.placed_dtbs.get(place or "")
            if placed is not None and place != f"/{wanted}":
                how = f"config.txt has the firmware load {place}"
                return self._checked(board, Choice(placed, how, placed.origin is Origin.IMAGE))
            asked = devicetree_name(self.config_txt, board)
            names = [(asked, "device_tree= of config.txt")] if asked else []
        names.append((wanted, f"the firmware picks it for {board.name} {stepping}"))
        if board.firmware_models:
            names += [
                (sibling.dtb, f"the firmware takes it where there is no {wanted}")
                for sibling in board.steppings
            ]
        for name, how in names:
            blob = next((blob for blob in self.blobs if blob.name == name), None)
            if blob is not None:
                return self._checked(board, Choice(blob, how, blob.origin is Origin.IMAGE))
        joined = base_of(board.stepping(stepping), self.blobs)
        if joined is not None:
            base, overlay = joined
            return self._checked(
                board, Choice(base, f"with {overlay.name} it is {wanted}", overlays=(overlay,))
            )
        image = [blob for blob in self.blobs if blob.origin is Origin.IMAGE]
        if len(self.blobs) == 1 and (
            not image or fit(board, root_compatible(image[0].path)) is not Fit.OTHER
        ):
            return self._checked(board, Choice(self.blobs[0], "it is the only one", bool(image)))
        if image and board.firmware_models and self.boot_partition:
            how = f"beside config.txt there is no {wanted}, so that the firmware finds none for the board"
            return Choice(image[0], how, handed_over=True)
        if self.devicetree_choices and not self.blobs:
            raise Missing(
                f"none of the {len(self.devicetree_choices)} devicetrees of .dtbauto is for {board.name}: it "
                "keeps the one that its firmware brings",
                hint=f"give that one: {wanted}",
            )
        raise Missing(
            f"there is no {wanted} among {len(self.blobs)} devicetrees",
            hint="give it: a .dtb, or a folder with it",
        )

    def _matching(self, board: Board) -> Blob | None:
        """What the stub of a UKI picks (`devicetree_match`, src/boot/devicetree.c, systemd 257):
        it compares the first compatibles, and the firmware's devicetree has the board's."""
        return next(
            (
                blob
                for blob in self.devicetree_choices
                if root_compatible(blob.path)[:1] == board.compatible[:1]
            ),
            None,
        )

    def _checked(self, board: Board, choice: Choice) -> Choice:
        if not choice.handed_over:
            compatible = root_compatible(choice.blob.path)
            if fit(board, compatible) is Fit.OTHER:
                raise not_the_boards(board, str(choice.blob.path), compatible)
        return choice

    def resolve(
        self,
        board: Board,
        stepping: str,
        *,
        overlays: Sequence[Path] = (),
        code: int | None = None,
        os: Mapping[str, Version] | None = None,
    ) -> Resolved:
        """What a stepping of a board gets.

        `overlays` are applied after those of config.txt; `code` is the board's revision code, where known;
        `os` replaces the operating system that was found. Raises as `choose`, and `Malformed` for a damaged
        devicetree or overlay.
        """
        choice = self.choose(board, stepping)
        tree = read_fdt_file(choice.blob.path)
        wrong = misfit(board, board.stepping(stepping).dtb, choice.blob.name, tree.compatible, choice.how)
        unapplied: tuple[str, ...] = ()
        notes: tuple[str, ...] = ()
        if choice.blob in self.devicetree_choices:
            whose = f"whose first compatible is that of {board.name}"
            notes = (f"{self.handed_over_by} hands over {choice.blob.name}, {whose}",)
        elif self.devicetree is not None and not choice.handed_over:
            notes = (f"{choice.blob.path} is taken in place of {self.devicetree.name}, as it was given",)
        settings: dict[str, str] | None = None
        first: tuple[str, ...] = ()
        if board.firmware_models and self.overlay_files:
            from bootwright.predict.board_tree import firmware_overlays

            first = firmware_overlays(board, stepping, choice.blob.name, self.overlay_files)
        notes += () if first else _of_a_sibling(board, stepping, choice)
        if board.firmware_models and (self.config_txt is not None or first):
            from bootwright.firmware.config_txt import ConfigTxt
            from bootwright.predict.board_tree import devicetree_of, settings_of

            config_txt = self.config_txt if self.config_txt is not None else ConfigTxt((), ())
            firmware_tree = devicetree_of(
                tree,
                config_txt,
                self.overlay_files,
                board,
                code=code,
                on_partition=self.on_partition,
                first=first,
            )
            tree = firmware_tree.tree
            by = "config.txt" if self.config_txt is not None else f"the firmware, for {board.name} {stepping}"
            unapplied = tuple(f"{by}: {text}" for text in firmware_tree.not_applied)
            notes += tuple(f"{by}: applied {text}" for text in firmware_tree.applied)
            notes += (*unapplied, *config_txt.problems)
            settings = settings_of(config_txt, board) if self.config_txt is not None else None
        if applied := (*choice.overlays, *overlays):
            from bootwright.predict.board_tree import with_overlays

            tree = with_overlays(tree, [read_fdt_file(path) for path in applied])
            notes += tuple(f"{choice.blob.name}: applied {path.name}" for path in choice.overlays)
        names = {blob.name for blob in self.blobs}
        return Resolved(
            board=board,
            stepping=stepping,
            dtb=choice.blob.path,
            tree=tree,
            given=evolve(
                self.given,
                unapplied=unapplied,
                settings=settings,
                # A stepping's own is not needed where there is another one's: the firmware takes that.
                devicetree_missing=self.boot_partition
                and not any(sibling.dtb in names for sibling in board.steppings),
            ),
            os=dict(os) if os is not None else self.os,
            arguments=self.arguments,
            misfit=wrong,
            origin=choice.blob.origin,
            unstarted=not_started(self.chain, board) if self.read_for is not None else None,
            notes=notes,
        )

    @property
    def given(self) -> Given:
        """What came with the kernel and is the same on every board."""
        return Given(
            self.filesystems,
            self.firmware,
            volumes=self.volumes,
            initramfs=self.has_initramfs,
            before_init=self.before_init,
            by_efi=self.chain.by_efi if self.chain is not None else None,
            u_boot=self.u_boot,
            eeprom=self.eeprom,
            partition_table=self.partition_table,
        )

    def is_for(self, board: Board, stepping: str) -> bool:
        """Whether the devicetree that a stepping of a board gets is that board's own."""
        try:
            choice = self.choose(board, stepping)
        except BootwrightError:
            return False
        return fit(board, root_compatible(choice.blob.path)) is Fit.OWN


def _of_a_sibling(board: Board, stepping: str, choice: Choice) -> tuple[str, ...]:
    """What is to be said where the devicetree is, by its name, that of another stepping of the board."""
    wanted = board.stepping(stepping).dtb
    whose = [sibling.name for sibling in board.steppings if sibling.dtb == choice.blob.name]
    if choice.blob.name == wanted or not whose:
        return ()
    how = "it was given" if choice.how == _GIVEN else choice.how
    return (
        f"{choice.blob.name} is the devicetree of {board.name} {whose[0]}, and {stepping} is judged with it "
        f"({how}); its own is {wanted}",
    )
