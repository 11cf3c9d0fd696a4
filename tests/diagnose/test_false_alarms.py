"""What machines that work say: severity by what a device carries, by its later success, and by time.

The lines have the forms of the kernel's and systems' messages; devices and times are made up.
"""

from __future__ import annotations

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Outcome
from bootwright.diagnose.signatures.knowledge import load

KNOWLEDGE = load()
UP = (
    "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
    "[    0.500000] smp: Brought up 1 node, 4 CPUs\n"
    "[    1.900000] Run /sbin/init as init process\n"
    "[    9.000000] systemd[1]: Startup finished in 3s (kernel) + 6s (userspace) = 9s.\n"
)
CONTROLLER = (
    "[  500.000000] xhci_hcd 0000:3a:00.0: xHCI host controller not responding, assume dead\n"
    "[  500.000100] xhci_hcd 0000:3a:00.0: HC died; cleaning up\n"
)
HUB = "[    2.000000] hub 1-0:1.0: USB hub found\n"


def outcome(text: str) -> Outcome:
    return diagnose_bytes(text.encode(), "log", KNOWLEDGE).outcome


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("", Outcome.DEGRADED),
        ("[  500.100000] xhci_hcd 0000:3a:00.0: remove, state 1\n", Outcome.BOOT_OK),
        (
            "[  510.000000] xhci_hcd 0000:3a:00.0: new USB bus registered, assigned bus number 3\n",
            Outcome.BOOT_OK,
        ),
        (
            "[  510.000000] xhci_hcd 0000:99:00.0: new USB bus registered, assigned bus number 3\n",
            Outcome.DEGRADED,
        ),
    ],
)
def test_a_usb_controller_that_is_taken_out_or_comes_back_is_none_that_died(
    after: str, expected: Outcome
) -> None:
    assert outcome(UP + CONTROLLER + after) is expected


@pytest.mark.parametrize(
    ("errno", "others", "expected"),
    [
        ("-110", "", Outcome.DEGRADED),
        ("-110", HUB, Outcome.BOOT_OK),
        ("-19", "", Outcome.BOOT_OK),
    ],
)
def test_one_usb_controller_of_several_may_not_start(errno: str, others: str, expected: Outcome) -> None:
    assert outcome(UP + others + f"[   12.000000] isp9999 1b000000.usb: can't setup: {errno}\n") is expected


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("ufshcd-qcom: probe of 1da4000.ufshc", Outcome.DEGRADED),
        ("tegra-ahci: probe of 70027000.sata", Outcome.DEGRADED),
        ("sdhci-isp: probe of 1b000000.mmc", Outcome.BOOT_OK),
    ],
)
def test_built_in_drives_are_missed_though_another_disk_works(device: str, expected: Outcome) -> None:
    other = "[   11.000000] EXT4-fs (sda1): mounted filesystem with ordered data mode.\n"
    assert outcome(f"{UP}{other}[   12.000000] {device} failed with error -5\n") is expected


LOST = (
    "[  600.000000] pcieport 0000:04:00.0: "
    "Unable to change power state from D3hot to D0, device inaccessible\n"
)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("[    0.200000] pcieport 0000:00:1c.0: pciehp: Slot(0): Card not present\n", Outcome.BOOT_OK),
        (LOST, Outcome.DEGRADED),
        (LOST + "[  600.100000] pci_bus 0000:05: busn_res: [bus 05] is released\n", Outcome.BOOT_OK),
        (LOST + "[  610.000000] pci 0000:04:00.0: [8086:15d3] type 01 class 0x060400\n", Outcome.BOOT_OK),
        (LOST + "[  610.000000] pci 0000:09:00.0: [8086:15d3] type 01 class 0x060400\n", Outcome.DEGRADED),
    ],
)
def test_what_is_pulled_out_of_a_slot_is_not_lost(lines: str, expected: Outcome) -> None:
    assert outcome(UP + lines) is expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("SIOCADDRT: Network is unreachable", Outcome.BOOT_OK),
        ("RTNETLINK answers: Network is unreachable", Outcome.BOOT_OK),
        ("l2_packet_receive - recvfrom: Network is down", Outcome.BOOT_OK),
        ("connect: Network is unreachable", Outcome.DEGRADED),
    ],
)
def test_who_sets_an_interface_up_asked_no_host(line: str, expected: Outcome) -> None:
    text = "Linux version 2.6.30 (a@b) #1\nFreeing init memory: 128k freed\ninit started: BusyBox v1.13.4\n"
    assert outcome(f"{text}{line}\n") is expected


