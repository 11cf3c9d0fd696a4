"""What is said of disks, of the layers above them and of the ways to them, on a machine that is up."""

from __future__ import annotations

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Outcome

UP = (
    "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
    "[    2.000000] sd 0:0:0:0: [sda] Attached SCSI disk\n"
    "[    8.000000] systemd[1]: Reached target multi-user.target - Multi-User System.\n"
)
AFTER = "[  900.000000] systemd[1]: Started logrotate.service - Rotate log files.\n"
LOST_AND_REGAINED = {
    "iscsi": (
        " connection4:0: detected conn error (1011)",
        "iscsid[6]: connection4:0 is operational after recovery (2 attempts)",
    ),
    "nvme": ("nvme nvme7: starting error recovery", "nvme nvme7: Successfully reconnected (1 attempts)"),
}


def outcome_of(*lines: str) -> tuple[Outcome, str]:
    text = UP + "".join(f"[   {20 + number}.000000] {line}\n" for number, line in enumerate(lines)) + AFTER
    diagnosis = diagnose_bytes(text.encode())
    return diagnosis.outcome, diagnosis.blamed.finding.signature if diagnosis.blamed else ""


@pytest.mark.parametrize("way", LOST_AND_REGAINED)
def test_a_way_to_a_disk_that_comes_back_is_no_failure(way: str) -> None:
    lost, regained = LOST_AND_REGAINED[way]
    assert outcome_of(lost) == (Outcome.DEGRADED, "path-lost")
    assert outcome_of(lost, regained)[0] is Outcome.BOOT_OK
    assert outcome_of(lost, regained, lost) == (Outcome.DEGRADED, "path-lost")


@pytest.mark.parametrize("request_of", ["DISCARD", "WRITE_ZEROES", "SECURE_ERASE"])
def test_what_a_disk_need_not_do_is_no_failure(request_of: str) -> None:
    line = "critical target error, dev sda, sector 8 op 0x3:({}) flags 0x800 phys_seg 1 prio class 2"
    assert outcome_of(line.format(request_of))[0] is Outcome.BOOT_OK
    assert outcome_of(line.format("WRITE")) == (Outcome.DEGRADED, "io-error")
    assert outcome_of(line.format(request_of), line.format("READ")) == (Outcome.DEGRADED, "io-error")


@pytest.mark.parametrize(
    "line",
    [
        "I/O error, dev sda, sector 8",
        "blk_update_request: I/O error, dev sda, sector 8 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 0",
        "print_req_error: critical medium error, dev sda, sector 8 flags 0",
        "end_request: I/O error, dev sda, sector 8",
    ],
)
def test_an_error_of_any_kernel_is_read(line: str) -> None:
    assert outcome_of(line) == (Outcome.DEGRADED, "io-error")


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("Medium not present", Outcome.BOOT_OK),
        ("Logical unit not accessible, target port in standby state", Outcome.BOOT_OK),
        ("Logical unit not ready, manual intervention required", Outcome.DEGRADED),
        ("Internal target failure", Outcome.DEGRADED),
        ("Failure prediction threshold exceeded", Outcome.DEGRADED),
    ],
)
def test_what_a_disk_says_of_itself(said: str, outcome: Outcome) -> None:
    assert (
        outcome_of("sd 3:0:0:0: [sdb] Unit Not Ready", f"sd 3:0:0:0: [sdb] Add. Sense: {said}")[0] is outcome
    )


def test_one_gap_in_a_link_is_got_over_and_two_are_not() -> None:
    gap = [
        "ata2.00: exception Emask 0x10 SAct 0x3 SErr 0x400100 action 0x6 frozen",
        "ata2.00: failed command: READ FPDMA QUEUED",
        "ata2.00: configured for UDMA/133",
    ]
    assert outcome_of(*gap)[0] is Outcome.BOOT_OK
    assert outcome_of(*gap, *gap) == (Outcome.DEGRADED, "ata-error")
    unreadable = "ata2.00: error: { UNC }"
    assert outcome_of(*gap[:2], unreadable, gap[2]) == (Outcome.DEGRADED, "ata-error")


def test_a_link_that_answers_in_the_end_is_no_failure() -> None:
    missed = "ata2: COMRESET failed (errno=-16)"
    assert outcome_of(missed, missed)[0] is Outcome.DEGRADED
    assert (
        outcome_of(missed, missed, "ata2: SATA link up 3.0 Gbps (SStatus 123 SControl 300)")[0]
        is Outcome.BOOT_OK
    )
    after = "ata2: reset failed, giving up"
    assert (
        outcome_of(missed, "ata2: SATA link up 3.0 Gbps (SStatus 123 SControl 300)", after)[0]
        is Outcome.DEGRADED
    )


@pytest.mark.parametrize(
    "line",
    [
        "sd 2:2:0:0: [sda] megasas: RESET cmd=28 retries=0",
        "mptscsih: ioc0: attempting task abort! (sc=00000000f00dcafe)",
        "aacraid: Host adapter abort request.",
        "sd 6:0:0:0: [sda] tag#7 uas_eh_abort_handler 0 uas-tag 3 inflight: CMD OUT",
    ],
)
def test_a_disk_whose_commands_are_aborted_again_and_again_is_degraded(line: str) -> None:
    assert outcome_of(line, line) == (Outcome.DEGRADED, "disk-commands-aborted")
    assert outcome_of(line)[0] is Outcome.BOOT_OK
