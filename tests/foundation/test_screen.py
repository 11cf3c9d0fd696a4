"""How wide a text is: the terminal's columns, what the environment says, or what a log has."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from bootwright.foundation import screen


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("LINES", raising=False)


@pytest.fixture
def terminal() -> Iterator[TextIO]:
    """A terminal of 72 columns and 20 lines."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 72, 0, 0))
    with os.fdopen(follower, "w") as stream:
        yield stream
    os.close(leader)


def test_a_terminal_says_how_large_it_is(terminal: TextIO, monkeypatch: pytest.MonkeyPatch) -> None:
    assert screen.screen_size(terminal) == (72, 20)
    monkeypatch.setattr("sys.stdout", terminal)
    assert screen.line_width() == 72
    assert screen.line_width(110) == 72
    monkeypatch.setenv("COLUMNS", "66")
    assert screen.line_width() == 66


@pytest.mark.parametrize(
    ("columns", "width"),
    [("", 100), ("wide", 100), ("0", 100), ("9" * 20, 100), ("80", 80), ("3", 40), ("500", 120)],
)
def test_elsewhere_the_environment_says_it(
    columns: str, width: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    with (tmp_path / "log").open("w") as file:
        monkeypatch.setattr("sys.stdout", file)
        assert screen.line_width() == width
