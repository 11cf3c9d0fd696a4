"""What the commands of `bootwright kernels` share: options, and the JSON form of a kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress
    from bootwright.kernels.catalogue import Library
    from bootwright.kernels.model import Kernel, Listed

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


def listed_json(kernel: Listed) -> dict[str, object]:
    """A line of the list, in the form of docs/schemas/kernels.schema.json."""
    return {
        "name": kernel.name,
        "version": str(kernel.version),
        "page_size": kernel.page_size,
        "flavour": kernel.flavour,
        "source": kernel.source,
        "suite": kernel.suite or None,
        "download_bytes": kernel.download_bytes,
        "modules_bytes": kernel.modules_bytes,
        "cached": kernel.cached,
        "modules_cached": kernel.modules_cached,
    }


def kernel_json(kernel: Kernel) -> dict[str, object]:
    """A kernel on this machine, in the form of docs/schemas/kernels.schema.json."""
    return {
        "name": kernel.name,
        "version": str(kernel.version),
        "release": kernel.release,
        "page_size": kernel.page_size,
        "image": str(kernel.image),
        "image_sha256": kernel.image_sha256,
        "config": str(kernel.config) if kernel.config else None,
        "modules": str(kernel.modules) if kernel.modules else None,
        "dtbs": str(kernel.dtbs) if kernel.dtbs else None,
        "provenance": dict(kernel.provenance),
    }


def print_json(value: object) -> None:
    """One JSON document on stdout."""
    import json

    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def megabytes(size: int) -> str:
    """`12 MB`, or a dash for nothing."""
    return f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB" if size else "-"


def printable(text: str) -> str:
    """Text from a file, safe to print on a terminal."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
