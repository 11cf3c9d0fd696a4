"""A large log is scanned by another process: the answer is the same, and its end is told."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from bootwright.diagnose import engine
from bootwright.diagnose.engine import diagnose_stream

PIECE = 1 << 18

BOTH = f"""
import io, json, multiprocessing
from bootwright.diagnose import ahead, engine
from bootwright.diagnose.jsonform import as_json
from bootwright.foundation.places import DATA

logs = sorted(DATA.glob("signatures/[a-e]*/golden/*/console.log"))
logs += sorted(DATA.glob("gallery/golden/*/console.log"))
boots = [log.read_bytes().replace(b"\\r", b"") for log in logs[::2]]
flood = b"[   12.345678] nvme nvme0: I/O tag 5 QID 1 timeout, aborting req_op:READ(0) size:4096\\n" * 9000
data = b"".join(boots * 6 + [flood] + boots * 6 + [b"the end"])
ahead._MOST_RECORDS = 200  # so that numbers begin anew

engine._can_scan_ahead = lambda: True
started = []
start = ahead.ScannedAhead.__init__
ahead.ScannedAhead.__init__ = lambda self, *given: (started.append(1), start(self, *given))[1]
by_two = engine.diagnose_stream(io.BytesIO(data).read, "log", size={PIECE})
engine._can_scan_ahead = lambda: False
alone = engine.diagnose_stream(io.BytesIO(data).read, "log", size={PIECE})
print(json.dumps({{
    "pieces": len(data) / {PIECE},
    "started": len(started),
    "left": len(multiprocessing.active_children()),
    "lines": [alone.lines, data.count(b"\\n") + 1],
    "boots": len(alone.boots),
    "same": as_json(by_two) == as_json(alone),
}}))
"""

KILLED = """
import os, signal
from bootwright.diagnose.engine import Diagnoser
from bootwright.foundation.errors import ToolFailed

diagnoser = Diagnoser("log")
try:
    with diagnoser.scanning_ahead():
        os.kill(diagnoser._scanned._process.pid, signal.SIGKILL)
        for _ in range(9):
            diagnoser.feed(b"[    0.000000] Linux version 6.12.5\\n" * 9999)
except ToolFailed as error:
    print(error)
"""


def said_by(program: str) -> str:
    """What a process without threads prints; those of the tests have some."""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is scanned ahead")
def test_two_processes_find_what_one_finds() -> None:
    answer = json.loads(said_by(BOTH))
    assert answer["pieces"] > engine._LARGE
    assert (answer["started"], answer["left"]) == (1, 0)
    assert answer["lines"][0] == answer["lines"][1]
    assert answer["boots"] > 32
    assert answer["same"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is scanned ahead")
def test_a_process_that_is_killed_is_told() -> None:
    assert "the process that scans the log ahead failed: it ended with -9" in said_by(KILLED)


def test_a_small_log_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def never() -> bool:
        raise AssertionError("a small log")

    monkeypatch.setattr(engine, "_can_scan_ahead", never)
    log = io.BytesIO(b"[    0.000000] Linux version 6.12.5\n" * 100)
    assert diagnose_stream(log.read, "log").lines == 100
