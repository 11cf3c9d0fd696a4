"""The last state decides: how loaders, the kernel and systems end, in words that no signature knows."""

from __future__ import annotations

import pytest
from diagnosed_kit import diagnosed
from hypothesis import given
from hypothesis import strategies as st

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.judging.shapes import looks_wrong, repeated_block, shape_of
from bootwright.diagnose.model import Diagnosis, Outcome, Severity
from bootwright.diagnose.signatures.knowledge import load

KNOWLEDGE = load()
UBOOT = "U-Boot 2031.01 (Jan 06 2031 - 12:00:00 +0000)\nDRAM:  1 GiB\n"
KERNEL = "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
READY = "[    9.000000] systemd[1]: Reached target multi-user.target - Multi-User System.\nhost login: \n"


def serious(diagnosis: Diagnosis) -> list[str]:
    return [
        finding.signature
        for boot in diagnosis.boots
        for finding in boot.findings
        if finding.severity in {Severity.FATAL, Severity.DEGRADING} and finding.caused_by is None
    ]


@pytest.mark.parametrize(
    "end",
    [
        "The frobnicator of bank 7 could not be set up\n",
        "frobnicate: unexpected thing, ret = -71\n",
        "Hit any key to stop autoboot:  0\nfrobnicate: invalid thing\n=> ",
        "Hit any key to stop autoboot:  0\nQuux medium is missing\nACME Board>> ",
        "E: quux is not there\nresetting ...\n",
        "quux 0x4711 unexpected\nplease reset the board\n",
        "quux unit 3 of 7\nAssertion `quux' failed, halting\n",
        "frobnicating the quux now\n" * 12,
        "quux bank a\nquux bank b\nquux bank c\n" * 9,
        "quux 1: no answer from frob\nquux 2: no answer from frob\n" * 4,
    ],
)
def test_a_loader_that_goes_no_further_has_failed(end: str) -> None:
    diagnosis = diagnosed(UBOOT + end)
    assert diagnosis.outcome is Outcome.FAILED
    finding = diagnosis.boots[-1].findings[0]
    assert finding.signature in {"loader-stopped", "loader-loop"}
    assert finding.lines[0].text.strip() in end
    assert "U-Boot" in finding.cause


@pytest.mark.parametrize(
    ("end", "why"),
    [
        ("Loading the frobnicator\n", "the log ends in U-Boot"),
        ("Hit any key to stop autoboot:  3\n", "waits"),
        ("Hit any key to stop autoboot:  0\n=> ", "waits for a command"),
        ("*** Warning - bad CRC, using default environment\n", "the log ends in U-Boot"),
        ("quux: no errors found\n", "the log ends in U-Boot"),
        ("##########\n" * 40, "the log ends in U-Boot"),
        ("DQ delay 11 of lane 4\nDQ delay 13 of lane 5\nDQ delay 17 of lane 6\n", "the log ends in U-Boot"),
    ],
)
def test_a_loader_that_was_cut_off_is_unknown_and_says_so(end: str, why: str) -> None:
    diagnosis = diagnosed(UBOOT + end)
    assert diagnosis.outcome is Outcome.UNKNOWN
    assert serious(diagnosis) == []
    assert any(why in gap.missing for gap in diagnosis.boots[-1].gaps)


def test_an_error_that_the_loader_got_over_is_none() -> None:
    log = UBOOT + "quux: invalid frob\nStarting kernel ...\n\n" + KERNEL + READY
    assert diagnosed(log).outcome is Outcome.BOOT_OK


def test_a_console_that_goes_silent_while_the_kernel_starts_is_unknown() -> None:
    going_on = "".join(f"[    1.{number}00000] quux{number}: registered\n" for number in range(9))
    diagnosis = diagnosed(UBOOT + "Starting kernel ...\n\n" + KERNEL + going_on)
    assert diagnosis.outcome is Outcome.UNKNOWN
    assert any("silent while the kernel starts" in gap.missing for gap in diagnosis.boots[-1].gaps)
    assert diagnosed(KERNEL + going_on).outcome is Outcome.UNKNOWN
    runs = "[    2.000000] Run /sbin/init as init process\n"
    assert diagnosed(KERNEL + going_on + runs).outcome is Outcome.UNKNOWN
    speaks = "[    2.400000] random: crng init done\n"
    assert diagnosed(KERNEL + going_on + runs + speaks).outcome is Outcome.BOOT_OK


