"""What a finding says is true of the log: of what failed, of what followed, and of what is waited for."""

from __future__ import annotations

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Finding, Outcome
from bootwright.diagnose.signatures.knowledge import load

KNOWLEDGE = load()


def findings(text: str) -> dict[str, Finding]:
    boots = diagnose_bytes(text.encode(), "log", KNOWLEDGE).boots
    return {finding.signature: finding for boot in boots for finding in boot.findings}


def test_a_stub_that_gave_up_started_no_kernel() -> None:
    said = findings(
        "EFI stub: Booting Linux Kernel...\n"
        "EFI stub: ERROR: Failed to load initrd: 0x800000000000000e\n"
        "EFI stub: ERROR: efi_stub_entry() failed!\n"
    )
    assert "initramfs could not be loaded" in said["efi-failed"].cause
    assert said.keys().isdisjoint({"silent-after-handover", "initramfs-not-loaded"})


def test_a_kernel_that_runs_was_started_without() -> None:
    said = findings(
        "EFI stub: Booting Linux Kernel...\n"
        "EFI stub: ERROR: Failed to load initrd: 0x800000000000000e\n"
        "EFI stub: Exiting boot services...\n"
        "[    0.000000] Linux version 6.12.5 (builder@example) (gcc 14.2.0) #1 SMP\n"
    )
    assert "was started without" in said["initramfs-not-loaded"].cause


def test_memory_that_is_missing_is_told_once() -> None:
    said = findings(
        "EFI stub: Booting Linux Kernel...\n"
        "EFI stub: ERROR: Failed to allocate memory for 'initrd'\n"
        "EFI stub: ERROR: Failed to load initrd: 0x8000000000000009\n"
    )
    assert said["efi-failed"].caused_by == "memory-too-small"


def test_the_last_that_is_waited_for_is_said() -> None:
    waits = "[   {at}.000000] [talos] service[etcd](Waiting): Waiting for {what}\n"
    log = waits.format(at=15, what='service "cri" to be "up", time sync')
    said = findings(log + waits.format(at=326, what="time sync"))["talos-waiting"]
    assert said.cause == "Talos's etcd waits for time sync and nothing brings it."


@pytest.mark.parametrize(
    ("what", "caused"), [("time sync", "time-sync"), ('service "containerd" to be "up"', None)]
)
def test_the_clock_keeps_waiting_only_what_waits_for_it(what: str, caused: str | None) -> None:
    error = (
        '[  {at}.000000] [talos] no clock to be had {{"component": "controller-runtime", '
        '"controller": "time.SyncController", "error": "i/o timeout"}}\n'
    )
    log = f"[   15.000000] [talos] service[etcd](Waiting): Waiting for {what}\n"
    said = findings(log + error.format(at=25) + error.format(at=400))
    assert said["talos-waiting"].caused_by == caused
    assert said["time-sync"].cause == "The time servers were not reached: no clock to be had: i/o timeout."


def test_the_module_of_memory_is_named_whole() -> None:
    said = findings(
        "[ 3512.100000] EDAC MC0: 1 UE memory read error on CPU_SrcID#0_Ha#0_Chan#1_DIMM#0 "
        "(channel:1 slot:0 page:0x3f1a2 offset:0x0 grain:32)\n"
    )
    assert said["hardware-error"].cause.endswith("error on CPU_SrcID#0_Ha#0_Chan#1_DIMM#0.")


@pytest.mark.parametrize(
    ("section", "remedy"),
    [("PCIe error", "lspci"), ("memory error", "module"), ("ARM processor error", "cooling")],
)
def test_what_to_do_follows_from_what_the_record_is_of(section: str, remedy: str) -> None:
    said = findings(
        "[   61.2] {1}[Hardware Error]: event severity: fatal\n"
        f"[   61.3] {{1}}[Hardware Error]:   section_type: {section}\n"
        "[   61.4] Kernel panic - not syncing: Fatal hardware error!\n"
    )
    assert section in said["hardware-error"].cause
    assert remedy in said["hardware-error"].remedy


SHUTDOWN = (
    "[  OK  ] Stopped target graphical.target - Graphical Interface.\n"
    "[  OK  ] Reached target umount.target - Unmount All Filesystems.\n"
    "[  OK  ] Reached target poweroff.target - System Power Off.\n"
)


def test_a_shutdown_alone_does_not_tell_whether_the_machine_boots() -> None:
    diagnosis = diagnose_bytes(SHUTDOWN.encode(), "log", KNOWLEDGE)
    assert diagnosis.outcome is Outcome.UNKNOWN
    assert diagnosis.boots[0].stages == ()


def test_what_ran_before_a_shutdown_counts() -> None:
    before = "[  OK  ] Started example.service - Example.\n"
    diagnosis = diagnose_bytes((before + SHUTDOWN).encode(), "log", KNOWLEDGE)
    assert diagnosis.outcome is Outcome.BOOT_OK
    assert "shut-down" not in findings(before + SHUTDOWN)


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("r8169 0000:02:00.0 enp2s0: Link is Up - 1Gbps/Full", Outcome.BOOT_OK),
        ("r8169 0000:03:00.0 enp3s0: Link is Up - 1Gbps/Full", Outcome.DEGRADED),
        ("quux 0000:02:00.0: frob", Outcome.DEGRADED),
    ],
    ids=["its-own", "another-card", "no-link"],
)
def test_a_card_whose_link_comes_up_got_over_what_it_complained_of(link: str, expected: Outcome) -> None:
    log = (
        "[    5.100000] r8169 0000:02:00.0: Unable to load firmware rtl_nic/example.fw (-2)\n"
        f"[    7.200000] {link}\n"
    )
    assert diagnose_bytes(log.encode(), "log", KNOWLEDGE).outcome is expected
