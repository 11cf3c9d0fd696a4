"""The `bootwright` command."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, TextIO

import click

from bootwright import __version__
from bootwright.cli._parts.lazy import Folder
from bootwright.foundation.errors import EXIT_BAD_INPUT, BootwrightError, ToolFailed

_HELP = """Will this image boot on this board, will its devices come up, and if not, what is to blame?
Boards and images are of arm64; a log may be of any machine.

\b
Start with what you have:
  an image and a board          bootwright prepare talos.raw.xz --board raspberrypi-5 --revision e04171
  a console, dmesg, a journal   bootwright diagnose console.log
  a photo's text, or nothing    bootwright observe --board raspberrypi-5 --text photo.txt
    but lights                  bootwright observe --board raspberrypi-5 --lights off --address none
                                bootwright observe --board raspberrypi-5 --led 4+3
  two contradictory reports     bootwright investigate talos-rpi5
  an image in CI                bootwright check talos.raw.xz --board raspberrypi-5 --json

`bootwright boards list` names the boards, and each command has examples in its --help.
"""

_LEAST_COLUMNS = 40

_READER_GONE = 128 + signal.SIGPIPE
"""As a shell tells of a program that the signal ended: no verdict, and no bad input either."""


class _ReaderGone(Exception):
    """Nobody reads what is printed any more, as behind `| head`.

    click makes exit status 1 of such an `OSError`, which would be a verdict.
    """


class _Root(Folder):
    """The command itself."""

    def make_context(self, *given: Any, **settings: Any) -> click.Context:  # noqa: ANN401 - as click's own
        """As click does; here --help is printed."""
        with _reader_watched():
            return super().make_context(*given, **settings)

    def invoke(self, ctx: click.Context) -> object:
        """As click does."""
        with _reader_watched():
            return super().invoke(ctx)


@contextlib.contextmanager
def _reader_watched() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        if _unread():
            raise _ReaderGone from error
        raise ToolFailed("a program that was run", "it ended before it had read everything") from error


def _unread() -> list[TextIO]:
    """Of stdout and stderr those whose reader has gone."""
    return [stream for stream in (sys.stdout, sys.stderr) if _is_unread(stream)]


def _is_unread(stream: TextIO) -> bool:
    poll = select.poll()
    try:
        poll.register(stream.fileno(), 0)
    except (OSError, ValueError):  # a test's, which is no file
        return False
    return bool(poll.poll(0))


main = _Root(
    "bootwright.cli",
    Path(__file__).parent,
    name="bootwright",
    help=_HELP,
    epilog="Exit status: 0 works, 1 fails, 2 usage or bad input, 3 unknown.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
main = click.version_option(__version__, prog_name="bootwright")(main)


def run() -> None:
    """Entry point of the process, which ends here."""
    try:
        invoke()
    finally:
        # Python would look through all that it holds for cycles, several times, which took a sixth of
        # `check`; what has registered itself to run at the end still runs.
        gc.freeze()


def invoke() -> NoReturn:
    """Run the command of `sys.argv`: every known error becomes one line and a hint, and exit status 2."""
    try:
        _invoke()
    except (_ReaderGone, BrokenPipeError):
        for stream in _unread():
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        sys.exit(_READER_GONE)


def _invoke() -> NoReturn:
    try:
        status = main.main(standalone_mode=False)
    except BootwrightError as error:
        _say(f"bootwright: {error.message}")
        if error.hint:
            _say(f"  hint: {error.hint}")
        sys.exit(EXIT_BAD_INPUT)
    except OSError as error:
        # The layers below explain what they expect to go wrong; this is the disk or the system itself.
        place = f"{error.filename}: " if error.filename else ""
        _say(f"bootwright: {place}{error.strerror or error}")
        _say("  hint: check the disk, its free space and the permissions, and run the command again")
        sys.exit(EXIT_BAD_INPUT)
    except click.ClickException as error:
        error.show(file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)
    except (click.Abort, KeyboardInterrupt):
        _say("bootwright: interrupted; the same command uses again what was kept")
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)


def _say(text: str) -> None:
    printable = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
    sys.stderr.write("".join(f"{line}\n" for line in _for_the_screen(printable)))


def _for_the_screen(text: str) -> list[str]:
    """In a log an error is one line and a hint another; a terminal would break them within words."""
    if not sys.stderr.isatty():
        return [text]
    import textwrap

    from bootwright.foundation.screen import screen_size

    columns, _ = screen_size(sys.stderr)
    hanging = " " * (len(text) - len(text.lstrip()) + 2)
    return (
        textwrap.wrap(
            text, columns, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False
        )
        if columns >= _LEAST_COLUMNS
        else [text]
    )
