"""What commands say for a person fits the screen that they are asked on."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from command_kit import in_process

GALLERY = Path(__file__).parents[2] / "src/bootwright/data/gallery/golden"
LOG = next(iter(sorted(GALLERY.glob("*/console.log"))))
OBSERVE = ("observe", "--board", "raspberrypi-5", "--revision", "e04171", "--dry-run", "--lights")


@pytest.mark.parametrize(
    "words",
    [
        ("boards", "list"),
        (*OBSERVE, "off", "--address", "none"),
        (*OBSERVE, "on", "--address", "192.168.1.23", "--service", "silent"),
        ("wait", "no-such-name.invalid", "--timeout", "0", "--quiet"),
        ("diagnose", str(LOG)),
    ],
    ids=lambda words: " ".join(words[:2]),
)
@pytest.mark.parametrize("columns", [60, 80])
def test_lines_are_as_wide_as_the_screen_at_most(
    words: tuple[str, ...], columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = in_process(*words).stdout.splitlines()
    assert len(lines) > 1
    wide = [line for line in lines if len(line) > columns]
    # A name or an address has no place to be broken at.
    assert [line for line in wide if len(line.split()) > 1 and str(LOG) not in line] == []


@pytest.mark.download
@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize(
    "words",
    [
        ("check", "--explain", "debian-7.3-4k", "--board", "raspberrypi-5", "--goal", "ethernet", "-q"),
        ("check", "--matrix", "debian-6.18-4k", "debian-7.3-4k", "--board", "raspberrypi-5", "-q"),
    ],
    ids=lambda words: words[1],
)
def test_all_that_check_can_say_fits_the_screen(
    words: tuple[str, ...], columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    done = in_process(*words)
    assert done.returncode in {0, 1, 3}, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) > 10
    # A path has no place to be broken at.
    wide = [line for line in lines if len(line) > columns]
    assert [line for line in wide if len(max(line.split(), key=len)) < columns - 14] == []


def test_a_list_for_a_program_has_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    done = in_process("boards", "list")
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("raspberrypi-5 ")]
    assert line.endswith("bcm2712-rpi-5-b.dtb, bcm2712-d-rpi-5-b.dtb")


def test_an_error_is_a_line_in_a_log_and_is_broken_between_words_on_a_terminal(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bootwright", "wait", "[fe80::1%a-long-name-of-a-network]:50000"]
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    logged = subprocess.run(command, capture_output=True, text=True, check=False, env=environment).stderr
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    done = subprocess.run(command, stderr=follower, stdout=follower, check=False, env=environment)
    os.close(follower)
    shown = os.read(leader, 10_000).decode()
    os.close(leader)
    assert done.returncode == 2
    assert len(logged.splitlines()) == 2
    assert max(map(len, logged.splitlines())) > 60 >= max(map(len, shown.replace("\x1b[K", "").splitlines()))
    *_, said = shown.split("\x1b[K")  # the line of progress is gone before the error
    assert said.split() == logged.split()