OOPS = (
    "[{time}.100000] Unable to handle kernel paging request at virtual address 0000330a92b9688a\n"
    "[{time}.100010] Internal error: Oops: 0000000096000005 [#1] PREEMPT SMP\n"
    "[{time}.100020] CPU: 2 PID: 4711 Comm: frobnicate Not tainted 6.12.5-test #1\n"
    "[{time}.100030] pc : frob_quux+0x64/0x168 [frob]\n"
)
PANIC = "[{time}.200000] Kernel panic - not syncing: Oops: Fatal exception\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (OOPS.format(time=56120), Outcome.DEGRADED),
        (OOPS.format(time=2), Outcome.FAILED),
        (OOPS.format(time=56120) + PANIC.format(time=56120), Outcome.FAILED),
        (
            "[  701.628630] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n"
            "[  701.635259] rcu:     1-...!: (0 ticks this GP) idle=5b4/0/0x0 softirq=178953/178953 fqs=0\n",
            Outcome.DEGRADED,
        ),
    ],
)
def test_an_excerpt_from_long_after_the_start_is_of_a_machine_that_runs(text: str, expected: Outcome) -> None:
    assert outcome(text) is expected


def test_a_stall_that_goes_on_is_not_survived_because_lines_go_on() -> None:
    stuck = "[   12.000000] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n"
    text = UP.replace("Startup finished in", "Started frob, after").replace("[    9", "[    8") + stuck
    assert outcome(text + "[  200.000000] frob 1-0040: voltage 850000\n") is Outcome.FAILED


@pytest.mark.parametrize(("jiffies", "expected"), [("6", Outcome.BOOT_OK), ("5251", Outcome.FAILED)])
def test_an_expedited_grace_period_that_waited_a_moment_is_no_stall(jiffies: str, expected: Outcome) -> None:
    line = f"rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: {{ 1-.... }} {jiffies} jiffies"
    assert outcome(UP.partition("[    9")[0] + f"[    4.000000] {line} s: 125 root: 0x2/.\n") is expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        # Linux 6.12: net/bluetooth (errors), security/selinux/hooks.c (warning), drivers/mmc/host
        ("Bluetooth: hci1: Controller not accepting commands anymore: ncmd = 0", Outcome.BOOT_OK),
        ("Bluetooth: hci1: command 0x0c13 tx timeout", Outcome.DEGRADED),
        (
            "SELinux: mount invalid.  Same superblock, different security settings for (dev mq, type frob)",
            Outcome.BOOT_OK,
        ),
        ("mmc0: Timeout waiting for hardware interrupt.", Outcome.DEGRADED),
    ],
)
def test_what_a_machine_does_its_work_without_may_fail_for_ever(message: str, expected: Outcome) -> None:
    late = "".join(f"[ {4812 + 10 * turn}.000000] {message}\n" for turn in range(6))
    assert outcome(UP.partition("[    9")[0] + late) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[ 5234.100000] INFO: task systemd:1 blocked for more than 120 seconds.\n", Outcome.DEGRADED),
        ("[   24.100000] INFO: task systemd:1 blocked for more than 20 seconds.\n", Outcome.FAILED),
        ("[52341.000000] mmc0: error -110 whilst initialising SD card\n", Outcome.DEGRADED),
        (
            "Feb 03 10:00:01 host kernel: Internal error: Oops: 0000000096000005 [#1] PREEMPT SMP\n"
            "Feb 03 10:00:02 host frobd[123]: Accepted frob for quux\n",
            Outcome.DEGRADED,
        ),
    ],
)
def test_what_no_boot_is_seen_of_ran_long_ago(text: str, expected: Outcome) -> None:
    assert outcome(text) is expected


