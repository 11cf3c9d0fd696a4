"""A finding explains another only where something ties them."""

from __future__ import annotations

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Finding
from bootwright.diagnose.signatures.knowledge import load

KNOWLEDGE = load()
OOPS = (
    "[    2.000000] Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010\n"
    "[    2.000001] CPU: 1 PID: %d Comm: %s Not tainted 6.12.5 #1\n"
)
KILLED = "[    3.000000] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00007f00\n"


def findings(text: str) -> dict[str, Finding]:
    boots = diagnose_bytes(text.encode(), "log", KNOWLEDGE).boots
    return {finding.signature: finding for boot in boots for finding in boot.findings}


def test_an_oops_ends_init_only_where_the_task_was_init() -> None:
    assert findings(OOPS % (1, "init") + KILLED)["init-killed"].caused_by == "kernel-oops"
    assert findings(OOPS % (77, "kworker/1:1") + KILLED)["init-killed"].caused_by is None


def test_what_comes_after_the_end_did_not_lead_to_it() -> None:
    said = findings(KILLED + OOPS % (1, "init"))
    assert said["init-killed"].caused_by is None
    assert said["kernel-oops"].caused_by is None


@pytest.mark.parametrize(("other", "caused"), [("mmc0", True), ("mmc1", False)])
def test_another_card_is_not_to_blame(other: str, caused: bool) -> None:
    log = (
        f"[    2.000000] {other}: error -110 whilst initialising SD card\n"
        "[    9.000000] I/O error, dev mmcblk0, sector 4711 op 0x0:(READ) flags 0x0\n"
    )
    said = findings(log)
    assert (said["io-error"].caused_by == "mmc-error") is caused


NO_CLOCK = "[    1.000000] {device}: failed to get clock\n"
NO_ROOT = (
    '[    3.000000] VFS: Cannot open root device "{root}" or unknown-block({number}): error -6\n'
    "[    3.000100] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block({number})\n"
)


@pytest.mark.parametrize(
    ("device", "root", "number", "caused"),
    [
        ("fe310000.mmc", "/dev/mmcblk0p2", "0,0", True),
        # A display carries no root.
        ("fd4a0000.display", "/dev/mmcblk0p2", "0,0", False),
        # The device is there: the kernel could not mount it.
        ("fe310000.mmc", "/dev/mmcblk0p2", "179,2", False),
        # None was asked for.
        ("fe310000.mmc", "(null)", "0,0", False),
    ],
)
def test_a_device_without_clock_keeps_only_its_own_root_away(
    device: str, root: str, number: str, caused: bool
) -> None:
    said = findings(NO_CLOCK.format(device=device) + NO_ROOT.format(root=root, number=number))
    assert said["no-root"].caused_by == ("supplier-missing" if caused else None)


def test_a_disk_that_fails_later_did_not_damage_a_file_system_before() -> None:
    damaged = "[   21.000000] BTRFS error (device md1): open_ctree failed\n"
    fails = "[ 9000.000000] I/O error, dev mmcblk0, sector 4711 op 0x0:(READ) flags 0x0\n"
    others = "".join(f"[   30.{number:06}] systemd[1]: Started unit {number}.\n" for number in range(20))
    assert findings(damaged + others + fails)["fs-error"].caused_by is None
    assert findings(fails + others + damaged)["fs-error"].caused_by == "io-error"


@pytest.mark.parametrize(("device", "caused"), [("sda", True), ("sr0", False)])
def test_an_optical_drive_keeps_no_file_system_away(device: str, caused: bool) -> None:
    log = (
        f"[    2.000000] I/O error, dev {device}, sector 8 op 0x0:(READ) flags 0x0\n"
        "[FAILED] Failed to mount /home.\n"
    )
    assert (findings(log)["fs-mount-failed"].caused_by == "io-error") is caused


def test_a_report_is_not_where_an_earlier_one_was() -> None:
    """A dead processor's report shows registers too; the oops after it happened elsewhere."""
    log = (
        "[   42.110978] NMI watchdog: Watchdog detected hard LOCKUP on cpu 15\n"
        "[   42.110987] RIP: 0010:queue_wait+0x5d/0x1c0\n"
        + "".join(f"[   42.110990]  quux_{number}+0x14/0x30\n" for number in range(12))
        + "[   42.111003] Kernel panic - not syncing: Hard LOCKUP\n"
        "[   42.111005] general protection fault: 0000 [#1] SMP PTI\n"
        "[   42.111006] RIP: 0010:copy_data+0xf2/0x1e0\n"
    )
    said = findings(log)
    assert said["hard-lockup"].caused_by is None
    assert "copy_data" in said["kernel-oops"].cause


