"""Given boards that are no Raspberry Pi, on real kernels of Debian: through the command line."""

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from command_kit import in_process

from bootwright.api import Verdict, check

ROOT = Path(__file__).resolve().parents[2]
PLAN = Path(__file__).parent / "plans" / "other-boards.toml"
SCHEMA = json.loads((ROOT / "docs/schemas/result.schema.json").read_text(encoding="utf-8"))


def investigate(out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return in_process("investigate", str(PLAN), "--out", str(out), *arguments)


def answers(text: str) -> dict[str, dict[str, Any]]:
    document = json.loads(text)
    jsonschema.validate(document, SCHEMA)
    return {answer["given"]["board"]: answer for answer in document["decision"]["answers"]}


KERNELS = ("debian-6.12-4k", "debian-6.18-4k", "debian-7.3-4k")
DEVICES = {"rock-5b": "usb", "imx8mp-evk": "usb", "beagleplay": "ethernet"}


@pytest.mark.download
def test_each_board_has_the_answer_that_its_kernels_say(tmp_path: Path) -> None:
    """Held against `check` of every kernel the plan offers, one board at a time."""
    done = investigate(tmp_path, "--json")
    seen = answers(done.stdout)
    assert set(seen) == set(DEVICES)
    some_work, some_fail = set[str](), set[str]()
    for board, goal in DEVICES.items():
        verdicts = {
            kernel: checked.verdict
            for kernel in KERNELS
            for checked in [check(kernel, boards=board, goals=goal)]
        }
        works = [kernel for kernel, verdict in verdicts.items() if verdict is Verdict.WORKS]
        (some_work if works else some_fail).add(board)
        answer = seen[board]
        assert answer["verdict"] == ("works" if works else "fails"), board
        if works:
            best = answer["works"][0]["factors"]["kernel"]
            assert any(kernel.startswith(f"debian-{'.'.join(best.split('.')[:2])}-") for kernel in works)
            assert answer["works"][0]["source"] == "predicted"
        else:
            assert answer["exhausted"]
            assert len(answer["tried"]) == len(KERNELS), "each was looked at before that is said"
            assert "all 3 configurations" in answer["why"]
    assert some_work
    assert some_fail, "the boards were chosen so that one has nothing that works"
    for board in some_fail:
        assert {value["board"] for value in seen[board]["instead"]} == some_work
    assert done.returncode == 1, done.stderr


@pytest.mark.download
def test_a_board_is_named_by_its_file(tmp_path: Path) -> None:
    done = investigate(tmp_path, "--board", "rock-5b")
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert "rock-5b: works (predicted) Radxa ROCK 5B use kernel version" in text
    assert "imx8mp-evk: fails" not in text


@pytest.mark.parametrize(
    ("arguments", "says", "hint"),
    [
        (("--have", "board=rock-5c"), "nobody has board 'rock-5c'", "did you mean rock-5b?"),
        (("--board", "raspberrypi-4"), "has no board 'raspberrypi-4'", "beagleplay, imx8mp-evk, rock-5b"),
        (
            ("--board", "rock-5b", "--revision", "e04171"),
            "has no revision codes that are known",
            "leave it out",
        ),
        (("--revision", "e04171"), "has no board 'raspberrypi-5'", "beagleplay, imx8mp-evk, rock-5b"),
        (("--revision", "e0417"), "a revision code is one board's", "--board"),
    ],
)
def test_what_is_not_there_is_one_line(
    tmp_path: Path, arguments: tuple[str, ...], says: str, hint: str
) -> None:
    out = tmp_path / "out"
    done = investigate(out, *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert hint in done.stderr
    assert len([line for line in done.stderr.splitlines() if "hint" not in line]) == 1
    assert not out.exists()
