"""`bootwright talos`: what an image of this schematic will do on a board, before it is made."""

from __future__ import annotations

from pathlib import Path

import click

from bootwright.cli._parts.documents import print_json

_HELP = """Say what a Talos image of a SCHEMATIC will do on a board, before it is made or downloaded.

SCHEMATIC is the YAML file that the image factory is given. Read are the overlay and its options (configTxt,
configTxtAppend), kernel arguments, extensions, META, boot loader and sector size; an unknown key is an error.
The schematic's id is computed as the factory computes it. What the version's kernel and overlay are is known
from a table; what they will do is foretold from that, from hazards of versions, and with a kernel on this
machine of the same series in place of the image's. A verdict other than a certain failure needs the image's
own kernel and devicetrees (--kernel, --dtb), or the image itself (--image), which is then checked.

\b
Examples:
  bootwright talos schematic.yaml --version 1.12.6 --board raspberrypi-5 --revision e04171
  bootwright talos schematic.yaml
  bootwright talos schematic.yaml --kernel talos-1.12.6-4k --dtb ./esp/ --explain
  bootwright talos schematic.yaml --version 1.12.6 --image metal-arm64.raw.xz
  bootwright talos schematic.yaml --json
"""


@click.command(
    "talos",
    help=_HELP,
    epilog="Exit status: 0 it works, 1 something fails for certain, 2 bad input, 3 it is not known before "
    "the image is looked at.",
)
@click.argument("schematic", type=click.Path(path_type=Path, dir_okay=False), metavar="SCHEMATIC")
@click.option("--version", metavar="VERSION", help="Talos's version [the newest known].")
@click.option("--board", metavar="NAME|FILE", help="The board [the overlay's, where it is for one only].")
@click.option("--revision", metavar="CODE", help="The board's revision code, such as e04171.")
@click.option("--stepping", metavar="NAME", help="The board's stepping, such as d0 [all].")
@click.option("--kernel", metavar="NAME|FILE", help="The image's own kernel, where it is here.")
@click.option(
    "--dtb",
    "trees",
    multiple=True,
    type=click.Path(path_type=Path),
    help="The image's own devicetrees: file or folder.",
)
@click.option(
    "--image", metavar="IMAGE", help="The image or its installer (file, URL, oci://…), where it is here."
)
@click.option("--explain", is_flag=True, help="Print the sources too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/talos.schema.json).")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    schematic: Path,
    *,
    version: str | None,
    board: str | None,
    revision: str | None,
    stepping: str | None,
    kernel: str | None,
    trees: tuple[Path, ...],
    image: str | None,
    explain: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """See `_HELP`."""
    from bootwright import api
    from bootwright.foundation.progress import Lines, Silent

    answer = api.talos(
        schematic,
        version=version,
        board=board,
        revision=revision,
        stepping=stepping,
        kernel=kernel,
        dtbs=trees,
        image=image,
        progress=Silent() if quiet else Lines(),
    )
    if as_json:
        print_json(answer.as_json())
    else:
        from bootwright.cli._parts.values import printable
        from bootwright.foundation.screen import line_width
        from bootwright.report.talos_text import lines

        width = line_width()
        for line in lines(answer.foretold, answer.address, str(schematic), explain=explain, width=width):
            click.echo(printable(line))
    return answer.verdict.exit_status
