"""`isolate` and `investigate` with a board: a stand-in whose boot depends on what is on its card.

It prints logs of boots instead of booting (board_kit): no board can be here.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import board_kit
import lab_kit
import pytest
import yaml
from command_kit import in_process
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
    return in_process(*map(str, words))


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
        (home / "run" / "cards" / f"{name}.raw").write_bytes(board_kit.disk(text))
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


def cards_of(home: Path) -> dict[str, dict[str, str]]:
    """An image for every cell of the plan, which says its kernel; cell → levels."""
    assert run("investigate", PLAN, "--out", "run", "--offline", "--quiet").returncode == 3
    names: dict[str, dict[str, str]] = json.loads(run("status", "run", "--json").stdout)["names"]
    (home / "run" / "cards").mkdir()
    for name, levels in names.items():
        text = f"kernel {levels['kernel']}".encode()
        (home / "run" / "cards" / f"{name}.raw").write_bytes(board_kit.disk(text))
    return names


def spans(home: Path) -> dict[str, list[tuple[datetime, datetime]]]:
    """Board → from when to when each of its boots was; they follow each other."""
    by_board: dict[str, list[tuple[datetime, datetime]]] = {}
    for path in (home / "run" / "bench").glob("*/bench.json"):
        record = json.loads(path.read_text())
        began = datetime.fromisoformat(record["started_at"])
        by_board.setdefault(record["board"], []).append((began, began + timedelta(seconds=record["seconds"])))
    for boots in by_board.values():
        boots.sort()
        assert all(end <= begin + timedelta(seconds=1) for (_, end), (begin, _) in pairwise(boots))
    return by_board


SLOW = "sleep 1; if grep -q 'kernel new' card.img; then cat lease; else cat panic; fi"


def test_next_experiments_go_to_whatever_place_fits(home: Path) -> None:
    """Four places of a real coordinator, two for each board; the environment file names none of them."""
    names = cards_of(home)
    with contextlib.ExitStack() as stack:
        boards = {}
        for name in ("a1", "a2", "b1", "b2"):
            command = booting(home / name, SLOW)
            boards[name] = stack.enter_context(board_kit.board(home / name, command))
        tags = {name: {"board": f"pi-{name[0]}"} for name in boards}
        address = stack.enter_context(lab_kit.lab(home / "lab", boards, tags))
        switch = board_kit.power_words(home / "$LG_PLACE")
        path = home / "lab.yaml"
        path.write_text(f"""
targets:
  pi:
    resources: {{RemotePlace: {{name: !template "$LG_PLACE"}}}}
    drivers:
      SerialDriver: {{}}
      ExternalPowerDriver:
        cmd_on: !template "{switch["cmd_on"]}"
        cmd_off: !template "{switch["cmd_off"]}"
options: {{coordinator_address: "{address}"}}
bootwright:
  pi:
    deploy: {{command: [sh, -c, 'cp "$0" {home}/$LG_PLACE/card.img', "{{image}}"]}}
    seconds_off: 0.0
    silence: 20.0
""")
        words = ["investigate", PLAN, "--out", "run", "--offline", "--on", "bench", "--env", path]
        walked = run(*words)
        assert walked.returncode == 0, walked.stderr
        answers = [json.loads(file.read_text()) for file in (home / "run" / "told").glob("*.json")]
        for answer in answers:  # each on a board that it is for
            place = answer["by"].partition("place ")[2].rstrip(")")
            assert f"pi-{place[0]}" == answer["factors"]["board"] == names[answer["cell"]]["board"]
        works = {answer["cell"] for answer in answers if answer["outcomes"].get("ethernet") == "works"}
        assert works == {"pi-a_new", "pi-b_new"}
        by_board = spans(home)
        assert len(by_board) >= 2
        firsts = sorted(boots[0] for boots in by_board.values())
        assert firsts[1][0] <= firsts[0][1]  # side by side
        assert all(board_kit.power(board, "get") == "off" for board in boards.values())
        assert "acquired: None" in lab_kit.client(address, "-p", "a1", "show")
        # What is known needs no board: the same command boots nothing.
        assert run(*words).returncode == 0
        assert {board: len(boots) for board, boots in spans(home).items()} == {
            board: len(boots) for board, boots in by_board.items()
        }


def test_several_targets_of_one_file_are_boards_too(home: Path) -> None:
    cards_of(home)
    with contextlib.ExitStack() as stack:
        targets, settings = {}, {}
        for name in ("a", "b"):
            board = stack.enter_context(board_kit.board(home / name, booting(home / name, SLOW)))
            document = yaml.safe_load(environment(board).read_text())
            targets[f"pi-{name}"] = document["targets"]["main"]
            settings[f"pi-{name}"] = document["bootwright"]["main"]
        path = home / "shelf.yaml"
        words = ["investigate", PLAN, "--out", "run", "--offline", "--on", "bench", "--env", path]
        path.write_text(yaml.safe_dump({"targets": targets, "bootwright": settings}))
        unsaid = run(*words)
        assert unsaid.returncode == 2
        assert "target pi-a does not say its board" in unsaid.stderr
        for name, section in settings.items():
            section["levels"] = {"board": name}
        path.write_text(yaml.safe_dump({"targets": targets, "bootwright": settings}))
        walked = run(*words)
        assert walked.returncode == 0, walked.stderr
        answers = [json.loads(file.read_text()) for file in (home / "run" / "told").glob("*.json")]
        assert all(answer["by"] == answer["factors"]["board"] for answer in answers)
        assert set(spans(home)) == {"pi-a", "pi-b"}


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
