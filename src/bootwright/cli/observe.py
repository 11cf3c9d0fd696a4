"""`bootwright observe`: what a board showed after the boot, what it means, and the next step."""

from __future__ import annotations

import sys
from pathlib import Path

import click

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
  bootwright observe --image pi5.raw --led 0+7
  bootwright observe --image pi5.raw --outcome ethernet=works --address 192.168.1.50
  bootwright observe --board raspberrypi-5 --led 4+3

--text takes what was typed off a photo, or what a program read from it (tesseract photo.jpg photo).
"""


@click.command(
    "observe",
    help=_HELP,
    epilog="Exit status: 0 what was seen works, 1 something was seen to fail, 2 bad input, 3 it shows "
    "neither.",
)
@click.option("--image", type=click.Path(path_type=Path), help="The prepared image.")
@click.option("--prepared", type=click.Path(path_type=Path), help="Its record, IMAGE.prepared.json.")
@click.option("--board", metavar="NAME|FILE", help="The board, where there is no record.")
@click.option("--log", "logs", multiple=True, type=click.Path(path_type=Path), help="A console or dmesg.")
@click.option("--text", "photos", multiple=True, type=click.Path(path_type=Path), help="A photo's text.")
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
    image: Path | None,
    prepared: Path | None,
    board: str | None,
    logs: tuple[Path, ...],
    photos: tuple[Path, ...],
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
        verdicts[goal] = verdict
    if not (logs or photos or lights or address or led or service or verdicts) and sys.stdin.isatty():
        lights = click.prompt("Are the lights of the Ethernet socket on?", type=click.Choice(["on", "off"]))
        address = click.prompt("The board's address in the router's list (none, if there is none)", type=str)
    done = api.observe(
        image,
        prepared=prepared,
        board=board,
        logs=logs,
        texts_of_photos=photos,
        led=led,
        lights=lights,
        address=address,
        service=service,
        outcomes=verdicts,
        note=note,
        keep=not dry_run,
        progress=Silent() if quiet else Lines(),
    )
    if as_json:
        import json

        click.echo(json.dumps(done.as_json(), indent=1, ensure_ascii=False))
    else:
        from bootwright.cli._parts.values import printable
        from bootwright.report.observe_text import lines

        for line in lines(done.observed, done.record, done.read):
            click.echo(printable(line))
    return done.verdict.exit_status
