"""What logs of machines that run hold by the way, and what in them is none of it.

The lines have the forms of the kernel's and systems' messages; devices and times are made up.
"""

from __future__ import annotations

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Diagnosis, Outcome
from bootwright.diagnose.signatures.knowledge import load

KNOWLEDGE = load()
UP = (
    "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
    "[    0.500000] smp: Brought up 1 node, 4 CPUs\n"
    "[    1.900000] Run /sbin/init as init process\n"
    "[    9.000000] systemd[1]: Startup finished in 3s (kernel) + 6s (userspace) = 9s.\n"
)
GUEST = "[    0.000000] DMI: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.3-2 04/01/2014\n"


def diagnosed(text: str) -> Diagnosis:
    return diagnose_bytes(text.encode(), "log", KNOWLEDGE)


def losses(times: int) -> str:
    return "".join(
        f"[  {100 + 10 * turn}.000000] e1000e 0000:00:19.0 eth0: NIC Link is Up 1000 Mbps Full Duplex\n"
        f"[  {105 + 10 * turn}.000000] e1000e 0000:00:19.0 eth0: NIC Link is Down\n"
        for turn in range(times)
    )


@pytest.mark.parametrize(
    ("before", "times", "expected"),
    [("", 2, Outcome.BOOT_OK), ("", 3, Outcome.DEGRADED), (GUEST, 3, Outcome.BOOT_OK)],
)
def test_a_link_comes_and_goes(before: str, times: int, expected: Outcome) -> None:
    """A cable is taken out twice; that of a virtual machine is a setting of its host."""
    assert diagnosed(before + UP + losses(times)).outcome is expected


@pytest.mark.parametrize(
    ("stops", "expected"),
    [((900,), Outcome.DEGRADED), ((700, 760, 820, 880, 900), Outcome.BOOT_OK)],
)
def test_a_watchdog_whose_time_is_long_up_is_fed(stops: tuple[int, ...], expected: Outcome) -> None:
    lines = "".join(f"[  {when}.000000] watchdog: watchdog0: watchdog did not stop!\n" for when in stops)
    assert diagnosed(UP + lines).outcome is expected


@pytest.mark.parametrize(("root", "expected"), [("8", Outcome.BOOT_OK), ("5", Outcome.DEGRADED)])
def test_a_btrfs_without_quotas_is_whole(root: str, expected: Outcome) -> None:
    line = f"[    2.900000] BTRFS error (device sdb4): could not find root {root}\n"
    assert diagnosed(UP + line).outcome is expected


@pytest.mark.parametrize(
    ("device", "expected"),
    [("dev-ttyS7.device", Outcome.BOOT_OK), ("dev-sdb4.device", Outcome.DEGRADED)],
)
def test_on_a_serial_device_lies_no_file_system(device: str, expected: Outcome) -> None:
    line = f"[   95.000000] systemd[1]: {device}: Job {device}/start timed out.\n"
    up = UP.replace("[    9.", "[   99.")
    assert diagnosed(up.replace("[   99.", line + "[   99.")).outcome is expected


@pytest.mark.parametrize(("times", "expected"), [(1, Outcome.BOOT_OK), (2, Outcome.DEGRADED)])
def test_a_name_that_is_looked_up_in_vain_once(times: int, expected: Outcome) -> None:
    line = "[   40.000000] updater[7]: lookup a.example: Temporary failure in name resolution\n"
    assert diagnosed(UP + line * times).outcome is expected


@pytest.mark.parametrize(
    ("when", "expected"),
    [("in 4 minutes", Outcome.DEGRADED), ("before boot completed", Outcome.FAILED)],
)
def test_a_service_of_android_that_ends_once_it_is_up(when: str, expected: Outcome) -> None:
    android = UP.rpartition("[    9.")[0] + (
        "[    5.000000] init: starting service 'vendor.thing'...\n"
        f"[   30.000000] init: process with updatable components 'vendor.thing' exited 4 times {when}\n"
        "[   80.000000] init: starting service 'vendor.other'...\n"
    )
    assert diagnosed(android).outcome is expected


def test_jobs_of_upstart_are_services() -> None:
    """A program that cannot change what looks like a root, in a system that runs."""
    lines = (
        "[  218.000000] init: thing-update main process (1338) terminated with status 2\n"
        "[  231.000000] udevd[1948]: Process '/bin/chown root:thing /sys/thing' failed with exit code 1.\n"
    )
    diagnosis = diagnosed(UP.rpartition("[    9.")[0] + lines)
    assert (diagnosis.outcome, diagnosis.boots[0].stage) == (Outcome.BOOT_OK, "services")


