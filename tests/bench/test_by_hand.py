"""Boards without a laboratory, in a terminal: what is asked, and what the answers come to."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
import tty
from pathlib import Path

import board_kit
import pytest

READY = (
    b"[    0.000000] Linux version 6.12.10 (x@y) (gcc 13) #1 SMP\r\n[    3.0] end0: Link is Up\r\npi login: "
)


class Terminal:
    """The command in a terminal, and a person who reads what it says and types."""

    def __init__(self, folder: Path, *words: object) -> None:
        self.screen = b""
        master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bootwright", "bench", "run", *map(str, words)],
            cwd=folder,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.master = master

    def read_until(self, text: str) -> None:
        end = time.monotonic() + 120
        while text.encode() not in self.screen:
            assert time.monotonic() < end, self.screen.decode(errors="replace")
            if select.select([self.master], [], [], 0.5)[0]:
                try:
                    self.screen += os.read(self.master, 4096)
                except OSError as error:
                    raise AssertionError(self.screen.decode(errors="replace")) from error

    def answer(self, question: str, text: str) -> None:
        self.read_until(question)
        self.screen = self.screen[self.screen.find(question.encode()) + len(question) :]
        os.write(self.master, text.encode() + b"\r")

    def end(self) -> int:
        """The exit status; `screen` is then all that was said last."""
        while True:
            try:
                data = os.read(self.master, 4096)
            except OSError:
                break
            if not data:
                break
            self.screen += data
        os.close(self.master)
        return self.process.wait(60)

    @property
    def text(self) -> str:
        """What is on the screen, its lines joined: they are broken where it ends."""
        return re.sub(r"\s+", " ", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.screen.decode()))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "card.raw"
    path.write_bytes(board_kit.disk(b"image" * 100))
    return path


def test_without_a_serial_adapter_two_questions_are_asked(tmp_path: Path, image: Path) -> None:
    terminal = Terminal(tmp_path, "--image", image, "--by-hand")
    terminal.answer(f"bootwright flash {image} DEVICE", "")
    terminal.answer("Power on", "")
    terminal.answer("lights of the Ethernet socket on?", "perhaps")
    terminal.answer("lights of the Ethernet socket on?", "off")
    terminal.answer("address in the router's list", "none")
    terminal.answer("A file with a log", "")
    assert terminal.end() == 1
    assert "Switch the board off" in terminal.text
    assert "nothing drives the Ethernet PHY" in terminal.text
    (record,) = (tmp_path / "out" / "bench").glob("*/bench.json")
    kept = json.loads(record.read_text())
    assert kept["ended"] == "by hand"
    assert kept["facts"]["answers"] == {"lights": "off", "address": "none"}
    assert kept["outcomes"]["ethernet"] == "fails"


def test_an_address_is_enough(tmp_path: Path, image: Path) -> None:
    terminal = Terminal(tmp_path, "--image", image, "--by-hand")
    terminal.answer("Put the card in", "")
    terminal.answer("Power on", "")
    terminal.answer("lights of the Ethernet socket on?", "on")
    terminal.answer("address in the router's list", "yes")
    terminal.read_until("'yes' is no address")
    terminal.answer("address in the router's list", "192.168.1.50")
    assert terminal.end() == 0
    assert "ethernet: works" in terminal.text


def test_with_a_serial_adapter_the_console_is_recorded(tmp_path: Path, image: Path) -> None:
    board, adapter = pty.openpty()
    tty.setraw(adapter)
    serial = ("--serial", os.ttyname(adapter), "--until", "login", "--until", "link")
    terminal = Terminal(tmp_path, "--image", image, "--by-hand", *serial)
    terminal.answer("Put the card in", "")
    terminal.read_until("Power on")
    os.write(board, READY[:50])  # before Enter is pressed
    terminal.answer("Power on", "")
    os.write(board, READY[50:])
    assert terminal.end() == 0
    assert "login: seen" in terminal.text
    (console,) = (tmp_path / "out" / "bench").glob("*/console.bin")
    assert console.read_bytes() == READY
    os.close(board)
    os.close(adapter)


def test_what_is_seen_of_a_cell_is_told_to_its_campaign(tmp_path: Path, image: Path) -> None:
    plan = Path(__file__).parent / "cards.toml"
    words = [sys.executable, "-m", "bootwright", "investigate", plan, "--out", "run", "--offline", "--quiet"]
    subprocess.run(words, cwd=tmp_path, stdout=subprocess.DEVNULL, check=False)
    terminal = Terminal(tmp_path, "pi-a_new", "--run", "run", "--image", image, "--by-hand")
    terminal.answer("Put the card in", "")
    terminal.answer("Power on", "")
    terminal.answer("lights of the Ethernet socket on?", "off")
    terminal.answer("address in the router's list", "none")
    terminal.answer("Its status LED", "activity")
    terminal.answer("A file with a log", "")
    assert terminal.end() == 1
    (answer,) = (json.loads(path.read_text()) for path in (tmp_path / "run" / "told").glob("*.json"))
    assert answer["cell"] == "pi-a_new"
    assert answer["outcomes"] == {"ethernet": "fails"}
    assert answer["by"] == "by hand"
    assert len(list((tmp_path / "run" / "bench").glob("*-pi-a_new/bench.json"))) == 1


def test_a_device_that_is_not_there_is_said_before_anything_is_asked(tmp_path: Path, image: Path) -> None:
    terminal = Terminal(tmp_path, "--image", image, "--by-hand", "--serial", "/dev/ttyNOWHERE")
    assert terminal.end() == 2
    assert "cannot read /dev/ttyNOWHERE" in terminal.text
    assert "Put the card in" not in terminal.text
