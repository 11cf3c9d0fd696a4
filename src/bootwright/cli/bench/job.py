"""`bootwright bench job`: a cell of a campaign, or a kernel with probes, for somebody else's laboratory."""

from __future__ import annotations

from pathlib import Path

import click

from bootwright.cli._parts.values import OneOf, printable, refuse_given

_PATH = click.Path(path_type=Path)
_HELP = """Write CELL of a campaign as a job of LAVA or of KernelCI's pull labs, with the files that it needs.

CELL is a name of `bootwright status`. An emulated one, such as mounts/debian-6.16.12-16k, is its kernel with
its probes. One for a board is the image that was made for it: LAVA writes it to the card of a board of its
type and tags, and waits for the lines that decide the plan's outcomes; a pull lab gets the kernel, initramfs,
devicetree and arguments that the image starts. --kernel is for a kernel with probes and no campaign.

What comes back (the job's log, or a report) is taken into the campaign by
`bootwright observe CELL --results FILE`.

\b
Examples:
  bootwright bench job mounts/debian-6.16.12-16k --lab lava --url https://files.example.org/1 -o job
  bootwright bench job rpi5-rev-1.0_4K_6.18.15_mainline_kernel --lab lava \\
      --url https://files.example.org/2 -o job
  bootwright bench job --kernel debian-6.18-16k --probe all --board raspberrypi-4 --lab lava \\
      --url https://files.example.org/3 -o job
  bootwright bench job --kernel debian-6.18-4k --lab pull-labs --url https://files.example.org/4 -o job
"""
_OF_A_KERNEL = frozenset({"probes", "machine", "board", "stepping"})


@click.command("job", help=_HELP, epilog="Exit status: 0, or 2 for bad input.")
@click.argument("cell", required=False)
@click.option(
    "--lab", required=True, type=OneOf(["lava", "pull-labs"], "kind of laboratory"), help="For which."
)
@click.option("--url", required=True, metavar="ADDRESS", help="Where the files of FOLDER will be fetched.")
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Gets the files and the job.",
)
@click.option("--run", type=_PATH, help="Folder of CELL's campaign, or its plan's name.")
@click.option("--image", type=_PATH, help="The image of a board's CELL [the one that was made for it].")
@click.option("--kernel", metavar="NAME|FILE", help="A kernel, in place of a CELL.")
@click.option(
    "--probe",
    "probes",
    multiple=True,
    default=("mounts",),
    show_default=True,
    help="With --kernel: as `bootwright boot`.",
)
@click.option("--machine", default="virt", show_default=True, help="With --kernel: as `bootwright boot`.")
@click.option("--board", help="With --kernel: boot it on this board, with its devicetree.")
@click.option("--stepping", help="With --board: which.")
@click.option(
    "--device-type",
    metavar="NAME",
    help="LAVA's device type, or the pull lab's platform [of the board, or the emulator's].",
)
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    *,
    cell: str | None,
    lab: str,
    url: str,
    out: Path,
    run: Path | None,
    image: Path | None,
    kernel: str | None,
    probes: tuple[str, ...],
    machine: str,
    board: str | None,
    stepping: str | None,
    device_type: str | None,
    quiet: bool,
) -> int:
    """See `_HELP`."""
    from bootwright import api
    from bootwright.foundation.progress import Lines, Silent

    if (cell is None) == (kernel is None):
        raise click.UsageError("name a CELL of a campaign, or give --kernel")
    if cell is not None:
        refuse_given(_OF_A_KERNEL, "is for --kernel: a CELL has its own")
    else:
        refuse_given({"run", "image"}, "is for a CELL of a campaign")
    if stepping is not None and board is None:
        raise click.UsageError("--stepping is one of --board")
    job = api.lab_job(
        cell,
        lab=lab,
        url=url,
        out=out,
        run=run,
        image=image,
        kernel=kernel,
        probes=probes,
        machine=machine,
        board=board,
        stepping=stepping,
        device_type=device_type,
        progress=Silent() if quiet else Lines(),
    )
    click.echo(printable(f"{job.path}"))
    for path in job.files:
        click.echo(printable(f"{path}  to be put under {url}"))
    if cell is not None:
        click.echo(printable(f"then: bootwright observe {cell} --results LOG"))
    return 0