def test_one_program_that_crashes_at_the_start_and_others_much_later() -> None:
    """What crashes one after another while the system starts shares a cause; hours later it does not."""
    lines = "".join(
        f"[{when:5}.000000] {task}[{1000 + when}]: segfault at 0 ip 00000000 sp 00000000 error 4\n"
        for when, task in ((5, "a"), (6, "a"), (7, "b"), (9000, "c"))
    )
    unit = "[    4.000000] systemd[1]: Started thing.service - Thing.\n"
    start = UP.rpartition("[    9.")[0] + unit
    assert diagnosed(start + lines).outcome is Outcome.BOOT_OK
    assert diagnosed(start + lines.replace("[ 9000.", "[    9.")).outcome is Outcome.DEGRADED


def test_the_boot_of_a_file_that_says_why_is_blamed() -> None:
    """Two boots ended by a restart: the first panicked, the second says nothing."""
    start = "[    0.000000] Linux version 6.12.5-test (a@b) #1\n[    0.100000] Memory: 900K\n"
    panic = "[    0.200000] Kernel panic - not syncing: Can't handle the cache error!\n"
    blamed = diagnosed(start + panic + start + start).blamed
    assert blamed is not None
    assert (blamed.boot, blamed.finding.signature) == (0, "kernel-panic")


def test_the_last_report_before_the_end_led_to_it() -> None:
    """The kernel outlives a lock that is none; the bus error afterwards ends it."""
    reports = (
        "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
        "[    1.000000] BUG: spinlock bad magic on CPU#0, swapper/0/1\n"
        "[    1.000100] CPU: 0 PID: 1 Comm: swapper/0 Not tainted 6.12.5-test #1\n"
        "[    9.000000] SError Interrupt on CPU0, code 0xbf000002 -- SError\n"
        "[    9.000100] CPU: 0 PID: 77 Comm: sh Not tainted 6.12.5-test #1\n"
        "[    9.000200] Kernel panic - not syncing: Asynchronous SError Interrupt\n"
    )
    blamed = diagnosed(reports).blamed
    assert blamed is not None
    assert blamed.finding.signature == "serror"
    assert "kernel-panic" in blamed.finding.explains


PRELOADER = "".join(
    f"[PMIC{chr(65 + step)}] reg {chr(65 + step)} says {chr(65 + step)} of it\n" for step in range(26)
)
SECURE = "".join(f"secure {chr(97 + step)} word {chr(97 + step)} dump\n" for step in range(21))


def test_firmware_that_starts_again_is_no_program() -> None:
    """What was said before the kernel comes after it again: nothing ran, and the kernel's last words tell."""
    stamps = "".join(f"[    0.00{step}000] thing number {step}: ready to go\n" for step in range(1, 9))
    start = "[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x410fd034]\n" + stamps
    hangs = start * 3 + "[    0.016000] smp: Bringing up secondary CPUs ...\n"
    diagnosis = diagnosed(PRELOADER + hangs + PRELOADER + SECURE + start)
    assert diagnosis.outcome is Outcome.FAILED
    assert diagnosis.blamed is not None
    assert "Bringing up secondary CPUs" in diagnosis.blamed.finding.cause
    assert any("Bringing up secondary" in line.text for line in diagnosis.blamed.finding.lines)


@pytest.mark.parametrize(("algorithms", "expected"), [(2, Outcome.BOOT_OK), (3, Outcome.DEGRADED)])
def test_an_engine_that_computes_nothing_right(algorithms: int, expected: Outcome) -> None:
    lines = "".join(
        f"[    2.100000] alg: self-tests for {name} using thing-{name} failed (rc=-22)\n"
        for name in ("md5", "sha1", "sha256")[:algorithms]
    )
    assert diagnosed(UP + lines).outcome is expected


