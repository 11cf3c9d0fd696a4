"""Rules that need no known words: who speaks beside others, what stays, what came after all, excerpts."""

from __future__ import annotations

import pytest
from diagnosed_kit import diagnosed

from bootwright.api import diagnose
from bootwright.diagnose.judging.shapes import is_dump
from bootwright.diagnose.model import Diagnosis, Finding, Outcome, Severity

SERIOUS = {Severity.FATAL, Severity.DEGRADING}


def root_cause(diagnosis: Diagnosis) -> Finding:
    return next(
        finding
        for boot in diagnosis.boots
        for finding in boot.findings
        if finding.severity in SERIOUS and finding.caused_by is None
    )


def test_a_hypervisor_that_panics_ends_what_runs_above_it() -> None:
    text = (
        "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
        "[   12.000000] systemd[1]: Started Frobnicator.\n"
        "(XEN) [2031-01-06 12:00:00] quux at the frob\n(XEN) Panic on CPU 3:\n(XEN) FATAL TRAP: vec 14\n"
    )
    assert root_cause(diagnosed(text)).signature == "hypervisor-panic"
    guest = text.replace("(XEN) Panic", "frob: Panic").replace("(XEN) FATAL", "frob: FATAL")
    assert diagnosed(guest).outcome is Outcome.BOOT_OK


@pytest.mark.parametrize(
    ("line", "dump"),
    [
        ("quux_trap: cpu2: a0=0x20000 a1=0x80011df0", True),
        ("quux_trap: cpu2: s7=0x1", True),
        ("quux: width=0x10 and more", False),
        ("nvme nvme0: ctrl=0x00000001", False),
        ("PC is at frob_quux+0x4/0x80 [frob]", True),
        ("quux: get_frob called from frob_quux+0x4/0x80 with zap=0", False),
    ],
)
def test_a_labelled_dump_may_have_short_values(line: str, dump: bool) -> None:
    assert is_dump(line.encode()) is dump


LOADER = "U-Boot 2031.01 (Jan 06 2031 - 12:00:00 +0000)\nDRAM:  1 GiB\n\nStarting kernel ...\n\n"
FIRMWARE = "OpenSBI v1.5\nPlatform Name             : Quux\n"
KERNEL = "[    0.000000] Linux version 6.12.5-test (a@b) #1\n[    0.500000] smp: Brought up 1 node, 4 CPUs\n"
SYSTEM = KERNEL + "[    1.900000] Run /sbin/init as init process\n"


def test_firmware_that_a_loader_starts_and_that_stays_is_no_restart() -> None:
    assert len(diagnosed(LOADER + FIRMWARE + KERNEL).boots) == 1


def test_firmware_after_another_loader_is_a_restart() -> None:
    first_stage = "U-Boot SPL 2031.01 (Jan 06 2031 - 12:00:00 +0000)\n"
    assert len(diagnosed(LOADER + first_stage + FIRMWARE).boots) == 2
    assert len(diagnosed(FIRMWARE + LOADER + FIRMWARE).boots) == 2


def test_the_last_resort_after_a_failed_source_is_a_failure() -> None:
    network = "BOOTP broadcast 1\nBOOTP broadcast 2\n"
    start = "U-Boot 2031.01 (Jan 06 2031 - 12:00:00 +0000)\nHit any key to stop autoboot:  0\n"
    failed = diagnosed(
        start + "The quux of the boot image could not be read\n" + "frob the card\n" * 3 + network
    )
    assert failed.outcome is Outcome.FAILED
    assert "boot image" in root_cause(failed).lines[0].text
    assert diagnosed(start + network).outcome is Outcome.UNKNOWN


MODULE = "[    5.00000{0}] {1}: disagrees about version of symbol frob_{0}\n"


