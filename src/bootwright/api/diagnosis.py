"""How far did a boot get by its log, what went wrong, and what is to be done?"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from attrs import frozen

from bootwright.api._common import reporter, texts

if TYPE_CHECKING:
    from bootwright.diagnose.model import Diagnosis, Outcome
    from bootwright.diagnose.secrets import Secrets
    from bootwright.foundation.errors import BootwrightError
    from bootwright.foundation.progress import Progress


@frozen
class Diagnosed:
    """The boots of one or several logs, with their findings."""

    diagnosis: Diagnosis
    board: str | None
    """The board it was judged for, by its name."""

    @property
    def outcome(self) -> Outcome:
        """The worst of all boots."""
        return self.diagnosis.outcome

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/diagnose.schema.json."""
        from bootwright.diagnose.jsonform import as_json

        return as_json(self.diagnosis, board=self.board)


def diagnose(
    logs: str | Path | bytes | Sequence[str | Path | bytes],
    *,
    artifacts: str | Path | Sequence[str | Path] = (),
    board: str | None = None,
    lights: str | None = None,
    watched: bool = False,
    redact: bool = False,
    on_unreadable: Callable[[BootwrightError], None] | None = None,
    progress: Progress | None = None,
) -> Diagnosed:
    """Tell from boot logs how far the boot got and what stopped it.

    `logs` are files (the text `-` is standard input), also compressed or in UTF-16, or the log as bytes.
    `artifacts` are images, kernels or devicetrees that what the log makes suspect is held against; `board`
    adds what is known of its console and goals. `lights` is what the board's status LED shows: the long and
    short flashes of one round (`0+7`), `off`, `steady` or `activity`; `logs` may then be empty.
    `watched`: somebody waited and nothing more came, so that silence or waiting at the end is a failure.
    `redact` strikes out MAC addresses, serial numbers, tokens and host names (docs/diagnose.md).
    `on_unreadable` is told why one of several logs cannot be read, and the others are looked at; without it,
    or where none can be read, the first such error is raised.

    Returns a `Diagnosed`. Raises `Refused` for what is no text and for an unknown board, `Missing` for a
    file that is not there, `Malformed` for a damaged one.

        diagnosed = diagnose(b"[    1.0] VFS: Unable to mount root fs on unknown-block(0,0)")
        diagnosed.outcome                                     # Outcome.FAILED
        diagnosed.diagnosis.boots[-1].findings[0].cause
    """
    from bootwright.diagnose.engine import joined
    from bootwright.foundation.errors import Malformed, Missing, Refused

    # Before anything long: an unknown name is reported at once.
    add = _evidence(texts(artifacts), board, reporter(progress))
    several = [logs] if isinstance(logs, str | Path | bytes) else logs
    shown = _of_lights(board, lights) if lights is not None else None
    secrets = _secrets() if redact else None
    diagnoses: list[Diagnosis] = []
    unreadable: list[BootwrightError] = []
    for log in several:
        try:
            diagnoses.append(_one(log, secrets, watched=watched))
        except (Malformed, Missing, Refused) as error:
            if on_unreadable is None or len(several) == 1:
                raise
            unreadable.append(error)
    if unreadable and not diagnoses:
        raise unreadable[0]
    if on_unreadable is not None:
        for problem in unreadable:
            on_unreadable(problem)
    if shown is not None:
        from bootwright.evidence.led import beside

        diagnoses.append(beside(shown, joined(diagnoses)) if diagnoses else shown)
    if not diagnoses:
        raise Refused("there is nothing to diagnose", hint="give a log, or lights")
    diagnosis = add(joined(diagnoses))
    return Diagnosed(secrets.without(diagnosis) if secrets else diagnosis, board)


def _secrets() -> Secrets:
    from bootwright.diagnose.secrets import Secrets

    return Secrets()


def _of_lights(board: str | None, lights: str) -> Diagnosis:
    from bootwright.boards.model import board as board_named
    from bootwright.evidence.led import of_led
    from bootwright.foundation.errors import Refused

    if board is None:
        raise Refused("what the LED shows differs between boards", hint="name the board with --board")
    return of_led(board_named(board), lights)


