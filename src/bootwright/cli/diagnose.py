"""`bootwright diagnose`: a boot log in, the cause and its proof out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from bootwright.cli._parts.values import refuse_given
from bootwright.foundation.errors import BootwrightError, Refused

_HELP = """Tell from a boot log how far the boot got, what went wrong, and what to do next.

FILE is a serial capture, dmesg, `talosctl dmesg` or `logs`, a journal, netconsole or strace output, as it
was captured or pasted, also compressed or in UTF-16; `-` is standard input. Several files are looked at one
by one; of those that cannot be read it says so in the end. What is no text (an image, an archive) is refused.

\b
Examples:
  bootwright diagnose console.log
  talosctl -n 192.168.1.20 dmesg | bootwright diagnose -
  bootwright diagnose --json console.log | jq -r .blame.cause
  bootwright diagnose --html report.html --redact console.log strace.txt
  bootwright diagnose --watched console.log
  bootwright diagnose --follow /dev/ttyUSB0
  bootwright diagnose console.log --with metal-arm64.raw.xz --board raspberrypi-5
  bootwright diagnose --led 4+3 --board raspberrypi-5

--with holds what the log makes suspect against the facts of an image, a kernel package, a folder, a
devicetree or a kernel of the catalogue: is the driver there, the module in the initramfs, the firmware file,
the node; is it the kernel that the log is of. With --board it adds what `check` says of the board's goals.

Exit status: 0 no failure found, 1 failed or degraded, 2 bad input, 3 nothing recognised.
"""


@click.command(help=_HELP)
@click.argument("files", nargs=-1, metavar="FILE...")
@click.option("as_json", "--json", is_flag=True, help="Print JSON (docs/schemas/diagnose.schema.json).")
@click.option(
    "page", "--html", type=click.Path(path_type=Path), metavar="OUT", help="Write an HTML report too."
)
@click.option("every", "--all", is_flag=True, help="Show every boot and what to do about harmless lines too.")
@click.option(
    "--with",
    "artifacts",
    multiple=True,
    metavar="ARTIFACT",
    help="Hold suspicions against this image or kernel. May be repeated.",
)
@click.option(
    "--board",
    metavar="NAME|FILE",
    help="The board (docs/boards.md): its console, its goals, its devicetrees.",
)
@click.option(
    "--led",
    "--lights",
    "led",
    metavar="LONG+SHORT",
    help="What the status LED shows: flashes of one round, such as 0+7, or off, steady, activity.",
)
@click.option(
    "--watched",
    is_flag=True,
    help="Nothing more came though somebody waited: silence or waiting at the end is a failure.",
)
@click.option(
    "--redact",
    is_flag=True,
    help="Strike out MAC addresses, serial numbers, tokens and host names, to hand the result to others.",
)
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
@click.option(
    "--follow", is_flag=True, help="Keep reading FILE (growing file or serial device); Ctrl-C ends it."
)
@click.option("--baud", type=int, default=115200, show_default=True, help="Speed of a serial device.")
def command(
    files: tuple[str, ...],
    *,
    as_json: bool,
    page: Path | None,
    every: bool,
    artifacts: tuple[str, ...],
    board: str | None,
    led: str | None,
    watched: bool,
    redact: bool,
    quiet: bool,
    follow: bool,
    baud: int,
) -> int:
    """See `_HELP`."""
    if not follow:
        refuse_given({"baud"}, "is for --follow")
    else:
        refuse_given({"led", "redact", "watched"}, "is not for --follow")
    if not files and led is None:
        raise click.UsageError("Missing argument 'FILE...'. Without one, --led says what the LED shows.")
    from bootwright import api
    from bootwright.foundation.progress import Lines, Silent

    progress = Silent() if quiet else Lines()
    unreadable: list[BootwrightError] = []
    if follow:
        if len(files) != 1:
            raise click.UsageError("--follow reads one FILE")
        diagnosed = api.follow(
            files[0],
            baud=baud,
            on_finding=_say_live,
            live=not as_json,
            artifacts=artifacts,
            board=board,
            progress=progress,
        )
    else:
        diagnosed = api.diagnose(
            files,
            artifacts=artifacts,
            board=board,
            lights=led,
            watched=watched,
            redact=redact,
            on_unreadable=unreadable.append,
            progress=progress,
        )
    if page is not None:
        from bootwright.api.diagnosis import printable_name
        from bootwright.diagnose.page import as_html
        from bootwright.foundation.atomic import write_text

        names = "log" if redact else ", ".join(printable_name(Path(name).name) for name in files)
        title = board or names
        write_text(page, as_html(diagnosed.diagnosis, title=title))
    if as_json:
        click.echo(json.dumps(diagnosed.as_json(), ensure_ascii=False, indent=2))
    else:
        from bootwright.diagnose.render import as_text

        click.echo(as_text(diagnosed.diagnosis, every=every))
    if unreadable:
        raise _all_of(unreadable)
    return diagnosed.outcome.exit_status


def _all_of(errors: Sequence[BootwrightError]) -> BootwrightError:
    """Several errors as one."""
    if len(errors) == 1:
        return errors[0]
    return Refused("; ".join(error.message for error in errors), hint=errors[0].hint)


def _say_live(text: str) -> None:
    click.echo(text, err=True)
