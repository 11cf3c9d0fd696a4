"""The command: exit status, JSON, HTML, several files, a log that grows."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from command_kit import in_process

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.follow import follow_file
from bootwright.foundation.errors import Missing
from bootwright.foundation.places import DATA

GOLDEN = DATA / "signatures" / "no-root" / "golden" / "gallery-no-root" / "console.log"
HEALTHY = DATA / "gallery" / "golden" / "healthy" / "console.log"

FORMS: Mapping[str, Callable[[float, str], str]] = {
    "printk": lambda seconds, text: f"[{seconds:12.6f}] {text}",
    "caller": lambda seconds, text: f"[{seconds:12.6f}][   T{seconds % 7:.0f}] {text}",
    "colours": lambda seconds, text: f"\x1b[32m[{seconds:12.6f}]\x1b[0m \x1b[1;31m{text}\x1b[0m\r",
    "dmesg -T": lambda seconds, text: f"[Fri Nov 20 10:00:{seconds:02.0f} 2026] {text}",
    "dmesg -x": lambda seconds, text: f"kern  :info  : [{seconds:12.6f}] {text}",
    "dmesg -r": lambda seconds, text: f"<6>[{seconds:12.6f}] {text}",
    "dmesg -t": lambda _, text: text,
    "journal short": lambda seconds, text: f"Nov 20 10:00:{seconds:02.0f} host kernel: {text}",
    "journal short-iso": lambda seconds, text: f"2026-11-20T10:00:{seconds:02.0f}+0000 host kernel: {text}",
    "journal short-monotonic": lambda seconds, text: f"[{seconds:12.6f}] host kernel: {text}",
    "journal json": lambda seconds, text: json.dumps(
        {"__MONOTONIC_TIMESTAMP": f"{seconds * 1e6:.0f}", "_TRANSPORT": "kernel", "MESSAGE": text}
    ),
    "journal export": lambda seconds, text: (
        f"__CURSOR=s=a;i=1\n__MONOTONIC_TIMESTAMP={seconds * 1e6:.0f}\n_TRANSPORT=kernel\nMESSAGE={text}\n"
    ),
    "talosctl dmesg": lambda seconds, text: (
        f"10.0.0.1: kern:    info: [2026-11-20T10:00:{seconds:09.6f}Z]: {text}"
    ),
    "talosctl logs": lambda _, text: f"10.0.0.1: {text}",
    "talos delivery": lambda seconds, text: json.dumps(
        {"clock": int(seconds * 1e6), "facility": "kern", "msg": text, "talos-level": "info"}
    ),
    "netconsole": lambda seconds, text: f"6,{seconds * 100:.0f},{seconds * 1e6:.0f},-;{text}",
    "minicom": lambda seconds, text: f"[2026-11-20 10:00:{seconds:06.3f}] [{seconds:12.6f}] {text}",
    "ts": lambda seconds, text: f"Nov 20 10:00:{seconds:02.0f} [{seconds:12.6f}] {text}",
    "grabserial": lambda seconds, text: f"[{seconds:.6f} 0.000010] [{seconds:12.6f}] {text}",
    "quoted": lambda seconds, text: f"> [{seconds:12.6f}] {text}",
    "compose": lambda seconds, text: f"node-1  | [{seconds:12.6f}] {text}",
}
"""How programs write a kernel's messages."""


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


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    name = tmp_path / os.fsdecode(b"a\x1b[2Jb\xff<i>.log")
    name.write_bytes(GOLDEN.read_bytes())
    done = run(name, "--html", tmp_path / "page.html")
    assert done.returncode == 1
    assert b"\x1b" not in done.stdout
    assert "<i>" not in (tmp_path / "page.html").read_text()
    assert json.loads(run(name, "--json").stdout)["boots"][0]["source"].endswith(".log")


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


def test_logs_are_looked_at_though_one_cannot_be_read(tmp_path: Path) -> None:
    """A farm that lost one log still learns of the others."""
    missing = str(tmp_path / "lost.log")
    for files in ([str(HEALTHY), missing], [missing, str(HEALTHY)]):
        done = in_process("diagnose", "-q", *files)
        assert done.returncode == 2
        assert done.stdout.startswith("boot-ok")
        assert f"cannot read {missing}" in done.stderr
    both = in_process("diagnose", "-q", missing, f"{missing}.2")
    assert (both.returncode, both.stdout) == (2, "")


def test_follow_refuses_what_is_not_there() -> None:
    with pytest.raises(Missing):
        follow_file("/nonexistent", baud=115200, say=print, as_json=False)


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_failure_is_the_same_in_every_form(form: str) -> None:
    """As serial consoles, journals, Talos and collectors write one and the same boot."""
    lines = [
        (float(match[1]), match[2])
        for match in re.finditer(r"^\[ *(\d+\.\d+)\] (.*?)\r?$", GOLDEN.read_text(), re.MULTILINE)
    ]
    text = "\n".join(FORMS[form](seconds, message) for seconds, message in lines) + "\n"
    boot = diagnose_bytes(text.encode(), form).boots[0]
    assert (boot.stage, boot.findings[0].signature) == ("root", "no-root")
    assert boot.stages[0].line == text[: text.index("Booting Linux")].count("\n") + 1


def test_follow_reads_what_is_added_to_a_file(tmp_path: Path) -> None:
    """A growing file in a process of its own, as somebody would run it; Ctrl-C ends it with the report."""
    log = tmp_path / "console.log"
    log.touch()
    command = [sys.executable, "-m", "bootwright", "diagnose", "--follow", str(log)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stderr is not None
    try:
        with log.open("ab") as file:
            file.write(GOLDEN.read_bytes())
        first = child.stderr.readline().decode()
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=30)
    finally:
        child.kill()
    assert "root file system" in first
    assert out.startswith(b"failed")
    assert child.returncode == 1
