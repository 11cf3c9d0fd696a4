"""Given boards that are no Raspberry Pi, on real kernels of Debian: through the command line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

ROOT = Path(__file__).resolve().parents[2]
PLAN = Path(__file__).parent / "plans" / "other-boards.toml"
SCHEMA = json.loads((ROOT / "docs/schemas/result.schema.json").read_text(encoding="utf-8"))


def investigate(out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bootwright", "investigate", str(PLAN), "--out", str(out), *arguments],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def answers(text: str) -> dict[str, dict[str, Any]]:
    document = json.loads(text)
    jsonschema.validate(document, SCHEMA)
    return {answer["given"]["board"]: answer for answer in document["decision"]["answers"]}


@pytest.mark.download
def test_each_board_has_its_own_answer(tmp_path: Path) -> None:
    done = investigate(tmp_path, "--json")
    assert done.returncode == 1, done.stderr
    seen = answers(done.stdout)
    assert {board: answer["verdict"] for board, answer in seen.items()} == {
        "rock-5b": "works",
        "beagleplay": "fails",
        "odroid-n2": "fails",
    }
    assert seen["rock-5b"]["works"][0]["source"] == "predicted"
    for board in ("beagleplay", "odroid-n2"):
        assert seen[board]["exhausted"]
        assert len(seen[board]["tried"]) == 3, "every kernel that the plan offers"
        assert seen[board]["instead"] == [{"board": "rock-5b"}]


@pytest.mark.download
def test_a_board_is_named_by_its_file(tmp_path: Path) -> None:
    done = investigate(tmp_path, "--board", "rock-5b")
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert "rock-5b: works (predicted) Radxa ROCK 5B use kernel version" in text
    assert "odroid-n2: fails" not in text


@pytest.mark.parametrize(
    ("arguments", "says", "hint"),
    [
        (("--have", "board=rock-5c"), "nobody has board 'rock-5c'", "did you mean rock-5b?"),
        (("--board", "raspberrypi-4"), "has no board 'raspberrypi-4'", "beagleplay, odroid-n2, rock-5b"),
        (("--board", "rock-5b", "--revision", "e04171"), "has no revision codes", ""),
        (("--revision", "e04171"), "a revision code is one board's", "--board"),
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
