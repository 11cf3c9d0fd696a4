"""Text that somebody wrote is no log, whatever words of failure it has; nor is a question the error.

The texts are made up.
"""

from __future__ import annotations

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Diagnosis, Outcome
from bootwright.diagnose.signatures.knowledge import load

KNOWLEDGE = load()
CHANGES = (
    "## v3.1\n- fix: boot failed on the frob 5 without cards\n- fix: kernel panic in the quux driver\n"
    "- docs: how to read a panic\n"
)
STEPS = (
    "You can do the following:\n\n1. Boot with a live stick\n2. Run `fsck -f` and see if it reports errors\n"
    "3. `journalctl -b -1 -p err` shows the errors of the boot before\n\nIf the disk failed, replace it.\n"
)
REPLY = (
    "> My box doesn't boot\n\nPlease post the output of\n\n    dmesg | grep -i error\n\n"
    "and check whether fstab has an entry with a wrong UUID.\n"
)
SETTINGS = "services:\n  db:\n    image: quux:16\n    restart: on-failure\n    test: pg_isready || exit 1\n"


def diagnosed(text: str) -> Diagnosis:
    return diagnose_bytes(text.encode(), "log", KNOWLEDGE)


@pytest.mark.parametrize("text", [CHANGES, STEPS, REPLY, SETTINGS])
def test_a_text_about_failures_is_no_log(text: str) -> None:
    assert diagnosed(text).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "log",
    [
        "- DDR init failed\n- PLL lock failed, giving up\n",
        "spl: frob init failed: -22\nspl: no quux found\nquux: giving up!\n",
        "".join(f"[    {number}.0] quux: frob failed: -22\n- frob failed again\n" for number in range(1, 4)),
    ],
    ids=["two lines", "speakers", "times"],
)
def test_a_few_errors_are_still_what_they_are(log: str) -> None:
    assert diagnosed(log).outcome in {Outcome.FAILED, Outcome.DEGRADED}


OUTPUT = "quuxd: unable to open the frob device: No such file or directory\n"


@pytest.mark.parametrize(
    "asked",
    [
        "Are these errors anything to worry about? It works\n\n",
        "The new node joined, but everything failed:\n\n$ quux --frob\n",
    ],
)
def test_who_asks_is_not_quoted_as_the_error(asked: str) -> None:
    cause = diagnosed(asked + OUTPUT).boots[0].findings[0].cause
    assert "unable to open the frob device" in cause
    assert asked[:20] not in cause


def test_a_table_of_pods_tells_which_one_ends_again_and_again() -> None:
    table = (
        "NAME       READY   STATUS             RESTARTS   AGE\n"
        "frob-x1    1/1     Running            0          14m\n"
        "quux-x2    0/1     {}   7 (2m ago)   14m\n"
    )
    assert diagnosed(table.format("CrashLoopBackOff")).outcome is Outcome.DEGRADED
    assert diagnosed(table.format("Running         ")).outcome is Outcome.UNKNOWN