@pytest.mark.parametrize(("others_work", "caused"), [(True, False), (False, True)])
def test_one_of_several_controllers_keeps_no_root_from_the_net_away(others_work: bool, caused: bool) -> None:
    log = (
        ("[    1.500000] hub 1-0:1.0: USB hub found\n" if others_work else "")
        + "[    2.000000] xhci-hcd ee000000.usb: can't setup: -2\n"
        + "[  113.000000] VFS: Unable to mount root fs via NFS, trying floppy.\n"
        + NO_ROOT.format(root="nfs", number="2,0").replace("3.0", "113.0")
    )
    assert (findings(log)["no-root"].caused_by == "usb-host-dead") is caused


def test_a_unit_fails_whose_line_another_console_tore() -> None:
    log = (
        "[    9.100000] systemd[1]: Started Journal Service.\n"
        "[FAILED[    9.875659] quux: request firmware\n"
        "] Failed to start Remount Root and Kernel File Systems.\n"
    )
    assert "Remount Root" in findings(log)["essential-service-failed"].cause


@pytest.mark.parametrize("again", [True, False])
def test_what_goes_on_comes_before_what_was_over(again: bool) -> None:
    stuck = "[{0:5}.000000] quux 0000:03:00.0 enp3s0: NETDEV WATCHDOG: CPU: 1: transmit queue 0 timed out\n"
    log = (
        "[    4.009034] ata2.00: exception Emask 0x20 SAct 0x1 SErr 0x0 action 0x6 frozen\n"
        "[    4.009038] ata2.00: failed command: READ FPDMA QUEUED\n"
        "[    4.486562] I/O error, dev sda, sector 119626176 op 0x0:(READ) flags 0x80700 phys_seg 2\n"
        + "".join(stuck.format(60 + 20 * turn) for turn in range(4 if again else 1))
    )
    first = diagnose_bytes(log.encode(), "log", KNOWLEDGE).boots[0].findings[0]
    assert first.signature == ("tx-stall" if again else "ata-error")


COMPLAINT = "[   {0}] [drm:{1}_job_timedout [{1}]] *ERROR* ring gfx timeout, signaled seq=1, emitted seq=3\n"
IN_A_MODULE = (
    "[   78.104815] BUG: kernel NULL pointer dereference, address: 0000000000000008\n"
    "[   78.104839] Oops: 0000 [#1] SMP NOPTI\n"
    "[   78.104848] CPU: 2 PID: 1223 Comm: Xorg Not tainted 5.4.0 #51\n"
    "[   78.105129] RIP: 0010:build_output+0x9f/0x120 [quuxgpu]\n"
)


@pytest.mark.parametrize(
    ("time", "driver", "shown"),
    [("52.772273", "quuxgpu", True), ("11.772273", "quuxgpu", False), ("52.772273", "other", False)],
)
def test_what_a_driver_complained_of_before_it_crashed_is_shown(time: str, driver: str, shown: bool) -> None:
    oops = findings(COMPLAINT.format(time, driver) + IN_A_MODULE)["kernel-oops"]
    assert ("ring gfx timeout" in oops.cause) is shown
    assert ("ring gfx timeout" in oops.lines[0].text) is shown


@pytest.mark.parametrize(("other", "shown"), [("fc000000.pcie", True), ("fd000000.quux", False)])
def test_what_else_is_said_of_a_device_is_shown_with_its_failure(other: str, shown: bool) -> None:
    log = (
        "[    5.442280] quux-pcie fc000000.pcie: can't request region for resource [mem 0xfc000000]\n"
        f"[    5.458779] quux-host: probe of {other} failed with error -16\n"
    )
    lines = findings(log)["region-busy"].lines
    assert any("probe of" in line.text for line in lines) is shown


DAMAGED = (
    "[{0:5}.786408] BTRFS error (device md1): parent transid verify failed on 441 wanted 132 found 131\n"
)


def test_a_crash_of_the_kernel_comes_before_what_only_degrades() -> None:
    log = DAMAGED.format(8569) + IN_A_MODULE.replace("[   78.", "[ 8599.")
    said = diagnose_bytes(log.encode(), "log", KNOWLEDGE).boots[0].findings
    assert [finding.signature for finding in said[:2]] == ["kernel-oops", "fs-error"]


@pytest.mark.parametrize(
    ("array", "caused"),
    [
        # It runs with the disks that it has.
        ("md/raid1:md1: active with 3 out of 4 mirrors", False),
        ("md/raid:md1: Disk failure on sdb1, disabling device.", True),
        ("md/raid:md2: Disk failure on sdb1, disabling device.", False),
    ],
)
def test_an_array_damages_only_its_own_file_system_and_by_a_disk_it_loses(array: str, caused: bool) -> None:
    said = findings(f"[  837.859082] {array}\n" + DAMAGED.format(946))
    assert (said["fs-error"].caused_by == "array-degraded") is caused