def test_the_same_error_over_and_over_ends_a_boot() -> None:
    line = "[ %4d.000000] quux 4711.frob: no answer to request %d, giving up\n"
    repeated = "".join(line % (10 * number, number) for number in range(1, 8))
    assert serious(diagnosed(KERNEL + repeated)) == ["kept-failing"]
    assert diagnosed(KERNEL + repeated).outcome is Outcome.FAILED
    assert diagnosed(KERNEL + READY + repeated).outcome is Outcome.DEGRADED
    assert diagnosed(KERNEL + repeated + READY).outcome is Outcome.BOOT_OK


def test_an_initramfs_that_waits_for_ever_has_failed() -> None:
    waiting = "Begin: Running /scripts/local-block ... done.\n"
    diagnosis = diagnosed(KERNEL + "[    4.000000] Run /init as init process\n" + waiting * 9)
    assert (diagnosis.outcome, serious(diagnosis)) == (Outcome.FAILED, ["kept-failing"])
    assert diagnosed(KERNEL + waiting * 9 + READY).outcome is Outcome.BOOT_OK


def test_a_banner_over_which_the_clock_goes_on_is_no_restart() -> None:
    banner = "coreboot-4.19 Mon Jan 16 ramstage starting (log level: 7)...\n"
    before = "[    3.200000] usb 1-1: new high-speed USB device\n"
    assert len(diagnosed(KERNEL + before + banner + before.replace("3.2", "3.3") + READY).boots) == 1
    assert len(diagnosed(KERNEL + before + banner + KERNEL + READY).boots) == 2


def test_a_restart_that_a_later_boot_gets_past_is_no_failure() -> None:
    whole = UBOOT + "Starting kernel ...\n\n" + KERNEL + READY
    assert diagnosed(UBOOT + whole).outcome is Outcome.BOOT_OK
    assert diagnosed(UBOOT * 4).outcome is Outcome.FAILED
    assert diagnosed(UBOOT * 4 + whole).outcome is Outcome.BOOT_OK
    panic = "[    3.000000] Kernel panic - not syncing: quux\n"
    assert diagnosed(UBOOT + "Starting kernel ...\n" + KERNEL + panic + whole).outcome is Outcome.DEGRADED


def test_an_excerpt_that_begins_in_the_loader_ends_where_the_loader_begins_again() -> None:
    diagnosis = diagnosed("Booting using the fdt blob at 0x4000\nStarting kernel ...\n\n" + UBOOT)
    assert [boot.first_line for boot in diagnosis.boots] == [1, 4]
    assert (diagnosis.outcome, serious(diagnosis)) == (Outcome.FAILED, ["silent-after-handover"])


def test_a_loader_of_before_2008_is_one_too() -> None:
    boot = diagnosed("U-Boot 1.3.4 (Jan 06 2031 - 12:00:00)\nDRAM: 64 MB\n").boots[0]
    assert [stage.label for stage in boot.stages] == ["U-Boot 1.3.4"]


def test_a_crash_of_the_loader_shows_what_it_complained_of_before() -> None:
    crash = '"Synchronous Abort" handler, esr 0x02000000\nelr: 00000000 lr : ffff273c\nResetting CPU ...\n'
    finding = diagnosed(UBOOT + "quux: frobnication failed -1\nBack to ROM\n" + crash).boots[0].findings[0]
    assert finding.signature == "uboot-crash"
    assert [line.number for line in finding.lines][:2] == [3, 5]
    assert "`quux: frobnication failed -1`" in finding.cause
    calm = diagnosed(UBOOT + "quux: ready\n" + crash).boots[0].findings[0]
    assert "complained" not in calm.cause


