"""How answers on labelled logs are judged (benchmarks/diagnose_figures.py); the history of the figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bootwright.diagnose.signatures.knowledge import load
from diagnose_figures import Answer, answer, figures_of, read_history, read_labels
from signature_worth import Log, worth_of_all

KNOWLEDGE = load()
PANIC = "[    3.000001] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"
FAILED = f"[    0.000000] Linux version 6.12.5-test (a@b) #1\n{PANIC}\n"
HEALTHY = (
    "[    0.000000] Linux version 6.12.5-test (a@b) #1\n[    3.000000] Run /init as init process\nx login: \n"
)


def judged(folder: Path, log: str, **label: object) -> Answer:
    (folder / "logs").mkdir()
    (folder / "logs" / "one.log").write_text(log, encoding="utf-8")
    form = {"id": "one", "outcome": "failed", "category": "rootfs", "decisive_line": PANIC, **label}
    (folder / "index.jsonl").write_text(json.dumps(form) + "\n", encoding="utf-8")
    [only] = read_labels(folder)
    return answer(only, KNOWLEDGE)


def test_a_right_answer(tmp_path: Path) -> None:
    right = judged(tmp_path, FAILED)
    assert right.outcome_right
    assert right.cause_right
    assert not right.missed


@pytest.mark.parametrize(
    ("label", "kind", "line"),
    [
        ({"cause_words": "root"}, True, True),
        ({"cause_words": "ethernet"}, False, True),
        ({"category": "thermal"}, False, True),
        ({"decisive_line": "elsewhere"}, True, False),
        ({"decisive_line": "elsewhere", "other_proof": ["Kernel panic"]}, True, True),
    ],
)
def test_kind_and_line_of_a_cause(
    tmp_path: Path, label: dict[str, object], *, kind: bool, line: bool
) -> None:
    cause = judged(tmp_path, FAILED, **label)
    assert (cause.kind_right, cause.line_right) == (kind, line)


def test_what_is_missed_and_what_is_a_false_alarm(tmp_path: Path) -> None:
    missed = tmp_path / "missed"
    alarm = tmp_path / "alarm"
    missed.mkdir()
    alarm.mkdir()
    answers = [
        judged(missed, HEALTHY, decisive_line="login:"),
        judged(alarm, FAILED, outcome="boot-ok", category="boot-ok", decisive_line=""),
    ]
    figures = figures_of(answers)
    assert (figures.cases, figures.healthy, figures.missed, figures.false_alarms) == (2, 1, 1, 1)
    assert figures.outcome_right == 0


def test_another_outcome_may_be_right_too(tmp_path: Path) -> None:
    assert judged(tmp_path, FAILED, outcome="degraded", also_right=["failed"]).outcome_right


def test_what_is_told_first_counts_where_the_outcome_is_right(tmp_path: Path) -> None:
    error = "xhci_hcd 0000:06:00.0: Error while assigning device slot ID: Command Aborted"
    lines = "".join(f"[   {20 + place * 9}.000000] {error}\n" for place in range(4))
    log = HEALTHY.replace("x login", f"{lines}x login")
    (tmp_path / "right").mkdir()
    (tmp_path / "other").mkdir()
    words = {"outcome": "degraded", "also_right": ["boot-ok"], "cause_words": "xhci"}
    right = judged(tmp_path / "right", log, decisive_line=error, **words)
    other = judged(tmp_path / "other", log, decisive_line="Run /init", **words)
    assert (right.told_first, right.cause_right, other.told_first) == (True, False, False)
    figures = figures_of([right, other])
    assert (figures.told_first, figures.told_first_running, figures.may_run) == (1, 1, 2)


def test_the_history_holds_first_tries() -> None:
    history = read_history()
    assert any(scoring.first_try for scoring in history)
    assert all(0 < scoring.figures.outcome_right <= scoring.figures.cases for scoring in history)


def test_what_a_signature_carries_alone() -> None:
    root = b"[    2.9] /dev/root: Can't open blockdev\n"
    log = f"[    0.000000] Linux version 6.12.5-test (a@b) #1\n{PANIC}\n".encode() + root
    worth = worth_of_all([Log("a", log), Log("b", log, golden_of="no-root"), Log("c", HEALTHY.encode())])
    assert worth["no-root"].changed == ("a",)
    assert worth["no-root"].logs == 2
    # The panic without its reason is a failure too.
    assert not worth["no-root"].needed_by_golden
    assert worth["mmc-error"].logs == 0
