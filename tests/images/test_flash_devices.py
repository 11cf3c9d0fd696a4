"""Which disks there are and which are refused, from folders that look like /sys and /proc."""

from pathlib import Path

import pytest

from bootwright.images.flash.devices import Device, Machine


class Fake:
    """A /sys/block to fill."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("sys/block", "udev", "dev"):
            (root / name).mkdir(parents=True)
        self.mounts: list[str] = []
        (root / "swaps").write_text("Filename Type Size Used Priority\n")

    def disk(self, name: str, number: str, size: int, where: str = "pci0/usb1/1-1", **files: str) -> Path:
        real = self.root / "sys/devices" / where / "block" / name
        real.mkdir(parents=True)
        (self.root / "sys/block" / name).symlink_to(real)
        facts = {"dev": number, "size": str(size // 512), "ro": "0", "removable": "0", **files}
        for path, text in facts.items():
            (real / path).parent.mkdir(parents=True, exist_ok=True)
            (real / path).write_text(f"{text}\n")
        return real

    def part(self, disk: Path, name: str, number: str, size: int) -> Path:
        folder = disk / name
        folder.mkdir()
        (folder / "partition").write_text("1\n")
        (folder / "dev").write_text(f"{number}\n")
        (folder / "size").write_text(f"{size // 512}\n")
        return folder

    def mount(self, number: str, place: str, source: str) -> None:
        self.mounts.append(f"30 1 {number} / {place} rw,relatime shared:1 - ext4 {source} rw")

    def devices(self) -> dict[str, Device]:
        (self.root / "mountinfo").write_text("\n".join(self.mounts) + "\n")
        machine = Machine(
            self.root / "sys",
            self.root / "mountinfo",
            self.root / "swaps",
            self.root / "udev",
            self.root / "dev",
        )
        return {device.name: device for device in machine.devices()}


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


def test_a_card_in_a_usb_reader(fake: Fake) -> None:
    disk = fake.disk(
        "sdb", "8:16", 32_000_000_000, removable="1", **{"device/vendor": "Generic", "device/model": "SD/MMC"}
    )
    fake.part(disk, "sdb1", "8:17", 100 << 20)
    (fake.root / "udev/b8:17").write_text("S:x\nE:ID_FS_TYPE=vfat\nE:ID_FS_LABEL=EFI\n")
    card = fake.devices()["sdb"]
    assert card.refusal is None
    assert card.removable
    assert (card.model, card.size, card.bus) == ("Generic SD/MMC", 32_000_000_000, "usb")
    assert [(p.name, p.size, p.filesystem, p.label) for p in card.partitions] == [
        ("sdb1", 100 << 20, "vfat", "EFI")
    ]


def test_a_card_in_its_own_slot_counts_as_removable_but_soldered_flash_does_not(fake: Fake) -> None:
    where = "platform/mmc_host/mmc0/mmc0:1"
    fake.disk("mmcblk0", "179:0", 1 << 34, where, **{"device/type": "SD", "device/name": "SC32G"})
    fake.disk("mmcblk1", "179:8", 1 << 34, f"{where}b", **{"device/type": "MMC", "device/name": "DG4016"})
    devices = fake.devices()
    assert devices["mmcblk0"].removable
    assert devices["mmcblk0"].model == "SC32G"
    assert devices["mmcblk0"].bus == "mmc"
    assert not devices["mmcblk1"].removable


def test_the_system_disk_is_refused_however_it_is_mounted(fake: Fake) -> None:
    disk = fake.disk("nvme0n1", "259:0", 1 << 40, "pci0/nvme/nvme0")
    part = fake.part(disk, "nvme0n1p2", "259:2", 1 << 39)
    # btrfs: a device number of its own, the source names the partition.
    (fake.root / "dev/nvme0n1p2").touch()
    fake.mount("0:30", "/", "/dev/nvme0n1p2")
    assert part.is_dir()
    refused = fake.devices()["nvme0n1"]
    assert refused.system
    assert refused.refusal == "the running system is on it"


def test_the_system_disk_is_found_below_lvm_and_luks(fake: Fake) -> None:
    disk = fake.disk("sda", "8:0", 1 << 40, "pci0/ata1/host0", removable="1")
    part = fake.part(disk, "sda3", "8:3", 1 << 39)
    crypt = fake.disk("dm-0", "253:0", 1 << 39, "virtual")
    volume = fake.disk("dm-1", "253:1", 1 << 38, "virtual2")
    (part / "holders/dm-0").mkdir(parents=True)
    (crypt / "holders/dm-1").mkdir(parents=True)
    assert volume.is_dir()
    fake.mount("253:1", "/", "/dev/mapper/vg-root")
    devices = fake.devices()
    assert list(devices) == ["sda"]
    assert devices["sda"].refusal == "the running system is on it"


def test_swap_and_mounts_and_holders_are_in_use(fake: Fake) -> None:
    disk = fake.disk("sdc", "8:32", 1 << 34, removable="1")
    fake.part(disk, "sdc1", "8:33", 1 << 33)
    fake.mount("8:33", "/media/my\\040card", "/dev/sdc1")
    assert fake.devices()["sdc"].refusal == "it is in use (/media/my card)"
    other = fake.disk("sdd", "8:48", 1 << 34, "pci0/usb2", removable="1")
    part = fake.part(other, "sdd1", "8:49", 1 << 33)
    (part / "holders/md0").mkdir(parents=True)
    assert fake.devices()["sdd"].refusal == "it is in use (md0)"
    swap = fake.disk("sde", "8:64", 1 << 34, "pci0/usb3", removable="1")
    (fake.root / "dev/sde").touch()
    (fake.root / "swaps").write_text("Filename Type Size\n/dev/sde partition 1000 0 -2\n")
    assert swap.is_dir()
    assert fake.devices()["sde"].system


@pytest.mark.parametrize(
    ("size", "ro", "said"), [(0, "0", "no medium"), (1 << 34, "1", "read-only (a card's lock switch?)")]
)
def test_no_card_and_a_locked_card(fake: Fake, size: int, ro: str, said: str) -> None:
    fake.disk("sdb", "8:16", size, removable="1", ro=ro)
    assert said in str(fake.devices()["sdb"].refusal)


def test_a_usb_disk_is_listed_after_cards_and_is_not_removable(fake: Fake) -> None:
    fake.disk("sda", "8:0", 1 << 41)
    fake.disk("sdb", "8:16", 1 << 34, "pci0/usb2", removable="1")
    assert list(fake.devices()) == ["sdb", "sda"]
    assert not fake.devices()["sda"].removable


def test_unreadable_and_odd_entries_do_no_harm(fake: Fake) -> None:
    disk = fake.disk("sdb", "8:16", 1 << 34)
    (disk / "size").write_text("not a number\n")
    fake.mounts = ["", "garbage", "1 2 3 - x", "\\999"]
    fake.disk("ram0", "1:0", 1 << 20, "virtual")
    assert fake.devices() == {}
