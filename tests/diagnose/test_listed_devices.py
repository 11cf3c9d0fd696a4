"""What firmware lists of its devices ends no boot, and a function that is traced is no frame of a stack."""

from __future__ import annotations

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import SERIOUS, Outcome


@pytest.mark.parametrize("line", ["WDT:   Not found!", "Net:   No ethernet found.", "SATA:  link failed"])
def test_a_log_that_is_cut_in_the_list_of_devices_has_not_failed(line: str) -> None:
    text = f"   Model: Quux Board\n   DRAM:  128 MiB\n   {line}\n"
    assert diagnose_bytes(text.encode(), "a.log").outcome is not Outcome.FAILED


def test_a_loader_that_says_why_it_stops_there_has() -> None:
    text = "   Model: Quux Board\n   DRAM:  128 MiB\n   ERROR: cannot read the boot table\n"
    assert diagnose_bytes(text.encode(), "a.log").outcome in {Outcome.FAILED, Outcome.DEGRADED}


def test_quirks_that_are_traced_are_no_stack() -> None:
    start = "[    0.000000] Linux version 6.12.40 (quux@example) #1 SMP\n"
    warned = "[    3.250000] acpi PNP0A08:00: _OSC: platform does not support [PCIeHotplug SHPCHotplug PME]\n"
    traced = "".join(
        f"[    3.{number}00000] pci 0000:00:0{number}.0: calling  quirk_quux+0x0/0x120 @ 1\n"
        f"[    3.{number}50000] pci 0000:00:0{number}.0: quirk_quux+0x0/0x120 took 0 usecs\n"
        for number in range(3, 9)
    )
    boot = diagnose_bytes((start + warned + traced).encode(), "a.log").boots[-1]
    assert not [finding for finding in boot.findings if finding.severity in {*SERIOUS}]
