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
        ("m1n1 v31.4.1\n", "ERROR: No valid payload of quux", "Running proxy..."),
        ("RouterBOOT booter 31.4\n", "kernel not found", "trying bootp protocol... failed"),
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


OVERLAYS = "".join(
    (
        "U-Boot 2031.01 (Jan 06 2031 - 12:00:00 +0000)\nDRAM:  4 GiB\nHit any key to stop autoboot:  0\n",
        "** Booting bootflow with script\n38812160 bytes read in 223 ms (166 MiB/s)\n",
    )
)


@pytest.mark.parametrize(
    "end",
    [
        "Failed to load '/boot/dtb/quux/overlay/quux-fixup.scr'",
        "Failed loading overlay /quux/frob.dtbo",
        "** File not found /boot/overlay-user/frob.dtbo **",
    ],
)
def test_an_overlay_that_is_not_there_ends_nothing(end: str) -> None:
    assert diagnosed(f"{OVERLAYS}{end}\n").outcome is Outcome.UNKNOWN
    assert diagnosed(f"{OVERLAYS}Failed to load '/boot/quux'\n").outcome is Outcome.FAILED


PETITBOOT = " Petitboot (v1.15)    TEST-1\n [Disk: sda2]\n *  Quux Linux\n  Exit to shell\n Enter=accept\n"


SHELL = "quux: Operation not permitted\nYou may run 'pb-sos' to gather diagnostic data\n# "


@pytest.mark.parametrize("end", ["", " [enP5p1s0f0] DHCP failed\n", " No boot options found\n", SHELL])
@pytest.mark.parametrize("start", ["", "[    1.000000] Linux version 6.6.9-openpower1 (a@b) #1\n"])
def test_the_menu_of_a_loader_that_is_a_linux_itself_is_no_end(start: str, end: str) -> None:
    diagnosis = diagnosed(start + PETITBOOT + end)
    assert diagnosis.outcome is Outcome.UNKNOWN
    assert diagnosis.boots[-1].stage != "ready"


def test_a_system_that_it_started_counts_by_itself() -> None:
    system = (
        "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
        "[    1.900000] Run /sbin/init as init process\n"
        "[    9.000000] systemd[1]: Reached target multi-user.target - Multi-User System.\nhost login: \n"
    )
    assert diagnosed(PETITBOOT + " Performing kexec reboot\n" + system).outcome is Outcome.BOOT_OK


@pytest.mark.parametrize("start", ["", LIMINE])
def test_a_loader_that_asks_for_three_keys_has_stopped(start: str) -> None:
    end = "PANIC: The hash of boot():/quux is wrong!\n\nPress CTRL+ALT+DEL to reboot.\n"
    diagnosis = diagnosed(start + end)
    assert diagnosis.outcome is Outcome.FAILED
    assert diagnosis.boots[-1].findings[0].cause.startswith(("The boot loader gave up", "Limine gave up"))
    assert "quux is wrong" in diagnosis.boots[-1].findings[0].cause


def test_the_same_set_up_of_memory_again_and_again_is_a_loop() -> None:
    turn = "DDR 0123456789 abc 31/01/06-12:00:00,fwver: v1.16\nchannel[2] quux failed\nERROR\n"
    diagnosis = diagnosed(turn * 3)
    assert diagnosis.outcome is Outcome.FAILED
    assert any(finding.signature == "firmware-loop" for boot in diagnosis.boots for finding in boot.findings)


@pytest.mark.parametrize(
    ("end", "root"),
    [
        ('## Error: "bootcmd_quux" not defined\n=> ', "uboot-not-defined"),
        ('Scanning mmc 0:1...\n## Error: "bootcmd_quux" not defined\n=> ', "uboot-boot-failed"),
        (
            "Scanning mmc 0:1...\nFound U-Boot script /boot.scr\n## Executing script at 00500000\n"
            "Quux is out of range\nSCRIPT FAILED: continuing...\nBOOTP broadcast 1\n"
            "Retry time exceeded; starting again\n=> ",
            "uboot-script-failed",
        ),
    ],
    ids=["nothing tried", "a source tried", "script"],
)
def test_what_u_boot_was_to_run_and_could_not_is_to_blame(end: str, root: str) -> None:
    start = "U-Boot 2031.01 (Jan 06 2031 - 12:00:00 +0000)\nHit any key to stop autoboot:  0\n"
    diagnosis = diagnosed(start + end)
    assert diagnosis.outcome is Outcome.FAILED
    assert diagnosis.boots[-1].findings[0].signature == root


def test_a_loader_that_is_told_what_to_do_from_outside_waits_for_it() -> None:
    assert diagnosed("m1n1 v31.4.1\nChip-ID: 0x9999\nRunning proxy...\n").outcome is Outcome.UNKNOWN


def test_a_processor_that_takes_no_interrupts_goes_no_further() -> None:
    diagnosis = diagnosed(
        "i 0900 clear\nHCPGIR450W CP entered; disabled wait PSW 00020001 80000000 00000000 00009999\n"
    )
    assert diagnosis.outcome is Outcome.FAILED


def test_a_loader_that_crashes_as_it_hands_over_has_failed_though_its_drivers_speak_as_a_kernels() -> None:
    log = (
        "U-Boot 2031.01 (Jan 06 2031 - 12:00:00 +0000)\nDRAM:  1 GiB\nStarting kernel ...\n\n"
        "clk u5_quux_core already disabled\nclk u5_quux_apb already disabled\n"
        "Unhandled exception: Store/AMO access fault\nresetting ...\n"
        "### ERROR ### Please RESET the board ###\n"
    )
    diagnosis = diagnosed(log)
    assert diagnosis.outcome is Outcome.FAILED
    assert diagnosis.boots[-1].stage == "boot-loader"


@pytest.mark.parametrize(("countdown", "outcome"), [("", Outcome.FAILED), ("\n", Outcome.UNKNOWN)])
def test_what_a_loader_complained_of_before_its_countdown_is_not_why_it_is_back_at_its_prompt(
    countdown: str, outcome: Outcome
) -> None:
    counted = countdown and f"{countdown}Hit any key to stop autoboot:  2  1  0 \n"
    log = f"U-Boot 2031.01 (Jan 06 2031)\nNet:   quux#0\nError: quux#0 has no clock.\n{counted}quux# \n"
    assert diagnosed(log).outcome is outcome
