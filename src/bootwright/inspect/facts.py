"""The tree of facts about an artifact: what is there, what was read, and from where.

Facts are values with their origin; an `Item` is one thing found (a partition, a kernel, a configuration)
with what it holds. Readers never judge: a contradiction in the bytes is a `Problem`, not a verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TypeAlias

from attrs import field, frozen

from bootwright.formats.filesystems.filesystem import FileSystem
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import BootwrightError, Malformed

Value: TypeAlias = str | int | bool | Sequence["Value"] | Mapping[str, "Value"] | None


@frozen
class Origin:
    """Where something was read."""

    where: str
    """Container path: `talos.raw.xz:xz:partition 3 (BOOT):/A/vmlinuz`."""
    offset: int | None = None
    """Bytes from the start of `where`; None: all of it."""
    size: int | None = None
    """Bytes."""

    def as_json(self) -> dict[str, Value]:
        """The documented form."""
        return {"path": self.where, "offset": self.offset, "size": self.size}


@frozen
class Fact:
    """One named value and where it was read."""

    name: str
    value: Value
    origin: Origin

    def as_json(self) -> dict[str, Value]:
        """The documented form."""
        return {"name": self.name, "value": self.value, "where": self.origin.as_json()}


@frozen
class Problem:
    """Something that could not be read, or contradicts its own format."""

    message: str
    hint: str | None
    origin: Origin

    def as_json(self) -> dict[str, Value]:
        """The documented form."""
        return {"message": self.message, "hint": self.hint, "where": self.origin.as_json()}

    @classmethod
    def of(cls, error: BootwrightError, where: str) -> Problem:
        """The problem an error tells of, met while reading `where`."""
        offset = error.offset if isinstance(error, Malformed) else None
        place = error.where if isinstance(error, Malformed) else where
        return cls(error.message, error.hint, Origin(place, offset))


class ItemKind(StrEnum):
    """What an item is; its value is the `kind` of the JSON.

    Formats of other packages may have kinds of their own: `ItemKind("name")` makes them.
    """

    ARCHIVE = "archive"
    BOARD_FIRMWARE = "board-firmware"
    BOOT_ENTRY = "boot-entry"
    COMMAND_LINE = "command-line"
    COMPRESSED = "compressed"
    CONFIG_TXT = "config-txt"
    CONTAINER = "container"
    DEVICETREE = "devicetree"
    DEVICETREES = "devicetrees"
    DISK = "disk"
    EEPROM = "eeprom"
    EFI = "efi"
    EXTLINUX = "extlinux"
    FILESYSTEM = "filesystem"
    FIRMWARE = "firmware"
    GRUB_CONFIG = "grub-config"
    INITRAMFS = "initramfs"
    KERNEL = "kernel"
    KERNEL_CONFIG = "kernel-config"
    LOADER_CONFIG = "loader-config"
    LOADER_ENTRY = "loader-entry"
    MODULES = "modules"
    OCI_IMAGE = "oci-image"
    OS_RELEASE = "os-release"
    OVERLAY = "overlay"
    OVERLAYS = "overlays"
    PACKAGE = "package"
    PARTITION = "partition"
    SWAP = "swap"
    U_BOOT = "u-boot"
    UKI = "uki"
    UNKNOWN = "unknown"

    # Formats whose items are of the kinds above, unless they cannot be read.
    EXT = "ext"
    SQUASHFS = "squashfs"
    SUPERBLOCK = "superblock"
    TAR = "tar"
    VFAT = "vfat"
    XFS = "xfs"

    @classmethod
    def _missing_(cls, value: object) -> ItemKind | None:
        if not isinstance(value, str):
            return None
        kind = str.__new__(cls, value)
        kind._name_ = value.upper().replace("-", "_")
        kind._value_ = value
        cls._value2member_map_[value] = kind
        return kind


@frozen(eq=False)
class Item:
    """One thing found in an artifact."""

    kind: ItemKind
    name: str
    """Within its parent: a path, a section's name, a partition's number and label."""
    origin: Origin
    facts: tuple[Fact, ...] = ()
    children: tuple[Item, ...] = ()
    problems: tuple[Problem, ...] = ()
    detail: object = field(default=None, repr=False)
    """What the format's reader returned, for those who go on from here; not part of the JSON."""
    source: ByteSource | None = field(default=None, repr=False)
    """Its bytes, as long as the artifact is open."""
    files: FileSystem | None = field(default=None, repr=False)
    """Its files, where it is a file system or an archive."""

    def walk(self) -> Iterator[Item]:
        """This item and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def of_kind(self, *kinds: ItemKind) -> list[Item]:
        """All items of these kinds, this one included."""
        return [item for item in self.walk() if item.kind in kinds]

    def fact(self, name: str) -> Value:
        """The value of a fact, or None where there is none of that name."""
        return next((fact.value for fact in self.facts if fact.name == name), None)

    def as_json(self) -> dict[str, Value]:
        """The documented form (docs/schemas/inspect.schema.json)."""
        return {
            "kind": str(self.kind),
            "name": self.name,
            "where": self.origin.as_json(),
            "facts": [fact.as_json() for fact in self.facts],
            "problems": [problem.as_json() for problem in self.problems],
            "children": [child.as_json() for child in self.children],
        }


def facts_at(origin: Origin, values: Mapping[str, Value]) -> tuple[Fact, ...]:
    """A fact for each value that is known (not None), all from one origin."""
    return tuple(Fact(name, value, origin) for name, value in values.items() if value is not None)