@pytest.mark.parametrize(("end", "expected"), [("", Outcome.BOOT_OK), ("disabled", Outcome.DEGRADED)])
def test_a_drive_for_media_that_the_kernel_gives_up(end: str, expected: Outcome) -> None:
    lines = (
        "[    3.100000] ata2.00: ATAPI: ACME CR-174, A011, max MWDMA2\n"
        "[    8.300000] ata2.00: qc timeout (cmd 0xa0)\n"
    )
    assert diagnosed(UP + lines + (f"[    8.400000] ata2.00: {end}\n" if end else "")).outcome is expected


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [("HDMI/DP,pcm=3", Outcome.DEGRADED), ("Front Headphone Surround", Outcome.BOOT_OK)],
)
def test_the_sound_of_a_screen_stands_in_for_no_card(inputs: str, expected: Outcome) -> None:
    lines = (
        "[    3.000000] snd_hda_intel 0000:03:00.6: azx_get_response timeout, switching to single_cmd mode: "
        "last cmd=0x800f0005\n"
        "[    3.100000] snd_hda_intel 0000:03:00.6: no codecs initialized\n"
        f"[    3.200000] input: HD-Audio Generic {inputs} as /devices/pci0000:00/0000:00:08.1/0000:03:00.1/"
        "sound/card0/input5\n"
    )
    assert diagnosed(UP + lines).outcome is expected


def test_a_device_without_a_role_may_fail_for_ever() -> None:
    lines = "".join(
        f"[  {100 + 10 * turn}.000000] pca953x 7-0024: failed writing register\n" for turn in range(6)
    )
    assert diagnosed(UP + lines).outcome is Outcome.BOOT_OK
    assert (
        diagnosed(UP + lines.replace("failed writing register", "no answer, giving up")).outcome
        is Outcome.DEGRADED
    )


@pytest.mark.parametrize(
    ("program", "expected"),
    [("/system/bin/surfaceflinger", Outcome.FAILED), ("/vendor/bin/hw/thing@1.0", Outcome.DEGRADED)],
)
def test_programs_of_android_that_crash_over_and_over(program: str, expected: Outcome) -> None:
    start = UP.rpartition("[    9.")[0]
    crash = "[   {when}.000000] DEBUG: pid: 4{when}, tid: 4{when}, name: thing  >>> {program} <<<\n"
    crashes = [crash.format(when=when, program=program) for when in range(10, 50, 10)]
    assert diagnosed(start + "".join(crashes)).outcome is expected
    assert diagnosed(start + crashes[0]).outcome is Outcome.BOOT_OK


def test_what_the_audit_says_programs_did_shows_that_they_run() -> None:
    start = UP.partition("[    1.9")[0]
    did = (
        '[   30.000000] audit: type=1400 audit(1671.951:545): avc: denied { read } for pid=560 comm="thing"\n'
    )
    assert diagnosed(start + "[   30.000000] thing: hello\n").outcome is Outcome.UNKNOWN
    assert diagnosed(start + did).outcome is Outcome.BOOT_OK


def test_the_last_boot_of_a_file_decides() -> None:
    crash = "[   60.000000] BUG: kernel NULL pointer dereference, address: 0000000000000040\n"
    oops = crash + "[   60.000100] CPU: 0 UID: 1000 PID: 77 Comm: sh Not tainted 6.12.5-test #1\n"
    assert diagnosed(UP + oops).outcome is Outcome.DEGRADED
    assert diagnosed(UP + oops + UP).outcome is Outcome.BOOT_OK
    assert diagnosed(UP + UP + oops).outcome is Outcome.DEGRADED


@pytest.mark.parametrize(
    ("says", "expected"),
    [("init: starting service 'thing'...", Outcome.BOOT_OK), ("thing: hello", Outcome.DEGRADED)],
)
def test_android_tries_modules_of_several_builds(says: str, expected: Outcome) -> None:
    lines = "".join(
        f"[    2.{place}00000] {module}: disagrees about version of symbol module_layout\n"
        for place, module in enumerate(("phy_thing", "mhi_thing", "ipa_thing"))
    )
    assert diagnosed(UP.replace("[    9.", f"{lines}[    5.000000] {says}\n[    9.")).outcome is expected


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("No such file or directory", Outcome.BOOT_OK), ("Structure needs cleaning", Outcome.DEGRADED)],
)
def test_a_script_mounts_what_this_machine_does_not_have(reason: str, expected: Outcome) -> None:
    line = f"mount: mounting /dev/mmcblk0p7 on /srv/spare failed: {reason}\n"
    assert diagnosed(UP.replace("[    9.", f"{line}[    9.")).outcome is expected


def test_the_last_boot_decides_where_only_the_kernel_speaks() -> None:
    start = UP.rpartition("[    9.")[0]
    bad = "[   60.000000] EXT4-fs error (device sda1): ext4_lookup:1855: inode #2: comm sh: deleted inode\n"
    more = "[   90.000000] usb 1-1: Product: Hub\n"
    assert diagnosed(start + bad).outcome is Outcome.DEGRADED
    assert diagnosed(start + bad + start + more).outcome is Outcome.BOOT_OK


