"""Reading a log that is still being written: a growing file, a pipe, a serial device."""

from __future__ import annotations

import os
import select
import stat
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bootwright.diagnose.debugging import suited
from bootwright.diagnose.engine import Diagnoser
from bootwright.diagnose.incoming import Arriving
from bootwright.diagnose.model import SERIOUS, Diagnosis
from bootwright.diagnose.reading.patterns import printable
from bootwright.diagnose.render import finding_lines
from bootwright.foundation.errors import Missing, Refused

_QUIET = 0.5
"""Seconds without new text after which findings are shown: an alarm is often taken back by the next lines."""


def follow_file(name: str, *, baud: int, say: Callable[[str], None], as_json: bool) -> Diagnosis:
    """Read until interrupted (or the writer of a pipe is gone) and report findings as they appear.

    Raises `Missing` when the file cannot be read and `Refused` for what is no log, or a speed
    that no serial device has.
    """
    shown = "standard input" if name == "-" else printable(os.fsencode(name))
    diagnoser = Diagnoser(shown)
    incoming = Arriving(shown)
    shown_findings: dict[tuple[int, str, str], str] = {}
    try:
        with _opened(name, baud) as handle:
            for data in _arriving(handle):
                if data:
                    diagnoser.feed(incoming.text(data))
                elif not as_json:
                    _tell(suited(diagnoser.snapshot(live=True)), shown_findings, say)
    except KeyboardInterrupt:
        pass
    diagnoser.flush()
    return diagnoser.snapshot()


def _tell(
    diagnosis: Diagnosis, shown_findings: dict[tuple[int, str, str], str], say: Callable[[str], None]
) -> None:
    current = {}
    for boot in diagnosis.boots:
        for finding in boot.findings:
            if finding.severity in SERIOUS:
                current[boot.first_line, finding.signature, finding.cause] = finding
    for key, finding in current.items():
        if key not in shown_findings:
            shown_findings[key] = finding.title
            say("\n".join(finding_lines(finding)))
    for key in [key for key in shown_findings if key not in current]:
        title = shown_findings.pop(key)
        if not any(current_key[:2] == key[:2] for current_key in current):
            say(f"no longer the case: {title}")


@contextmanager
def _opened(name: str, baud: int) -> Iterator[int]:
    if name == "-":
        yield sys.stdin.fileno()
        return
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Missing(
            f"cannot read {name}: {error.strerror}", hint="check the name and permissions"
        ) from error
    try:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise Missing(f"cannot read {name}: it is a directory", hint="give a file or a serial device")
        if os.isatty(handle):
            _set_up(handle, baud)
        yield handle
    finally:
        os.close(handle)


def _set_up(handle: int, baud: int) -> None:
    speed = getattr(termios, f"B{baud}", None)
    if speed is None:
        raise Refused(f"no serial device runs at {baud} baud", hint="115200 is what most boards use")
    tty.setraw(handle, termios.TCSANOW)
    attributes = termios.tcgetattr(handle)
    attributes[4] = attributes[5] = speed
    termios.tcsetattr(handle, termios.TCSANOW, attributes)


def _arriving(handle: int) -> Iterator[bytes]:
    """Bytes as they come, an empty piece after each pause; ends when a pipe's writer is gone."""
    regular = stat.S_ISREG(os.fstat(handle).st_mode)
    while True:
        if regular:
            data = os.read(handle, 1 << 20)
            if not data:
                yield b""
                time.sleep(_QUIET)
                if os.fstat(handle).st_size < os.lseek(handle, 0, os.SEEK_CUR):
                    # Truncated and written anew, as log rotation does.
                    os.lseek(handle, 0, os.SEEK_SET)
                continue
            yield data
            continue
        ready, _, _ = select.select([handle], [], [], _QUIET)
        if not ready:
            yield b""
            continue
        try:
            data = os.read(handle, 1 << 16)
        except BlockingIOError:
            continue
        except OSError:
            return
        if not data:
            return
        yield data
