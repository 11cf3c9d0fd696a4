"""`isolate` and `investigate` with a board: a stand-in whose boot depends on what is on its card.

It prints logs of boots instead of booting (board_kit): no board can be here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import board_kit
import pytest
import yaml
from isolate_kit import make_image

from bootwright.api.bench.running import tell_untold

READY = "[    0.000000] Linux version 6.12.10 (x@y) (gcc 13) #1 SMP\n[    3.0] end0: Link is Up\npi login: "
LEASE = "udhcpc: lease of 192.168.1.50 obtained from 192.168.1.1, lease time 3600\n"
PANIC = (
    "[    0.000000] Linux version 6.12.10 (x@y) (gcc 13) #1 SMP\n"
    "[    2.0] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n"
    "[    2.1] ---[ end Kernel panic - not syncing: VFS: Unable to mount root fs ]---\n"
)
PLAN = Path(__file__).parent / "cards.toml"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def environment(board: Path, **section: object) -> Path:
    path = board / "bench.yaml"
    port = {"port": os.path.realpath(board / board_kit.TTY), "speed": 115200}
    drivers = {"SerialDriver": {}, "ExternalPowerDriver": board_kit.power_words(board)}
    deploy = {"command": ["cp", "{image}", str(board / "card.img")]}
    document = {
        "targets": {"main": {"resources": {"RawSerialPort": port}, "drivers": drivers}},
        "bootwright": {"main": {"deploy": deploy, "seconds_off": 0.0, "silence": 20.0, **section}},
    }
    path.write_text(yaml.safe_dump(document))
    return path


def booting(folder: Path, script: str) -> list[str]:
    """A board that does what the script says of card.img, and stays on."""
    folder.mkdir()
    (folder / "ready").write_text(READY)
    (folder / "lease").write_text(READY.replace("pi login: ", LEASE + "pi login: "))
    (folder / "panic").write_text(PANIC)
    return ["sh", "-c", f"{script}; exec sleep 1000"]


def run(*words: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "bootwright", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, timeout=280, check=False)


def test_isolate_finds_the_culprit_with_a_board(home: Path) -> None:
    files = {"/A/vmlinuz": b"kernel", "/A/initramfs.img": b"initramfs", "/notes.txt": b"old"}
    good = make_image(home / "good.img", files, home, 8 << 20)
    changed = {"/A/initramfs.img": b"PLANTED-FAULT", "/notes.txt": b"new"}
    bad = make_image(home / "bad.img", files | changed, home, 8 << 20)
    command = booting(home / "board", "if grep -q PLANTED-FAULT card.img; then cat panic; else cat ready; fi")
    words = [
        "isolate",
        "--good",
        good,
        "--bad",
        bad,
        "--until",
        "login",
        "--on",
        "bench",
        "--out",
        home / "out",
    ]
    with board_kit.board(home / "board", command) as board:
        done = run(*words, "--env", environment(board), "--json")
        assert done.returncode == 0, done.stderr
        assert board_kit.power(board, "get") == "off"
    document = json.loads(done.stdout)
    assert len(document["culprit"]) == 1
    assert "initramfs.img" in document["culprit"][0]
    assert {step["source"] for step in document["steps"]} >= {"bench"}
    assert len(list((home / "out" / "bench").glob("*/bench.json"))) == document["boots"]
    # What the board told is kept: nothing is booted again.
    again = run(*words, "--env", home / "board" / "bench.yaml", "--json")
    assert again.returncode == 0, again.stderr
    assert len(list((home / "out" / "bench").glob("*/bench.json"))) == document["boots"]


def test_a_campaign_is_walked_to_its_decision_with_a_board(home: Path) -> None:
    begun = run("investigate", PLAN, "--out", "run", "--offline", "--quiet")
    assert begun.returncode == 3, begun.stderr
    status = json.loads(run("status", "run", "--json").stdout)
    (home / "run" / "cards").mkdir()
    for name, levels in status["names"].items():
        text = f"kernel {levels['kernel']}".encode()
        (home / "run" / "cards" / f"{name}.raw").write_bytes(text.ljust(4096, b"."))
    command = booting(home / "board", "if grep -q 'kernel new' card.img; then cat lease; else cat panic; fi")
    with board_kit.board(home / "board", command) as board:
        path = environment(board, levels={"board": "pi-a"})
        walked = run("investigate", PLAN, "--out", "run", "--offline", "--on", "bench", "--env", path)
        assert walked.returncode in {0, 3}, walked.stderr
        assert board_kit.power(board, "get") == "off"
    status = json.loads(run("status", "run", "--json").stdout)
    answers = [json.loads(file.read_text()) for file in (home / "run" / "told").glob("*.json")]
    assert {row["factors"]["board"] for row in answers} == {"pi-a"}
    assert {row["factors"]["kernel"]: row["outcomes"].get("ethernet") for row in answers}["new"] == "works"
    assert all(row["logs"] and row["by"] == "main" for row in answers)
    assert any("it is for board pi-b" in line for line in walked.stderr.splitlines())
    assert status["tasks"][0]["verdict"] == "works"
    # A panic says nothing of the network: the cell is tried once more, then the other one.
    boots = len(list((home / "run" / "bench").glob("*/bench.json")))
    assert boots == 3
    assert "pi-a_old is not booted on main: it was booted 2 times" in walked.stderr
    # A run that was killed before it told what it had recorded: the next one does.
    before = {path.name: path.read_bytes() for path in (home / "run" / "told").glob("*.json")}
    for name in before:
        (home / "run" / "told" / name).unlink()
    tell_untold(home / "run")
    assert {path.name for path in (home / "run" / "told").glob("*.json")} == set(before)
    # A cell alone, by its name, and one for another board.
    cell = next(name for name, levels in status["names"].items() if levels["board"] == "pi-b")
    refused = run("bench", "run", cell, "--run", "run", "--env", path)
    assert refused.returncode == 2
    assert "the cell is for board pi-b, and this board is pi-a" in refused.stderr
    assert len(list((home / "run" / "bench").glob("*/bench.json"))) == boots


def test_what_does_not_go_together(home: Path) -> None:
    for words, says in (
        (("investigate", "talos-rpi5", "--on", "bench"), "go together"),
        (("investigate", "talos-rpi5", "--env", "x.yaml"), "go together"),
        (("bench", "run"), "name a CELL"),
        (("bench", "run", "cell"), "--by-hand"),
        (("bench", "run", "cell", "--env", "x.yaml", "--serial", "/dev/ttyUSB0"), "--by-hand"),
        (("bench", "run", "cell", "--by-hand"), "terminal"),
        (("bench", "run", "cell", "--env", "x.yaml", "--keep", "y"), "--keep"),
    ):
        done = run(*words)
        assert done.returncode == 2, words
        assert says in done.stderr