@pytest.mark.parametrize(("disk", "expected"), [("", Outcome.DEGRADED), ("sd", Outcome.BOOT_OK)])
def test_a_card_that_is_the_only_place_for_data(disk: str, expected: Outcome) -> None:
    card = "".join(
        f"[    {when}.000000] mmc0: error -22 whilst initialising MMC card\n" for when in (3, 4, 5)
    )
    other = "[    6.000000] sd 0:0:0:0: [sda] Attached SCSI disk\n" if disk else ""
    start = UP.rpartition("[    9.")[0]
    assert diagnosed(start + card + other + "board login: \n").outcome is expected


def test_a_word_of_stopping_that_gives_no_reason_has_one_before() -> None:
    """U-Boot lib/hang.c; what the driver of the memory said is the cause, what its caller said follows."""
    lines = (
        "U-Boot SPL 2025.01 (Jan 06 2025 - 12:00:00 +0000)\n"
        "DDR invalid size : 0x4, expected 0x40000000\n"
        "DRAM init failed: -22\n"
        "### ERROR ### Please RESET the board ###\n"
    )
    blamed = diagnosed(lines).blamed
    assert blamed is not None
    assert "DRAM init failed" in blamed.finding.cause
    assert any("invalid size" in line.text for line in blamed.finding.lines)


def test_a_panic_names_the_place_of_a_report_without_head() -> None:
    lines = (
        "[   20.441024] RIP: 0010:thing_allocate+0x582/0xca0 [thing]\n"
        "[   20.455403] Call Trace:\n"
        "[   20.603569] Kernel panic - not syncing: Fatal exception\n"
    )
    blamed = diagnosed(UP + lines).blamed
    assert blamed is not None
    assert "thing_allocate+0x582/0xca0 [thing]" in blamed.finding.cause


def test_a_kernel_stack_that_overflows_says_so() -> None:
    lines = (
        "[   20.000000] BUG: stack guard page was hit at 00000000 (stack is 00000000..00000000)\n"
        "[   20.000100] kernel stack overflow (double-fault): 0000 [#1] SMP\n"
        "[   20.000200] RIP: 0010:thing_walk+0x14/0x50\n"
    )
    blamed = diagnosed(UP + lines).blamed
    assert blamed is not None
    assert "Stack overflow in the kernel at thing_walk+0x14/0x50" in blamed.finding.cause


def test_a_root_that_is_mounted_for_writing_is_at_work() -> None:
    start = UP.partition("[    1.9")[0] + "[    0.577000] Alpine Init 3.4.5-r3\n"
    mounted = "[    2.370447] EXT4-fs (sda1): mounted filesystem with ordered data mode. Opts: (null)\n"
    assert diagnosed(start + mounted).outcome is Outcome.UNKNOWN
    assert diagnosed(start + mounted.replace("mounted", "re-mounted", 1)).outcome is Outcome.BOOT_OK


def test_a_boot_that_comes_as_far_as_one_that_failed_decides() -> None:
    """Of a log in which only the kernel speaks: nothing says that services start."""
    start = UP.rpartition("[    9.")[0]
    full = "[    2.500000] EXT4-fs error (device sda1): ext4_lookup:1855: inode #2: comm sh: deleted inode\n"
    root = start.replace("[    1.9", "[    1.800000] Kernel command line: root=/dev/sda1\n[    1.9")
    assert diagnosed(root + full).outcome is Outcome.FAILED
    went_on = "[   90.000000] usb 1-1: Product: Hub\n"
    assert diagnosed(root + full + root + went_on).outcome is Outcome.DEGRADED
    assert diagnosed(root + root + full).outcome is Outcome.FAILED


@pytest.mark.parametrize(("when", "severity"), [("11:00:20", "fatal"), ("19:00:20", "degrading")])
def test_the_clock_of_the_wall_tells_that_a_start_is_over(when: str, severity: str) -> None:
    """A system log whose kernel prints no times of its own."""
    lines = (
        "May 18 11:00:00 mid kernel: Linux version 2.6.34 (a@b) #1\n"
        "May 18 11:00:02 mid kernel: Freeing init memory: 148K\n"
        f"May 18 {when} mid kernel: thing invoked oom-killer: gfp_mask=0xd0, order=2, oom_adj=0\n"
    )
    (finding,) = (
        finding for finding in diagnosed(lines).boots[0].findings if finding.signature == "out-of-memory"
    )
    assert finding.severity.value == severity


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ("Erase at 0x009e0000 failed immediately: -EROFS. Is the sector locked?", Outcome.DEGRADED),
        ("jffs2_scan_eraseblock(): Magic bitmask 0x1985 not found at 0x00000000: 0x2003", Outcome.BOOT_OK),
    ],
)
def test_a_flash_that_refuses_to_be_written(says: str, expected: Outcome) -> None:
    assert diagnosed(UP + f"[   12.000000] jffs2: {says}\n").outcome is expected


