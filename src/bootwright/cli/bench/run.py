"""`bootwright bench run`: boot a cell, or an image, on a real board."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bootwright.cli._parts.documents import print_json
from bootwright.cli._parts.values import refuse_given

_PATH = click.Path(path_type=Path)
_HELP = """Boot a cell of a campaign, or just an image, on a real board.

The image is brought to the board, the board is switched on, its console is recorded until it is known how the
boot ends, and the board is switched off. What was seen of a CELL is kept in its campaign as `bootwright
observe` does, and is weighed by the next `bootwright investigate`.

--env is an environment file of labgrid (docs/bench.md): it says how the board is switched, read and given an
image. A board that a killed run left powered on is switched off first. --by-hand is for people without one:
you are told what to do, a serial adapter is read (--serial), and without an adapter you are asked what the
board shows.

\b
Examples:
  bootwright bench run rpi5-rev-1.1_4K_6.18.15_mainline_kernel --env bench.yaml
  bootwright bench run --image talos.raw.xz --env bench.yaml --until dhcp
  bootwright bench run --image pi5.img --env lab.yaml --target pi5-b --until 'entering maintenance' --json
  bootwright bench run rpi5-rev-1.1_4K_6.18.15_mainline_kernel --by-hand --serial /dev/ttyUSB0
  bootwright bench run --image pi5.img --by-hand
"""


def _begin_line() -> None:
    """Over what progress shows in place, which what is said would be glued to."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


class Terminal:
    """The person at the terminal; all is said on stderr, so that stdout is for the result."""

    def tell(self, text: str) -> None:
        """A line."""
        _begin_line()
        click.echo(text, err=True)

    def wait(self, text: str) -> None:
        """Until Enter is pressed."""
        _begin_line()
        click.prompt(f"{text}, then press Enter", default="", show_default=False, prompt_suffix=" ", err=True)

    def choose(self, question: str, choices: tuple[str, ...]) -> str:
        """Asked again until it is one of them."""
        _begin_line()
        return str(click.prompt(question, type=click.Choice(choices), err=True))

    def ask(self, question: str) -> str:
        """May be empty."""
        _begin_line()
        return str(click.prompt(question, default="", show_default=False, err=True)).strip()


@click.command(
    "run",
    help=_HELP,
    epilog="Exit status: 0 works, 1 fails, 2 bad input, the board or labgrid cannot be used, 3 unknown.",
)
@click.argument("cell", required=False)
@click.option("--env", "environment", type=_PATH, help="labgrid's environment file.")
@click.option("--target", metavar="NAME", help="Which of its targets, where it has several.")
@click.option("--by-hand", is_flag=True, help="You put the card in and switch the board.")
@click.option("--serial", metavar="DEVICE", help="With --by-hand: the serial adapter, such as /dev/ttyUSB0.")
@click.option("--baud", type=int, default=115200, show_default=True, help="With --serial: its speed.")
@click.option("--run", type=_PATH, help="Folder of CELL's campaign, or its plan's name.")
@click.option("--image", type=_PATH, help="The image [the one that was made for CELL].")
@click.option(
    "--until", "until", multiple=True, metavar="SEEN",
    help="What has to be seen: link, dhcp, a stage such as ready, login, ktap, or a text. May be repeated: "
    "all have to be. [CELL: until the console proves its goals; else ready]",
)  # fmt: skip
@click.option(
    "--proves",
    "proves",
    multiple=True,
    metavar="OUTCOME",
    help="An outcome of the plan that --until decides.",
)
@click.option("--timeout", type=click.FloatRange(1), metavar="SECONDS", help="For the boot [600].")
@click.option(
    "--silence",
    type=click.FloatRange(1),
    metavar="SECONDS",
    help="Give up after so long without output [120].",
)
@click.option("--keep", type=_PATH, help="Folder of the recording, without CELL [out/bench/…].")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/bench.schema.json).")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    *,
    cell: str | None,
    environment: Path | None,
    target: str | None,
    by_hand: bool,
    serial: str | None,
    baud: int,
    run: Path | None,
    image: Path | None,
    until: tuple[str, ...],
    proves: tuple[str, ...],
    timeout: float | None,
    silence: float | None,
    keep: Path | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """See `_HELP`."""
    from bootwright import api
    from bootwright.foundation.progress import Lines, Silent

    if cell is None and image is None:
        raise click.UsageError("name a CELL of a campaign, or give --image")
    if cell is not None and keep is not None:
        raise click.UsageError("--keep is for an image alone: a CELL's recording goes to its campaign")
    if (environment is None) != by_hand:
        raise click.UsageError("give --env, or --by-hand")
    if not by_hand:
        refuse_given({"serial", "baud"}, "is for --by-hand: the environment file names the port")
    elif target is not None:
        raise click.UsageError("--target is one of --env")
    if by_hand and not sys.stdin.isatty():
        raise click.UsageError("--by-hand asks a person: it needs a terminal")
    booted = api.bench_run(
        cell,
        environment=environment,
        target=target,
        by_hand=Terminal() if by_hand else None,
        serial=serial,
        baud=baud,
        run=run,
        image=image,
        until=until,
        proves=proves,
        timeout=timeout,
        silence=silence,
        keep=keep,
        progress=Silent() if quiet else Lines(),
    )
    if as_json:
        print_json(booted.as_json())
        return booted.verdict.exit_status
    from bootwright.cli._parts.values import printable
    from bootwright.report.bench_text import lines
    from bootwright.report.campaign_text import told_lines

    shown = list(lines(booted.record, str(booted.folder)))
    if booted.told is not None:
        answer = booted.told
        following = answer.seen.observed.seen.next if answer.seen else ""
        shown += told_lines(
            answer.told, following, is_new=answer.is_new, stopped_by=answer.stopped_by, still=answer.still
        )
    if booted.not_told:  # whatever it showed, it was not the cell
        shown[0] = f"{booted.verdict}: not told to the campaign: {booted.not_told}"
    for line in shown:
        click.echo(printable(line))
    return booted.verdict.exit_status
