"""What processors, memory, IOMMUs, hypervisors and emulators say of themselves, in their sources' formats."""

from __future__ import annotations

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Diagnosis, Finding, Outcome
from bootwright.diagnose.signatures.knowledge import load

KNOWLEDGE = load()
UP = """\
[    0.000000] Linux version 6.12.20 (build@example.org) #1 SMP
[    2.311201] Run /init as init process
[    4.100344] systemd[1]: systemd 257 running in system mode
[    6.881002] systemd[1]: Started cron.service.
[  OK  ] Reached target multi-user.target - Multi-User System.

example login:
"""


def diagnose(log: str) -> Diagnosis:
    return diagnose_bytes(log.encode(), "console.log", KNOWLEDGE)


def found(log: str, signature: str) -> Finding:
    for boot in diagnose(log).boots:
        for finding in boot.findings:
            if finding.signature == signature:
                return finding
    raise AssertionError(f"no {signature}")


@pytest.mark.parametrize(
    "line",
    [
        "[Hardware Error]: Uncorrected, software containable error.",
        "[Hardware Error]: System Fatal error.",
        "mce: Uncorrected hardware memory error in user-access at 3fd00000",
        "Memory failure: 0x3fd00: recovery action for dirty swapcache page: Failed",
        "NMI: IOCK error (debug interrupt?) for reason 61 on CPU 0.",
        "Severe Machine check interrupt [Not recovered]",
        "Fatal Hypervisor Maintenance interrupt [Not recovered]",
        "MCE: CPU7: (Severe) ICache ERAT Parity Error at c000000000012ab4 [Not recovered]",
    ],
)
def test_what_the_hardware_could_not_correct(line: str) -> None:
    log = f"{UP}[  911.400120] {line}\n"
    assert diagnose(log).outcome is Outcome.DEGRADED
    assert found(log, "hardware-error")


@pytest.mark.parametrize(
    "line",
    [
        "[Hardware Error]: Deferred error, no action required.",
        "Memory failure: 0x3fd00: recovery action for clean LRU page: Recovered",
        "MCE: CPU7: (Warning) TLB Multihit at c000000000012ab4 [Recovered]",
        "Harmless Hypervisor Maintenance interrupt [Recovered]",
    ],
)
def test_what_the_hardware_got_over(line: str) -> None:
    assert diagnose(f"{UP}[  911.400120] {line}\n").outcome is Outcome.BOOT_OK


def test_a_decoded_error_at_the_start_is_of_the_boot_before() -> None:
    start, rest = UP.split("\n", 1)
    line = "[    0.600082] [Hardware Error]: System Fatal error."
    assert diagnose("\n".join([start, line, rest])).outcome is Outcome.BOOT_OK


@pytest.mark.parametrize(
    "line",
    [
        "Unable to handle kernel pointer dereference in virtual kernel address space",
        "Kernel ade access[#1]:",
        "Kernel unaligned instruction access[#1]:",
    ],
)
def test_oopses_of_further_architectures(line: str) -> None:
    assert found(f"{UP}[  911.400120] {line}\n", "kernel-oops")


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("percpu: allocation failed, size=2048 align=8 atomic=1, atomic alloc failed", "2048"),
        ("SLUB: Unable to allocate memory on node -1, gfp=0x820(GFP_ATOMIC)", "SLUB"),
        (
            "modprobe: vmalloc error: size 4194304, failed to allocate pages, mode:0xcc0(GFP_KERNEL)",
            "modprobe",
        ),
        ("cma: __cma_alloc: linux,cma: alloc failed, req-size: 64 pages, ret: -12", "64 pages"),
        ("HugeTLB: allocating 8 of page size 1.00 GiB failed.  Only allocated 3 hugepages.", "huge pages"),
    ],
)
def test_memory_that_is_not_found_while_the_machine_runs(line: str, word: str) -> None:
    log = f"{UP}[  911.400120] {line}\n"
    assert diagnose(log).outcome is Outcome.BOOT_OK
    assert word in found(log, "page-allocation-failed").cause


def test_an_iommu_that_does_not_answer_is_why_the_timer_does_not_work() -> None:
    stuck = "".join(
        f"[    3.{number}01201] AMD-Vi: Completion-Wait loop timed out\n" for number in range(1, 5)
    )
    panic = (
        "[    5.101201] Kernel panic - not syncing: timer doesn't work through Interrupt-remapped IO-APIC\n"
    )
    diagnosis = diagnose("[    0.000000] Linux version 6.12.20 (build@example.org) #1 SMP\n" + stuck + panic)
    assert diagnosis.outcome is Outcome.FAILED
    assert diagnosis.boots[0].findings[0].signature == "iommu-stuck"


def test_a_panic_of_another_kind_is_no_iommus() -> None:
    stuck = "".join(
        f"[    3.{number}01201] AMD-Vi: Completion-Wait loop timed out\n" for number in range(1, 5)
    )
    panic = "[    5.101201] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00007f00\n"
    diagnosis = diagnose("[    0.000000] Linux version 6.12.20 (build@example.org) #1 SMP\n" + stuck + panic)
    assert diagnosis.boots[0].findings[0].signature != "iommu-stuck"


@pytest.mark.parametrize(
    "line",
    [
        "KVM: entry failed, hardware error 0x80000021",
        "error: kvm run failed Bad address",
        "qemu: fatal: Lockup: can't escalate 3 to HardFault (current priority -1)",
        "qemu: hardware error: example_read: Bad offset 0x44",
    ],
)
def test_an_emulator_stops_its_machine(line: str) -> None:
    assert diagnose(f"Booting from ROM..\n{line}\n\nPC=00000000 R0=00000000\n").outcome is Outcome.FAILED


def test_an_emulator_that_warns_and_goes_on_fails_nothing() -> None:
    warning = (
        "qemu-system-x86_64: warning: host doesn't support requested feature: CPUID.01H:ECX.vmx [bit 5]\n"
    )
    assert diagnose(warning + UP).outcome is Outcome.BOOT_OK
    refused = "qemu-system-x86_64: Failed to lock byte 100, which another process holds\n"
    assert diagnose(refused + UP).outcome is Outcome.BOOT_OK


def test_one_error_of_a_container_that_starts_fails_nothing() -> None:
    log = (
        "lxc-start box 20250101101501.301 ERROR    utils - utils.c:safe_mount:1198 - Permission denied - "
        'Failed to mount "/sys/fs/fuse" onto "/usr/lib/lxc/rootfs/sys/fs/fuse"\n'
    )
    assert diagnose(log + UP).outcome is Outcome.BOOT_OK
