"""What becomes of the unfinished file when its writer is killed, and while it lives."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bootwright.foundation.atomic import new_file, write_text

_WRITER = """
import sys, time
from pathlib import Path
from bootwright.foundation.atomic import new_file
with new_file(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("ready", flush=True)
    sys.stdin.readline()
"""


def _writer(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_what_a_killed_writer_left_goes_with_the_next(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    process = _writer(path)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert [file.name for file in tmp_path.iterdir() if file.name.endswith(".part")]
    write_text(path, "whole")
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]


def test_what_a_living_writer_holds_stays(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    process = _writer(path)
    write_text(path, "ours")
    process.communicate("go on\n")
    assert process.returncode == 0
    assert path.read_text() == "half"
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]


def test_other_files_that_look_like_it_stay(tmp_path: Path) -> None:
    names = {
        ".result.json.part",
        ".result.jsonx.abcdefgh.part",
        "result.json.abcdefgh.part",
        ".other.abcdefgh.part",
    }
    for name in names:
        (tmp_path / name).write_text("not ours")
    write_text(tmp_path / "result.json", "whole")
    assert {file.name for file in tmp_path.iterdir()} == {*names, "result.json"}


def _fail(path: Path) -> None:
    with new_file(path) as file:
        file.write(b"half")
        raise ZeroDivisionError


def test_an_error_inside_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        _fail(tmp_path / "x")
    assert not [*tmp_path.iterdir()]
