"""The ends of loaders by their own levels, by who has shown itself, and by what was said right before."""

from __future__ import annotations

import pytest
from diagnosed_kit import diagnosed

from bootwright.diagnose.model import Outcome

TFA = "NOTICE:  BL1: v2.31.0(release):v2.31.0\nNOTICE:  BL2: v2.31.0(release):v2.31.0\n"
COREBOOT = "[NOTE ]  coreboot-31.12 Mon Jan 06 12:00:00 UTC 2031 x86_32 romstage starting (log level: 7)...\n"
LIMINE = "Limine 31.2.0\n\n"
SPL = "U-Boot SPL 2031.01 (Jan 06 2031 - 12:00:00 +0000)\nDRAM: 1024 MiB\n"


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (TFA, "ERROR:   Quux 2ch not supported.(Q3)"),
        (TFA, "ERROR:   frobnicator gone in retry. max=3"),
        (TFA, "ERROR:   BL1: TPM quux absent"),
        (COREBOOT, "[EMERG]  No common quux among frobs"),
        (SPL, "Quux controller is not supported"),
        (SPL, "Unknown quux source 5"),
        (SPL, "SPL: Quux too large"),
        ("", "GXL:BL1:9ac50e:bb16dc;FEAT:ADFC318C:0;EMMC:0;READ:0;CHK:AA;LOOP:1;EMMC:0;LOOP:2;"),
        ("BL2 Built : 11:58:42, May 27 2031.\nDDR: 2048MB\n", "quux log : check fail!"),
        ("OpenSBI v31.4\n", "sbi_trap_error: hart0: trap0: quux handler failed (error -2)"),
    ],
)
def test_the_last_word_of_a_loader_that_stops_without_another(start: str, end: str) -> None:
    diagnosis = diagnosed(f"{start}{end}\n")
    assert diagnosis.outcome is Outcome.FAILED
    finding = diagnosis.boots[-1].findings[0]
    assert finding.lines[-1].text == end


@pytest.mark.parametrize(
    ("start", "reason", "end"),
    [
        (LIMINE, "PANIC: quux: Path does not start in /", "Press a key to return to menu."),
        (
            LIMINE,
            "PANIC: quux: no frob",
            "Stacktrace:\n  [0xffff8000] <main+0x10>\nEnd of trace.\nSystem halted.",
        ),
        (
            "I/TC: OP-TEE version: 31.4.0 (gcc version 13) #1 aarch64\n",
            "E/TC:0 0 Panic 'quux' at core/arch/arm/kernel/quux.c:584 <quux_handler>",
            "E/TC:0 0 TEE load address @ 0x9e000000\nE/TC:0 0 Call stack:\n" + "E/TC:0 0  0x9e004c3c\n" * 5,
        ),
        (
            " 42.73387|ISTEP 20. 1 - host_quux\n",
            " 43.04727|Error reported by quuxservice (0x0500) PLID 0x900000A7",
            " 43.04728|  ReasonCode 0x0506 QUUX\n 43.04733|--------------------------\n 43.04734|  host_frob",
        ),
        ("HELLO! BOOT0 is starting!\n", "Loading quux fail(error=4).", "Ent fel."),
        (SPL, "frob bank 3 of 7 as expected", "### ERROR ### Please RESET the board ###"),
        (SPL, "Quux: this set-up is currently not supported.", "resetting ..."),
    ],
)
def test_a_word_of_stopping_that_gives_no_reason_is_explained_by_what_came_before(
    start: str, reason: str, end: str
) -> None:
    diagnosis = diagnosed(f"{start}{reason}\n{end}\n")
    assert diagnosis.outcome is Outcome.FAILED
    finding = diagnosis.boots[-1].findings[0]
    assert reason.strip() in finding.cause
    assert reason.strip() in [line.text.strip() for line in finding.lines]


def test_what_one_firmware_means_no_harm_by_is_an_error_of_another() -> None:
    """In coreboot's logs much is not supported or not found; what SPL ends with is its reason."""
    steps = "".join(f"[DEBUG]  step {step} of frob\n" for step in "abcdefghij")
    assert diagnosed(f"{COREBOOT}{steps}[DEBUG]  quux does not exist\n").outcome is Outcome.UNKNOWN
    assert diagnosed(f"{SPL}quux does not exist\n").outcome is Outcome.FAILED


def test_a_countdown_after_an_error_is_a_wait() -> None:
    diagnosis = diagnosed(f"{SPL}quux does not exist\nHit any key to stop autoboot:  2\n")
    assert diagnosis.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "end",
    [
        "ERROR: reserving fdt memory region failed (addr=41b00000 size=100000)\n",
        "spl: mmc init failed with error: -95\nTrying to boot from MMC2\n"
        "NOTICE:  BL31: v2.31.0(release):v2.31.0\nINFO:    SPSR = 0x3c9\n",
    ],
)
def test_what_a_loader_goes_on_after_is_no_end(end: str) -> None:
    assert diagnosed(f"{SPL}Trying to boot from MMC1\n{end}").outcome is Outcome.UNKNOWN


def test_a_watchdogs_time_is_no_error_that_a_loader_stops_at() -> None:
    log = "U-Boot 2025.01 (Jan 06 2025)\n\nDRAM:  1 GiB\nWDT:   Started with servicing (60s timeout)\n=> \n"
    assert diagnosed(log).outcome is Outcome.UNKNOWN
