"""What is going on, on stderr: live on a terminal, plain lines in CI, nothing with `--quiet`.

Work is announced as steps; the presentation is chosen once by the command line and the layers below
only say what they do.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Protocol

from bootwright.foundation.screen import LINE_WIDTH, screen_size


class Progress(Protocol):
    """Where a long piece of work reports how far it is."""

    def step(self, text: str) -> contextlib.AbstractContextManager[None]:
        """Announce a piece of work; leaving the block ends it."""
        ...

    def advance(self, done: float, total: float | None, unit: str) -> None:
        """Tell how far the innermost step is, in `unit`s; `total` is None where it is not known."""
        ...

    def note(self, text: str) -> None:
        """Print one line that stays."""
        ...


class Silent:
    """No output at all."""

    @contextlib.contextmanager
    def step(self, text: str) -> Iterator[None]:  # noqa: ARG002
        """Do nothing but run the block."""
        yield

    def advance(self, done: float, total: float | None, unit: str) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""


class Lines:
    """A line when a step ends; on a terminal also a line in place that shows how far it is."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._depth = 0
        self._text = ""
        self._started = 0.0
        self._drawn = 0.0

    @contextlib.contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Show `text`, and how long it took once it ended."""
        started = time.monotonic()
        outer = (self._text, self._started)
        self._text, self._started = text, started
        self._draw(f"{text} …")
        self._depth += 1
        try:
            yield
        except BaseException:
            if self._live:  # what is said of it begins a line of its own
                sys.stderr.write("\r\x1b[K")
                sys.stderr.flush()
            raise
        finally:
            self._depth -= 1
            self._text, self._started = outer
        self._print(f"{'  ' * self._depth}{text} ({time.monotonic() - started:.1f} s)")

    def advance(self, done: float, total: float | None, unit: str) -> None:
        """Redraw the line in place, with the time still to go where it can be estimated."""
        now = time.monotonic()
        if not self._live or now - self._drawn < 0.1:
            return
        self._drawn = now
        amount = f"{done:.1f} {unit}" if total is None else f"{done:.1f} of {total:.1f} {unit}"
        left = ""
        # Seconds that pass are a limit, and not work: what is to go of them nobody knows.
        if total and done > 0 and unit != "s" and self._depth:
            left = f", {max(0.0, (now - self._started) * (total - done) / done):.0f} s to go"
        self._draw(f"{self._text}: {amount}{left}" if self._text else f"{amount}{left}")

    def note(self, text: str) -> None:
        """Print one line that stays."""
        self._print(f"{'  ' * self._depth}{text}")

    def _draw(self, text: str) -> None:
        if self._live:
            columns, _ = screen_size(sys.stderr)
            line = f"{'  ' * self._depth}{text}"
            sys.stderr.write(f"\r\x1b[K{line[: (columns or LINE_WIDTH) - 1]}")
            sys.stderr.flush()

    def _print(self, text: str) -> None:
        sys.stderr.write(f"\r\x1b[K{text}\n" if self._live else f"{text}\n")
        sys.stderr.flush()
