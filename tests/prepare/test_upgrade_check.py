"""`bootwright upgrade-check`: a node with devicetrees of another tree, under a real kernel."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import jsonschema
import pytest
import registry_kit
from go_kit import go_program
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright import api
from bootwright.formats.archives import cpio
from bootwright.foundation import tools
from bootwright.foundation.errors import BootwrightError, Missing, Refused
from bootwright.foundation.verdict import Verdict
from bootwright.kernels.catalogue import open_library
from bootwright.prepare.upgrading.partition import after, read_node

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/upgrade-check.schema.json").read_text())

C0, D0 = "bcm2712-rpi-5-b.dtb", "bcm2712-d-rpi-5-b.dtb"
KERNEL = "debian-6.18.15-4k"


@pytest.fixture(scope="module")
def trees() -> Path:
    """The kernel's own devicetrees."""
    if KERNEL not in open_library(offline=True).store.names():
        pytest.skip(f"{KERNEL} is not here")
    place = open_library(offline=True).get(KERNEL, modules=True).dtbs
    if place is None:
        pytest.skip(f"{KERNEL} has no devicetrees here")
    return place


@pytest.fixture
def esp(trees: Path, tmp_path: Path) -> Path:
    """The boot partition of a node with the firmware's devicetrees: rp1 is a simple-bus there."""
    folder = tmp_path / "esp"
    (folder / "EFI/BOOT").mkdir(parents=True)
    for name in (C0, D0):
        source = next(trees.rglob(name))
        text = tools.run(["dtc", "-q", "-I", "dtb", "-O", "dts", source]).decode()
        assert "rp1_nexus" in text
        text = text.replace('compatible = "pci1de4,1"', 'compatible = "simple-bus"')
        text = text.replace("rp1_nexus", "rp1").replace("clk_rp1_xosc", "clk_xosc")
        blob = tools.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-"], input_bytes=text.encode())
        (folder / name).write_bytes(blob)
    (folder / "config.txt").write_text("arm_64bit=1\nkernel=u-boot.bin\n")
    (folder / "u-boot.bin").write_bytes(b"\0" * 100)
    (folder / "EFI/BOOT/BOOTAA64.EFI").write_bytes(b"MZ" + bytes(100))
    return folder


@pytest.fixture
def overlay(trees: Path, tmp_path: Path) -> Path:
    """What a newer overlay installs: the kernel's own devicetrees, the name of one in another case."""
    folder = tmp_path / "overlay"
    folder.mkdir()
    shutil.copy(next(trees.rglob(C0)), folder / C0.upper().replace(".DTB", ".dtb"))
    shutil.copy(next(trees.rglob(D0)), folder / D0)
    (folder / "config.txt").write_text("arm_64bit=1\nkernel=u-boot.bin\n")
    (folder / "new.txt").write_text("a")
    return folder


def told(esp: Path, **asked: object) -> api.UpgradeForetold:
    return api.upgrade_check(
        esp,
        KERNEL,
        board="raspberrypi-5",
        revision="c04170",
        goals="ethernet",
        **asked,  # type: ignore[arg-type]
    )


def test_devicetrees_that_stay_break_ethernet_under_the_new_kernel(esp: Path) -> None:
    without = told(esp, no_overlay=True)
    assert without.verdict is Verdict.FAILS
    broken = without.checked.judged[0].goals["ethernet"].first_broken
    assert broken is not None
    assert "rp1" in (broken.reason or broken.needs)
    assert C0 in without.partition.of("stays")
    jsonschema.validate(without.as_json(), SCHEMA)


def test_devicetrees_that_are_replaced_mend_it(esp: Path, overlay: Path) -> None:
    with_one = told(esp, overlay=overlay)
    assert with_one.verdict is Verdict.WORKS
    assert set(with_one.partition.of("replaced")) == {C0, D0}
    assert with_one.partition.of("the same") == ("config.txt",)
    assert with_one.partition.of("new") == ("new.txt",)
    assert "EFI/BOOT/BOOTAA64.EFI" in with_one.partition.of("stays")
    jsonschema.validate(with_one.as_json(), SCHEMA)


def test_without_knowing_the_overlay_there_is_no_verdict(esp: Path) -> None:
    assert told(esp).verdict is Verdict.UNKNOWN
    with pytest.raises(Refused):
        told(esp, overlay=esp, no_overlay=True)


