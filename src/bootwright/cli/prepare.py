"""`bootwright prepare`: from an image and a board to a card that works, or why there is none."""

from __future__ import annotations

from pathlib import Path

import click

from bootwright.cli._parts.documents import print_json

_HELP = """Check an image for a board; where it fails, make one that works, if a way is known.

WHAT is an image (a file or an address), or a system whose published image is taken: talos. The image is
checked for every stepping of the board, or for the one that --revision tells. Where it fails, changes are
tried on the predictor, the smallest first: lines of config.txt and kernel arguments, the devicetree of a
kernel on this machine, modules that are missing, another kernel with its modules and devicetrees. The first
one that works is made as a new image, verified, checked again as a file, and only then given its name.
Printed are the command that flashes it, and what to look for after power-on, in its order.

\b
Examples:
  bootwright prepare talos --board raspberrypi-5 --revision e04171
  bootwright prepare talos --version 1.12.6 --board raspberrypi-5 --revision e04171 -o talos-pi5.raw
  bootwright prepare talos --image metal-arm64.raw.xz --board raspberrypi-5
  bootwright prepare debian.img --board raspberrypi-4 --goal ethernet --dtb ./my-dtbs/
  bootwright prepare my.raw --board rock64 --check-only
"""


@click.command(
    "prepare",
    help=_HELP,
    epilog="Exit status: 0 there is an image that works, 1 it fails and no way is known, 2 bad input, 3 it "
    "is not known whether it works.",
)
@click.argument("what", metavar="WHAT")
@click.option("--board", required=True, metavar="NAME|FILE", help="The board it is for.")
@click.option("--revision", metavar="CODE", help="The board's revision code, such as e04171.")
@click.option("--stepping", metavar="NAME", help="The board's stepping, such as d0 [all].")
@click.option("--image", metavar="FILE|ADDRESS", help="The system's image, in place of the published one.")
@click.option(
    "--version",
    metavar="VERSION",
    help="Of the published image [the newest that nothing speaks against].",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="The new image [IMAGE-BOARD-REVISION.raw, in the current folder].",
)
@click.option(
    "--goal", "goals", multiple=True, metavar="NAME", help="What must work [what the system needs]."
)
@click.option(
    "--dtb",
    "trees",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Devicetrees to try: file, folder, or a kernel here that has them.",
)
@click.option("--kernel", metavar="NAME", help="The kernel that the image is to have [any].")
@click.option(
    "--max-download", type=click.IntRange(0), default=250, show_default=True, metavar="MB",
    help="Kernels to fetch, if none here helps.",
)  # fmt: skip
@click.option("--archive", metavar="URL", help="Address of the package archive for kernels.")
@click.option("--offline", is_flag=True, help="Use what is here already; no network.")
@click.option("--check-only", is_flag=True, help="Say what is wrong; make nothing.")
@click.option("--force", is_flag=True, help="Replace an output that is there already.")
@click.option("--explain", is_flag=True, help="Print all that was tried, and the remarks.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/prepare.schema.json).")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    what: str,
    *,
    board: str,
    revision: str | None,
    stepping: str | None,
    image: str | None,
    version: str | None,
    output: Path | None,
    goals: tuple[str, ...],
    trees: tuple[Path, ...],
    kernel: str | None,
    max_download: int,
    archive: str | None,
    offline: bool,
    check_only: bool,
    force: bool,
    explain: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """See `_HELP`."""
    from bootwright import api
    from bootwright.foundation.progress import Lines, Silent

    done = api.prepare(
        what,
        board=board,
        revision=revision,
        stepping=stepping,
        image=image,
        version=version,
        output=output,
        goals=goals,
        dtbs=trees,
        kernel=kernel,
        max_download=max_download,
        archive=archive,
        offline=offline,
        change=not check_only,
        force=force,
        progress=Silent() if quiet else Lines(),
    )
    if as_json:
        print_json(done.as_json())
    else:
        from bootwright.cli._parts.values import printable
        from bootwright.report.prepare_text import lines

        for line in lines(done.prepared, explain=explain):
            click.echo(printable(line))
    return done.verdict.exit_status