@pytest.mark.parametrize(
    ("modules", "outcome"),
    [
        (("quuxvendor",), Outcome.BOOT_OK),
        (("macb",), Outcome.DEGRADED),
        (("quuxvendor", "frobvendor", "zapvendor"), Outcome.DEGRADED),
    ],
)
def test_a_foreign_module_matters_where_it_is_the_kernels_own(
    modules: tuple[str, ...], outcome: Outcome
) -> None:
    lines = "".join(MODULE.format(number, module) for number, module in enumerate(modules))
    assert diagnosed(SYSTEM + lines).outcome is outcome


def test_an_initramfs_that_was_not_needed_failed_nothing() -> None:
    broken = "[    0.700000] Initramfs unpacking failed: invalid magic at start of compressed archive\n"
    went_on = (
        "[    1.500000] VFS: Mounted root (ext4 filesystem) readonly on device 179:2.\n"
        "[    1.600000] Run /sbin/init as init process\n"
        "[    1.700000] random: crng init done\n"
    )
    assert diagnosed(broken).outcome is Outcome.FAILED
    unpacking = "[    0.690000] Trying to unpack rootfs image as initramfs...\n"
    assert diagnosed(KERNEL + broken).outcome is Outcome.UNKNOWN
    assert diagnosed(KERNEL + unpacking + broken).outcome is Outcome.UNKNOWN
    assert diagnose((KERNEL + unpacking + broken).encode(), watched=True).outcome is Outcome.FAILED
    panic = "[    2.500000] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n"
    assert root_cause(diagnosed(KERNEL + broken + panic)).signature == "initramfs-corrupt"
    assert diagnosed(KERNEL + broken + went_on).outcome is Outcome.BOOT_OK


def test_a_file_system_that_was_only_tried_is_not_damaged() -> None:
    tried = "[    2.00000{0}] F2FS-fs (sda3): Can't find valid F2FS filesystem in {0}th superblock\n"
    assert diagnosed(SYSTEM + tried.format(1) + tried.format(2)).outcome is Outcome.BOOT_OK


ERRORS = "[  912.12400{0}] qzxdrv: Unknown symbol get_{0} (err -22)\n"


def test_what_an_excerpt_consists_of_is_what_it_is_about() -> None:
    excerpt = "".join(ERRORS.format(number) for number in range(6))
    assert diagnosed(excerpt).outcome is Outcome.DEGRADED
    others = "".join(f"[  913.00000{number}] quux frob number {number}\n" for number in range(9))
    assert diagnosed(ERRORS.format(1) + others + others).outcome is Outcome.BOOT_OK
    assert diagnosed(KERNEL + excerpt).outcome is Outcome.BOOT_OK


def test_the_first_process_that_gives_up_ends_the_boot() -> None:
    lines = "[    3.00000{0}] {1}: could not frob the quux\n"
    by_init = "".join(lines.format(number, "init") for number in range(3))
    by_another = "".join(lines.format(number, "frobd") for number in range(3))
    assert diagnosed(by_init).outcome is Outcome.FAILED
    assert diagnosed(by_another).outcome is Outcome.DEGRADED


def test_a_network_card_is_not_to_blame_for_the_root() -> None:
    card = "[    2.889458] dwmac quux.ethernet: Cannot get CSR clock\n"
    root = "[    3.516603] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(179,4)\n"
    assert root_cause(diagnosed(KERNEL + card + root)).signature == "no-root"


@pytest.mark.parametrize(
    "line",
    [
        "Jan 22 07:53:14 web sshd[1195]: pam_unix(sshd:auth): authentication failure; user=root",
        "Jan 22 07:53:14 web su[1110]: FAILED SU (to root) test on pts/0",
    ],
)
def test_the_user_root_is_no_file_system(line: str) -> None:
    assert all(
        finding.signature != "root-not-reached"
        for boot in diagnosed(f"{line}\n{line}\n").boots
        for finding in boot.findings
    )