def test_the_running_kernel_is_asked_for_its_banner() -> None:
    """No time stands in it where the console shows none, so nothing else tells that it is no restart."""
    banner = "Linux version 2.6.36-test (a@b) #1\n"
    boot = banner + "Freeing unused kernel memory: 100k freed\ninit started: BusyBox v1.12\n"
    asked = boot + "# \n# cat /proc/version\n" + banner + "# \n"
    assert len(diagnosed(asked).boots) == 1
    assert len(diagnosed(boot + "widget0: irq 9 on\n" * 20 + boot).boots) == 2


@pytest.mark.parametrize(("last", "expected"), [("associated", Outcome.BOOT_OK), ("", Outcome.DEGRADED)])
def test_an_access_point_refuses_and_another_one_takes_it(last: str, expected: Outcome) -> None:
    lines = "".join(
        f"[  {when}.000000] wlan0: 02:00:00:00:00:01 denied authentication (status 33)\n"
        for when in (100, 200, 300, 400)
    )
    after = f"[  500.000000] wlan0: {last}\n" if last else ""
    assert diagnosed(UP + lines + after).outcome is expected


def test_a_setting_that_is_a_time_is_no_time_out() -> None:
    lines = "".join(f"[  {20 + n}.000000] MT7603: set_beacon(): timeout = 0x{n}a\n" for n in range(5))
    assert diagnosed(UP + lines).outcome is Outcome.BOOT_OK


def test_a_processor_that_does_not_start_is_worth_knowing() -> None:
    """Boards give one to another system, or name more than they have."""
    start = "[    0.200000] CPU1: failed to boot: -1\n"
    diagnosis = diagnosed(UP.replace("[    0.500000]", start + "[    0.500000]"))
    assert diagnosis.outcome is Outcome.BOOT_OK
    assert any(finding.signature == "secondary-cpu-failed" for finding in diagnosis.boots[-1].findings)
    assert diagnosed(UP + "[  600.000000] CPU1: failed to come online\n").outcome is Outcome.DEGRADED


def test_a_script_is_not_what_it_misses() -> None:
    line = "/init: line 11: ifconfig: not found\n"
    kernel = "[    0.000000] Linux version 6.12.5-test (a@b) #1\n[    1.900000] Run /init as init process\n"
    assert diagnosed(kernel + line + "/ # ls\n").outcome is not Outcome.FAILED


@pytest.mark.parametrize(
    "text",
    [
        "CPU6: failed to start",
        "CPU6: failed to come online",
        "CPU6 failed to report alive state",
        "Processor 6 is stuck.",
        "smpboot: do_boot_cpu failed(-1) to wakeup CPU#6",
        "psci: failed to boot CPU6 (-22)",
        "Timeout: CPU6 FAILED to come up !!!",
        "Error bringing CPU6 up: -5",
    ],
)
def test_a_processor_that_does_not_start_is_told_of_on_any_architecture(text: str) -> None:
    (boot,) = diagnose_bytes(
        UP.replace("[    0.500000]", f"[    0.400000] {text}\n[    0.500000]").encode(), "log", KNOWLEDGE
    ).boots
    assert boot.outcome is Outcome.BOOT_OK
    assert [(finding.signature, dict(finding.facts)["cpu"]) for finding in boot.findings] == [
        ("secondary-cpu-failed", "6")
    ]


@pytest.mark.parametrize(
    ("driver", "outcome"),
    [("amdxdna", Outcome.BOOT_OK), ("btusb", Outcome.BOOT_OK), ("i915", Outcome.DEGRADED)],
)
def test_firmware_that_a_driver_misses_matters_by_what_the_driver_is_for(
    driver: str, outcome: Outcome
) -> None:
    device = f"{driver} 0000:64:00.1"
    lines = (
        f"[    5.000000] {device}: Direct firmware load for quux/7.bin failed with error -2\n"
        f"[    5.100000] {device}: probe with driver {driver} failed with error -2\n"
    )
    assert diagnose_bytes((UP + lines).encode(), "log", KNOWLEDGE).outcome is outcome
