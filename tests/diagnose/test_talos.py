"""Talos by subject: what ends a boot, what is tried again, what is harmless at a first boot.

The logs in talos.txt are composed by hand after the formats of Talos's messages; none is real.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Diagnosis, Outcome, Severity
from bootwright.diagnose.signatures.knowledge import load

KNOWLEDGE = load()
SERIOUS = {Severity.FATAL, Severity.DEGRADING}
HEAD = re.compile(r"\[(?P<name>[\w-]+)(?:: (?P<outcome>[\w-]+)(?P<roots>.*))?\]")
LINE = re.compile(r"(?P<at>[\d.]+)(?:\+(?P<step>[\d.]+)\*(?P<count>\d+))? (?P<text>.+)")


class Composed(NamedTuple):
    """A log, the outcome it should give, and the signatures that may be its root cause."""

    lines: list[tuple[float, str]]
    outcome: str
    roots: tuple[str, ...]

    def text(self) -> str:
        """As a serial console shows it."""
        return "".join(f"[{at:12.6f}] {text}\n" for at, text in self.lines)

    def text_of_talosctl(self) -> str:
        """As `talosctl dmesg` gives it: /dev/kmsg's way to escape a backslash, and the wall clock."""
        out = []
        for at, text in self.lines:
            escaped = re.sub(r"\\(?!x0[9a])", r"\\x5c", text)
            facility = "user: warning" if text.startswith("[talos]") else "kern:    info"
            stamp = f"2026-03-20T10:{int(at) // 60:02d}:{at % 60:09.6f}000Z"
            out.append(f"192.0.2.20: {facility}: [{stamp}]: {escaped}\n")
        return "".join(out)


def spoken(text: str) -> str:
    """A line of the file as its speaker prints it."""
    if text.startswith(("! ", "+ ")):
        return text[2:]
    return f"[talos] {text}"


def composed_logs() -> dict[str, Composed]:
    """talos.txt; its first lines say how it is written."""
    pieces: dict[str, list[tuple[float, str]]] = defaultdict(list)
    logs: dict[str, Composed] = {}
    name = ""
    for line in (Path(__file__).parent / "talos.txt").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        head = HEAD.fullmatch(line)
        if head is not None:
            name = head["name"]
            if head["outcome"]:
                logs[name] = Composed(pieces[name], head["outcome"], tuple(head["roots"].split()))
            continue
        if line.startswith("use "):
            for piece in line.split()[1:]:
                used, _, later = piece.partition("+")
                pieces[name] += [(at + float(later or 0), text) for at, text in pieces[used]]
            continue
        said = LINE.fullmatch(line)
        assert said is not None, line
        for turn in range(int(said["count"] or 1)):
            pieces[name].append((float(said["at"]) + turn * float(said["step"] or 0), spoken(said["text"])))
    for log in logs.values():
        log.lines.sort(key=lambda entry: entry[0])
    return logs


LOGS = composed_logs()


def serious(diagnosis: Diagnosis) -> list[str]:
    return [
        finding.signature
        for boot in diagnosis.boots
        for finding in boot.findings
        if finding.severity in SERIOUS
    ]


@pytest.mark.parametrize("name", LOGS)
def test_what_talos_says_last_of_each_thing_counts(name: str) -> None:
    log = LOGS[name]
    for text in (log.text(), log.text_of_talosctl()):
        diagnosis = diagnose_bytes(text.encode(), name, KNOWLEDGE)
        assert diagnosis.outcome.value == log.outcome, serious(diagnosis)
        assert (serious(diagnosis)[:1] or [""])[0] in (log.roots or ("",))


@pytest.mark.parametrize("name", [name for name, log in LOGS.items() if log.outcome == "boot-ok"])
def test_a_healthy_boot_cut_anywhere_did_not_fail(name: str) -> None:
    lines = LOGS[name].text().splitlines(keepends=True)
    for end in range(5, len(lines), 3):
        assert diagnose_bytes("".join(lines[:end]).encode(), name, KNOWLEDGE).outcome is not Outcome.FAILED


def test_the_console_of_talosctl_is_read_as_it_was_meant() -> None:
    diagnosis = diagnose_bytes(LOGS["etcd-pull-failed"].text_of_talosctl().encode(), "log", KNOWLEDGE)
    causes = [finding.cause for boot in diagnosis.boots for finding in boot.findings]
    assert any("not found" in cause for cause in causes)
    assert not any("\\x" in cause for cause in causes)