def test_a_program_that_crashes_with_a_dump_does_not_end_the_boot() -> None:
    crash = (
        "[  484.663031] frobd ({0}): undefined instruction: pc=b69383c8\n"
        "[  484.663054] Code: 00000000 00000000 f26ee1fe e12fff1e (ee190f1d)\n"
    )
    assert diagnosed(KERNEL + crash.format(4017) * 2).outcome is Outcome.BOOT_OK
    assert diagnosed(KERNEL + crash.format(1)).outcome is Outcome.FAILED


FRAMES = "".join(f"[   14.00002{number}]  frob_quux_{number}+0x4{number}/0x90\n" for number in range(8))


def test_a_report_that_was_cut_out_is_what_the_log_is_about() -> None:
    report = "[   14.000010] WARNING: CPU: 0 PID: 0 at kernel/frob.c:114 frob_quux+0x20/0x90\n" + FRAMES
    assert root_cause(diagnosed(report)).signature == "kernel-warning"
    assert diagnosed(SYSTEM + report).outcome is Outcome.BOOT_OK


@pytest.mark.parametrize(("apart", "outcome"), [(0.01, Outcome.BOOT_OK), (1.5, Outcome.DEGRADED)])
def test_errors_of_one_probe_are_one_attempt(apart: float, outcome: Outcome) -> None:
    lines = "".join(
        f"[{4 + number * apart:12.6f}] rk_gmac-dwmac fe1c0000.ethernet: could not frob clock {number}\n"
        for number in range(4)
    )
    goes_on = "".join(f"[   20.00000{number}] quux frob {number}\n" for number in range(9)) * 4
    ready = "[   30.000000] systemd[1]: Started Frobnicator.\n"
    assert diagnosed(KERNEL + lines + goes_on + ready).outcome is outcome


def test_a_cable_that_nothing_waits_for_is_worth_knowing() -> None:
    down = "[   19.763335] smsc95xx 1-1.1:1.0 eth0: Link is Down\n"
    assert diagnosed(down + "[   21.098797] quux: frob\n").outcome is Outcome.BOOT_OK
    wireless = "[   21.098797] IPv6: ADDRCONF(NETDEV_CHANGE): wlan0: link becomes ready\n"
    assert diagnosed(SYSTEM + down + wireless).outcome is Outcome.BOOT_OK


def test_silence_is_a_failure_where_somebody_waited() -> None:
    text = (LOADER + "[    0.000000] Booting Linux on physical CPU 0xf\n").encode()
    assert diagnose(text).outcome is Outcome.UNKNOWN
    watched = diagnose(text, watched=True)
    assert watched.outcome is Outcome.FAILED
    assert root_cause(watched.diagnosis).signature == "silent-after-handover"


@pytest.mark.parametrize(
    ("unit", "outcome"),
    [
        ("File System Check on Root Device", Outcome.FAILED),
        ("Remount Root and Kernel File Systems", Outcome.DEGRADED),
    ],
)
def test_the_check_of_the_root_ends_a_boot(unit: str, outcome: Outcome) -> None:
    text = f"[  OK  ] Started Frobnicator.\n[FAILED] Failed to start {unit}.\n[  OK  ] Started Quux.\n"
    assert diagnosed(text).outcome is outcome


def test_a_wireless_chip_whose_last_word_is_an_error_matters_where_the_log_is_about_it() -> None:
    lines = (
        "[    5.000001] brcmfmac 0000:05:00.0: brcmf_frob: using quux for chip 7\n"
        "[    5.100000] brcmfmac 0000:05:00.0: brcmf_frob: frob of the quux failed\n"
    )
    assert root_cause(diagnosed(lines)).signature == "device-failing"
    assert diagnosed(KERNEL + lines + "[    9.000000] systemd[1]: Started Quux.\n").outcome is Outcome.BOOT_OK


WITHOUT_RADIO = "[    5.100000] iwlwifi 0000:05:00.0: Failed to read NVM: -5\n"


