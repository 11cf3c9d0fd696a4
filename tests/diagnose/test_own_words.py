"""Why a unit failed, in its own program's words; and a program that ends is not the first one."""

from __future__ import annotations

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Boot, Severity
from bootwright.diagnose.signatures.knowledge import load

KNOWLEDGE = load()
STAMP = "Nov 28 17:20:11 box "


def boot_of(*said: str) -> Boot:
    return diagnose_bytes("".join(f"{STAMP}{line}\n" for line in said).encode(), "log", KNOWLEDGE).boots[0]


@pytest.mark.parametrize(
    ("unit", "tag", "words"),
    [
        ("quuxer.service", "quuxerd", "unable to read /etc/quux.json: invalid character"),
        ("frob@17-main.service", "frob", "FATAL:  files are incompatible with server"),
        ("quux-frob.service", "quux_frob", "[emerg] 810#810: what is servr"),
        ("quux-frob.service", "quux", "error: no such token"),
        ("zork.service", "(zork)", "zork.service: Unable to locate executable '/usr/bin/zork': No such file"),
    ],
)
def test_the_units_own_reason_is_told(unit: str, tag: str, words: str) -> None:
    boot = boot_of(
        "systemd[1]: Started quux-logger.service - Logger.",
        "quux-logger[700]: error: nobody wants to log",
        f"systemd[1]: Starting {unit} - Example...",
        f"{tag}[900]: {words}",
        f"{tag}[900]: failed for the reason above",
        "chronyd[500]: Selected source 192.0.2.1",
        f"systemd[1]: {unit}: Main process exited, code=exited, status=1/FAILURE",
        f"systemd[1]: {unit}: Failed with result 'exit-code'.",
        f"systemd[1]: Failed to start {unit} - Example.",
        "systemd[1]: Reached target multi-user.target - Multi-User System.",
    )
    finding = next(finding for finding in boot.findings if finding.signature == "service-failed")
    assert finding.cause.endswith(f"said: `{words}`.")
    assert finding.lines[0].text == f"{STAMP}{tag}[900]: {words}"


def test_what_systemd_says_of_a_program_that_is_not_there_is_the_reason() -> None:
    boot = boot_of(
        "systemd[1]: frob.service: Failed to locate executable /usr/bin/frob: No such file or directory",
        "systemd[1]: frob.service: Main process exited, code=exited, status=203/EXEC",
        "systemd[1]: Failed to start frob.service - Example.",
    )
    assert "Failed to locate executable /usr/bin/frob" in boot.findings[0].cause


def test_a_program_of_another_name_is_believed_right_before_its_end_alone() -> None:
    failed = (
        "systemd[1]: frob.service: Main process exited, code=exited, status=1/FAILURE",
        "systemd[1]: Failed to start frob.service - Example.",
    )
    complaint = "upsd[900]: error: a driver is not connected"
    assert "upsd said: `error: a driver" in boot_of(complaint, *failed).findings[0].cause
    between = "sshd[1]: Server listening on 0.0.0.0 port 22."
    parted = boot_of(complaint, "cron[500]: started", between, *failed)
    assert "said" not in parted.findings[0].cause


def test_a_program_that_is_called_more_than_the_unit_is_another_one() -> None:
    boot = boot_of(
        "frobd-dispatcher[700]: error: no such file",
        "cron[500]: started",
        "systemd[1]: Failed to start frob.service - Example.",
    )
    assert "said" not in boot.findings[0].cause


def test_an_earlier_start_of_the_unit_is_no_reason() -> None:
    boot = boot_of(
        "frobd[800]: error: the first time",
        "systemd[1]: Starting frob.service - Example...",
        "systemd[1]: frob.service: start operation timed out. Terminating.",
        "systemd[1]: Failed to start frob.service - Example.",
    )
    assert "the first time" not in boot.findings[0].cause


def test_a_file_system_says_why_it_was_not_mounted() -> None:
    boot = boot_of(
        "kernel: EXT4-fs (sda8): VFS: Found ext4 filesystem with invalid superblock checksum.  Run e2fsck?",
        "systemd[1]: mnt-data.mount: Mount process exited, code=exited, status=32/n/a",
        "systemd[1]: Failed to mount mnt-data.mount - Example.",
    )
    finding = next(finding for finding in boot.findings if finding.signature == "fs-mount-failed")
    assert "the kernel said: `EXT4-fs (sda8): VFS: Found ext4" in finding.cause


def test_one_failure_of_a_unit_is_one_finding() -> None:
    boot = boot_of(
        "systemd[1]: Failed to start docker.service - Example.",
        "systemd[1]: Failed to start quux.service - Example.",
        "systemd[1]: Reached target multi-user.target - Multi-User System.",
    )
    units = [dict(finding.facts)["unit"] for finding in boot.findings]
    assert sorted(units) == ["docker.service", "quux.service"]


@pytest.mark.parametrize(
    "words", ["FATAL:  files are incompatible", "FATAL: cannot start", "Fatal error: no"]
)
def test_a_program_that_ends_beside_systemd_ends_no_boot(words: str) -> None:
    boot = boot_of(
        "systemd[1]: Starting frob.service - Example...",
        f"frobd[900]: {words}",
        "systemd[1]: frob.service: Failed with result 'exit-code'.",
    )
    assert boot.outcome.value == "degraded"
    assert all(finding.severity is not Severity.FATAL for finding in boot.findings)
    # The first process may say the same.
    assert boot_of(f"init[1]: {words}").outcome.value == "failed"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        # A parser quotes the line that it complains of; a script says only that its command failed.
        (
            [
                "nft[900]: /etc/q.conf:7:3-5: Error: syntax error",
                "nft[900]:   tcp zork",
                "nft[900]:       ^^^^",
            ],
            0,
        ),
        (["quux[901]: unable to find zork", "quux[900]: run-parts: zork ended with return code 2"], 0),
        # What is quoted takes nothing back.
        (['quuxd[900]: failed to load TOML: /etc/q.toml: (4, 3): expected =, but got "disabled"'], 0),
        # What was said by the process before.
        (
            [
                "quuxd[800]: error: an older reason",
                "systemd[1]: quuxes.service: Main process exited, code=exited, status=1/FAILURE",
                "quuxd[900]: error: the new reason",
            ],
            2,
        ),
    ],
)
def test_the_reason_among_all_that_was_said(said: list[str], reason: int) -> None:
    boot = boot_of(
        "systemd[1]: Starting quuxes.service - Example...",
        *said,
        "systemd[1]: quuxes.service: Main process exited, code=exited, status=1/FAILURE",
        "systemd[1]: Failed to start quuxes.service - Example.",
    )
    finding = next(finding for finding in boot.findings if finding.signature == "service-failed")
    assert finding.lines[0].text == f"{STAMP}{said[reason]}"
