"""`bootwright image swap`: one part of an image changed, in a copy."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from bootwright.cli._parts.values import Artifact

_PATH = click.Path(path_type=Path)


@click.command(
    "swap", epilog="Exit status: 0 the new image is there, 2 bad input or a change that is refused."
)
@click.argument("image", type=Artifact())
@click.option("--output", "-o", type=_PATH, required=True, help="The new image; IMAGE itself is only read.")
@click.option("--kernel", metavar="KERNEL", help="A catalogue name, .deb, arm64 Image, folder or oci://…")
@click.option("--modules", metavar="DIR", help="The kernel's modules (/lib/modules/RELEASE).")
@click.option(
    "--add-module", "added", multiple=True, metavar="NAME", help="One more module than the image has."
)
@click.option("--dtb", "trees", type=_PATH, multiple=True, help="A DTB or overlay, or a folder of them.")
@click.option("--initramfs", type=_PATH, help="Another initramfs.")
@click.option("--cmdline", multiple=True, metavar="'+a -b'", help="Kernel arguments to add and take away.")
@click.option("--config-txt", "config", multiple=True, metavar="'[pi5] key=value'", help="Or '[pi5] -key'.")
@click.option("--file", "files", multiple=True, metavar="PARTITION:/PATH=FILE", help="Put a file there.")
@click.option("--remove", "removed", multiple=True, metavar="PARTITION:/PATH", help="Take a file away.")
@click.option("--force", is_flag=True, help="Replace an image that is there already.")
@click.option(
    "--board",
    metavar="NAME|FILE",
    help="Judge the result for this board [each that the image has a devicetree for].",
)
@click.option(
    "--any-result", is_flag=True, help="Write it even where the boot chain breaks or something stops working."
)
@click.option("--json", "as_json", is_flag=True, help="What was done as JSON on stdout.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    image: str | Path,
    *,
    output: Path,
    kernel: str | None,
    modules: str | None,
    added: tuple[str, ...],
    trees: tuple[Path, ...],
    initramfs: Path | None,
    cmdline: tuple[str, ...],
    config: tuple[str, ...],
    files: tuple[str, ...],
    removed: tuple[str, ...],
    force: bool,
    board: str | None,
    any_result: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Write a copy of IMAGE with parts of it changed.

    Kernel and modules travel together: modules in the initramfs, and in a squashfs root inside it (Talos),
    are replaced by the new kernel's. A kernel that would not accept the modules is refused with the reason.
    So is what is not what the boot chain takes it for (an initramfs that is none, an empty boot loader), and
    a change by which something stops working: the result is checked before it gets its name.

    \b
    Examples:
      bootwright image swap talos.raw --dtb ./mainline-dtbs/ -o talos-dtb.raw
      bootwright image swap talos.raw --kernel debian-6.18-4k -o talos-6.18.raw
      bootwright image swap talos.raw --cmdline '+initcall_debug +ignore_loglevel -quiet' -o debug.raw
      bootwright image swap talos.raw --config-txt '[pi5] enable_uart=1' -o uart.raw
      bootwright image swap raspios.img --kernel build/Image --board raspberrypi-5 -o new.img
      bootwright image swap talos.raw --file EFI:/u-boot.bin=./u-boot.bin -o uboot.raw
    """
    from bootwright import api
    from bootwright.foundation.progress import Lines, Silent

    places: list[tuple[str, Path]] = []
    for text in files:
        place, equals, path = text.partition("=")
        if not equals:
            raise click.UsageError(f"--file {text}: write PARTITION:/PATH=FILE")
        places.append((place, Path(path)))
    made = api.swap_image(
        image,
        output,
        kernel=kernel,
        modules=modules,
        add_modules=added,
        dtbs=trees,
        initramfs=initramfs,
        cmdline=cmdline,
        config_txt=config,
        files=places,
        remove=removed,
        board=board,
        force=force,
        any_result=any_result,
        progress=Silent() if quiet else Lines(),
    )
    if as_json:
        json.dump(made.as_json(), sys.stdout, indent=1)
        sys.stdout.write("\n")
        return 0
    for name in made.changed:
        click.echo(f"changed {name}")
    for note in made.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"{made.image}: {made.how} copy, {made.written / 1e6:.1f} MB written")
    return 0