EMPTY = "[    0.900000] spi-nor: probe of spi1.0 failed with error -2\n"
NAND = "[    0.900000] frobnand: probe of ff400000.nandc failed with error -1\n"
DISK = "[    1.500000] EXT4-fs (mmcblk0p2): mounted filesystem with ordered data mode. Opts: (null)\n"
SPIN = "[    0.951000] BUG: spinlock {} on CPU#1, swapper/0/1\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (EMPTY, Outcome.BOOT_OK),
        (NAND, Outcome.DEGRADED),
        (NAND + DISK, Outcome.BOOT_OK),
        (SPIN.format("bad magic"), Outcome.DEGRADED),
        (SPIN.format("lockup suspected"), Outcome.FAILED),
        ("[   93.210000] nvme nvme0: I/O tag 736 (82e0) QID 1 timeout, completion polled\n", Outcome.BOOT_OK),
        ("[   93.210000] nvme nvme0: I/O tag 736 (82e0) QID 1 timeout, aborting\n", Outcome.DEGRADED),
        ("[  400.200000] frobd: page allocation failure: order:5, mode:0x40cc0\n", Outcome.BOOT_OK),
        ("[    2.200000] frobd: page allocation failure: order:5, mode:0x40cc0\n", Outcome.DEGRADED),
    ],
)
def test_severity_is_by_what_others_do_and_by_what_the_speaker_says_came_of_it(
    line: str, expected: Outcome
) -> None:
    assert outcome(UP.partition("[    9")[0] + line) is expected


def test_a_program_that_crashes_at_a_shell_is_not_how_the_boot_ends() -> None:
    crash = (
        "[ {}.162308] quux[{}]: segfault at 0 ip 00007fcf7bfeace6 sp 00007ffc25e25fc0 error 4 in libfrob.so\n"
    )
    crashes = "".join(crash.format(4600 + 20 * turn, 4000 + turn) for turn in range(6))
    assert outcome(UP.partition("[    9")[0] + crashes + "frob@quux:~$ \n") is Outcome.BOOT_OK


STACK = "".join(f"<4>[  {{time}}.1010{turn:02}]  frob_{turn}+0x{turn:x}0/0x1d8\n" for turn in range(8))
REPORT = (
    "<3>[  {time}.100000] {what}\n"
    "<4>[  {time}.100001] CPU: 3 PID: 369 Comm: frobd Not tainted 6.12.5-test #1\n" + STACK
)


@pytest.mark.parametrize(
    ("what", "time", "expected"),
    [
        ("quux: frob failed to unfrob its quux", 2, Outcome.DEGRADED),
        ("quux: frob failed to unfrob its quux", 900, Outcome.BOOT_OK),
        ("BUG: frob of quux is owned by nobody", 900, Outcome.DEGRADED),
    ],
)
def test_a_report_in_unknown_words_long_after_the_start_is_worth_knowing(
    what: str, time: int, expected: Outcome
) -> None:
    text = UP.partition("[    9")[0] + REPORT.format(what=what, time=time)
    later = "".join(
        f"<6>[  {time + turn}.000000] frob {turn}-0040: {chr(96 + turn) * 4} is there\n"
        for turn in range(1, 25)
    )
    assert outcome(text + later) is expected


def test_a_command_that_cron_starts_is_no_complaint() -> None:
    log = "".join(
        f"May 27 06:{minute}:01 box CRON[11{minute}]: (root) CMD (/root/collect 2>> /var/log/collect.err)\n"
        f"May 27 06:{minute}:02 box kernel: [7264{minute}8.296711] quux0: frob number {minute}\n"
        for minute in range(10, 40, 5)
    )
    assert outcome(log) is Outcome.BOOT_OK
    refused = log + "May 27 06:41:01 box acme[41]: cannot open root device: No such file or directory\n"
    assert outcome(refused) is not Outcome.BOOT_OK


FAILS = "".join(
    f"Jan 17 18:33:{second} box systemd[894]: acme-keys.service: Failed with result 'exit-code'.\n"
    for second in range(10, 58, 3)
)