def test_the_nodes_facts_are_sorted_by_content(esp: Path, tmp_path: Path) -> None:
    log, line, version = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    log.write_text("192.168.1.2: kern: info: [0.0]: Linux version 6.18.18-talos (x@y) #1\n")
    line.write_text("talos.platform=metal console=tty0\n")
    version.write_text("Client:\n\tTag:         v1.13.2\nServer:\n\tNODE: n\n\tTag:         v1.12.6\n")
    node = read_node([log, esp, version, line])
    assert (node.release, node.version, node.partition) == ("6.18.18-talos", "v1.12.6", esp)
    assert node.arguments == "talos.platform=metal console=tty0"
    other = tmp_path / "d"
    other.write_text("Linux version 6.18.2-talos (x)")
    with pytest.raises(Refused, match="another file"):
        read_node([log, esp, other])
    other.write_text("hello")
    with pytest.raises(Refused, match="neither a kernel's log"):
        read_node([esp, other])
    with pytest.raises(Missing, match="no copy"):
        read_node([log])
    with pytest.raises(Refused, match="two copies"):
        read_node([esp, tmp_path])


def test_a_log_of_another_board_is_refused(esp: Path, tmp_path: Path) -> None:
    log = tmp_path / "dmesg"
    banner = "[    0.000000] Linux version 6.18.18-talos (x@y) #1\n[    0.000000] Machine model: "
    log.write_text(f"{banner}Raspberry Pi 4 Model B Rev 1.4\n")
    with pytest.raises(Refused, match="is of a Raspberry Pi 4"):
        api.upgrade_check([esp, log], "debian-6.18.15-4k", board="raspberrypi-5", no_overlay=True)
    log.write_text(f"{banner}Raspberry Pi 500 Rev 1.0\n")
    with pytest.raises(Refused, match="is of a Raspberry Pi 500"):
        api.upgrade_check([esp, log], "debian-6.18.15-4k", board="raspberrypi-5", no_overlay=True)


def test_a_log_of_another_revision_is_refused_and_of_none_it_is_taken_from_the_log(
    esp: Path, tmp_path: Path
) -> None:
    log = tmp_path / "dmesg"
    banner = (
        "[    0.000000] Linux version 6.18.18-talos (x@y) #1\n[    0.000000] Machine model: Raspberry Pi 5 "
    )

    def steppings(model: str, **asked: str) -> list[str]:
        log.write_text(f"{banner}{model}\n")
        files = [esp, log]
        foretold = api.upgrade_check(
            files, KERNEL, board="raspberrypi-5", goals="ethernet", no_overlay=True, **asked
        )
        assert foretold.checked is not None
        return [judged.stepping for judged in foretold.checked.judged]

    with pytest.raises(
        Refused, match=r"is of a Raspberry Pi 5 Model B Rev 1\.1, which is stepping d0, not c0"
    ):
        steppings("Model B Rev 1.1", revision="c04170")
    with pytest.raises(Refused, match="stepping d0, not c0"):
        steppings("Model B Rev 1.1", stepping="c0")
    assert steppings("Model B Rev 1.1", revision="e04171") == ["d0"]
    assert steppings("Model B Rev 1.1") == ["d0"]
    # A board with 2 GB is of the newer one and Rev 1.0 all the same.
    assert steppings("Model B Rev 1.0") == ["c0", "d0"]
    assert steppings("Model B Rev 1.0", revision="c04170") == ["c0"]


@given(
    data=st.binary(max_size=300)
    | st.text("Linux version Tag: v1.2\n\0talos.platform=", max_size=90).map(str.encode)
)
@settings(deadline=None, max_examples=150)
def test_any_file_is_sorted_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("node")
    (folder / "esp").mkdir()
    (folder / "esp/config.txt").write_text("a=b")
    (folder / "file").write_bytes(data)
    with suppress(BootwrightError):
        node = read_node([folder / "esp", folder / "file"])
        assert node.release or node.version or node.arguments


def test_links_out_of_a_copy_are_not_followed(tmp_path: Path) -> None:
    folder, made = tmp_path / "esp", tmp_path / "made"
    folder.mkdir()
    made.mkdir()
    (folder / "config.txt").write_text("a=b")
    (folder / "secret.dtb").symlink_to("/etc/hostname")
    partition = after(read_node([folder]), None, made)
    assert [change.path for change in partition.changes] == ["config.txt"]
    assert [path.name for path in made.iterdir()] == ["config.txt"]


