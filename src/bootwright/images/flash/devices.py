"""The block devices of this machine, as `/sys/block` describes them, and which of them may be overwritten.

Nothing here needs root or opens a device: sizes and flags come from sysfs (Documentation/ABI/stable/
sysfs-block, testing/sysfs-block), what is in use from `/proc/self/mountinfo` and `/proc/swaps`, labels from
udev's database where there is one.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from attrs import field, frozen

SECTOR = 512
"""sysfs counts in these, whatever the device's own sector is (block/genhd.c, Linux 6.12)."""

_SYSTEM_PLACES = ("/", "/boot", "/boot/efi", "/boot/firmware", "/efi", "/usr", "/var", "/home", "/nix")
_ESCAPE = re.compile(r"\\([0-7]{3})")


@frozen
class DevicePartition:
    """A partition of a device."""

    name: str
    size: int
    """Bytes."""
    filesystem: str | None
    """As udev names it; None where udev does not know, or does not run."""
    label: str | None
    mounted: tuple[str, ...]
    """Mount points, `swap` for a swap area."""


@frozen
class Device:
    """A whole disk or card."""

    name: str
    """The kernel's name, as `sda` or `mmcblk0`."""
    path: Path
    model: str
    size: int
    """Bytes; 0 for a reader without a card."""
    bus: str
    """`usb`, `mmc`, `nvme`, `virtio`, `loop`, … from where it hangs in sysfs."""
    removable: bool
    """A card, a stick, or another medium that is there to be taken out."""
    read_only: bool
    system: bool
    """Whether the running system, or its swap, is on it."""
    partitions: tuple[DevicePartition, ...]
    mounted: tuple[str, ...]
    """Mount points on the device or any of its partitions, and what else holds it (`dm-0`)."""
    serial: str = ""

    @property
    def refusal(self) -> str | None:
        """Why it can never be written to, in a few words; None where it may be."""
        if self.system:
            return "the running system is on it"
        if self.mounted:
            return f"it is in use ({', '.join(self.mounted[:4])})"
        if not self.size:
            return "there is no medium in it"
        if self.read_only:
            return "it is read-only (a card's lock switch?)"
        return None


