"""A boot chain: what starts what, up to the kernel and all it is handed, and which file says so."""

from __future__ import annotations

from attrs import field, frozen

from bootwright.bootchain.boot_entries import BootEntry
from bootwright.bootchain.volumes import Volume, file_at, open_at, place
from bootwright.formats.programs.uki import open_labeled
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import Refused


@frozen
class Part:
    """A file that a chain names, or a section of one."""

    volume: Volume
    path: str
    by: str = ""
    """What names it: `BOOT:/grub/grub.cfg, line 7`."""
    section: str = ""
    """The label of a UKI's section, such as `.linux` or `.cmdline@1`; empty for the file as a whole."""

    @property
    def place(self) -> str:
        """`BOOT:/A/vmlinuz`, `EFI:/EFI/Linux/talos.efi:.linux`."""
        return place(self.volume, self.path) + (f":{self.section}" if self.section else "")

    @property
    def exists(self) -> bool:
        """Whether the volume has the file."""
        return file_at(self.volume, self.path) is not None

    def open(self) -> ByteSource:
        """Its bytes; raises `Refused` where it is not there, `Malformed` where it cannot be read."""
        source = open_at(self.volume, self.path)
        if source is None:
            raise Refused(
                f"{self.place} is not there, though {self.by or 'the boot loader'} names it",
                hint="see bootwright image verify",
            )
        if not self.section:
            return source
        return open_labeled(source, self.section)

    def as_json(self) -> dict[str, object]:
        """The documented form."""
        return {"place": self.place, "named_by": self.by or None, "there": self.exists}


RASPBERRY_PI = "Raspberry Pi firmware"


@frozen
class Stage:
    """A program or rule that runs before the kernel."""

    name: str
    """`Raspberry Pi firmware`, `U-Boot`, `UEFI`, `GRUB`, `systemd-boot`, …"""
    place: str = ""
    """Its file or its configuration; empty for what is in the board itself."""


@frozen(eq=False)
class Chain:
    """One way an image boots."""

    kind: str
    """`grub`, `extlinux`, `loader-entry`, `uki`, `script`, `efi` (a kernel that UEFI starts itself) or
    `firmware` (config.txt, or the Raspberry Pi's own default)."""
    stages: tuple[Stage, ...] = ()
    """In the order they run."""
    title: str = ""
    id: str = ""
    """GRUB's `--id`, a label, a loader entry's or UKI's file name."""
    kernel: Part | None = None
    """None where it cannot be determined; `unknown` then says why."""
    initramfs: tuple[Part, ...] = ()
    """In the order they are handed over."""
    devicetree: Part | None = None
    """What the loader hands over in place of the firmware's; None where it names none."""
    devicetree_choices: tuple[Part, ...] = ()
    """Of a UKI (`.dtbauto`): its stub hands over the first whose first compatible is that of the firmware's
    devicetree, in place of `devicetree`."""
    devicetree_directory: Part | None = None
    """The folder from which U-Boot picks the board's own."""
    overlays: tuple[Part, ...] = ()
    arguments: str = ""
    """The command line as the loader passes it."""
    config: tuple[Volume, str] | None = None
    """The file that holds the command line; None for a UKI, which holds its own."""
    entry: BootEntry | None = None
    uki: Part | None = None
    """The whole file, where kernel and initramfs are sections of it."""
    profile: int = 0
    """Which of a UKI's profiles."""
    default: bool = False
    """Whether it is what starts unless someone chooses (on its `boards`, where there are several answers)."""
    boards: tuple[str, ...] = ()
    """The boards it holds for, where that depends on the board and none was given; empty: for all."""
    unsure: str = ""
    """Why the files do not settle that this one is started; empty where they do."""
    unknown: tuple[str, ...] = field(factory=tuple)
    """What else of it could not be decided, each with the reason."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """Every file it names."""
        named = (self.kernel, *self.initramfs, self.devicetree, *self.overlays)
        return tuple(part for part in named if part is not None)

    @property
    def by_efi(self) -> bool | None:
        """Whether the kernel is started as an EFI program; None where the chain does not say."""
        if self.kind in {"grub", "loader-entry", "uki", "efi"}:
            return True
        return False if self.kind in {"extlinux", "firmware"} else None

    @property
    def by_raspberry_pi(self) -> bool:
        """Whether a Raspberry Pi's own firmware is what starts it, or its boot loader."""
        return any(stage.name == RASPBERRY_PI for stage in self.stages)

    @property
    def name(self) -> str:
        """Its title, else its id."""
        return self.title or self.id

    def as_json(self) -> dict[str, object]:
        """The documented form (docs/schemas/chain.schema.json)."""
        return {
            "kind": self.kind,
            "stages": [{"name": stage.name, "place": stage.place or None} for stage in self.stages],
            "title": self.title or None,
            "id": self.id or None,
            "default": self.default,
            "boards": list(self.boards) or None,
            "kernel": self.kernel.as_json() if self.kernel else None,
            "initramfs": [part.as_json() for part in self.initramfs],
            "devicetree": self.devicetree.as_json() if self.devicetree else None,
            "devicetree_directory": self.devicetree_directory.place if self.devicetree_directory else None,
            "overlays": [overlay.as_json() for overlay in self.overlays],
            "arguments": self.arguments or None,
            "config": place(*self.config) if self.config else None,
            "profile": self.profile if self.uki is not None else None,
            "unsure": self.unsure or None,
            "unknown": list(self.unknown) or None,
        }


def started(chains: tuple[Chain, ...]) -> tuple[Chain, ...]:
    """The chains that start by themselves: one, or one for each group of boards that differ."""
    return tuple(chain for chain in chains if chain.default)