def test_the_command_says_what_stays_and_what_breaks(esp: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "bootwright",
        "upgrade-check",
        "--node",
        str(esp),
        "--to",
        KERNEL,
        "--no-overlay",
    ]
    command += ["--board", "raspberrypi-5", "--revision", "c04170", "--goal", "ethernet"]
    environment = {**os.environ, "COLUMNS": "60"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert done.stdout.startswith("after the upgrade: fails\n")
    assert max(map(len, done.stdout.splitlines())) <= 60
    assert f"stays: {D0}" in done.stdout
    assert "rp1" in done.stdout


def test_a_list_of_partitions_does_not_unsettle_what_a_kernel_alone_shows(
    esp: Path, overlay: Path, tmp_path: Path
) -> None:
    volumes = tmp_path / "volumes.txt"
    volumes.write_text(
        "label: gpt\ndevice: /dev/sda\n\n"
        '/dev/sda1 : start=2048, size=204800, name="EFI"\n'
        '/dev/sda3 : start=208896, size=2048000, name="BOOT"\n'
    )
    told_so = api.upgrade_check(
        [esp, volumes], KERNEL, board="raspberrypi-5", revision="c04170", goals="ethernet", overlay=overlay
    )
    assert told_so.verdict is Verdict.WORKS
    assert told_so.first_broken == ""


def _installer(trees: Path, *, overlay: bool) -> registry_kit.Image:
    """An installer as the factory makes it: kernel and initramfs, and an overlay with its program."""
    kernel = open_library(offline=True).get(KERNEL, modules=True)
    files = {
        "usr/install/arm64/vmlinuz": kernel.image.read_bytes(),
        "usr/install/arm64/initramfs.xz": cpio.write([cpio.Member("init", b"\x7fELF")]),
    }
    if overlay:
        artifacts = "overlay/artifacts"
        files |= {f"{artifacts}/rpi_5/{name}": next(trees.rglob(name)).read_bytes() for name in (C0, D0)}
        files[f"{artifacts}/arm64/u-boot/rpi_generic/u-boot.bin"] = b"new u-boot"
        files["overlay/installers/default"] = go_program(b"arm_64bit=1\nkernel=u-boot.bin\n")
        files["overlay/extra-options"] = b"configTxtAppend: |\n  dtparam=fan_temp0=36000\n"
    return registry_kit.image([registry_kit.layer(files, "none")])


@pytest.mark.download
def test_the_overlay_is_taken_from_the_installer(esp: Path, trees: Path, tmp_path: Path) -> None:
    volumes = tmp_path / "volumes.txt"
    volumes.write_text(
        "label: gpt\ndevice: /dev/mmcblk0\nsector-size: 512\n\n"
        '/dev/mmcblk0p1 : start=2048, size=204800, name="EFI"\n'
        '/dev/mmcblk0p3 : start=208896, size=2048000, name="BOOT"\n'
        '/dev/mmcblk0p4 : start=2256896, size=2048, name="META"\n'
    )
    with registry_kit.running_registry(tmp_path) as registry:
        registry.push("installer", "rpi", _installer(trees, overlay=True))
        registry.push("installer", "plain", _installer(trees, overlay=False))

        def upgraded(tag: str, *nodes: Path) -> api.UpgradeForetold:
            return api.upgrade_check(
                nodes,
                registry.reference("installer", tag),
                board="raspberrypi-5",
                revision="c04170",
                goals="ethernet",
                os="talos=1.13.2",
            )

        # Modules are not in this installer: what is asked here is what stays and what is replaced.
        with_overlay = upgraded("rpi", esp, volumes)
        assert set(with_overlay.partition.of("replaced")) == {C0, D0, "config.txt", "u-boot.bin"}
        assert with_overlay.overlay_known
        assert [step.verdict for step in with_overlay.steps] == [Verdict.WORKS] * 3
        jsonschema.validate(with_overlay.as_json(), SCHEMA)
        plain = upgraded("plain", esp, volumes)
        assert plain.overlay_known
        assert plain.partition.of("stays")
        assert plain.verdict is Verdict.FAILS
        listing = tmp_path / "listing.txt"
        listing.write_text(f"./config.txt\n./{C0}\n./{D0}\n./EFI/BOOT/BOOTAA64.EFI\n")
        listed = upgraded("rpi", listing)
        assert listed.checked is not None
        assert listed.partition.of("unseen") == ("EFI/BOOT/BOOTAA64.EFI",)
        unknown = upgraded("plain", listing)
        assert unknown.verdict is Verdict.UNKNOWN
        assert any("give a copy in place of the listing" in note for note in unknown.notes)
        jsonschema.validate(unknown.as_json(), SCHEMA)
