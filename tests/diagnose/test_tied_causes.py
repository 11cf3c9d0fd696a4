"""A finding explains another only where something ties them."""

from __future__ import annotations

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Finding
from bootwright.diagnose.signatures.knowledge import load

KNOWLEDGE = load()
OOPS = (
    "[    2.000000] Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010\n"
    "[    2.000001] CPU: 1 PID: %d Comm: %s Not tainted 6.12.5 #1\n"
)
KILLED = "[    3.000000] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00007f00\n"


def findings(text: str) -> dict[str, Finding]:
    boots = diagnose_bytes(text.encode(), "log", KNOWLEDGE).boots
    return {finding.signature: finding for boot in boots for finding in boot.findings}


def test_an_oops_ends_init_only_where_the_task_was_init() -> None:
    assert findings(OOPS % (1, "init") + KILLED)["init-killed"].caused_by == "kernel-oops"
    assert findings(OOPS % (77, "kworker/1:1") + KILLED)["init-killed"].caused_by is None


def test_what_comes_after_the_end_did_not_lead_to_it() -> None:
    said = findings(KILLED + OOPS % (1, "init"))
    assert said["init-killed"].caused_by is None
    assert said["kernel-oops"].caused_by is None


@pytest.mark.parametrize(("other", "caused"), [("mmc0", True), ("mmc1", False)])
def test_another_card_is_not_to_blame(other: str, caused: bool) -> None:
    log = (
        f"[    2.000000] {other}: error -110 whilst initialising SD card\n"
        "[    9.000000] I/O error, dev mmcblk0, sector 4711 op 0x0:(READ) flags 0x0\n"
    )
    said = findings(log)
    assert (said["io-error"].caused_by == "mmc-error") is caused
