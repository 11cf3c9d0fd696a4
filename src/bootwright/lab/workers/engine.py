"""What an engine is: something that does the work of cells elsewhere, and may lose it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from attrs import field, frozen

from bootwright.foundation import errors
from bootwright.foundation.errors import BootwrightError, ToolFailed
from bootwright.lab.workers.queue import QueuedCell

Work = Mapping[str, Any]
"""What is to be done for a cell: plain JSON, so that it goes over any wire."""


@frozen
class Answer:
    """What doing a cell's work left."""

    facts: Mapping[str, Any]
    """Plain JSON."""
    console: bytes
    notes: tuple[str, ...] = ()
    """What was out of the ordinary, a line each."""


Perform = Callable[[Work], Answer]
"""A function of a module, found again by its name in another process."""


@frozen
class Ended:
    """A lease that an engine says is over: with an answer, with the user's error, or without either."""

    cell: str
    worker: str
    answer: Answer | None = None
    error: BootwrightError | None = None
    """What would come out the same on every worker: bad input, or something that is not there."""
    lost: str = field(default="", kw_only=True)
    """Why there is no answer, where another try may bring one."""


class Engine(Protocol):
    """Does the work of cells. Used by one thread."""

    def take(self, cells: Sequence[QueuedCell]) -> Sequence[tuple[QueuedCell, str]]:
        """Which of the queued cells could be started now, with the worker of each."""
        ...

    def start(self, cell: QueuedCell) -> None:
        """Begin a cell that was taken and leased."""
        ...

    def stop(self, cell: str) -> None:
        """Give a started cell up: whatever comes of it after is not told."""
        ...

    def wait(self, seconds: float) -> list[Ended]:
        """What has ended, at the latest after so many seconds."""
        ...

    def lacking(self, cell: QueuedCell) -> str:
        """Why a cell cannot ever be taken as things are, in words; empty where it only has to wait."""
        ...

    def close(self) -> None:
        """End everything that was begun."""
        ...


def error_as_json(error: BootwrightError) -> dict[str, str | None]:
    """An error as what goes over a wire."""
    return {"kind": type(error).__name__, "message": error.message, "hint": error.hint}


def ended_by(cell: str, worker: str, document: Mapping[str, Any]) -> Ended:
    """What an error that came over a wire means.

    A tool that failed may not fail elsewhere; bad input and what is missing would stay so.
    """
    kind = getattr(errors, str(document.get("kind")), BootwrightError)
    message, hint = str(document.get("message")), document.get("hint")
    if not (isinstance(kind, type) and issubclass(kind, BootwrightError)) or issubclass(kind, ToolFailed):
        return Ended(cell, worker, lost=message)
    # The message says all that the kind's own arguments said.
    error = kind.__new__(kind)
    BootwrightError.__init__(error, message, hint=hint)
    return Ended(cell, worker, error=error)


def place_wanted(cell: QueuedCell, what: str) -> str:
    """Why an engine without places cannot take a cell; empty where it wants none."""
    tags = ", ".join(f"{name}={tag}" for name, tag in cell.wants.items())
    return f"it wants a place with {tags}, and {what} are none" if tags else ""