def test_a_sentence_ends_in_one_full_stop() -> None:
    finding = (
        diagnosed("Welcome to GRUB!\n\nerror: unknown filesystem.\ngrub rescue> \n").boots[0].findings[0]
    )
    assert finding.cause.endswith("unknown filesystem.")
    assert not finding.cause.endswith("..")


def test_a_loader_with_a_clock_of_its_own_is_no_kernel() -> None:
    log = "[0010.599] quux_init\n[0010.684] no Quux image\n[0010.766] Synchronous Exception: DATA ABORT\n"
    diagnosis = diagnosed(log)
    assert (diagnosis.outcome, serious(diagnosis)) == (Outcome.FAILED, ["loader-stopped"])


def test_an_error_without_end_shows_since_when() -> None:
    again = "".join(f"[{60 + 2 * turn}.000000] quux: frob failed: -{22}\n" for turn in range(40))
    finding = diagnosed(KERNEL + READY + again).boots[0].findings[0]
    assert (finding.signature, [line.number for line in finding.lines][:1]) == ("kept-failing", [4])


def test_a_jetson_s_firmware_that_restarts_has_failed() -> None:
    log = "Jetson System firmware version v36.4.0\nEnter to continue boot.\nRebooting system ...\n"
    assert diagnosed(log).outcome is Outcome.FAILED


def test_a_loader_may_give_up_on_a_display() -> None:
    assert diagnosed(UBOOT + "hdmi: giving up on reading EDID block 0\n").outcome is Outcome.UNKNOWN
    assert diagnosed(UBOOT + "quux medium: giving up\n").outcome is Outcome.FAILED


def test_an_announced_restart_is_none() -> None:
    whole = UBOOT + "Starting kernel ...\n\n" + KERNEL + READY
    stop = "[  100.000000] systemd[1]: Reached target reboot.target - System Reboot.\n"
    diagnosis = diagnosed(whole + stop + whole)
    assert diagnosis.outcome is Outcome.BOOT_OK
    assert "silent-restart" not in {finding.signature for finding in diagnosis.boots[0].findings}


def test_talos_is_unknown_until_it_is_ready() -> None:
    start = "[    3.000000] [talos] initialize sequence: 4 phase(s)\n"
    assert diagnosed(start).outcome is Outcome.UNKNOWN
    assert (
        diagnosed(start + "[   60.000000] [talos] machine is running and ready\n").outcome is Outcome.BOOT_OK
    )
    counting = "[    9.000000] [talos] rebooting in 10 seconds\n"
    assert serious(diagnosed(start + counting)) == ["talos-stopped"]
    asked = "[    8.000000] [talos] reboot sequence: 6 phase(s)\n"
    assert serious(diagnosed(start + asked + counting)) == []


def test_the_last_state_of_a_service_counts() -> None:
    failed = "[   %d.000000] [talos] service[kubelet](Failed): Failed to run pre stage: quux\n"
    running = (
        "[   50.000000] [talos] service[kubelet](Starting): Starting service\n"
        "[   52.000000] [talos] service[kubelet](Running): Started task kubelet\n"
    )
    later = "[   90.000000] [talos] setting hostname\n"
    assert diagnosed(failed % 40 + later).outcome is Outcome.FAILED
    assert diagnosed(failed % 40 + running + later).outcome is Outcome.UNKNOWN
    assert diagnosed(running + failed % 60 + later).outcome is Outcome.FAILED


def test_a_crash_of_a_machine_that_was_up_degrades_it() -> None:
    crash = "[  660.000000] Unable to handle kernel NULL pointer dereference at virtual address 0010\n"
    assert diagnosed(KERNEL + READY + crash).outcome is Outcome.DEGRADED
    assert diagnosed(KERNEL + crash).outcome is Outcome.FAILED


def test_what_carries_the_root_decides() -> None:
    arguments = "[    0.000000] Kernel command line: root=/dev/mmcblk0p2 ro\n"
    damaged = "[    3.000000] EXT4-fs error (device %s): quux: bad extent\n"
    assert diagnosed(KERNEL + arguments + damaged % "mmcblk0p2").outcome is Outcome.FAILED
    assert diagnosed(KERNEL + arguments + damaged % "sda1").outcome is Outcome.DEGRADED


