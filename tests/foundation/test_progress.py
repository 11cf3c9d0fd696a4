"""The line in place on a terminal."""

from __future__ import annotations

import io

import pytest

from bootwright.foundation.progress import Lines


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_is_to_go_is_said_of_work_in_a_step_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    lines = Lines()
    lines.advance(3.5, 600.0, "s")  # a limit: how long it takes nobody knows
    assert screen.getvalue().endswith("\x1b[K3.5 of 600.0 s")
    with lines.step("read"):
        lines._drawn = 0.0
        lines.advance(1.0, 2.0, "MB")
        assert "read: 1.0 of 2.0 MB, 0 s to go" in screen.getvalue()
        lines._drawn = 0.0
        lines.advance(3.5, 600.0, "s")
    assert screen.getvalue().count("to go") == 1