@pytest.mark.parametrize(("time", "caused"), [(900, True), (1251, False)])
def test_a_disk_that_failed_later_damaged_nothing_before(time: int, caused: bool) -> None:
    lost = f"[{time:5}.968017] Buffer I/O error on dev sdb, logical block 1908720, async page read\n"
    damaged = "".join(DAMAGED.format(946 + number) for number in range(10))
    log = lost + damaged if time < 946 else damaged + lost + DAMAGED.format(1400)
    assert (findings(log)["fs-error"].caused_by == "io-error") is caused


@pytest.mark.parametrize("lasts", [True, False])
def test_what_lasts_at_the_end_comes_before_what_else_is_worth_knowing(lasts: bool) -> None:
    log = (
        "U-Boot 2025.01 (Jan 06 2025 - 12:00:00 +0000)\nHit any key to stop autoboot:  0\n"
        "MMC: no card present\n** Bad device specification mmc 0 **\nStarting kernel ...\n\n"
    )
    kernel = "[    0.000000] Linux version 6.12.5-test (builder@host) #1 SMP\nboard login: "
    first = diagnose_bytes((log + ("" if lasts else kernel)).encode(), "log", KNOWLEDGE).boots[0].findings[0]
    assert first.signature == ("silent-after-handover" if lasts else "uboot-fell-back")


@pytest.mark.parametrize(
    ("why", "cause"),
    [
        ("softlockup: hung tasks", "soft-lockup"),
        ("EXT4-fs (device vda1): panic forced after error", "fs-error"),
    ],
)
def test_a_panic_over_a_report_follows_from_that_report(why: str, cause: str) -> None:
    log = (
        "[    9.000000] EXT4-fs error (device vda1): ext4_lookup:1784: comm ls: deleted inode 12\n"
        "[   40.000000] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [quux:405]\n"
        f"[   40.100000] Kernel panic - not syncing: {why}\n"
    )
    assert findings(log)["kernel-panic"].caused_by == cause


def test_what_is_noticed_when_a_time_is_up_may_follow_from_what_is_noticed_later() -> None:
    """RCU's time is up before the watchdog's: the processor that takes no interrupts is the cause of both."""
    log = (
        "[   60.000000] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n"
        + "".join(f"[   60.0001{line:02}]  frob_{line}+0x10/0x40\n" for line in range(20))
        + "[   70.000000] watchdog: Watchdog detected hard LOCKUP on cpu 2\n"
    )
    assert findings(log)["rcu-stall"].caused_by == "hard-lockup"


@pytest.mark.parametrize(
    ("line", "pid"),
    [("swapper(1): Oops 0", "1"), ("udevd[498]: NaT consumption 2216203124768 [1]", "498")],
)
def test_reports_of_old_architectures_are_oopses(line: str, pid: str) -> None:
    said = findings(f"[    2.000000] Linux version 5.10.0 (a@b) #1\n[    3.000000] {line}\n")
    assert dict(said["kernel-oops"].facts)["pid"] == pid


@pytest.mark.parametrize(("device", "caused"), [("30370000.caam-snvs", False), ("30b40000.mmc", True)])
def test_a_crypto_engine_keeps_no_card_away(device: str, caused: bool) -> None:
    log = (
        "[    1.000000] Linux version 6.12.5 (a@b) #1\n"
        f"[    2.000000] platform {device}: deferred probe pending: (reason unknown)\n"
        "[    3.000000] Waiting for root device /dev/mmcblk0p2...\n"
        '[    9.000000] VFS: Cannot open root device "mmcblk0p2" or unknown-block(0,0): error -6\n'
        "[    9.100000] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n"
    )
    assert (findings(log)["no-root"].caused_by is not None) is caused


@pytest.mark.parametrize(
    ("module", "task", "severity"),
    [
        ("snd_thing", "systemd-udevd", "degrading"),
        ("snd_thing", "kworker/0:1", "fatal"),
        ("ata_thing", "systemd-udevd", "fatal"),
    ],
)
def test_who_loads_drivers_is_a_program_that_runs(module: str, task: str, severity: str) -> None:
    """An excerpt in which the driver of a sound card, in no kernel whose modules are known, breaks off."""
    said = findings(
        "[   33.000000] BUG: unable to handle page fault for address: f7cd846c\n"
        "[   33.000100] Oops: 0002 [#1] PREEMPT\n"
        f"[   33.000200] CPU: 0 PID: 413 Comm: {task} Not tainted 6.12.5 #1\n"
        f"[   33.000300] EIP: thing_write+0x3b/0xe0 [{module}]\n"
    )
    assert said["kernel-oops"].severity.value == severity