@pytest.mark.parametrize(
    ("shown", "outcome"),
    [
        # Nothing tells whether programs have an interface.
        ("", Outcome.BOOT_OK),
        # This log would tell of one, and does not.
        ("[    6.000000] quux 0000:02:00.0 enp2s0: renamed from eth0\n", Outcome.DEGRADED),
        ("[    6.000000] iwlwifi: probe of 0000:05:00.0 failed with error -5\n", Outcome.DEGRADED),
        ("[    6.000000] iwlwifi 0000:06:00.0 wlp6s0: renamed from wlan0\n", Outcome.BOOT_OK),
    ],
)
def test_a_wireless_chip_of_which_no_interface_is_made_matters(shown: str, outcome: Outcome) -> None:
    system = "[    9.000000] systemd[1]: Started Quux.\n"
    assert diagnosed(KERNEL + WITHOUT_RADIO + shown + system).outcome is outcome


def test_a_word_for_the_severity_is_no_device() -> None:
    lines = (
        "[    5.100000] b43-phy0 ERROR: FOUND UNSUPPORTED PHY (Analog 7, Type 3 (Q), Revision 1)\n"
        "[    5.200000] quux 0000:02:00.0 enp2s0: renamed from eth0\n"
    )
    finding = root_cause(diagnosed(KERNEL + lines + "[    9.000000] systemd[1]: Started Quux.\n"))
    facts = dict(finding.facts)
    assert (facts["driver"], facts["device"]) == ("b43", "b43-phy0")


def test_a_kernel_that_started_nothing_yet_shows_nothing() -> None:
    goes_on = "".join(f"[    0.60000{number}] quux{number}: registered\n" for number in range(9))
    assert diagnosed(KERNEL + goes_on).outcome is Outcome.UNKNOWN
    assert diagnosed(SYSTEM + goes_on).outcome is Outcome.BOOT_OK
    for_long = "[  124.000000] quux: frobbed\n"
    assert diagnosed(KERNEL + goes_on + for_long).outcome is Outcome.BOOT_OK


def test_an_initramfs_that_hands_over_to_nothing_is_unknown() -> None:
    initramfs = "Loading, please wait...\n[    2.400000] quux: registered\n"
    assert diagnosed(SYSTEM + initramfs).outcome is Outcome.UNKNOWN
    system = "[    4.000000] systemd[1]: Started Frobnicator.\n"
    assert diagnosed(SYSTEM + initramfs + system).outcome is Outcome.BOOT_OK


CRASH = "[    3.00000{0}] {1}[{0}]: unhandled signal 11 code 0x2 at 0x0000000083{0}000e4\n"


@pytest.mark.parametrize(
    ("programs", "outcome"),
    [(("frob", "quux", "zap"), Outcome.DEGRADED), (("frob", "frob", "frob"), Outcome.BOOT_OK)],
)
def test_different_programs_that_crash_share_a_cause(programs: tuple[str, ...], outcome: Outcome) -> None:
    crashes = "".join(CRASH.format(number, program) for number, program in enumerate(programs, 3))
    assert diagnosed(SYSTEM + crashes).outcome is outcome
    login = "[    2.900000] systemd[1]: Reached target multi-user.target - Multi-User System.\n"
    assert diagnosed(SYSTEM + login + crashes).outcome is Outcome.BOOT_OK


def test_an_instruction_that_programs_try_is_no_crash() -> None:
    probes = "".join(
        f"[    3.00000{n}] frob{n} (4{n}): undefined instruction: pc=b69383c8\n" for n in range(3)
    )
    assert diagnosed(SYSTEM + probes).outcome is Outcome.BOOT_OK


def test_after_a_crash_asked_for_the_next_kernel_counts() -> None:
    crash = "[   62.209711] Kernel panic - not syncing: sysrq triggered crash\n"
    crash_kernel = "Uncompressing Linux... done, booting the kernel.\n" + KERNEL
    oops = "[    0.600000] Unable to handle kernel paging request at virtual address d93f6000\n"
    diagnosis = diagnosed(SYSTEM + crash + crash_kernel + oops)
    assert (diagnosis.outcome, root_cause(diagnosis).signature) == (Outcome.FAILED, "kernel-oops")
    assert root_cause(diagnosed(SYSTEM + crash)).signature == "kernel-panic"