def test_a_system_that_logs_has_started_whatever_fails_in_it() -> None:
    begun = "Jan 17 18:32:37 box kernel: acme_wifi 0000:00:14.3: loaded firmware version 7\n"
    assert outcome(begun + FAILS) is Outcome.DEGRADED


QUOTED = "[    9.555966] acme-rtc: probe of 1-0068 failed with error -121\n"


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (QUOTED, Outcome.DEGRADED),
        ("[    9.4] acme: frob\n" * 5 + QUOTED, Outcome.DEGRADED),
        ("".join(f"[    9.4] acme: frob {number}\n" for number in range(40)) + QUOTED, Outcome.BOOT_OK),
        (UP + QUOTED, Outcome.BOOT_OK),
    ],
)
def test_a_few_lines_are_quoted_for_the_error_in_them(log: str, expected: Outcome) -> None:
    assert outcome(log) is expected


@pytest.mark.parametrize(
    "lines",
    [
        "This is box (Linux x86_64 6.12.5) 14:19:32\nSSH host key: SHA256:yPquux44 (ECDSA)\n"
        "SSH host key: SHA256:qNquux45 (DSA)\neth0: 192.0.2.36\n",
        "[   18.148495] ADDRCONF(NETDEV_UP): eth0: link is not ready\n[   18.172468] udevd[319]: starting\n",
        UP + "[   27.0] quux\nbox login: [   27.672260] eth1: link up, 100 Mb/s, full duplex\n",
    ],
    ids=["login screen", "link", "prompt"],
)
def test_what_looks_like_an_error_and_is_none(lines: str) -> None:
    assert outcome(lines) is Outcome.BOOT_OK


@pytest.mark.parametrize(
    "report",
    [
        "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-... } 6 jiffies s: 301\n",
        "ifup: Waiting up to 60 more seconds for network configuration...\n",
    ],
)
def test_what_is_worth_knowing_only_is_no_worse_in_a_machine_that_came_up(report: str) -> None:
    *before, ready = UP.splitlines(keepends=True)
    assert outcome("".join([*before, "[    5.000000] " + report, ready])) is Outcome.BOOT_OK
    assert outcome(UP + "[ 5000.000000] " + report) is Outcome.BOOT_OK


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("[   12.000000] tegra-qspi NVDA1513:00: device reset failed\n", Outcome.BOOT_OK),
        ("[   12.000000] mlx5_core 0000:01:00.0: device reset failed\n", Outcome.DEGRADED),
        ('[   12.000000] ntfs3: sdb4: volume is dirty and "force" flag is not set!\n', Outcome.BOOT_OK),
        ("[  292.000000] eth0 (): not using net_device_ops yet\n", Outcome.BOOT_OK),
    ],
)
def test_a_finding_is_about_what_it_says_it_is(lines: str, expected: Outcome) -> None:
    assert outcome(UP + lines) is expected


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("", Outcome.DEGRADED),
        ("[ 9000.000000] docker0: port 3(vethQuux12) entered forwarding state\n", Outcome.BOOT_OK),
    ],
)
def test_docker_that_starts_containers_again_runs(after: str, expected: Outcome) -> None:
    assert outcome(UP + "[  800.000000] init: docker respawning too fast, stopped\n" + after) is expected


@pytest.mark.parametrize(("later", "expected"), [("", Outcome.FAILED), ("400", Outcome.DEGRADED)])
def test_a_root_that_is_damaged_and_that_programs_go_on_with_fails_no_boot(
    later: str, expected: Outcome
) -> None:
    log = (
        "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
        "[    0.000000] Kernel command line: root=/dev/mmcblk0p2 rw\n"
        "[    3.000000] EXT4-fs (mmcblk0p2): mounted filesystem with ordered data mode\n"
        "[    3.900000] Run /sbin/init as init process\n"
        "[    5.000000] EXT4-fs error (device mmcblk0p2): ext4_lookup:1785: inode #12: bad entry\n"
    )
    acts = f"[  {later}.000000] Adding 102396k swap on /dev/mmcblk0p3.\n" if later else ""
    assert outcome(log + acts) is expected
