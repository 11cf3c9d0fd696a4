"""The tab that diagnoses logs: the document of `bootwright diagnose --json`, and the logs beside it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bootwright.api.diagnosis import diagnose, printable_name
from bootwright.diagnose.incoming import log_text
from bootwright.diagnose.reading.numbered import numbered_lines
from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.progress import Progress

_CHUNK = 1 << 20
_AROUND = 40
"""Lines shown before and after each that proves something."""
_MOST_LINES = 4000
"""Lines of one log that are shown whole; of a longer one, its start, its end and what is around proofs."""
_ENDS = 200
"""Lines of the start and of the end of a longer one."""


def answer(request: Mapping[str, Any], files: Sequence[Path], progress: Progress) -> dict[str, Any]:
    """The diagnosis of the files, for a page or as a file.

    `request` may name the `board` (docs/boards.md), and say `redact` as the command does. With `report` the
    answer is `{"report": HTML}`; without, `{"diagnosis": …, "logs": […], "left_out": […]}`:
    docs/schemas/diagnose.schema.json, of each log its `source`, `total` lines, and `lines` as [number, text],
    with gaps where it is long, and of each file beside them that is no log, or damaged, the `message` and
    `hint`. Raises what `api.diagnose` raises where no file is a log.
    """
    board = request.get("board") or None
    with progress.step("reading the log"):
        redact = bool(request.get("redact"))
        others: list[BootwrightError] = []
        try:
            diagnosed = diagnose(list(files), board=board, redact=redact)
        except BootwrightError:
            files, others = _logs(files)
            diagnosed = diagnose(list(files), board=board, redact=redact)
    if request.get("report"):
        from bootwright.diagnose.page import as_html  # with jinja2, which takes a while

        with progress.step("writing the report"):
            names = "log" if request.get("redact") else ", ".join(printable_name(path.name) for path in files)
            return {"report": as_html(diagnosed.diagnosis, title=board or names)}
    proofs: dict[str, set[int]] = {}
    for boot in diagnosed.diagnosis.boots:
        lines = proofs.setdefault(boot.source, set())
        lines.update(line.number for finding in boot.findings for line in finding.lines)
    with progress.step("marking the lines"):
        logs = [_shown(path, proofs.get(printable_name(str(path)), set())) for path in files]
    left_out = [{"message": other.message, "hint": other.hint} for other in others]
    return {"diagnosis": diagnosed.as_json(), "logs": logs, "left_out": left_out}


def _logs(files: Sequence[Path]) -> tuple[Sequence[Path], list[BootwrightError]]:
    """The files that are logs, and what is wrong with the others; all of them where none is one.

    Of a hidden file, such as systems write into every folder, nothing is said.
    """
    wrong = {path: error for path in files if (error := _not_a_log(path)) is not None}
    logs = [path for path in files if path not in wrong]
    if not logs:
        return files, []
    return logs, [error for path, error in wrong.items() if not path.name.startswith(".")]


def _not_a_log(path: Path) -> BootwrightError | None:
    """What is wrong with a file; it is read to its end, since it may be damaged."""
    try:
        with path.open("rb") as file:
            read = log_text(file.read, printable_name(str(path)))
            while read(_CHUNK):
                pass
    except BootwrightError as error:
        return error
    except OSError:
        return None
    return None


def _shown(path: Path, proofs: set[int]) -> dict[str, Any]:
    source = printable_name(str(path))
    near = {number + step for number in proofs for step in range(-_AROUND, _AROUND + 1)}
    whole: list[tuple[int, str]] | None = []
    some: list[tuple[int, str]] = []
    last: deque[tuple[int, str]] = deque(maxlen=_ENDS)
    total = 0
    with path.open("rb") as file:
        for number, text in numbered_lines(log_text(file.read, source)):
            total += 1
            if whole is not None:
                whole.append((number, text))
                if len(whole) > _MOST_LINES:
                    whole = None
            if total <= _ENDS or number in near:
                some.append((number, text))
            else:
                last.append((number, text))
    return {"source": source, "total": total, "lines": whole if whole is not None else sorted([*some, *last])}
