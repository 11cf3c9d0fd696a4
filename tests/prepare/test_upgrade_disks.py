"""Partition lists and listings that are saved of a node, and what an upgrade needs of the disk."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from disk_kit import make_disk
from hypothesis import given, settings
from hypothesis import strategies as st
from talos_kit import BIOS, ESP, LINUX

from bootwright.foundation.errors import Malformed
from bootwright.foundation.verdict import Verdict
from bootwright.prepare.upgrading.disks import Disk, Part, merged, read_disks
from bootwright.prepare.upgrading.installer import Installer
from bootwright.prepare.upgrading.listing import read_listing
from bootwright.prepare.upgrading.steps import first_broken, steps

MIB = 1 << 20
LAYOUT = (("EFI", 100), ("BIOS", 1), ("BOOT", 1000), ("META", 1))


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    kinds = {"EFI": ESP, "BIOS": BIOS}
    parts = tuple((None, kinds.get(label, LINUX), label, size) for label, size in LAYOUT)
    return make_disk(tmp_path_factory.mktemp("disk") / "node.img", parts)


@pytest.mark.parametrize(
    "command",
    [
        ("sfdisk", "-d"), ("sfdisk", "-J"), ("parted", "-s", "-m", "print"), ("parted", "-s", "print"),
        ("parted", "-s", "unit", "B", "print"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_the_tools_print_is_read(disk: Path, command: tuple[str, ...]) -> None:
    if shutil.which(command[0], path="/usr/sbin:/sbin:/usr/bin:/bin") is None:
        pytest.skip(f"no {command[0]} here")
    program = shutil.which(command[0], path="/usr/sbin:/sbin:/usr/bin:/bin") or ""
    words = [program, *command[1:], disk] if command[0] == "sfdisk" else [
        program, *(word for word in command[1:] if word.startswith("-")), disk,
        *(word for word in command[1:] if not word.startswith("-")),
    ]  # fmt: skip
    printed = subprocess.run(words, capture_output=True, check=True).stdout
    read = read_disks(printed, "list")
    assert read is not None
    (parsed,) = read
    assert (parsed.name, parsed.table) == (str(disk), "gpt")
    assert [part.label for part in parsed.parts] == [label for label, _ in LAYOUT]
    for part, (_, size) in zip(parsed.parts, LAYOUT, strict=True):
        assert part.size is not None
        assert abs(part.size - size * MIB) <= 0.06 * size * MIB


TALOS = """\
node: 192.168.1.2
metadata:
    namespace: runtime
    type: DiscoveredVolumes.block.talos.dev
    id: mmcblk0
    version: 1
    phase: running
    created: 2026-01-01T00:00:00Z
spec:
    dev_path: /dev/mmcblk0
    type: disk
    size: 63864569856
    name: gpt
---
node: 192.168.1.2
metadata:
    type: DiscoveredVolumes.block.talos.dev
    id: mmcblk0p1
spec:
    dev_path: /dev/mmcblk0p1
    type: partition
    parent_dev_path: /dev/mmcblk0
    size: 104857600
    name: vfat
    partition_label: EFI
    partition_index: 1
---
node: 192.168.1.2
metadata:
    type: VolumeStatuses.block.talos.dev
    id: STATE
spec:
    phase: ready
    location: /dev/mmcblk0p5
    parentLocation: /dev/mmcblk0
    partitionIndex: 5
    size: 104857600
    filesystem: xfs
