"""What the commands of `bootwright kernels` share: options, and how they print."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress
    from bootwright.kernels.catalogue import Library

_Function = TypeVar("_Function", bound=Callable[..., Any])


def shared_options(function: _Function) -> _Function:
    """--archive, --offline, --json and --quiet."""
    for option in (
        click.option("--quiet", is_flag=True, help="No progress on stderr."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout."),
        click.option("--offline", is_flag=True, help="Use what is here already; no network."),
        click.option(
            "--archive",
            metavar="URL",
            help="Address of the package archive, where it has dists/ and pool/ "
            "[$BOOTWRIGHT_ARCHIVE, else what the system's apt uses].",
        ),
    ):
        function = option(function)
    return function


def library(archive: str | None, *, offline: bool, quiet: bool) -> tuple[Library, Progress]:
    """The library with the options given."""
    from bootwright.foundation.progress import Lines, Silent
    from bootwright.kernels.catalogue import open_library

    progress: Progress = Silent() if quiet else Lines()
    return open_library(archive=archive, offline=offline, progress=progress), progress


def megabytes(size: int) -> str:
    """`12 MB`, or a dash for nothing."""
    return f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB" if size else "-"


def printable(text: str) -> str:
    """Text from a file, safe to print on a terminal."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
