"""Compose, verify, swap kernel and command line, and boot through the image's own boot loader."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve
from click.testing import CliRunner
from image_kit import on_small_disk

from bootwright.cli.image.verify import command as verify_command
from bootwright.foundation.verdict import Verdict
from bootwright.image_boot.boot import boot_image
from bootwright.image_boot.goal import Goal
from bootwright.image_boot.outcome import show
from bootwright.images.change.changes import Changes
from bootwright.images.change.edits import ArgumentEdit
from bootwright.images.change.swap import swap
from bootwright.images.compose.compose import compose
from bootwright.images.opened import open_image
from bootwright.images.recipes.reader import find_recipe
from bootwright.images.verify.verify import verify
from bootwright.lab.machines.firmware import firmware

pytestmark = [pytest.mark.boot, pytest.mark.download]

LOUDER = (ArgumentEdit.parse("+loglevel=7"),)
READY = Goal.parse("machine is running and ready")


def test_grub_starts_a_swapped_kernel_of_16k_pages_and_reaches_ready(tmp_path: Path) -> None:
    made = compose(on_small_disk(find_recipe("talos-standin-grub")), tmp_path / "grub.raw").image
    swapped = swap(made, tmp_path / "16k.raw", Changes(kernel="debian-6.18-16k", arguments=LOUDER))
    assert any("are signed by a key in the kernel" in note for note in swapped.notes)
    image = swapped.image
    main, reset = open_image(image).chains()
    assert reset.title == "Reset Talos installation and return to maintenance mode"
    # Each entry keeps its own arguments: the second wipes.
    assert reset.arguments == f"{main.arguments} talos.experimental.wipe=system:EPHEMERAL,STATE".replace(
        " loglevel=7 talos.experimental.wipe=system:EPHEMERAL,STATE",
        " talos.experimental.wipe=system:EPHEMERAL,STATE loglevel=7",
    )
    assert verify(image).verdict is Verdict.WORKS
    asked = [str(image), "-q", "--board", "raspberrypi-5", "--stepping", "c0", "--goal", "ethernet"]
    verified = CliRunner().invoke(verify_command, asked, standalone_mode=False)
    assert verified.return_value == 0, verified.output
    assert "raspberrypi-5 c0 ethernet" in verified.output
    boot = boot_image(image, firmware=firmware("aavmf"), until=READY)
    assert boot.reached, boot.recording.console[-2000:].decode(errors="replace")
    console = boot.recording.console.decode(errors="replace")
    # Each milestone came after the step it names, and the stand-in says what it is.
    order = [
        "GNU GRUB",
        "loglevel=7",
        "loop: module loaded",
        "bootwright's stand-in",
        "booting Talos v1.12.1-stand-in",
        "mounting the rootfs",
        "loop0: detected capacity change",
        "entering the rootfs",
        "executing /sbin/init",
        "early startup done",
        '"address": "10.0.2.',
        "entering maintenance service",
        "machine is running and ready",
    ]
    places = [console.index(text) for text in order]
    assert places == sorted(places)
    assert "asked to wipe" not in console
    assert show(boot).verdict is Verdict.WORKS


def test_each_profile_of_a_uki_starts_and_an_older_kernel_shows_the_failing_mount(tmp_path: Path) -> None:
    recipe = on_small_disk(find_recipe("talos-standin-uki"))
    assert recipe.loader is not None
    recipe = evolve(recipe, loader=evolve(recipe.loader, default="reset-maintenance"))
    image = compose(recipe, tmp_path / "uki.raw").image
    old = swap(image, tmp_path / "old.raw", Changes(kernel="debian-6.12.107-4k", arguments=LOUDER)).image
    assert verify(old, expected=()).verdict is Verdict.WORKS
    boot = boot_image(old, firmware=firmware("aavmf"), until=Goal.parse("failed to create shadow bind mount"))
    assert boot.reached, boot.recording.console[-2000:].decode(errors="replace")
    console = boot.recording.console.decode(errors="replace")
    assert "Linux version 6.12.107" in console
    assert "asked to wipe the system" in console
    assert '"address": "10.0.2.' in console  # the network is not to blame
    assert "machine is running and ready" not in console
    signatures = {
        finding.signature for diagnosed in show(boot).diagnosis.boots for finding in diagnosed.findings
    }
    assert "talos-shadow-mount" in signatures
    plain = tmp_path / "loader.conf"
    plain.write_text("timeout 0\n")
    changes = Changes(kernel="debian-6.18-16k", files=(("EFI:/loader/loader.conf", plain),))
    boot = boot_image(
        swap(image, tmp_path / "16k.raw", changes).image, firmware=firmware("aavmf"), until=READY
    )
    console = boot.recording.console.decode(errors="replace")
    assert boot.reached, console[-2000:]
    assert "asked to wipe" not in console


def test_u_boot_starts_extlinux_and_modules_are_loaded_for_an_init_that_loads_none(tmp_path: Path) -> None:
    """As Talos's init: it takes loop and squashfs to be built in; in the swapped kernel they are not."""
    recipe = find_recipe("talos-standin-extlinux")
    assert recipe.initramfs is not None
    recipe = evolve(recipe, initramfs=evolve(recipe.initramfs, early=()))
    image = compose(recipe, tmp_path / "built-in.raw").image
    failed = [check for check in verify(image).checks if check.verdict is Verdict.FAILS]
    assert [check.name for check in failed] == ["root file system"]
    assert "nothing can mount it: loop and squashfs" in failed[0].detail
    less = evolve(recipe, initramfs=evolve(recipe.initramfs, early=("loop", "squashfs")))
    failed = [
        check
        for check in verify(compose(less, tmp_path / "less.raw").image).checks
        if check.verdict is Verdict.FAILS
    ]
    assert [check.detail for check in failed] == [
        "its init ends: configfs neither built in nor in the initramfs"
    ]
    swapped = swap(image, tmp_path / "modules.raw", Changes(kernel="debian-6.18-16k"))
    assert any("loaded in front of the image's init" in note for note in swapped.notes)
    assert any("signed by a key in the kernel (module.sig_enforce=1" in note for note in swapped.notes)
    assert verify(swapped.image).verdict is Verdict.WORKS
    boot = boot_image(swapped.image, firmware=firmware("uboot"), until=READY)
    console = boot.recording.console.decode(errors="replace")
    assert boot.reached, console[-2000:]
    # U-Boot 2023 reads it as a file, 2025 names it in its table of what can be booted.
    assert "/extlinux/extlinux.conf" in console
    assert console.index("/extlinux/extlinux.conf") < console.index("Retrieving file: /A/vmlinuz")
    assert console.index("loop: module loaded") < console.index("booting Talos")
    assert '"address": "10.0.2.' in console
