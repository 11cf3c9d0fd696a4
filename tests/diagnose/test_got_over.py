"""What a system got over, or did long after its boot, is no failed boot.

The lines have the forms of the kernel's and systems' messages; devices and times are made up.
"""

from __future__ import annotations

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Outcome
from bootwright.diagnose.signatures.knowledge import load

KNOWLEDGE = load()
START = (
    "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
    "[    0.000010] Kernel command line: root=/dev/sda5 ro\n"
    "[    0.500000] smp: Brought up 1 node, 4 CPUs\n"
    "[    1.500000] VFS: Mounted root (ext4 filesystem) readonly on device 8:5.\n"
    "[    1.900000] Run /sbin/init as init process\n"
)
READ_ERROR = "[    5.000000] I/O error, dev sda, sector 120291088 op 0x0:(READ) flags 0x80700 phys_seg 2\n"
OOPS = (
    "[   {seconds}] BUG: kernel NULL pointer dereference, address: 0000000000000008\n"
    "[   {seconds}] Oops: Oops: 0000 [#1] SMP\n"
    "[   {seconds}] CPU: 6 UID: {user} PID: 4704 Comm: cat Not tainted 6.14.4 #2\n"
    "[   {seconds}] RIP: 0010:version_show+0x1d/0x60\n"
)


def outcome(text: str) -> Outcome:
    return diagnose_bytes(text.encode(), "log", KNOWLEDGE).outcome


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("", Outcome.FAILED),
        ("[    9.000000] EXT4-fs (sda5): re-mounted r/w. Quota mode: none.\n", Outcome.DEGRADED),
        ("[    9.000000] Adding 1000k swap on /dev/sda6.  Priority:-2 extents:1\n", Outcome.DEGRADED),
        ("[    9.000000] Adding 1000k swap on /dev/zram0.  Priority:-2 extents:1\n", Outcome.FAILED),
    ],
)
def test_a_root_disk_that_a_program_made_writable_afterwards_failed_no_boot(
    after: str, expected: Outcome
) -> None:
    assert outcome(START + READ_ERROR + after) is expected


@pytest.mark.parametrize(
    ("kind", "expected"), [("ATAPI: DRIVE, max UDMA/100", Outcome.BOOT_OK), ("ATA-9: DISK", Outcome.DEGRADED)]
)
def test_a_drive_for_media_that_are_changed_is_no_disk(kind: str, expected: Outcome) -> None:
    drive = f"[    1.000000] ata2.00: {kind}\n"
    failed = "[  133.000000] ata2.00: exception Emask 0x10 SAct 0x0 SErr 0x40d0000 action 0xe frozen\n"
    assert outcome(START + drive + failed) is expected


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("", Outcome.BOOT_OK),
        ("[   60.100000] I/O error, dev mmcblk1, sector 15894 op 0x0:(READ)\n", Outcome.DEGRADED),
    ],
)
def test_a_transfer_that_worked_when_it_was_tried_again_is_worth_knowing(
    after: str, expected: Outcome
) -> None:
    failed = "[   60.000000] mmcblk1: error -84 transferring data, sector 15894, nr 1024, card status 0xf00\n"
    assert outcome(START + failed + after) is expected


@pytest.mark.parametrize(
    ("user", "seconds", "expected"),
    [
        ("0", "  8.000000", Outcome.FAILED),
        ("1000", "  8.000000", Outcome.DEGRADED),
        ("0", " 68.000000", Outcome.DEGRADED),
    ],
)
def test_an_oops_of_a_users_task_or_after_a_long_silence_is_of_a_system_that_was_up(
    user: str, seconds: str, expected: Outcome
) -> None:
    assert outcome(START + OOPS.format(user=user, seconds=seconds)) is expected


