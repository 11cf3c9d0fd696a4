"""Every option that takes one of some names: a near miss ends with exit status 2 and the name meant.

The commands run as a user runs them, in a process of their own where only that shows the exit status; the
table is held against the options that there are, so that a new one with names of its own is not forgotten.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.cli._parts.values import OneOf
from bootwright.cli.main import main, run
from bootwright.foundation.choices import near

NO_FILE = "/nonexistent/image.raw"
ISOLATE = ("isolate", "--good", NO_FILE, "--bad", NO_FILE, "--until", "login", "--out", "out")
BISECT = ("kernel", "bisect", "a..b", "--goal", "boot", "--out", "out")
MINIMISE = ("kernel", "minimise", "--series", NO_FILE, "--base", NO_FILE, "--out", "out")
JOB = ("bench", "job", "--kernel", NO_FILE, "--url", "https://x.example", "-o", "out")
PI5 = ("--board", "raspberrypi-5")

NEAR_MISSES = [
    (("kernels", "messages", "--level", "eror"), "error"),
    (("upstream", "draft", "linus", "talos-rpi5"), "linux"),
    (("upstream", "watch", NO_FILE, "--upstream", "tallos"), "talos"),
    (("upstream", "watch", NO_FILE, "--fetch", "linx"), "linux"),
    (("knowledge", "list", "board"), "boards"),
    (("knowledge", "check", "hazard"), "hazards"),
    (("investigate", "talos-rpi5", "--on", "bnch"), "bench"),
    ((*JOB, "--lab", "lva"), "lava"),
    ((*JOB, "--lab", "lava", "--probe", "mount"), "mounts"),
    ((*JOB, "--lab", "lava", "--board", "rock5b"), "rock-5b"),
    (("chek",), "check"),
    (("kernels", "lst"), "list"),
    (("image", "verfy", NO_FILE), "verify"),
    (("lab", "galery"), "gallery"),
    (("check", NO_FILE, "--board", "raspberypi-5"), "raspberrypi-5"),
    (("check", NO_FILE, "--board", "rock5b"), "rock-5b"),
    (("check", NO_FILE, *PI5, "--stepping", "d"), "d0"),
    (("check", NO_FILE, "--stepping", "D0"), "d0"),
    (("check", NO_FILE, *PI5, "--goal", "ethrnet"), "ethernet"),
    (("check", NO_FILE, *PI5, "--goal", "os-mount"), "os-mounts"),
    (("check", NO_FILE, "--goal", "storag"), "storage"),
    (("check", NO_FILE, "--os", "taloss=1.12.1"), "talos"),
    (("check", NO_FILE, "--os", "Talos=1.12.1"), "talos"),
    (("check", "--matrix", NO_FILE, "--goal", "usbb"), "usb"),
    (("boot", NO_FILE, "--probe", "mount"), "mounts"),
    (("boot", NO_FILE, "--probe", "mounts,netwrok"), "network"),
    (("boot", NO_FILE, "--machine", "vrt"), "virt"),
    (("survey", "--machine", "vrt"), "virt"),
    (("survey", "--probe", "mount"), "mounts"),
    (("kernel", "trace", NO_FILE, "--call", "clone-attached", "--machine", "vrt"), "virt"),
    (("kernel", "trace", NO_FILE, "--call", "clone-attached", "--probe", "mount"), "mounts"),
    (("kernel", "build", NO_FILE, "--page-size", "16kb"), "16k"),
    (("kernel", "build", NO_FILE, "--preset", "prob"), "probe"),
    (("kernel", "build", NO_FILE, "--toolchain", "gc"), "gcc"),
    ((*BISECT, "--machine", "vrt"), "virt"),
    ((*BISECT, "--page-size", "16kb"), "16k"),
    ((*BISECT, "--preset", "prob"), "probe"),
    ((*BISECT, "--toolchain", "gc"), "gcc"),
    (("kernel", "bisect", "a..b", "--goal", "bot", "--out", "out"), "boot"),
    ((*MINIMISE, "--goal", "mount"), "mounts"),
    ((*MINIMISE, "--goal", "boot", "--machine", "vrt"), "virt"),
    ((*MINIMISE, "--goal", "boot", "--page-size", "16kb"), "16k"),
    ((*MINIMISE, "--goal", "boot", "--preset", "prob"), "probe"),
    ((*MINIMISE, "--goal", "boot", "--toolchain", "gc"), "gcc"),
    (("kernel", "recipe", "siderolabs-pkg", NO_FILE, "--kernel", "6.19.1"), "siderolabs-pkgs"),
    (("kernel", "recipe", "siderolabs-pkgs", NO_FILE, "--kernel", "6.19.1", "--page-size", "16kb"), "16k"),
    (("kernel", "recipe", "siderolabs-pkgs", NO_FILE, "--kernel", "6.19.1", "--toolchain", "gc"), "gcc"),
    (("image", "boot", NO_FILE, "--machine", "raspi3"), "raspi3b"),
    (("image", "boot", NO_FILE, "--firmware", "ubot"), "uboot"),
    (("image", "boot", NO_FILE, "--cpu", "cortex-a7"), "cortex-a7"),
    (("image", "compose", "talos-standin-grb"), "talos-standin-grub"),
    (("image", "verify", NO_FILE, "--expect", "kernl=Image"), "kernel"),
    (("image", "verify", NO_FILE, "--board", "raspberrypi5"), "raspberrypi-5"),
    (("image", "verify", NO_FILE, *PI5, "--goal", "consol"), "console"),
    (("image", "verify", NO_FILE, *PI5, "--stepping", "c"), "c0"),
    (("diagnose", NO_FILE, "--board", "raspberypi-4"), "raspberrypi-4"),
    (("diff", NO_FILE, NO_FILE, "--area", "devictree"), "devicetree"),
    (("diff", NO_FILE, NO_FILE, *PI5, "--goal", "nvm"), "nvme"),
    (("diff", NO_FILE, NO_FILE, "--board", "zcu10", "--goal", "usb"), "zcu102"),
    (("diff", NO_FILE, NO_FILE, *PI5, "--goal", "usb", "--stepping", "c1"), "c0"),
    ((*ISOLATE, "--on", "benh"), "bench"),
    ((*ISOLATE, "--machine", "raspi3"), "raspi3b"),
    ((*ISOLATE, "--firmware", "avmf"), "aavmf"),
    ((*ISOLATE, "--cpu", "cortex-a77"), "cortex-a7"),
    ((*ISOLATE, "--on", "bench", "--report", "work"), "works"),
    ((*ISOLATE, "--on", "bench", "--board", "rock46", "--goal", "usb"), "rock64"),
    ((*ISOLATE, "--on", "bench", *PI5, "--goal", "etherne"), "ethernet"),
    ((*ISOLATE, "--on", "bench", *PI5, "--goal", "usb", "--stepping", "d1"), "d0"),
    (("investigate", "talos-rpi6"), "talos-rpi5"),
    (("lab", "truth", "raspi3", NO_FILE), "raspi3b"),
    (("lab", "gallery", "no-rot"), "no-root"),
]


def bootwright(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    """Run the entry point; exit status and what it printed."""
    said = io.StringIO()
    monkeypatch.setattr(sys, "argv", ["bootwright", *arguments])
    with redirect_stderr(said), redirect_stdout(said), pytest.raises(SystemExit) as left:
        run()
    return left.value.code if isinstance(left.value.code, int) else 1, said.getvalue()


@pytest.mark.parametrize(
    ("arguments", "meant"), NEAR_MISSES, ids=[" ".join(arguments[-4:]) for arguments, _ in NEAR_MISSES]
)
def test_a_near_miss_is_told_what_was_meant(
    arguments: tuple[str, ...], meant: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    status, said = bootwright(monkeypatch, *arguments)
    assert status == 2
    assert "Traceback" not in said
    assert f"did you mean {meant}" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", NO_FILE, "--os", "talos=banana"),
        ("check", NO_FILE, "--os", "talos"),
        ("check", NO_FILE, "--os", "windows=11.0"),
        ("check", NO_FILE, "--board", "toaster"),
        ("check", NO_FILE, *PI5, "--revision", "zz"),
        ("check", NO_FILE, *PI5, "--revision", "a02082"),
        ("check", NO_FILE, *PI5, "--revision", "e04171", "--stepping", "c0"),
        ("check", NO_FILE, "--revision", "zz"),
        ("check", "--matrix", NO_FILE, "--overlay", "x.dtbo"),
        ("check", NO_FILE, "--html", "x.html"),
        ("boot", NO_FILE, "--probe", ""),
        ("image", "verify", NO_FILE, "--stepping", "d0"),
        ("image", "boot", NO_FILE, "--machine", "raspi3b", "--cpu", "cortex-a72"),
        (*ISOLATE, "--stepping", "d0"),
        (*ISOLATE, "--on", "bench", "--cpu", "cortex-a72"),
        (*ISOLATE, "--on", "bench", "--firmware", "uboot"),
        ("check", "--matrix", NO_FILE, "--goal", "os-mounts"),
        ("diagnose", NO_FILE, "--baud", "9600"),
        ("investigate", "--observations", NO_FILE, "--repeat", "3"),
    ],
    ids=lambda value: " ".join(value)[:60],
)
def test_what_cannot_be_meant_or_would_be_ignored_is_refused(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    status, said = bootwright(monkeypatch, *arguments)
    assert status == 2
    assert "Traceback" not in said
    assert NO_FILE not in said  # the value is what is wrong, and was looked at before any file
    assert not list(tmp_path.iterdir())


def commands(
    group: click.Group, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        elif command is not None:
            yield (*path, name), command


def test_every_option_with_names_of_its_own_is_in_the_table() -> None:
    tried = [arguments for arguments, _ in NEAR_MISSES]
    for path, command in commands(main):
        for parameter in command.params:
            # click's own Choice does not say what was meant.
            assert not isinstance(parameter.type, click.Choice), (path, parameter.name)
            if isinstance(parameter.type, OneOf):
                own = [command for command in tried if command[: len(path)] == path]
                named = parameter.opts[0] if isinstance(parameter, click.Option) else path[-1]
                assert any(named in command for command in own), parameter


def test_the_best_comes_first_and_letter_case_does_not_count() -> None:
    known = ("4K", "16K", "raspberrypi-4", "raspberrypi-5")
    assert near("4k", known) == ("4K",)
    assert near("raspberypi-5", known) == ("raspberrypi-5",)
    assert near("rasp", known) == ("raspberrypi-4", "raspberrypi-5")
    assert near("rpi_5", known) == ("raspberrypi-5",)
    assert near("rpi_6", known) == near("nuc", ["nanopi-r6c"]) == ()
    assert near("banana", ("4K", "16K")) == near("", known) == ()


@given(st.text(max_size=20), st.lists(st.text(max_size=20), max_size=8))
def test_what_is_near_is_known_and_what_is_known_is_near_itself(name: str, known: list[str]) -> None:
    similar = near(name, known)
    assert set(similar) <= set(known)
    assert len(similar) == len(set(similar)) <= 3
    if name.strip() and name.strip() == name and name in known:
        assert similar
        assert similar[0].casefold() == name.casefold()


def test_short_words_of_the_same_letters_are_not_taken_for_one_another() -> None:
    assert near("nope", ["open", "openat", "read"]) == ()
    # One letter more, less, other, or two in the wrong order.
    for slip in ("opne", "oben", "ope", "oopen"):
        assert near(slip, ["open", "read"]) == ("open",), slip
