"""`bootwright observe`: what a board showed after the boot, what it means, and the next step."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootwright.cli._parts.documents import print_json
from bootwright.cli._parts.values import refuse_given

if TYPE_CHECKING:
    from bootwright.api import ToldCell

_HELP = """Tell what a board showed after it was booted: what it means, and what to do next.

A log, the text of a photo of the screen, or two answers are enough: are the lights of the Ethernet socket
on, and is there an address in the router's list? What is told is kept with the record of the prepared image,
where a later `prepare` finds it: what a board shows outweighs what was predicted. On a terminal with nothing
told, the two questions are asked.

\b
Examples:
  bootwright observe --image pi5.raw --lights off --address none
  bootwright observe --prepared pi5.raw.prepared.json --log console.log
  bootwright observe --image pi5.raw --text photo.txt
  bootwright observe --image pi5.raw --text photo.txt --watched
  bootwright observe --image pi5.raw --led 0+7
  bootwright observe --image pi5.raw --outcome ethernet=works --address 192.168.1.50
  bootwright observe --board raspberrypi-5 --led 4+3
  bootwright observe --board raspberrypi-5 --revision e04171 --lights off --address none
  bootwright observe rpi5-rev-1.0_4K_6.18.15_mainline_kernel --outcome ethernet=works --log console.log

CELL is one that `bootwright status` names as waiting for a board: what is told of it is taken in by the next
`bootwright investigate`, also where it contradicts what others told.

--text takes what was typed off a photo, or what a program read from it (tesseract photo.jpg photo).
"""


@click.command(
    "observe",
    help=_HELP,
    epilog="Exit status: 0 what was seen works, 1 something was seen to fail, 2 bad input, 3 it shows "
    "neither.",
)
@click.argument("cell", required=False)
@click.option("--run", type=click.Path(path_type=Path), help="Folder of CELL's campaign, or its plan's name.")
@click.option("--by", default="", help="Who saw it, or on which board.")
@click.option("--minutes", default=0.0, type=click.FloatRange(0, 100_000), help="What it took.")
@click.option("--image", type=click.Path(path_type=Path), help="The prepared image.")
@click.option("--prepared", type=click.Path(path_type=Path), help="Its record, IMAGE.prepared.json.")
@click.option("--board", metavar="NAME|FILE", help="The board, where there is no record.")
@click.option("--revision", metavar="CODE", help="The board's revision code, such as e04171.")
@click.option("--log", "logs", multiple=True, type=click.Path(path_type=Path), help="A console or dmesg.")
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    help="Results of probes for a CELL: a console with KTAP, or a report of kcidb.",
)
@click.option("--text", "photos", multiple=True, type=click.Path(path_type=Path), help="A photo's text.")
@click.option(
    "--watched", is_flag=True, help="Nothing more came than log or photo show, though somebody waited."
)
@click.option("--lights", metavar="[on|off]", help="The lights of the Ethernet socket, cable in.")
@click.option("--address", metavar="ADDRESS|none", help="The board's address in the router's list.")
@click.option("--led", metavar="[off|steady|activity|LONG+SHORT]", help="The board's status LED.")
@click.option("--service", metavar="[answers|silent]", help="The system's service at that address.")
@click.option("--outcome", "outcomes", multiple=True, metavar="GOAL=VERDICT", help="What you know of a goal.")
@click.option("--note", default="", help="Anything else that should be kept.")
@click.option("--dry-run", is_flag=True, help="Say what it means; keep nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/observe.schema.json).")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    *,
    cell: str | None,
    run: Path | None,
    by: str,
    minutes: float,
    image: Path | None,
    prepared: Path | None,
    board: str | None,
    revision: str | None,
    logs: tuple[Path, ...],
    results: Path | None,
    photos: tuple[Path, ...],
    watched: bool,
    lights: str | None,
    address: str | None,
    led: str | None,
    service: str | None,
    outcomes: tuple[str, ...],
    note: str,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """See `_HELP`."""
    from bootwright import api
    from bootwright.foundation.progress import Lines, Silent

    verdicts: dict[str, str] = {}
    for text in outcomes:
        goal, equals, verdict = text.partition("=")
        if not equals:
            raise click.UsageError(f"--outcome {text}: write GOAL=works, fails or unknown")
        if verdicts.setdefault(goal, verdict) != verdict:
            raise click.UsageError(f"--outcome {goal} is told as {verdicts[goal]} and as {verdict}: tell one")
    given = logs or photos or lights or address or led or service or verdicts or results
    if not given and sys.stdin.isatty():
        lights = click.prompt("Are the lights of the Ethernet socket on?", type=click.Choice(["on", "off"]))
        question = "The board's address in the router's list (none, if there is none)"
        address = click.prompt(question, value_proc=_address)
    if cell is not None:
        refuse_given({"watched"}, "is not for a CELL: say --outcome GOAL=fails")
        refuse_given(
            {"image", "prepared", "board", "revision"},
            "is not for a CELL: its campaign says which board it is",
        )
        told_cell = api.observe_cell(
            cell,
            run=run,
            logs=logs,
            texts_of_photos=photos,
            led=led,
            lights=lights,
            address=address,
            service=service,
            outcomes=verdicts,
            results=results,
            note=note,
            by=by,
            minutes=minutes,
            keep=not dry_run,
        )
        _show_told(told_cell, as_json=as_json)
        return told_cell.verdict.exit_status
    refuse_given({"run", "by", "minutes", "results"}, "is for a CELL of a campaign")
    done = api.observe(
        image,
        prepared=prepared,
        board=board,
        revision=revision,
        logs=logs,
        texts_of_photos=photos,
        led=led,
        lights=lights,
        address=address,
        service=service,
        outcomes=verdicts,
        note=note,
        watched=watched,
        keep=not dry_run,
        progress=Silent() if quiet else Lines(),
    )
    if as_json:
        print_json(done.as_json())
    else:
        from bootwright.cli._parts.values import printable
        from bootwright.report.observe_text import lines

        for line in lines(done.observed, done.record, done.read):
            click.echo(printable(line))
    return done.verdict.exit_status


def _address(text: str) -> str:
    """As `observe` takes it; click asks again where it is refused."""
    from bootwright.boards.addresses import told_address
    from bootwright.foundation.errors import Refused

    try:
        return told_address(text) or "none"
    except Refused as error:
        raise click.UsageError(f"{error.message}: {error.hint}") from error


def _show_told(answer: ToldCell, *, as_json: bool) -> None:
    if as_json:
        print_json(answer.as_json())
        return
    from bootwright.cli._parts.values import printable
    from bootwright.report.campaign_text import told_lines

    next_step = answer.seen.observed.seen.next if answer.seen else ""
    for line in told_lines(
        answer.told,
        next_step,
        is_new=answer.is_new,
        is_kept=answer.is_kept,
        stopped_by=answer.stopped_by,
        still=answer.still,
    ):
        click.echo(printable(line))
