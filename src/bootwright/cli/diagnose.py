"""`bootwright diagnose`: a boot log in, the cause and its proof out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from bootwright.cli._values import refuse_given
from bootwright.foundation.errors import Missing

if TYPE_CHECKING:
    from bootwright.diagnose.model import Diagnosis

_HELP = """Tell from a boot log how far the boot got, what went wrong, and what to do next.

FILE is a serial capture, dmesg, `talosctl dmesg` or `logs`, a journal, netconsole or strace output, as it
was captured or pasted, also compressed or in UTF-16; `-` is standard input. Several files are looked at one
by one. What is no text (an image, an archive) is refused.

\b
Examples:
  bootwright diagnose console.log
  talosctl -n 192.168.1.20 dmesg | bootwright diagnose -
  bootwright diagnose --json console.log | jq -r '.boots[-1].findings[0].cause'
  bootwright diagnose --html report.html console.log strace.txt
  bootwright diagnose --follow /dev/ttyUSB0
  bootwright diagnose console.log --with metal-arm64.raw.xz --board raspberrypi-5

--with holds what the log makes suspect against the facts of an image, a kernel package, a folder, a
devicetree or a kernel of the catalogue: is the driver there, the module in the initramfs, the firmware file,
the node; is it the kernel that the log is of. With --board it adds what `check` says of the board's goals.

Exit status: 0 no failure found, 1 failed or degraded, 2 bad input, 3 nothing recognised.
"""


@click.command(help=_HELP)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
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
    quiet: bool,
    follow: bool,
    baud: int,
) -> int:
    """See `_HELP`."""
    if not follow:
        refuse_given({"baud"}, "is for --follow")
    # Before anything long: a name that is none is told at once.
    add = _joined(artifacts, board, quiet=quiet)
    if follow:
        if len(files) != 1:
            raise click.UsageError("--follow reads one FILE")
        from bootwright.diagnose.follow import follow_file

        diagnosis = follow_file(files[0], baud=baud, say=_say_live, as_json=as_json)
    else:
        from bootwright.diagnose.engine import joined

        diagnosis = joined([_one(name) for name in files])
    diagnosis = add(diagnosis)
    if page is not None:
        from bootwright.diagnose.page import as_html
        from bootwright.foundation.atomic import write_text

        title = board or ", ".join(_shown(Path(name).name) for name in files)
        write_text(page, as_html(diagnosis, title=title))
    if as_json:
        from bootwright.diagnose.jsonform import as_json as form

        click.echo(json.dumps(form(diagnosis, board=board), ensure_ascii=False, indent=2))
    else:
        from bootwright.diagnose.render import as_text

        click.echo(as_text(diagnosis, every=every))
    return diagnosis.outcome.exit_status


def _joined(
    artifacts: tuple[str, ...], board: str | None, *, quiet: bool
) -> Callable[[Diagnosis], Diagnosis]:
    """What adds to a diagnosis what the board and the artifacts say of it."""
    from bootwright.boards.model import board as board_named
    from bootwright.diagnose.debugging import suited
    from bootwright.evidence.board import with_board
    from bootwright.foundation.progress import Lines, Silent

    one = board_named(board) if board is not None else None
    opened = []
    if artifacts:
        from bootwright.evidence.image import open_artifact

        progress = Silent() if quiet else Lines()
        opened = [open_artifact(name, progress) for name in artifacts]
        if one is not None:
            from bootwright.evidence.join import check_devicetrees

            check_devicetrees(opened, one)

    def option(symbol: str) -> str | None:
        configs = [config for artifact in opened if (config := artifact.config) is not None]
        return (configs[-1].value(f"CONFIG_{symbol}") or "n") if configs else None

    def add(diagnosis: Diagnosis) -> Diagnosis:
        if opened:
            from bootwright.evidence.join import with_artifacts

            diagnosis = with_artifacts(diagnosis, opened, one)
        return suited(with_board(diagnosis, one, checked=bool(opened)), option)

    return add


def _say_live(text: str) -> None:
    click.echo(text, err=True)


def _one(name: str) -> Diagnosis:
    from bootwright.diagnose.engine import diagnose_stream
    from bootwright.diagnose.incoming import log_text

    if name == "-":
        shown = "standard input"
        return diagnose_stream(log_text(sys.stdin.buffer.read, shown), shown)
    with _opened(name) as file:
        shown = _shown(name)
        return diagnose_stream(log_text(file.read, shown), shown)


def _shown(name: str) -> str:
    """A file's name for reports: names may hold anything, a terminal's escapes among it."""
    from bootwright.diagnose.reading.patterns import printable

    return printable(os.fsencode(name))


def _opened(name: str) -> IO[bytes]:
    try:
        file = Path(name).open("rb")  # noqa: SIM115 - the caller closes it
        if os.path.isdir(name):  # noqa: PTH112
            raise IsADirectoryError
    except OSError as error:
        raise Missing(
            f"cannot read {name}: {error.strerror or 'it is a directory'}",
            hint="give the file a console or dmesg was captured to, or - for standard input",
        ) from error
    return file
