"""Options of the commands that build kernels, and of those that try what they build."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bootwright.cli._parts.booting import machine_option, timeout_option
from bootwright.cli._parts.values import OneOf


def presets() -> list[str]:
    """Where a configuration can begin, and what can be added."""
    from bootwright.workshop.configuring.presets import PRESETS

    return PRESETS.names()


_OPTIONS = (
    click.option(
        "--page-size",
        type=OneOf(("4k", "16k", "64k"), "page size"),
        default="4k",
        show_default=True,
        help="The kernels' pages.",
    ),
    click.option(
        "--preset",
        "presets",
        multiple=True,
        type=OneOf(presets, "preset"),
        default=("probe",),
        show_default=True,
        help="Where the configuration begins (probe, debian, talos, board), and what it adds (raspberrypi-5, "
        "debug-drivers, debug-mounts). May be repeated.",
    ),
    click.option(
        "--fragment",
        "fragments",
        multiple=True,
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Lines CONFIG_NAME=value that must be so in the end. May be repeated; the last counts.",
    ),
    click.option(
        "--toolchain",
        type=OneOf(("gcc", "llvm"), "toolchain"),
        default="gcc",
        show_default=True,
        help="The compiler.",
    ),
    click.option("--jobs", type=click.IntRange(1), help="Compilers that run at once [one a processor]."),
)

_TRIALS = (
    click.option(
        "--goal", required=True, help="boot, a probe, PROBE:STEP, PROBE:STEP=ERRNO, or console:TEXT."
    ),
    click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        required=True,
        help="Folder of the run: resumes what is there.",
    ),
    click.option(
        "--noise",
        default="0",
        show_default=True,
        metavar="SHARE",
        help="How often a boot is wrong, such as 0.05; 0.2,0 where only good ones fail.",
    ),
    machine_option,
    timeout_option,
    click.option("--fresh", is_flag=True, help="Forget what the folder holds and start over."),
)


def build_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How kernels are built: pages, configuration, compiler."""
    return _all(_OPTIONS, command)


def trial_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What kernels are tried for, where, and how often."""
    return _all(_TRIALS, command)


def _all(options: tuple[Callable[..., Any], ...], command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command
