"""What processors, memory, IOMMUs, hypervisors and emulators say of themselves, in their sources' formats."""

from __future__ import annotations

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Diagnosis, Finding, Outcome, Severity
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
        "  ffffffffffffffff bad mem addr 0x000000003fd00000 - 0x000000003fd00010 reserved",
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
        "Corrupted low memory at 00000000f3a1c2d4 (8000 phys) = 00000001",
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
        "Unhandled 64-bit el1h sync exception on CPU2, ESR 0x0000000002000000 -- Unknown/Uncategorized",
        "Bad mode in Synchronous Abort handler detected on CPU1, code 0x8600000f -- IABT (current EL)",
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


def test_an_exception_before_the_kernel_has_a_console() -> None:
    panic = "PANIC: early exception 0x0d IP 10:ffffffff82d3c1f0 error 0 cr2 0xffff888000200ff8"
    log = f"Booting the kernel.\n{panic}\n"
    assert diagnose(log).outcome is Outcome.FAILED
    assert found(log, "kernel-oops")


@pytest.mark.parametrize(
    ("end", "expected"), [("[    9.200000] reboot: Power down\n", Outcome.DEGRADED), (UP, Outcome.BOOT_OK)]
)
def test_a_unit_test_of_the_kernel(end: str, expected: Outcome) -> None:
    first = "[    0.000000] Linux version 6.12.20 (build@example.org) #1 SMP\n"
    test = (
        "[    2.200000]     # example_sum_test: EXPECTATION FAILED at lib/example_kunit.c:31\n"
        "[    2.200100]     not ok 1 example_sum_test\n"
    )
    assert diagnose(first + test + end.replace(first, "")).outcome is expected


def test_an_interrupt_controller_that_takes_no_commands() -> None:
    late = "[  911.400120] ITS queue timeout (65440 65377)\n"
    log = f"{UP}{late}[  911.400130] ITS cmd its_build_mapd_cmd failed\n"
    assert diagnose(log).outcome is Outcome.DEGRADED
    assert found(log, "interrupt-missing")


def test_wsl_that_cannot_mount_its_distribution() -> None:
    start = (
        "[    0.000000] Linux version 5.15.167.4-microsoft-standard-WSL2 (build@example.org) #1 SMP\n"
        "[    0.900112] Run /init as init process\n"
    )
    call = "mount(/dev/sdd, /distro, ext4, 0x0, errors=remount-ro)"
    failed = f"[    1.700000] WSL (1) ERROR: MountExt4:3200: {call} failed 22\n"
    assert diagnose(start + failed + "[    1.900000] reboot: Power down\n").outcome is Outcome.FAILED


def test_wsl_whose_first_program_is_late() -> None:
    log = (
        "[    0.000000] Linux version 5.15.167.4-microsoft-standard-WSL2 (build@example.org) #1 SMP\n"
        "[    0.900112] Run /init as init process\n"
        "[    2.600000] systemd[1]: systemd 255 running in system mode\n"
        "[   12.900000] WSL (2) ERROR: WaitForBootProcess:3342: /sbin/init failed to start within 10000\n"
    )
    assert diagnose(log).outcome is Outcome.DEGRADED


def test_packed_memory_that_cannot_be_unpacked() -> None:
    log = f"{UP}[  911.400120] zram: Decompression failed! err=-22, page=4411\n"
    assert diagnose(log).outcome is Outcome.DEGRADED
    harmless = f"{UP}[  911.400120] Buffer I/O error on dev zram1, logical block 0, async page read\n"
    assert diagnose(harmless).outcome is Outcome.BOOT_OK


def test_openboot_back_at_its_prompt() -> None:
    begins = "OpenBoot 4.30.4, 8192 MB memory available.\nBoot device: disk1  File and args:\n"
    log = begins + "Can't open boot device\n\n{0} ok\n"
    assert diagnose(log).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    "line",
    [
        "ti-sci 44043000.system-controller: Mbox timedout in resp(caller: ti_sci_set_device_state+0x94)",
        "imx-scu scu: RPC send msg timeout",
        "raspberrypi-firmware soc:firmware: Firmware transaction timeout",
    ],
)
@pytest.mark.parametrize("times", [1, 3])
def test_firmware_that_is_late_once_and_one_that_does_not_answer(line: str, times: int) -> None:
    first, rest = UP.split("\n", 1)
    late = "".join(f"[    1.{number}00000] {line}\n" for number in range(1, times + 1))
    assert found(f"{first}\n{late}", "service-processor-silent").severity is (
        Severity.DEGRADING if times == 3 else Severity.INFO
    )
    assert diagnose(f"{first}\n{late}{rest}").outcome is Outcome.BOOT_OK


def test_a_bus_of_the_chip_that_names_who_asked() -> None:
    line = "44000000.ocp:L3 Custom Error: MASTER MPU TARGET GPMC (Idle): Data Access in Supervisor mode"
    log = f"{UP}[   35.101201] {line}\n"
    assert diagnose(log).outcome is Outcome.DEGRADED
    assert "MPU TARGET GPMC" in found(log, "serror").cause


@pytest.mark.parametrize(
    "line",
    [
        "Error booting VM: VmBoot(KernelLoad(Elf(InvalidElfMagicNumber)))",
        "error: Failed to start domain 'web'",
        "VBoxManage: error: The virtual machine 'web' has terminated unexpectedly during startup",
    ],
)
def test_other_monitors_that_start_no_machine(line: str) -> None:
    assert diagnose(f"+ start\n{line}\n").outcome is Outcome.FAILED
    assert diagnose(f"{UP}{line}\n").outcome is Outcome.DEGRADED