def test_a_bug_without_file_and_line_is_one() -> None:
    said = findings("[   92.894997] Kernel BUG at thing_done+0x175/0x180 [verbose debug info unavailable]\n")
    assert dict(said["kernel-bug"].facts)["place"] == "thing_done+0x175/0x180"


def test_a_full_file_system_is_not_damaged() -> None:
    said = findings("[  492.000000] BTRFS: Transaction aborted (error -28)\n")
    assert "no space left" in said["fs-error"].cause


@pytest.mark.parametrize(
    ("line", "signature", "words"),
    [
        ("BUG: KASAN: slab-use-after-free in", "kasan", "slab-use-after-free"),
        ("Kernel Fault: Code=26 (Data memory access rights trap) at addr 00000000", "kernel-oops", "NULL"),
        ("Unhandled kernel unaligned access[#1]:", "kernel-oops", "a bug in the code"),
        ("Out of memory and no killable processes...", "out-of-memory", "nothing left to free"),
        ("xhci_hcd 0000:03:00.0: WARNING: Host System Error", "usb-host-dead", "0000:03:00.0"),
    ],
)
def test_heads_of_reports_in_other_forms(line: str, signature: str, words: str) -> None:
    """Among them one whose second half a mail program put into the next line."""
    said = findings(f"[    2.000000] Linux version 6.12.5 (a@b) #1\n[    3.000000] {line}\n")
    assert words in said[signature].cause


def test_what_is_said_over_and_over_of_a_disk_is_no_wireless_cards_doing() -> None:
    wireless = "[   32.900000] ath11k_pci 0006:01:00.0: probe with driver ath11k_pci failed with error -110\n"
    disk = "".join(
        f"[{100 + 60 * turn:5}.695904] nvme nvme0: I/O tag {turn} QID 0 timeout, completion polled\n"
        for turn in range(8)
    )
    kernel = "[    0.000000] Linux version 6.12.5-test (a@b) #1\n[    0.500000] smp: Brought up 4 CPUs\n"
    said = findings(kernel + wireless + disk)
    assert said["kept-failing"].caused_by != "wireless-probe-failed"
    assert said["wireless-probe-failed"].explains == ()


def test_what_systemd_gives_up_at_once_follows_from_the_last_failure_before() -> None:
    """A service that failed before a device's time was up has no part in it."""
    log = (
        "[    5.000000] systemd[1]: systemd 257 running in system mode (+PAM)\n"
        "[FAILED] Failed to start example.service - Example.\n"
        "[ TIME ] Timed out waiting for device dev-sdz1.device - /dev/sdz1.\n"
        "[DEPEND] Dependency failed for data.mount - /data.\n"
        "[DEPEND] Dependency failed for local-fs.target - Local File Systems.\n"
        'You are in emergency mode. After logging in, type "journalctl -xb" to view\n'
    )
    said = findings(log)
    assert said["service-failed"].caused_by is None
    assert said["service-failed"].explains == ()
    assert said["emergency-shell"].caused_by in {"device-timed-out", "dependency-failed"}


@pytest.mark.parametrize("unit", ["systemd-udevd.service - Device Manager", "x.service"])
def test_no_device_appears_without_udev(unit: str) -> None:
    log = (
        f"[FAILED] Failed to start {unit}.\n"
        "[ TIME ] Timed out waiting for device dev-sdz1.device - /dev/sdz1.\n"
    )
    expected = "essential-service-failed" if "udev" in unit else None
    assert findings(log)["device-timed-out"].caused_by == expected


def test_the_root_is_not_told_twice() -> None:
    kernel = "[    2.9] /dev/root: Can't open blockdev\n" + NO_ROOT.format(root="/dev/sda3", number="8,3")
    assert findings(kernel)["fs-mount-failed"].caused_by == "no-root"
    initramfs = (
        "mount: mounting UUID=00-00 on {} failed: No such file or directory\n"
        "initramfs emergency recovery shell launched. Type 'exit' to continue boot\n"
    )
    assert findings(initramfs.format("/sysroot"))["fs-mount-failed"].caused_by == "initramfs-gave-up"
    assert findings(initramfs.format("/srv/data"))["fs-mount-failed"].caused_by is None


@pytest.mark.parametrize(
    "refused",
    [
        "software IO TLB: swiotlb_memblock_alloc: Failed to allocate 4194304 bytes tlb structure",
        "memblock_alloc_try_nid: Failed to allocate 4194304 bytes",
    ],
)
def test_memory_that_one_part_did_not_get_kills_no_first_process(refused: str) -> None:
    said = findings(f"[    0.100000] {refused}\n" + OOPS % (1, "init") + KILLED)
    assert said["init-killed"].caused_by == "kernel-oops"
    assert said["kernel-panic"].caused_by != "memory-too-small"
