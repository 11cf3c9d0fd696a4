"""The command: exit status, JSON, HTML, several files, a log that grows."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bootwright.diagnose.follow import follow_file
from bootwright.foundation.errors import Missing
from bootwright.foundation.places import DATA

GOLDEN = DATA / "signatures" / "no-root" / "golden" / "gallery-no-root" / "console.log"
HEALTHY = DATA / "gallery" / "golden" / "healthy" / "console.log"


def run(*arguments: str | Path, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "bootwright", "diagnose", *map(str, arguments)]
    return subprocess.run(command, input=data, capture_output=True, timeout=60, check=False)


def test_a_failure_is_told_with_its_proof() -> None:
    done = run(GOLDEN)
    text = done.stdout.decode()
    assert done.returncode == 1
    assert "fatal: the root file system cannot be mounted" in text
    assert "Unable to mount root fs" in text
    assert "\x1b[" not in text


def test_a_healthy_boot_exits_zero() -> None:
    done = run(HEALTHY)
    assert done.returncode == 0
    assert b"no failure found" in done.stdout


def test_standard_input_and_json() -> None:
    done = run("-", "--json", "--board", "rock-5b", data=GOLDEN.read_bytes())
    form = json.loads(done.stdout)
    assert done.returncode == 1
    assert form["board"] == "rock-5b"
    assert form["boots"][0]["findings"][0]["signature"] == "no-root"
    assert form["boots"][0]["source"] == "standard input"


def test_several_files_give_their_boots_in_order(tmp_path: Path) -> None:
    done = run(HEALTHY, GOLDEN, "--json", "--html", tmp_path / "page.html")
    form = json.loads(done.stdout)
    assert [boot["outcome"] for boot in form["boots"]] == ["boot-ok", "failed"]
    assert form["outcome"] == "failed"
    page = (tmp_path / "page.html").read_text()
    assert "the root file system cannot be mounted" in page
    assert "prefers-color-scheme: dark" in page
    assert "http://" not in page
    assert "https://" not in page


def test_what_is_no_log_exits_three() -> None:
    assert run("-", data=b"nothing of the kind\n").returncode == 3


@pytest.mark.parametrize("name", ["/nonexistent/log", "/"])
def test_what_cannot_be_read_exits_two(name: str) -> None:
    done = run(name)
    assert done.returncode == 2
    assert b"cannot read" in done.stderr
    assert b"Traceback" not in done.stderr


def test_help_has_examples() -> None:
    assert b"bootwright diagnose --follow" in run("--help").stdout


def test_follow_tells_findings_as_they_come() -> None:
    """Through a terminal, as a serial device is."""
    ours, theirs = pty.openpty()
    said: list[str] = []

    def board() -> None:
        os.write(
            ours,
            b"[    1.0] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n",
        )
        limit = time.monotonic() + 20
        while not said and time.monotonic() < limit:
            time.sleep(0.05)
        os.close(ours)

    writer = threading.Thread(target=board)
    name = os.ttyname(theirs)
    writer.start()
    diagnosis = follow_file(name, baud=115200, say=said.append, as_json=False)
    writer.join()
    os.close(theirs)
    assert "root file system" in said[0]
    assert diagnosis.outcome.value == "failed"


def test_follow_refuses_what_is_not_there() -> None:
    with pytest.raises(Missing):
        follow_file("/nonexistent", baud=115200, say=print, as_json=False)
