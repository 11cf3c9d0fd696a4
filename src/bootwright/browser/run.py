"""One request of the page: JSON in, progress on the way, JSON out."""

from __future__ import annotations

import contextlib
import importlib
import json
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from bootwright.browser.words import reworded, worded
from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.progress import Progress

ENTRIES = ("diagnose", "check", "ask")
"""Modules of this package that answer requests."""
_LAST_LINES = 12


class Answer(Protocol):
    """What a module of `ENTRIES` has as `answer`."""

    def __call__(
        self, request: Mapping[str, Any], files: Sequence[Path], progress: Progress
    ) -> dict[str, Any]:
        """See the package."""
        ...


def run(entry: str, request: str, files: Sequence[str], report: Callable[[str], object]) -> str:
    """The answer of an entry as JSON: `{"answer", "words"}`, or `{"error": {"message", "hint", "trace"}}`.

    `request` is JSON, `files` are paths relative to the current folder. `report` is given each piece of
    progress as JSON: `{"text"}`, and `{"done", "total", "unit"}` (`total` may be null) of the last text.
    `words` has the texts of the answer that the page says in other words than the command line. Nothing is
    raised: `trace` is text where the error is one of the program itself, else null.
    """
    asked: dict[str, Any] = {}
    try:
        asked = json.loads(request)
        answer = _answer_of(entry)(asked, [Path(name) for name in files], Reported(report))
        return json.dumps({"answer": answer, "words": reworded(answer, asked)})
    except BootwrightError as error:
        hint = worded(error.hint, asked) if error.hint else error.hint
        return _failed(worded(error.message, asked), hint, None)
    except MemoryError:
        return _failed("this browser tab has not enough memory", "close other tabs, and try again", None)
    except Exception as error:  # noqa: BLE001 - the page has no other way to learn of it
        lines = traceback.format_exc().splitlines()[-_LAST_LINES:]
        return _failed(
            f"bootwright itself failed: {type(error).__name__}: {error}"[:300],
            "report it, with the text below; the command line may still answer",
            "\n".join(lines),
        )


def prepare() -> None:
    """Read what a diagnosis knows, which takes longer than a log, before the first log is there."""
    from bootwright.api.diagnosis import diagnose

    diagnose(b"")


def _answer_of(entry: str) -> Answer:
    if entry not in ENTRIES:
        raise BootwrightError(f"the page asked for {entry!r}, which this version does not have",
                              hint="load the page again")  # fmt: skip
    answer: Answer = importlib.import_module(f"{__package__}.{entry}").answer
    return answer


def _failed(message: str, hint: str | None, trace: str | None) -> str:
    return json.dumps({"error": {"message": message, "hint": hint, "trace": trace}})


class Reported:
    """Progress as messages; see `foundation.progress.Progress`."""

    def __init__(self, report: Callable[[str], object]) -> None:
        self._report = report

    @contextlib.contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Say what begins."""
        self._report(json.dumps({"text": text}))
        yield

    def advance(self, done: float, total: float | None, unit: str) -> None:
        """Say how far it is."""
        self._report(json.dumps({"done": done, "total": total, "unit": unit}))

    def note(self, text: str) -> None:
        """Say a line."""
        self._report(json.dumps({"text": text}))
