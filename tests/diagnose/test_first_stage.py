"""What first programs end with: in the initramfs, in first stages, in a system just started."""

from __future__ import annotations

import pytest
from diagnosed_kit import diagnosed

from bootwright.diagnose.model import Outcome

KERNEL = "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
SERVICES = "[    5.000000] systemd[1]: Started Frobnicator.\n[    6.000000] systemd[1]: Finished Quux.\n"
OOPS = """\
[    9.000000] Unable to handle kernel NULL pointer dereference at virtual address 0000000000000040
[    9.000100] Internal error: Oops: 0000000096000004 [#1] SMP
[    9.000200] CPU: 2 UID: 0 PID: 311 Comm: frobd Not tainted 6.12.5-test #1
[    9.000300] pc : frob_open+0x10/0x40 [frob]
[    9.000400] ---[ end trace 0000000000000000 ]---
"""


@pytest.mark.parametrize("program", ["ostree-prepare-root", "initrd-quux", "ignition-frob-mount"])
def test_a_program_of_the_initramfs_that_finds_no_root_ends_the_boot(program: str) -> None:
    diagnosis = diagnosed(f"{program}[260]: Couldn't find quux '/sysroot/quux': No such file or directory\n")
    assert diagnosis.outcome is Outcome.FAILED
    assert diagnosis.boots[-1].findings[0].area == "root"


def test_what_the_first_program_could_not_get_is_the_cause_of_what_fails_after_it() -> None:
    diagnosis = diagnosed(
        "[    7.1] init: quux not found\n"
        "[   27.0] init: Cannot mount filesystem on /dev/block/quux0p5 at /system\n"
        "[   27.1] init: cannot find '/system/bin/frob', disabling 'frob'\n"
        "[   27.2] init: Unable to open quux directory /data/quux errno: 2\n"
        "[   27.3] init: frob invalid\n"
    )
    assert diagnosis.outcome is Outcome.FAILED
    assert "Cannot mount filesystem" in diagnosis.boots[-1].findings[0].cause


@pytest.mark.parametrize("name", ["'/dev/quux1'", "UUID=4711-0815"])
def test_the_device_that_mkinitcpio_does_not_find_is_named(name: str) -> None:
    diagnosis = diagnosed(f":: running hook [udev]\nERROR: device {name} not found. Skipping fsck.\n")
    assert diagnosis.outcome is Outcome.FAILED
    assert name.strip("'") in diagnosis.boots[-1].findings[0].cause


@pytest.mark.parametrize(("seconds", "outcome"), [(4, Outcome.FAILED), (12, Outcome.DEGRADED)])
def test_services_that_go_on_after_a_crash_show_that_the_system_survived(
    seconds: int, outcome: Outcome
) -> None:
    end = f"[   {9 + seconds}.000000] systemd[1]: Started Barnicator.\n"
    assert diagnosed(KERNEL + SERVICES + OOPS + end).outcome is outcome


@pytest.mark.parametrize(
    ("pid", "end", "outcome"),
    [
        ("311", "[    9.9] Adding 3906044k swap on /dev/zram0.  Priority:100 extents:1\n", Outcome.DEGRADED),
        ("1", "[    9.9] Adding 3906044k swap on /dev/zram0.  Priority:100 extents:1\n", Outcome.FAILED),
        ("311", "[    9.9] usb 1-1: new high-speed USB device number 2 using xhci_hcd\n", Outcome.FAILED),
    ],
    ids=["swap is added after it", "the first program", "a driver alone"],
)
def test_programs_that_are_at_work_after_a_crash_show_the_same(pid: str, end: str, outcome: Outcome) -> None:
    start = KERNEL + "[    8.0] Run /init as init process\n"
    assert diagnosed(start + OOPS.replace("PID: 311", f"PID: {pid}") + end).outcome is outcome


@pytest.mark.parametrize(
    ("end", "signature"),
    [
        ("- runit: fatal: unable to start child: /etc/runit/1: quux\n", "init-gave-up"),
        ("s6-rc: fatal: unable to frobnicate: Read-only quux\n", "init-gave-up"),
        ("INIT: version 2.99 booting\nINIT: No inittab file found\nEnter runlevel: \n", "init-gave-up"),
        (
            "[    2.3] systemd[1]: Failed to isolate default target, freezing.\n",
            "systemd-frozen",
        ),
    ],
)
def test_a_first_program_that_says_it_goes_no_further_ends_the_boot(end: str, signature: str) -> None:
    diagnosis = diagnosed(f"{KERNEL}[    1.500000] Run /sbin/init as init process\n{end}")
    assert diagnosis.outcome is Outcome.FAILED
    assert signature in {finding.signature for finding in diagnosis.boots[-1].findings}


def test_a_service_that_calls_its_error_fatal_ends_no_boot() -> None:
    start = f"{KERNEL}[    1.500000] Run /sbin/init as init process\n{SERVICES}"
    assert diagnosed(f"{start}frobd: fatal: no quux\n").outcome is not Outcome.FAILED


@pytest.mark.parametrize(("times", "outcome"), [(2, Outcome.BOOT_OK), (4, Outcome.DEGRADED)])
def test_a_service_of_android_that_ends_again_and_again_degrades_it(times: int, outcome: Outcome) -> None:
    start = f"{KERNEL}[    1.500000] init: starting service 'quux'...\n"
    ends = "".join(
        f"[    {3 + turn}.0] init: Service 'frob' (pid {400 + turn}) exited with status 1\n"
        for turn in range(times)
    )
    assert diagnosed(start + ends).outcome is outcome


def test_a_service_that_procd_gives_up_is_named() -> None:
    line = (
        "[    5.0] procd: Instance frob::instance1 s in a crash loop 6 crashes, 0 seconds since last crash\n"
    )
    diagnosis = diagnosed(KERNEL + line)
    assert diagnosis.outcome is Outcome.DEGRADED
    assert "frob ends as soon as it is started" in diagnosis.boots[-1].findings[0].cause


@pytest.mark.parametrize(
    "line",
    [
        "[FATAL tini (7)] exec /quux.sh failed: No such file or directory\n",
        "s6-overlay-suexec: fatal: can only run as pid 1\n",
    ],
)
def test_the_first_program_of_a_container_that_gives_up_ends_it(line: str) -> None:
    assert diagnosed(line).outcome is Outcome.FAILED


def test_without_its_root_a_kernel_finds_no_init() -> None:
    diagnosis = diagnosed(
        f"{KERNEL}[   12.8] Root-NFS: no NFS server address\n"
        "[   12.9] VFS: Unable to mount root fs via NFS.\n"
        "[   12.9] Run /sbin/init as init process\n"
        "[   12.9] Kernel panic - not syncing: No working init found.\n"
    )
    no_init = next(finding for finding in diagnosis.boots[-1].findings if finding.signature == "no-init")
    assert diagnosis.boots[-1].findings[0].signature == "no-root"
    assert no_init.caused_by == "no-root"