@given(
    block=st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=5),
    before=st.lists(st.text("xyz", min_size=1, max_size=3), max_size=9),
    times=st.integers(4, 9),
)
def test_a_repeated_block_is_seen(block: list[str], before: list[str], times: int) -> None:
    lines = [line.encode() for line in before + block * times]
    period = repeated_block(lines, least=4)
    assert period is not None
    assert period <= len(block)
    assert repeated_block(lines[: len(before)], least=99) is None


@given(text=st.binary(max_size=600))
def test_any_bytes_have_a_shape(text: bytes) -> None:
    shape = shape_of(text)
    assert len(shape) <= 512
    assert looks_wrong(text) in {True, False}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("quux: frob failed", True),
        ("quux: frob failed, using the default", False),
        ("0 errors", False),
        ("quux 0000:01:00.0: PCIe Bus Error: severity=Corrected, type=Physical Layer", False),
        ("errors=remount-ro", False),
        ("Kernel command line: earlyquux oops=panic frob_watchdog=panic root=/dev/quux", False),
        ("quux: ret -110", True),
        ("quux at 1-110", False),
        ("quux: frob() = -22, last_err=-5", True),
        ("attached driver [quux] (bus=frob:00, irq=-1)", False),
        ("signal=-61 dBm, offset = -3", False),
        ("can't open quux", True),
        ("E/TC:0 0 quux", True),
        ("Watchdog enabled with timeout 60 s", False),
        ("Loading quux", False),
    ],
)
def test_the_form_of_an_error(text: str, *, wrong: bool) -> None:
    assert looks_wrong(text.encode()) is wrong


def test_what_a_device_says_in_normal_work_is_no_failure() -> None:
    text = "[    0.000000] Linux version 6.12.5-test (builder@host) #1 SMP\n"
    text += "[    2.186089] VFS: Mounted root (ext4 filesystem) readonly on device 179:2.\n"
    for number in range(12):
        text += f"[  {300 + 5 * number}.863740] example_get_temp: ret temp=31C\n"
        text += f"[  {301 + 5 * number}.000000] example_watchdog_touch\n"
    assert diagnosed(text).outcome is Outcome.BOOT_OK


def test_somebody_at_the_prompt_is_no_failure() -> None:
    banner = "U-Boot 2025.01 (Jan 06 2025 - 12:00:00 +0000)\n"
    text = banner + "Hit any key to stop autoboot:  0\n(IPQ) # v\n\n" + banner + "gcc 5.3.0\n"
    assert len(diagnosed(text).boots) == 1
    text += "(IPQ) # mmc dev\nmmc0 is current device\n(IPQ) # reset\nresetting ...\n"
    assert diagnosed(text).outcome is Outcome.UNKNOWN
    text += f"\n\n{banner}Hit any key to stop autoboot:  0\n"
    assert diagnosed(text).outcome is Outcome.UNKNOWN


def test_only_firmware_is_no_healthy_boot() -> None:
    assert diagnosed("[0008.181] I> BL32 IMG image base: 0x1f9b010000\n").outcome is Outcome.UNKNOWN


def test_a_hand_over_at_the_end_is_a_failure_only_where_the_console_was_watched() -> None:
    text = b"U-Boot 2025.01 (Jan 06 2025 - 12:00:00 +0000)\nStarting kernel ...\n"
    assert diagnose_bytes(text, "log", KNOWLEDGE).outcome is Outcome.UNKNOWN
    assert diagnose_bytes(text, "log", KNOWLEDGE, watched=True).outcome is Outcome.FAILED