@frozen
class Machine:
    """Where this machine describes its devices; other folders in tests."""

    sys: Path = Path("/sys")
    mountinfo: Path = Path("/proc/self/mountinfo")
    swaps: Path = Path("/proc/swaps")
    udev: Path = Path("/run/udev/data")
    dev: Path = Path("/dev")
    _uses: dict[str, list[str]] = field(factory=dict, init=False, repr=False)

    def devices(self) -> list[Device]:
        """Every disk and card, those that can be taken out first; RAM disks and unused loops left out."""
        uses = self._in_use()
        disks = []
        for entry in sorted((self.sys / "block").glob("*")):
            if re.match(r"ram\d|zram\d|dm-\d|md\d", entry.name):
                continue
            device = self._device(entry, uses)
            if device is not None and (device.size or not entry.name.startswith("loop")):
                disks.append(device)
        return sorted(disks, key=lambda device: (not device.removable, device.system, device.name))

    def device(self, path: Path) -> Device | None:
        """The whole device behind a device node; None when the node is a partition or no disk at all.

        The node is followed by its numbers, so that links such as `/dev/disk/by-id/…` are the same device.
        """
        status = path.stat()
        number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
        for entry in sorted((self.sys / "block").glob("*")):
            if _read(entry / "dev") == number:
                return self._device(entry, self._in_use())
        return None

    def whole_disk(self, path: Path) -> str | None:
        """The name of the disk that a partition's node belongs to, or None."""
        status = path.stat()
        number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
        for entry in (self.sys / "block").glob("*"):
            if any(_read(part / "dev") == number for part in entry.glob(f"{entry.name}*")):
                return entry.name
        return None

    def _device(self, entry: Path, uses: dict[str, list[str]]) -> Device | None:
        try:
            size = int(_read(entry / "size") or "0") * SECTOR
            where = str(entry.resolve())
        except (OSError, ValueError):
            return None
        parts = [child for child in sorted(entry.glob(f"{entry.name}*")) if (child / "partition").is_file()]
        partitions = tuple(self._partition(part, uses) for part in parts)
        holders = [holder.name for node in (entry, *parts) for holder in sorted((node / "holders").glob("*"))]
        mounted = [
            *uses.get(entry.name, []),
            *(place for partition in partitions for place in partition.mounted),
        ]
        held = [place for name in holders for place in (self._uses_above(name, uses) or [name])]
        places = tuple(dict.fromkeys([*mounted, *held]))
        card = _read(entry / "device" / "type")
        return Device(
            name=entry.name,
            path=self.dev / entry.name,
            model=_model(entry),
            size=size,
            bus=_bus(where, entry.name),
            # A card in a slot of its own says removable=0 (drivers/mmc/core/block.c); its type tells.
            removable=_read(entry / "removable") == "1" or card == "SD",
            read_only=_read(entry / "ro") == "1",
            system=any(place in _SYSTEM_PLACES or place == "swap" for place in places),
            partitions=partitions,
            mounted=places,
            serial=_read(entry / "device" / "serial") or _read(entry / "device" / "cid"),
        )

    def _partition(self, entry: Path, uses: dict[str, list[str]]) -> DevicePartition:
        known = self._udev(_read(entry / "dev"))
        return DevicePartition(
            name=entry.name,
            size=int(_read(entry / "size") or "0") * SECTOR,
            filesystem=known.get("ID_FS_TYPE"),
            label=known.get("ID_FS_LABEL") or known.get("ID_PART_ENTRY_NAME"),
            mounted=tuple(uses.get(entry.name, ())),
        )

    def _uses_above(self, name: str, uses: dict[str, list[str]], depth: int = 0) -> list[str]:
        """Where a device-mapper or RAID device that lies on a disk is mounted, through all its layers."""
        places = list(uses.get(name, ()))
        if depth < 8:
            for holder in sorted((self.sys / "block" / name / "holders").glob("*")):
                places.extend(self._uses_above(holder.name, uses, depth + 1))
        return places

    def _in_use(self) -> dict[str, list[str]]:
        """The kernel's name of each block device that is mounted or swapped to → where."""
        names = {_read(node / "dev"): node.name for node in self._nodes()}
        uses: dict[str, list[str]] = {}
        for line in _lines(self.mountinfo):
            # Documentation/filesystems/proc.rst 3.5: ID parent major:minor root place options … - type source
            parts = line.split(" ")
            if len(parts) < 10 or "-" not in parts:
                continue
            place = _unescaped(parts[4])
            source = _unescaped(parts[parts.index("-") + 2])
            # btrfs and overlays carry a number of their own; their source still names the device.
            for name in {names.get(parts[2]), self._name_of(source)} - {None}:
                uses.setdefault(str(name), []).append(place)
        for line in _lines(self.swaps)[1:]:
            name = self._name_of(_unescaped(line.split()[0])) if line.split() else None
            if name:
                uses.setdefault(name, []).append("swap")
        self._with_backing_files(uses)
        return uses

    def _with_backing_files(self, uses: dict[str, list[str]]) -> None:
        for entry in (self.sys / "block").glob("loop*"):
            backing = _read(entry / "loop" / "backing_file")
            if backing.startswith("/dev/"):
                name = self._name_of(backing)
                if name:
                    uses.setdefault(name, []).append(entry.name)

    def _nodes(self) -> list[Path]:
        whole = list((self.sys / "block").glob("*"))
        return [*whole, *(part for entry in whole for part in entry.glob(f"{entry.name}*"))]

    def _name_of(self, source: str) -> str | None:
        if not source.startswith("/dev/"):
            return None
        path = self.dev / source.removeprefix("/dev/")
        try:
            return path.resolve().name
        except OSError:
            return path.name

    def _udev(self, number: str) -> dict[str, str]:
        """`E:NAME=value` lines of a block device's record (systemd, src/libsystemd/sd-device)."""
        facts = {}
        for line in _lines(self.udev / f"b{number}"):
            if line.startswith("E:"):
                name, _, value = line[2:].partition("=")
                facts[name] = value
        return facts


def _model(entry: Path) -> str:
    words = [_read(entry / "device" / name) for name in ("vendor", "model")]
    if words[0].startswith("0x"):  # virtio's vendor is a number, not a name
        words[0] = ""
    text = " ".join(word for word in words if word) or _read(entry / "device" / "name")
    if not text and entry.name.startswith("loop"):
        text = f"loop on {_read(entry / 'loop' / 'backing_file') or 'nothing'}"
    return text


def _bus(where: str, name: str) -> str:
    for bus, pattern in (
        ("usb", r"/usb\d"),
        ("mmc", r"/mmc_host/"),
        ("nvme", r"/nvme/"),
        ("virtio", r"/virtio\d"),
        ("ata", r"/ata\d"),
        ("scsi", r"/host\d"),
    ):
        if re.search(pattern, where):
            return bus
    return re.sub(r"\d+$", "", name)


def _read(path: Path) -> str:
    try:
        return path.read_bytes()[:4096].decode(errors="replace").strip()
    except OSError:
        return ""


def _lines(path: Path) -> list[str]:
    try:
        return path.read_bytes()[: 1 << 22].decode(errors="replace").splitlines()
    except OSError:
        return []


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)