@pytest.mark.parametrize(("second", "expected"), [("08", Outcome.FAILED), ("40", Outcome.DEGRADED)])
def test_wall_clocks_tell_how_long_services_went_on(second: str, expected: Outcome) -> None:
    system = (
        "Jan 01 00:00:02 host kernel: Linux version 6.12.5-test (a@b) #1\n"
        "Jan 01 00:00:05 host systemd[1]: Started systemd-journald.service - Journal Service.\n"
        "Jan 01 00:00:07 host kernel: BUG: kernel NULL pointer dereference, address: 0000000000000008\n"
        "Jan 01 00:00:07 host kernel: Oops: Oops: 0000 [#1] SMP\n"
        "Jan 01 00:00:07 host kernel: CPU: 6 PID: 472 Comm: udevd Not tainted 6.12.5 #2\n"
        "Jan 01 00:00:07 host kernel: RIP: 0010:version_show+0x1d/0x60\n"
        f"Jan 01 00:00:{second} host kernel: input: Headphone as /devices/sound/card0/input24\n"
    )
    assert outcome(system) is expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("BUG: KCSAN: data-race in tick_nohz_idle_stop_tick / tick_nohz_next_event", Outcome.BOOT_OK),
        ("BUG: KASAN: use-after-free in tick_nohz_idle_stop_tick+0x1/0x2", Outcome.DEGRADED),
    ],
)
def test_a_data_race_is_no_misuse_of_memory(line: str, expected: Outcome) -> None:
    assert outcome(START + f"[    3.000000] {line}\n[    4.000000] usb 1-1: Product: Hub\n") is expected


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("unsigned module", Outcome.BOOT_OK),
        ("module with unavailable key", Outcome.DEGRADED),
    ],
)
def test_an_unsigned_module_is_none_of_the_kernels_own(what: str, expected: Outcome) -> None:
    assert outcome(START + f"[   24.000000] Loading of {what} is rejected\n") is expected


@pytest.mark.parametrize(("disk", "expected"), [("dm-2", Outcome.BOOT_OK), ("zram0", Outcome.DEGRADED)])
def test_a_flash_chip_is_not_missed_where_an_encrypted_disk_is_mounted(disk: str, expected: Outcome) -> None:
    start = START.replace("VFS: Mounted root (ext4 filesystem) readonly on device 8:5.", "cfg80211: loaded")
    mounted = f"[    5.000000] EXT4-fs ({disk}): mounted filesystem with ordered data mode.\n"
    failed = "[    6.000000] spi-nor: probe of spi0.0 failed with error -524\n"
    assert outcome(start + mounted + failed) is expected


def test_a_report_that_the_kernel_closed_is_no_dump_that_a_log_ends_in() -> None:
    # A mail program wrapped its head.
    text = (
        "Jan 01 00:00:02 host kernel: Linux version 5.3.10-test (a@b) #1\n"
        "Jan 01 00:00:05 host systemd[1]: Started Journal Service.\n"
        "Jan 01 00:01:12 host kernel: ------------[ cut here ]------------\n"
        "Jan 01 00:01:12 host kernel: WARNING: CPU: 0 PID: 331 at\n"
        "net/sched/sch_generic.c:447 dev_watchdog+0x268/0x288\n"
        "Jan 01 00:01:12 host kernel: [<801021d8>] (__do_softirq) from [<8011a93c>] (irq_exit+0xac/0xe4)\n"
        "Jan 01 00:01:12 host kernel:  r10:98e186dc r9:99722000 r8:00000000\n"
        "Jan 01 00:01:12 host kernel:  r7:99723ee0 r6:99723ec0 r5:99f785a0\n"
        "Jan 01 00:01:12 host kernel: 3fa0:                   01695198 430015bc 00000004 0175bec0\n"
        "Jan 01 00:01:12 host kernel: 3fe0: fbad2488 7ee24820 42f2d824 42f85f7c\n"
        "Jan 01 00:01:12 host kernel: ---[ end trace 0910e44f554793b0 ]---\n"
    )
    assert outcome(text) is Outcome.BOOT_OK