"""


def test_what_talosctl_prints_is_read_as_yaml_and_json() -> None:
    from_yaml = read_disks(TALOS.encode(), "list")
    assert from_yaml == (
        Disk(
            "/dev/mmcblk0",
            "gpt",
            63864569856,
            (Part(1, "EFI", 104857600, "vfat"), Part(5, "STATE", 104857600, "xfs")),
        ),
    )
    document = {
        "metadata": {"type": "DiscoveredVolumes.block.talos.dev", "id": "sda1"},
        "spec": {"parent_dev_path": "/dev/sda", "size": 5, "partition_label": "BOOT", "partition_index": 3},
    }
    from_json = read_disks(f"{json.dumps(document)}\n{json.dumps(document)}".encode(), "list")
    assert from_json == (Disk("/dev/sda", "gpt", None, (Part(3, "BOOT", 5, ""),)),)
    lsblk = {
        "blockdevices": [
            {
                "name": "mmcblk0",
                "type": "disk",
                "size": "59.5G",
                "pttype": "dos",
                "children": [{"name": "mmcblk0p3", "type": "part", "size": 1048576000, "partlabel": "BOOT"}],
            }
        ]
    }
    read = read_disks(json.dumps(lsblk).encode(), "list")
    assert read == (Disk("/dev/mmcblk0", "dos", 63887638528, (Part(3, "BOOT", 1048576000, ""),)),)
    together = merged([from_yaml or (), read or ()])
    assert [part.label for part in together[0].parts] == ["EFI", "BOOT", "STATE"]


def test_a_damaged_list_is_said() -> None:
    with pytest.raises(Malformed, match="JSON"):
        read_disks(b'{"blockdevices": [', "list")
    with pytest.raises(Malformed, match="talosctl get"):
        read_disks(b"metadata:\n  type: Disks.block.talos.dev\nspec: {a: *b}\n", "list")
    assert read_disks(b"hello", "list") is None


@pytest.mark.parametrize(
    "text",
    [
        "./config.txt\n./bcm2712-rpi-5-b.dtb\n./EFI/BOOT/BOOTAA64.EFI\n",
        "::/config.txt\n::/bcm2712-rpi-5-b.dtb\n::/EFI/BOOT/BOOTAA64.EFI\n",
        "/boot/EFI:\nEFI\nbcm2712-rpi-5-b.dtb\nconfig.txt\n\n/boot/EFI/EFI/BOOT:\nBOOTAA64.EFI\n",
        "/mnt/efi:\nEFI\nbcm2712-rpi-5-b.dtb\nconfig.txt\n\n/mnt/efi/EFI/BOOT:\nBOOTAA64.EFI\n",
        "/mnt/efi\n/mnt/efi/config.txt\n/mnt/efi/bcm2712-rpi-5-b.dtb\n/mnt/efi/EFI\n/mnt/efi/EFI/BOOT\n"
        "/mnt/efi/EFI/BOOT/BOOTAA64.EFI\n",
        "NODE MODE UID GID SIZE(B) LASTMOD NAME\n"
        "10.0.0.2   -rwxr-xr-x   0   0   100   Jan  1 00:00:00   config.txt\n"
        "10.0.0.2   drwxr-xr-x   0   0   100   Jan  1 00:00:00   EFI\n"
        "10.0.0.2   -rwxr-xr-x   0   0   90000   Jan  1 00:00:00   bcm2712-rpi-5-b.dtb\n"
        "10.0.0.2   -rwxr-xr-x   0   0   90000   Jan  1 00:00:00   EFI/BOOT/BOOTAA64.EFI\n",
    ],
)
def test_listings_of_a_boot_partition(text: str) -> None:
    paths = read_listing(text.encode())
    assert paths is not None
    assert {"config.txt", "bcm2712-rpi-5-b.dtb", "EFI/BOOT/BOOTAA64.EFI"} <= set(paths)


def test_a_listing_without_config_txt_begins_at_the_folder_efi() -> None:
    paths = "/mnt/card/EFI/BOOT/BOOTAA64.EFI\n/mnt/card/EFI/Linux/one.efi\n"
    assert read_listing(paths.encode()) == ("EFI/BOOT/BOOTAA64.EFI", "EFI/Linux/one.efi")


def test_a_kernels_log_is_no_list_of_disks() -> None:
    assert read_disks(b"[    0.000000] Linux version 6.18.18-example\n", "log") is None
    with pytest.raises(Malformed):
        read_disks(b'[{"blockdevices": [}]', "disks")


def test_prose_is_no_listing() -> None:
    assert read_listing(b"see config.txt and what is in it\nit is a file\n") is None
    assert read_listing(b"hello\nworld\n") is None
    assert read_listing(b".//config.txt\n") == ("config.txt",)


INSTALLER = Installer(None, overlay_known=True, kernel=20 * MIB, initramfs=80 * MIB)


def told(*parts: Part, table: str = "gpt", paths: tuple[str, ...] = ("config.txt",)) -> tuple[Verdict, str]:
    commands = steps([Disk("/dev/sda", table, None, parts)], paths, INSTALLER)
    step = first_broken(commands)
    return (step.verdict, step.reason) if step is not None else (Verdict.WORKS, "")


EFI, BOOT, META = Part(1, "EFI", 100 * MIB), Part(3, "BOOT", 1000 * MIB), Part(4, "META", MIB)


def test_what_an_upgrade_needs_of_the_disk() -> None:
    assert told(EFI, BOOT, META) == (Verdict.WORKS, "")
    assert told(EFI, BOOT, META, table="dos")[0] is Verdict.FAILS
    assert told(EFI, Part(3, "BOOT", 90 * MIB), META) == (
        Verdict.FAILS,
        "105 MB are written, BOOT has 94 MB",
    )
    assert told(EFI, Part(3, "BOOT", 150 * MIB), META)[0] is Verdict.UNKNOWN
    assert "neither BOOT" in told(META)[1]
    assert "no UKI is in EFI/Linux" in told(EFI, META)[1]
    large = Part(1, "EFI", 2101 * MIB)
    assert told(large, META, paths=("EFI/Linux/Talos-v1.12.6.efi",)) == (Verdict.WORKS, "")
    assert told(Part(1, "root", 5))[0] is Verdict.UNKNOWN
    two = [Disk("/dev/sda", "gpt", None, (EFI, BOOT, META)), Disk("/dev/sdb", "gpt", None, (EFI, BOOT))]
    step = first_broken(steps(two, ("config.txt",), INSTALLER))
    assert step is not None
    assert "/dev/sdb has BOOT, EFI as well" in step.reason


SEEDS = (
    TALOS.encode(),
    b'label: gpt\ndevice: /dev/sda\n\n/dev/sda1 : start=2048, size=204800, type=U, name="EFI"\n',
    b'{"partitiontable":{"label":"gpt","device":"/dev/sda","partitions":[{"node":"/dev/sda1","size":5}]}}',
    b'{"blockdevices":[{"name":"sda","type":"disk","children":[{"name":"sda1","size":"5G"}]}]}',
    b"BYT;\n/dev/sda:64GB:scsi:512:512:gpt:X:;\n1:1049kB:106MB:105MB:fat32:EFI:boot, esp;\n",
    b"Disk /dev/sda: 64GB\nPartition Table: gpt\n\nNumber  Start  Size  Name\n 1      1      105MB EFI\n",
    b"./config.txt\n./EFI/BOOT/BOOTAA64.EFI\n",
)


@given(
    st.binary(max_size=300)
    | st.builds(
        lambda seed, at, put: seed[: at % len(seed)] + put + seed[at % len(seed) + len(put) :],
        st.sampled_from(SEEDS),
        st.integers(0, 2000),
        st.binary(max_size=6),
    )
)
@settings(deadline=None, max_examples=300)
def test_the_fuzz_target_holds(data: bytes) -> None:
    path = Path(__file__).parents[2] / "fuzz" / "fuzz_node_files.py"
    spec = importlib.util.spec_from_file_location("fuzz_node_files", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.one_input(data)
