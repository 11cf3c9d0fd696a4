"""`bootwright image compose`: a flashable image from a recipe."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

_PATH = click.Path(path_type=Path)


@click.command("compose", epilog="Exit status: 0 the image is there, 2 bad input or something missing.")
@click.argument("recipe", required=False)
@click.option(
    "--output", "-o", type=_PATH, help="The image (default: RECIPE.raw), compressed if .xz, .zst or .gz."
)
@click.option(
    "--kernel", metavar="KERNEL", help="In place of the recipe's: a catalogue name, .deb, Image or folder."
)
@click.option("--flash", "device", metavar="DEVICE", type=_PATH, help="Write it there, as `flash` does.")
@click.option(
    "--yes-really",
    "named_twice",
    metavar="DEVICE",
    type=_PATH,
    help="Name DEVICE a second time: a disk that is not removable, or a file that exists.",
)
@click.option("--force", is_flag=True, help="Replace an image that is there already.")
@click.option("--list", "listing", is_flag=True, help="The recipes that come with bootwright.")
@click.option("--json", "as_json", is_flag=True, help="The manifest as JSON on stdout.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    recipe: str | None,
    *,
    output: Path | None,
    kernel: str | None,
    device: Path | None,
    named_twice: Path | None,
    force: bool,
    listing: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Compose an image from RECIPE: a name that comes with bootwright, or a file.

    A recipe says which parts there are (kernel with its modules, devicetree blobs, config.txt, command line,
    initramfs, boot loader) and where each goes; see docs/images.md. The same recipe and parts give the same
    bytes. The manifest with the hash and origin of each part is written beside the image.

    \b
    Examples:
      bootwright image compose --list
      bootwright image compose talos-standin-grub -o talos.raw
      bootwright image compose talos-standin-grub --kernel debian-6.12-4k -o old.raw
      bootwright image compose my-image.toml -o my-image.raw.xz
      sudo bootwright image compose my-image.toml --flash /dev/sdb
    """
    from bootwright import api
    from bootwright.foundation.progress import Lines, Silent
    from bootwright.images.recipes.reader import find_recipe, recipes

    if listing:
        for name in sorted(recipes()):
            click.echo(f"{name}\t{find_recipe(name).title}")
        return 0
    if recipe is None:
        raise click.UsageError("a recipe is needed; see --list")
    chosen = find_recipe(recipe)
    progress = Silent() if quiet else Lines()
    image = output or Path(f"{chosen.name}.raw")
    if device is not None:
        from bootwright.api.cards.flashing import check_target

        # Before the work, and again when it is opened.
        check_target(str(image), chosen.size, device, named_twice)
    made = api.compose_image(recipe, image, kernel=kernel, force=force, progress=progress)
    document: dict[str, object] = made.manifest.as_json()
    if not as_json:
        click.echo(
            f"{made.image}: {made.size / 1e6:.0f} MB, {made.stored / 1e6:.0f} MB of data, "
            f"{len(made.manifest.parts)} parts"
        )
    if device is not None:
        from bootwright.cli.flash import interrupted, show_report

        try:
            report = api.flash(made.image, device, yes_really=named_twice, progress=progress)
        except api.FlashInterrupted as error:
            return interrupted(error)
        document["flash"] = report.as_json()
        if not as_json:
            show_report(report)
    if as_json:
        json.dump(document, sys.stdout, indent=1)
        sys.stdout.write("\n")
    return 0
