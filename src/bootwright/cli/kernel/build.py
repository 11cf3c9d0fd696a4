"""`bootwright kernel build`: a kernel from source, into the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootwright.cli._parts.building import build_options
from bootwright.cli._parts.documents import print_json
from bootwright.cli.kernels._common import printable, shared_options

if TYPE_CHECKING:
    from bootwright.workshop.building.model import BuiltKernel


_EPILOG = """\b
Examples:
  bootwright kernel build linux-source-6.12 --page-size 16k
  bootwright kernel build ~/linux@v6.18.5 --preset board --preset raspberrypi-5 --fragment mine.config
  bootwright kernel build linux-6.12.tar.xz --patches backports/ --name backported
  bootwright kernel build ~/linux --patches v6.14..v6.15 --preset probe --preset debug-mounts
  bootwright kernel build ~/linux --preset debian --check
  bootwright boot added-backported --probe mounts

SOURCE is a folder, FOLDER@REF of git, a tarball or its address, or a package of Debian's: linux-source-6.12,
or of one version, linux-source-6.12=6.12.107-1. What the source's own Makefile runs is run: build what you
trust.

Exit status: 0 built, 2 usage, bad input, an option that does not stick, or a build that fails.
"""


@click.command(name="build", epilog=_EPILOG)
@click.argument("source", metavar="SOURCE")
@build_options
@click.option(
    "--patches",
    multiple=True,
    metavar="DIR|FILE|RANGE",
    help="Patches to put on it, in order: a folder (its `series`, else *.patch), a file, or commits A..B of "
    "SOURCE's repository or FOLDER@A..B of another. May be repeated.",
)
@click.option(
    "--name", help="It will be called added-NAME [from its version, presets, page size and content]."
)
@click.option(
    "--devicetrees/--no-devicetrees",
    default=None,
    help="Build the source's devicetrees [as the preset says].",
)
@click.option(
    "--check", "only_check", is_flag=True, help="Only configure, and check that every option sticks."
)
@shared_options
def command(
    *,
    source: str,
    page_size: str,
    fragments: tuple[Path, ...],
    patches: tuple[str, ...],
    presets: tuple[str, ...],
    name: str | None,
    toolchain: str,
    devicetrees: bool | None,
    jobs: int | None,
    only_check: bool,
    archive: str | None,
    offline: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Build an arm64 kernel from SOURCE, out of tree, and put it beside those of `bootwright kernels list`.

    Every option of presets and fragments is checked after the source's own Kconfig had its say: one that did
    not stick is an error that names the dependency that took it. The same input gives the same bytes, and is
    built once. Interrupted, the same command goes on where it stopped.
    """
    from bootwright import api
    from bootwright.foundation.progress import Lines, Silent

    progress = Silent() if quiet else Lines()
    if only_check:
        config = api.configure_kernel(
            source,
            page_size=page_size,
            fragments=fragments,
            patches=patches or None,
            presets=presets,
            toolchain=toolchain,
            archive=archive,
            offline=offline,
            progress=progress,
        )
        click.echo(f"every option is as asked for: {config}")
        return 0
    built = api.build_kernel(
        source,
        page_size=page_size,
        fragments=fragments,
        patches=patches or None,
        presets=presets,
        name=name,
        toolchain=toolchain,
        devicetrees=devicetrees,
        jobs=jobs,
        archive=archive,
        offline=offline,
        progress=progress,
    )
    if as_json:
        print_json(_as_json(built))
    else:
        _print(built)
    return 0


def _print(built: BuiltKernel) -> None:
    kernel = built.kernel
    how = (
        "built before, of the very same"
        if built.reused
        else f"built in {built.cpu_seconds:.0f} s of CPU time"
    )
    click.echo(f"{kernel.name}: Linux {printable(kernel.release)}, {kernel.page_size // 1024}K pages, {how}")
    for what, path in (
        ("image", kernel.image),
        ("config", kernel.config),
        ("modules", kernel.modules),
        ("devicetrees", kernel.dtbs),
        ("vmlinux", built.vmlinux),
        ("log", built.log),
    ):
        if path is not None:
            click.echo(f"  {what:11}  {path}")
    for note in built.notes:
        click.echo(f"  {printable(note)}")


def _as_json(built: BuiltKernel) -> dict[str, object]:
    """The document of docs/schemas/kernel-build.schema.json."""
    from bootwright.api.workshop.building import SCHEMA

    return {
        "schema": SCHEMA,
        "kernel": built.kernel.as_json(),
        "key": built.key,
        "vmlinux": str(built.vmlinux),
        "system_map": str(built.system_map),
        "log": str(built.log),
        "folder": str(built.folder),
        "reused": built.reused,
        "cpu_seconds": round(built.cpu_seconds, 3),
        "notes": list(built.notes),
    }
