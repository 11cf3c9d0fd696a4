"""Compose, verify, boot through the image's own boot loader; and the same with another kernel swapped in."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from bootwright.foundation.verdict import Verdict
from bootwright.image_boot.boot import boot_image
from bootwright.image_boot.goal import Goal
from bootwright.image_boot.outcome import show
from bootwright.images.change.changes import Changes
from bootwright.images.change.swap import swap
from bootwright.images.compose.compose import compose
from bootwright.images.recipes.reader import find_recipe
from bootwright.images.recipes.recipe import with_kernel
from bootwright.images.verify.verify import verify
from bootwright.lab.machines.firmware import firmware

pytestmark = [pytest.mark.boot, pytest.mark.download]


def test_grub_and_16k_pages_reach_ready(tmp_path: Path) -> None:
    recipe = with_kernel(find_recipe("talos-standin-grub"), "debian-6.18-16k")
    image = compose(recipe, tmp_path / "grub.raw").image
    assert verify(image).verdict is Verdict.WORKS
    boot = boot_image(image, firmware=firmware("aavmf"), until=Goal.parse("machine is running and ready"))
    assert boot.reached, boot.recording.console[-2000:].decode(errors="replace")
    console = boot.recording.console.decode(errors="replace")
    # Each milestone came after the step it names, and the stand-in says what it is.
    order = [
        "GNU GRUB",
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
    shown = show(boot)
    assert shown.verdict is Verdict.WORKS


def test_a_uki_with_an_older_kernel_swapped_in_shows_the_failing_mount(tmp_path: Path) -> None:
    image = compose(find_recipe("talos-standin-uki"), tmp_path / "uki.raw").image
    old = swap(image, tmp_path / "old.raw", Changes(kernel="debian-6.12.107-4k")).image
    assert verify(old, expected=()).verdict is Verdict.WORKS
    goal = Goal.parse("failed to create shadow bind mount")
    boot = boot_image(old, firmware=firmware("aavmf"), until=goal)
    assert boot.reached, boot.recording.console[-2000:].decode(errors="replace")
    console = boot.recording.console.decode(errors="replace")
    assert "Linux version 6.12.107" in console
    assert '"address": "10.0.2.' in console  # the network is not to blame
    assert "machine is running and ready" not in console
    signatures = {
        finding.signature for diagnosed in show(boot).diagnosis.boots for finding in diagnosed.findings
    }
    assert "talos-shadow-mount" in signatures


def test_u_boot_starts_extlinux_and_modules_are_loaded_for_an_init_that_loads_none(tmp_path: Path) -> None:
    """As Talos's init: it takes loop and squashfs to be built in; in the swapped kernel they are not."""
    recipe = find_recipe("talos-standin-extlinux")
    assert recipe.initramfs is not None
    recipe = evolve(
        recipe,
        initramfs=evolve(recipe.initramfs, early=()),
        arguments=(*recipe.arguments, "module.sig_enforce=1"),
    )
    image = compose(recipe, tmp_path / "built-in.raw").image
    failed = [check for check in verify(image).checks if check.verdict is Verdict.FAILS]
    assert [check.name for check in failed] == ["root file system"]
    swapped = swap(image, tmp_path / "modules.raw", Changes(kernel="debian-6.18-16k"))
    assert any("loaded in front of the image's init" in note for note in swapped.notes)
    assert any("signed by a key in the kernel (module.sig_enforce=1" in note for note in swapped.notes)
    assert verify(swapped.image).verdict is Verdict.WORKS
    goal = Goal.parse("machine is running and ready")
    boot = boot_image(swapped.image, firmware=firmware("uboot"), until=goal)
    console = boot.recording.console.decode(errors="replace")
    assert boot.reached, console[-2000:]
    # U-Boot 2023 reads it as a file, 2025 names it in its table of what can be booted.
    assert "/extlinux/extlinux.conf" in console
    assert console.index("/extlinux/extlinux.conf") < console.index("Retrieving file: /A/vmlinuz")
    assert console.index("loop: module loaded") < console.index("booting Talos")
    assert '"address": "10.0.2.' in console
