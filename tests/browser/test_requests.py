"""What the page's worker calls, on the Python at hand: JSON in, JSON out, whatever is asked."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright import api
from bootwright.browser import diagnose, run
from bootwright.browser.run import ENTRIES

PANIC = "[    1.2] VFS: Unable to mount root fs on unknown-block(0,0)\n"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "console.log"
    path.write_text("[    0.1] eth0: link is up\n" + PANIC)
    monkeypatch.chdir(tmp_path)
    return path


def asked(request: dict[str, Any], *files: str, entry: str = "diagnose") -> tuple[dict[str, Any], list[Any]]:
    said: list[Any] = []
    answer = run.run(entry, json.dumps(request), files, lambda text: said.append(json.loads(text)))
    return json.loads(answer), said


def test_the_answer_is_the_commands_with_the_log_beside(log: Path) -> None:
    answered, said = asked({}, "./console.log")
    assert answered["answer"]["diagnosis"] == api.diagnose(Path("console.log")).as_json()
    shown = answered["answer"]["logs"]
    assert [(row["source"], row["total"]) for row in shown] == [("console.log", 2)]
    assert shown[0]["lines"][1] == [2, PANIC.strip()]
    assert said[0] == {"text": "reading the log"}


def test_a_file_may_have_any_name(log: Path) -> None:
    for name in ("-", "--help", "a b\n.log", "naïve.log"):
        log.rename(log.parent / name)
        log = log.parent / name
        answered, _ = asked({}, f"./{name}")
        assert answered["answer"]["diagnosis"]["outcome"] == "failed", answered


def test_what_is_no_log_beside_one_is_left_out_and_named(log: Path) -> None:
    (log.parent / "photo.jpg").write_bytes(b"\xff\xd8\xff" + bytes(100))
    (log.parent / ".DS_Store").write_bytes(b"\0\0\0\1Bud1" + random.Random(3).randbytes(6000))
    answered, _ = asked({}, "./photo.jpg", "./console.log", "./.DS_Store")
    answer = answered["answer"]
    assert answer["diagnosis"] == api.diagnose(Path("console.log")).as_json()
    assert [row["source"] for row in answer["logs"]] == ["console.log"]
    (left_out,) = answer["left_out"]
    assert "photo.jpg is a JPEG picture" in left_out["message"]
    assert "report" in asked({"report": True}, "./photo.jpg", "./console.log")[0]["answer"]
    answered, _ = asked({}, "./photo.jpg", "./.DS_Store")
    assert "photo.jpg is a JPEG picture" in answered["error"]["message"]


@pytest.mark.parametrize("lines", [100, 100_000])
def test_a_damaged_log_is_named_beside_the_others(log: Path, lines: int) -> None:
    text = "".join(f"[{number:5}.000000] eth{number % 7}: link is up\n" for number in range(lines))
    (log.parent / "half.gz").write_bytes(gzip.compress(text.encode())[:-20])
    answer = asked({}, "./console.log", "./half.gz")[0]["answer"]
    assert [row["source"] for row in answer["logs"]] == ["console.log"]
    assert "half.gz" in answer["left_out"][0]["message"]
    assert "half.gz" in asked({}, "./half.gz")[0]["error"]["message"]


def test_a_long_log_is_shown_around_what_proves_something(log: Path) -> None:
    filler = [f"[{second:5}.000000] eth0: link is up {second}\n" for second in range(9000)]
    log.write_text("".join([*filler[:5000], PANIC, *filler[5000:]]))
    shown = asked({}, "./console.log")[0]["answer"]["logs"][0]
    numbers = [number for number, _ in shown["lines"]]
    assert shown["total"] == 9001
    assert numbers == sorted(set(numbers))
    assert len(numbers) < 1000
    assert {1, 5001, 4990, 5010, 9001} <= set(numbers)


def test_a_report_is_the_commands_page(log: Path) -> None:
    page = asked({"report": True}, "./console.log")[0]["answer"]["report"]
    assert page.startswith("<!DOCTYPE html>")
    assert "the root file system cannot be mounted" in page


@pytest.mark.parametrize(
    ("entry", "request_", "files", "message"),
    [
        ("nothing", {}, (), "which this version does not have"),
        ("run", {}, (), "which this version does not have"),
        ("diagnose", {}, ("./missing.log",), "cannot read missing.log"),
        ("diagnose", {}, (), "nothing to diagnose"),
        ("diagnose", {"board": "raspberypi-5"}, ("./console.log",), "no board"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    log: Path, entry: str, request_: dict[str, Any], files: tuple[str, ...], message: str
) -> None:
    answered, _ = asked(request_, *files, entry=entry)
    assert message in answered["error"]["message"]
    assert answered["error"]["trace"] is None


def test_a_fault_of_the_program_itself_carries_its_trace(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> object:
        raise ZeroDivisionError("made up")

    monkeypatch.setattr(diagnose, "diagnose", broken)
    answered, _ = asked({}, "./console.log")
    assert answered["error"]["message"] == "bootwright itself failed: ZeroDivisionError: made up"
    assert "test_requests.py" in answered["error"]["trace"]


@given(entry=st.sampled_from([*ENTRIES, "x"]), request_=st.text(max_size=60))
def test_any_request_is_answered(entry: str, request_: str) -> None:
    answered = json.loads(run.run(entry, request_, [], lambda _: None))
    assert set(answered) in ({"answer"}, {"error"})