@pytest.mark.parametrize(("second", "expected"), [(2, Outcome.DEGRADED), (1362, Outcome.BOOT_OK)])
def test_programs_that_crash_long_after_the_start_have_no_start_in_common(
    second: int, expected: Outcome
) -> None:
    crashes = "".join(
        f"[ {second + number}.000000] program{number}[41{number}]: segfault at 7f64 ip 00007f64 sp 00007fff\n"
        for number in range(3)
    )
    assert outcome(START + crashes) is expected


def test_a_second_start_of_a_service_that_runs_is_no_failure() -> None:
    again = (
        'Failed to start message bus: Failed to bind socket "/run/dbus/system_bus_socket": '
        "Address already in use\n"
    )
    assert outcome(START + again) is Outcome.BOOT_OK
    assert outcome(START + "Failed to start message bus: No space left on device\n") is Outcome.DEGRADED


@pytest.mark.parametrize(
    ("later", "expected"),
    [("br0: port 1(eth0) entering forwarding state", Outcome.BOOT_OK), ("random: ready", Outcome.DEGRADED)],
)
def test_an_interface_may_come_after_the_kernels_own_attempt(later: str, expected: Outcome) -> None:
    missing = "[    1.200000] IP-Config: No network devices available.\n"
    assert outcome(
        START.replace("[    1.500000]", missing + "[    1.500000]") + f"[    4.000000] {later}\n"
    ) is (expected)


def test_spaces_that_a_web_page_made_unbreakable_are_spaces() -> None:
    panic = "[    2.000000] Kernel panic - not syncing: Fatal exception\n"
    assert outcome((START + panic).replace("    ", "\N{NO-BREAK SPACE}" * 4)) is Outcome.FAILED
    assert outcome(START.replace("    ", "\N{NO-BREAK SPACE}" * 4)) is outcome(START)


_RESET = "amdgpu 0000:c3:00.0: amdgpu: VPE queue reset failed"
_AT_WORK = "".join(
    f"[ 5222.80000{number}] amdgpu 0000:c3:00.0: amdgpu: ring comp_1.{number}.0 uses VM inv eng 1 on hub 0\n"
    for number in range(8)
)


@pytest.mark.parametrize(
    ("message", "after", "expected"),
    [
        (_RESET, "", Outcome.DEGRADED),
        (_RESET, _AT_WORK, Outcome.BOOT_OK),
        (
            "amdgpu 0000:c3:00.0: amdgpu: [gfxhub] page fault (src_id:0 ring:24 vmid:3 pasid:32773)",
            "",
            Outcome.BOOT_OK,
        ),
    ],
)
def test_a_display_whose_driver_is_at_work_again_or_whose_program_went_wrong_is_none_that_fails(
    message: str, after: str, expected: Outcome
) -> None:
    twice = f"[ 5100.000000] {message}\n[ 5202.000000] {message}\n"
    assert outcome(START + twice + after) is expected


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("Start psplash boot splash screen", Outcome.BOOT_OK),
        ("OpenBSD Secure Shell server", Outcome.DEGRADED),
    ],
)
def test_a_boot_screen_is_no_service_that_something_needs(unit: str, expected: Outcome) -> None:
    failed = (
        "[    5.000000] systemd[1]: Finished Load Kernel Modules.\n"
        f"[    6.000000] systemd[1]: Failed to start {unit}.\n"
        f"[    6.100000] systemd[1]: Dependency failed for {unit} helper.\n"
    )
    assert outcome(START + failed) is expected


@pytest.mark.parametrize(("device", "expected"), [("0000:00:0e.0", Outcome.BOOT_OK), ("", Outcome.DEGRADED)])
def test_a_controller_that_another_driver_took_is_not_missed(device: str, expected: Outcome) -> None:
    failed = "[    1.550238] ahci 0000:00:0e.0: probe with driver ahci failed with error -22\n"
    bound = f"[    2.500000] vmd {device}: Bound to PCI domain 10000\n" if device else ""
    assert outcome(START + failed + bound) is expected