def test_a_known_report_with_its_whole_head_is_no_dump() -> None:
    report = """\
------------[ cut here ]------------
WARNING: drivers/quux/quux.c:58 at quux_detach+0xe0/0xf4, CPU#7: kworker/u32:2/73
Modules linked in: quux
CPU: 7 UID: 0 PID: 73 Comm: kworker/u32:2 Tainted: G        W           7.0.12 #27 PREEMPT
Tainted: [W]=WARN
Hardware name: Example (DT)
Workqueue: events_unbound deferred_probe_work_func
pstate: 20400009 (nzCv daif +PAN -UAO -TCO -DIT -SSBS BTYPE=--)
pc : quux_detach+0xe0/0xf4
lr : quux_cleanup+0x3c/0xc8
sp : ffff800083c639d0
x29: ffff800083c639d0 x28: ffff800082c98a00 x27: ffff000106a9e880
Call trace:
 quux_detach+0xe0/0xf4 (P)
 kthread+0x120/0x12c
 ret_from_fork+0x10/0x20
---[ end trace 0000000000000000 ]---
"""
    log = "".join(f"[   13.{number:06}] {line}\n" for number, line in enumerate(report.splitlines()))
    assert diagnosed(log).outcome is not Outcome.FAILED


def test_a_partition_whose_name_begins_like_the_boot_partition_is_not_it() -> None:
    log = """\
U-Boot 2018.07 (Jul 16 2024 - 16:30:57 +0800)
partno erro : can't find partition bootloader
[01.806]Starting kernel ...
[    0.000000] Booting Linux on physical CPU 0x0
[    0.000000] Linux version 5.4.61 (build@example) #1 SMP
[    3.206532] Run /init as init process
Starting syslogd: OK
quux login:
"""
    assert diagnosed(log).outcome is Outcome.BOOT_OK


def test_the_lifetime_of_a_lease_is_no_time_out() -> None:
    log = """\
[    0.000000] Linux version 6.1.0 (build@example) #1 SMP
[    9.220000] systemd-networkd[1407]: enp7s0: DHCPv6 address 2001:db8::6/128 timeout preferred 432 valid 864
[   13.300000] systemd[1]: Startup finished in 4.1s (kernel) + 9.2s (userspace) = 13.3s.
"""
    assert diagnosed(log).outcome is Outcome.BOOT_OK


def test_talos_in_a_container_has_a_clock_too() -> None:
    log = """\
[talos] 2025/06/10 15:09:23 initialize sequence: 2 phase(s)
[talos] 2025/06/10 15:09:23 phase machined (1/2): 2 tasks(s)
[talos] 2025/06/10 15:09:23 task startContainerd (2/2): starting
[talos] 2025/06/10 15:09:23 service[containerd](Preparing): Running pre state
[talos] 2025/06/10 15:09:24 service[containerd](Preparing): Creating service runner
"""
    assert diagnosed(log).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(("turns", "outcome"), [(30, Outcome.FAILED), (6, Outcome.UNKNOWN)])
def test_quick_attempts_without_end_before_the_root_are_a_loop(turns: int, outcome: Outcome) -> None:
    log = "[    0.000000] Linux version 6.12.5-test (builder@host) #1 SMP\n" + "".join(
        f"[{2 + turn * 0.3:12.6f}] quux7: unrecognised frobnication version 4\n"
        f"[{2.05 + turn * 0.3:12.6f}] quux7: error -22 whilst starting the frobnicator\n"
        for turn in range(turns)
    )
    assert diagnosed(log).outcome is outcome


@pytest.mark.parametrize(
    "log",
    [
        "[    0.000000] Kernel command line: console=ttyS0\n[    0.278903] pnp: PnP ACPI: found 0 devices\n",
        "Apr 10 12:58:05 syslogd started: BusyBox v1.36.1\n"
        "Apr 10 12:58:05 kernel: [    0.000000] Linux version 6.12.5-test (a@b) #1\n"
        "Apr 10 12:58:05 kernel: [    0.179618] pci 0000:00:15.7: PCI bridge to [bus 0a]\n",
        "[  240.110326] reboot: Restarting system\n\nU-Boot 2025.01 (Jan 06 2025)\n\nDRAM:  1 GiB\n",
    ],
)
def test_a_log_that_ends_as_the_kernel_or_its_loader_starts_tells_nothing_of_the_system(log: str) -> None:
    assert diagnose_bytes(log.encode(), "log", KNOWLEDGE).outcome is Outcome.UNKNOWN