ROOT_MISSING = "ALERT!  /dev/sdq1 does not exist.  Dropping to a shell!\n(initramfs) "
NO_SYMBOL = "[    5.927639] {0}: Unknown symbol frob_quux (err -2)\n"


@pytest.mark.parametrize(
    ("module", "cause"), [("soundwire_qcom", "initramfs-gave-up"), ("virtio_blk", "module-version")]
)
def test_a_module_of_sound_keeps_no_root_away(module: str, cause: str) -> None:
    diagnosis = diagnosed(SYSTEM + NO_SYMBOL.format(module) + ROOT_MISSING)
    assert root_cause(diagnosis).signature == cause


def test_a_device_manager_that_hangs_is_why_others_wait() -> None:
    waits = "[   50.350776] platform a600000.usb: deferred probe pending: dwc3: failed to initialize core\n"
    hung = "[  183.420027] INFO: task {0}:153 blocked for more than 90 seconds.\n"
    by_udev = diagnosed(SYSTEM + waits + ROOT_MISSING + hung.format("(udev-worker)"))
    assert root_cause(by_udev).signature == "hung-task"
    by_another = diagnosed(SYSTEM + waits + ROOT_MISSING + hung.format("frobd"))
    assert root_cause(by_another).signature == "deferred-bus"


def test_a_supplier_that_the_driver_goes_on_without_is_not_missing() -> None:
    wanted = "[    2.044432] ufshcd-qcom 1d84000.ufshc: Unable to find vdd-hba-supply regulator{0}\n"
    signatures = [
        {
            finding.signature
            for boot in diagnosed(SYSTEM + wanted.format(end)).boots
            for finding in boot.findings
        }
        for end in ("", ", assuming enabled")
    ]
    assert ["supplier-missing" in names for names in signatures] == [True, False]


BEGINS = (
    "[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x410fd034]\n"
    "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
    "[    0.000000] quux: the frob is there\n"
)
SWITCHES = (
    "[    0.012374] printk: console [tty0] enabled\n[    0.016436] printk: bootconsole [pl11] disabled\n"
)


def test_a_console_that_prints_the_log_from_its_start_is_no_restart() -> None:
    assert len(diagnosed(LOADER + BEGINS + SWITCHES + BEGINS).boots) == 1
    assert len(diagnosed(LOADER + BEGINS + BEGINS).boots) == 2
    again = SWITCHES + BEGINS
    assert len(diagnosed(LOADER + BEGINS + again + again + again).boots) > 1


def test_a_stack_that_is_printed_by_choice_ends_no_boot() -> None:
    head = "[    2.280656] quux: cannot frob duplicate '/devices/quux'\n[    2.280700] Call trace:\n"
    frames = (
        "[    2.290000]  {0}+0x10/0x18\n[    2.300000]  frob_quux+0x58/0x90\n[    2.310000]  zap+0x4/0x80\n"
    )
    assert diagnosed(SYSTEM + head + frames.format("dump_stack_lvl")).outcome is not Outcome.FAILED
    assert diagnosed(SYSTEM + head + frames.format("frob_zap")).outcome is Outcome.FAILED


def test_what_coreboot_keeps_of_several_boots_is_no_loop() -> None:
    stage = (
        "coreboot-4.20 Thu Jan  1 00:00:00 UTC 1970 x86_32 {0} starting (log level: 7)...\nquux: frobbed\n"
    )
    turn = stage.format("romstage") + stage.format("ramstage")
    kept = diagnosed((turn + "Jumping to boot code at 0xfd274 (0x7fb5000)\n") * 5)
    assert (kept.outcome, len(kept.boots)) == (Outcome.UNKNOWN, 5)
    assert diagnosed(turn * 5).outcome is Outcome.FAILED