def follow(
    log: str | Path,
    *,
    baud: int = 115200,
    on_finding: Callable[[str], None],
    live: bool = True,
    artifacts: str | Path | Sequence[str | Path] = (),
    board: str | None = None,
    progress: Progress | None = None,
) -> Diagnosed:
    """Read a growing file or a serial device until Ctrl-C or its end, then diagnose it as `diagnose` does.

    `on_finding` is given each finding in words as it appears, unless `live` is false. `baud` is the speed of
    a serial device.

        follow("/dev/ttyUSB0", on_finding=print)
    """
    add = _evidence(texts(artifacts), board, reporter(progress))
    from bootwright.diagnose.follow import follow_file

    return Diagnosed(add(follow_file(str(log), baud=baud, say=on_finding, as_json=not live)), board)


def _evidence(
    artifacts: Sequence[str], board_name: str | None, progress: Progress
) -> Callable[[Diagnosis], Diagnosis]:
    """What adds to a diagnosis what the board and the artifacts say of it."""
    from bootwright.boards.model import board as board_named
    from bootwright.diagnose.debugging import suited
    from bootwright.evidence.board import with_board

    board = board_named(board_name) if board_name is not None else None
    opened = []
    if artifacts:
        from bootwright.evidence.image import open_artifact

        opened = [open_artifact(name, progress) for name in artifacts]
        if board is not None:
            from bootwright.evidence.join import check_devicetrees

            check_devicetrees(opened, board)

    def option(symbol: str) -> str | None:
        configs = [config for artifact in opened if (config := artifact.config) is not None]
        return (configs[-1].value(f"CONFIG_{symbol}") or "n") if configs else None

    def add(diagnosis: Diagnosis) -> Diagnosis:
        if opened:
            from bootwright.evidence.join import with_artifacts

            diagnosis = with_artifacts(diagnosis, opened, board)
        return suited(with_board(diagnosis, board, checked=bool(opened)), option)

    return add


def _one(log: str | Path | bytes, secrets: Secrets | None, *, watched: bool) -> Diagnosis:
    import io

    if isinstance(log, bytes):
        return _read(io.BytesIO(log), "log", secrets, watched=watched)
    if log == "-":
        return _read(sys.stdin.buffer, "standard input", secrets, watched=watched)
    name = str(log)
    with _opened(name) as file:
        diagnosis = _read(file, printable_name(name), secrets, watched=watched)
        if not file.seekable() or diagnosis.lines > _SCREENS:
            return diagnosis
        file.seek(0)
        return _of_photo(diagnosis, name, file.read(_MOST_OF_PHOTO))


_SCREENS = 400
"""Lines of some screens: longer texts are no photo's."""
_MOST_OF_PHOTO = 1 << 16


def _of_photo(diagnosis: Diagnosis, name: str, start: bytes) -> Diagnosis:
    """With a word on what reads it better, where the text was read off a photo of a screen."""
    from bootwright.prepare.seen.photo_text import looks_like_a_photo

    if not diagnosis.boots or not looks_like_a_photo(start):
        return diagnosis
    from attrs import evolve

    from bootwright.diagnose.model import Gap

    gap = Gap(
        "what reading it off a photo has garbled: time stamps with letters for digits",
        f"bootwright observe --text {shlex.quote(printable_name(name))} --board NAME puts that right, "
        "and says what it means for the board",
    )
    last = diagnosis.boots[-1]
    return evolve(diagnosis, boots=(*diagnosis.boots[:-1], evolve(last, gaps=(gap, *last.gaps))))


def _read(file: IO[bytes], shown: str, secrets: Secrets | None, *, watched: bool) -> Diagnosis:
    from bootwright.diagnose.engine import diagnose_stream
    from bootwright.diagnose.incoming import log_text

    read = log_text(file.read, shown)
    return diagnose_stream(secrets.overhearing(read) if secrets else read, shown, watched=watched)


def printable_name(name: str) -> str:
    """A file's name for reports: names may hold anything, a terminal's escapes among it."""
    from bootwright.diagnose.reading.patterns import printable

    return printable(os.fsencode(name))


def _opened(name: str) -> IO[bytes]:
    from bootwright.foundation.errors import Missing

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