@pytest.mark.parametrize(("end", "expected"), [(700, Outcome.DEGRADED), (5000, Outcome.BOOT_OK)])
def test_a_link_that_holds_afterwards_was_pulled_by_hand(end: int, expected: Outcome) -> None:
    states = ("Up", "Down", "Up", "Down", "Up", "Down", "Up")
    changes = "".join(
        f"[  {400 + 10 * number}.000000] r8169 0000:03:00.2 eth0: Link is {state}\n"
        for number, state in enumerate(states)
    )
    assert outcome(f"{START}{changes}[ {end}.000000] usb 1-1: Product: Hub\n") is expected


@pytest.mark.parametrize(
    ("result", "task", "expected"),
    [
        ("ok 1 - test_out_of_bounds_read", "kunit_try_catch", Outcome.BOOT_OK),
        ("not ok 1 - test_out_of_bounds_read", "kunit_try_catch", Outcome.DEGRADED),
        ("ok 1 - test_out_of_bounds_read", "kworker/0:1", Outcome.DEGRADED),
    ],
)
def test_what_the_kernels_own_tests_provoke_is_no_misuse_of_memory(
    result: str, task: str, expected: Outcome
) -> None:
    report = (
        "[    4.953667] BUG: KFENCE: out-of-bounds read in test_out_of_bounds_read+0x90/0x228\n"
        f"[    5.027641] CPU: 0 PID: 91 Comm: {task} Not tainted 6.1.0 #1\n"
        f"[    5.247126]     {result}\n"
    )
    assert outcome(START + report) is expected


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("Apr 29 12:51:48 host kernel: [  742.592129] ", Outcome.DEGRADED),
        ("Apr 29 12:39:48 host kernel: [   42.592129] ", Outcome.FAILED),
        ("[  742.592129] ", Outcome.FAILED),
    ],
)
def test_where_a_logger_writes_the_kernels_lines_a_system_runs(stamp: str, expected: Outcome) -> None:
    start = stamp.partition("[")[0] + "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
    assert outcome(f"{start}{stamp}kernel BUG at mm/slub.c:3955!\n") is expected


@pytest.mark.parametrize(
    ("device", "expected"),
    [("sram 20000.sram", Outcome.BOOT_OK), ("sdhci fe310000.mmc", Outcome.DEGRADED)],
)
def test_registers_that_are_taken_matter_by_what_their_device_is_for(device: str, expected: Outcome) -> None:
    busy = f"[    1.000000] {device}: can't request region for resource [mem 0x00020000-0x0005ffff]\n"
    start = START.replace("[    1.500000]", busy + "[    1.500000]")
    assert outcome(start + "[    3.000000] usb 1-1: Product: Hub\n") is expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("modprobe: FATAL: Could not load /lib/modules/3.16.81/modules.dep", Outcome.BOOT_OK),
        ("- runit: fatal: unable to start stage1", Outcome.FAILED),
    ],
)
def test_a_loader_of_modules_calls_fatal_what_ends_no_boot(line: str, expected: Outcome) -> None:
    assert outcome(START + line + "\nINIT: version 2.86 booting\n") is expected


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ("iwlwifi 0000:04:00.0 wlp4s0: renamed from wlan0", Outcome.BOOT_OK),
        ("r8169 0000:04:00.0 enp4s0: renamed from eth0", Outcome.DEGRADED),
    ],
)
def test_an_adapter_beside_a_wireless_chip_that_works_is_not_missed(other: str, expected: Outcome) -> None:
    failed = "[   12.220182] mt76x2u: probe of 1-3.2.1:1.0 failed with error -110\n"
    assert (
        outcome(f"{START}[   10.000000] {other}\n{failed}[   20.000000] usb 1-1: Product: Hub\n") is expected
    )


@pytest.mark.parametrize(("prompt", "expected"), [("root@quux:~# ", Outcome.DEGRADED), ("", Outcome.FAILED)])
def test_an_oops_behind_a_prompt_is_of_a_machine_that_was_up(prompt: str, expected: Outcome) -> None:
    oops = OOPS.format(seconds="  20.885399", user=0)
    assert outcome(prompt + oops) is expected
