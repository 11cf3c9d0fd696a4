"""A healthy log that is cut says nowhere that something failed for good: what is left to come may tell."""

from __future__ import annotations

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Outcome
from bootwright.diagnose.signatures.knowledge import load

START = (
    "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
    "[    0.000010] Kernel command line: root=/dev/sda5 ro\n"
    "[    0.500000] smp: Brought up 1 node, 4 CPUs\n"
)
RUNS = (
    "[    1.500000] VFS: Mounted root (ext4 filesystem) readonly on device 8:5.\n"
    "[    1.900000] Run /sbin/init as init process\n"
    "[   71.000000] random: crng init done\n"
)


def outcome(text: str) -> Outcome:
    return diagnose_bytes(text.encode(), "log", load()).outcome


@pytest.mark.parametrize(
    ("after", "expected"), [("", Outcome.UNKNOWN), (RUNS, Outcome.BOOT_OK)], ids=["cut", "runs"]
)
def test_a_guests_line_about_its_hypervisor_begins_no_boot(after: str, expected: Outcome) -> None:
    assert outcome(START + "[    0.000000] Xen version 4.11.\n" + after) is expected


@pytest.mark.parametrize(
    ("start", "after", "expected"),
    [
        (START, "", Outcome.UNKNOWN),
        (START, RUNS, Outcome.DEGRADED),
        ("", "", Outcome.DEGRADED),
    ],
    ids=["before the root is looked for", "nothing else has a root", "an excerpt"],
)
def test_a_disk_is_not_missed_before_anything_is_asked_of_it(
    start: str, after: str, expected: Outcome
) -> None:
    failed = "[    1.000000] sdhci-test ff400000.mmc: probe with driver sdhci-test failed with error -5\n"
    assert outcome(start + failed + after.replace("VFS: Mounted root (ext4 filesystem) ", "")) is expected


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("mmcblk0: mmc0:aaaa SL32G 29.7 GiB\n mmcblk0: p1 p2\n", Outcome.UNKNOWN),
        ("usb 1-1: new high-speed USB device number 2\n", Outcome.FAILED),
    ],
    ids=["its disk came", "something else came"],
)
def test_a_root_is_still_waited_for_right_after_its_disk_came(after: str, expected: Outcome) -> None:
    text = START.replace("[    0.", "[").replace("[000000] ", "").replace("[000010] ", "")
    text = text.replace("[500000] ", "")
    assert outcome(text + "Waiting for root device /dev/mmcblk0p2...\n" + after) is expected


@pytest.mark.parametrize(("times", "expected"), [(12, Outcome.BOOT_OK), (40, Outcome.DEGRADED)])
def test_what_a_script_says_a_few_times_without_a_clock_is_no_loop(times: int, expected: Outcome) -> None:
    system = "Linux version 6.12.5-test (a@b) #1\nRun /sbin/init as init process\n"
    assert outcome(system + "qzx: cannot set up filter\n" * times) is expected


@pytest.mark.parametrize(
    ("what", "expected"),
    [("trap int3 ip:402182 sp:7fff67eb64a0", Outcome.UNKNOWN), ("segfault at 0", Outcome.FAILED)],
)
def test_a_breakpoint_ends_the_first_process_only_where_the_kernel_says_so(
    what: str, expected: Outcome
) -> None:
    crash = (
        f"traps: init[1] {what}" if what.startswith("trap") else f"init[1]: {what} ip 402182 sp 7ff error 4"
    )
    assert outcome(START + f"[    1.000000] {crash} error:0 in init[400000+3000]\n") is expected


def test_a_dump_has_not_its_reason_in_a_probe_that_is_made_again() -> None:
    waits = "[    1.000000] [ERR]qzx_probe:263: gpio probe fail(-517)\n"
    values = "".join(f"[    1.0001{n}0] qz47xx_set_pdata: rx_vol = 0x{n}2\n" for n in range(1, 7))
    assert outcome(START + waits + values) is not Outcome.FAILED


@pytest.mark.parametrize(("turns", "expected"), [(2, Outcome.BOOT_OK), (3, Outcome.FAILED)])
def test_a_machine_that_was_up_is_in_a_loop_when_three_starts_ended(turns: int, expected: Outcome) -> None:
    turn = (
        "U-Boot 2024.01 (Jan 01 2024 - 00:00:00 +0000)\n\nStarting kernel ...\n\n"
        + START
        + RUNS
        + "\nhost login: \n"
    )
    assert outcome(turn * turns + "U-Boot 2024.01 (Jan 01 2024 - 00:00:00 +0000)\n") is expected


@pytest.mark.parametrize(
    "said", ["doesn't start on an erase block boundary", "doesn't end on an erase block"]
)
def test_a_remark_about_the_partition_of_the_root_is_no_attempt_at_it(said: str) -> None:
    text = f'Linux version 3.10.20 (a@b) #1\nmtd: partition "rootfs" {said} -- force read-only\n'
    assert outcome(text) is not Outcome.FAILED


def test_a_failed_swap_is_not_missed() -> None:
    failed = (
        "[FAILED] Failed to activate swap dev-mmcblk0p3.swap - /dev/mmcblk0p3.\n"
        "[DEPEND] Dependency failed for swap.target - Swaps.\n"
    )
    assert outcome(START + RUNS + failed) is Outcome.BOOT_OK


def test_talos_got_past_what_it_retried_when_a_task_is_done() -> None:
    log = "[ 1265.019480] [talos] retrying error: node not ready\n"
    done = "[ 1392.196285] [talos] task uncordonNode (1/1): done, 2m7.570750579s\n"
    assert outcome(log) is Outcome.FAILED
    assert outcome(log + done) is not Outcome.FAILED


def test_an_interrupt_controller_is_no_program() -> None:
    line = "Nov 20 10:01:36 host kernel: [    0.000000] IOAPIC[0]: apic_id 0, version 17, GSI 0-23\n"
    start = "".join(f"Nov 20 10:01:35 host kernel: {text}\n" for text in START.splitlines())
    assert outcome(start + line) is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("hw-detect: FATAL: Module rtc not found.", Outcome.BOOT_OK),
        ("qzx-setup: FATAL: Settings not found.", Outcome.FAILED),
    ],
)
def test_a_module_that_is_not_there_is_fatal_for_its_loader_alone(line: str, expected: Outcome) -> None:
    system = "".join(f"Oct 23 14:11:4{n} host kernel: {text}\n" for n, text in enumerate(START.splitlines()))
    init = "Oct 23 14:11:43 host kernel: [    1.900000] Run /sbin/init as init process\n"
    assert outcome(f"{system}{init}Oct 23 14:11:43 {line}\n") is expected


@pytest.mark.parametrize(
    ("packet", "expected"),
    [(" IN=wlan0 OUT= MAC=01:00:5e:00:00:01:14 SRC=192.0.2.1 DST=192.0.2.2", Outcome.BOOT_OK), ("", None)],
)
def test_a_packet_that_a_firewall_logs_is_no_error(packet: str, expected: Outcome | None) -> None:
    lines = "".join(f"[  {second}.484028] INPUT-rejected:{packet}\n" for second in range(300, 990, 60))
    judged = outcome(START + RUNS + lines)
    assert judged is (expected or Outcome.DEGRADED)


def test_where_an_image_will_lie_is_no_dump() -> None:
    log = (
        "U-Boot 2011.03 (Jan 01 2014 - 00:00:00)\n"
        "ERR(v2/qzx_key.c)L472:failed to query key state, rc 0\n"
        "## Booting kernel from Legacy Image at 12000000 ...\n"
        "   Image Type:   ARM Linux Kernel Image (lzo compressed)\n"
        "   Load Address: 00208000\n"
        "   Entry Point:  00208000\n"
    )
    assert outcome(log) is Outcome.UNKNOWN
    assert outcome(log.replace("Load Address", "pc").replace("Entry Point", "lr")) is Outcome.FAILED


def test_a_stack_belongs_to_its_head_though_others_speak_meanwhile() -> None:
    head = "[  740.004138] INFO: task alloy:8260 blocked for more than 122 seconds.\n"
    frames = "".join(f"[  740.00500{n}]  qzx_f{n}+0x4{n}/0x80\n" for n in range(4))
    others = "[  740.005009] usb 1-1: new high-speed USB device number 2 using xhci_hcd\n" * 12
    user = (
        "[  740.005100] RIP: 0033:0x48bcee\n"
        "[  740.005110] RAX: ffffffffffffffda RBX: 000000c0058b1dc0 RCX: 000000000048bcee\n"
        "[  740.005120] R13: 0000000000000040 R14: 000000c0058b1dc0 R15: ffffffffffffffff\n"
    )
    diagnosis = diagnose_bytes((head + frames + others + user).encode(), "log", load())
    assert [finding.signature for finding in diagnosis.boots[0].findings] == ["hung-task"]


def test_lines_of_another_console_do_not_hide_when_an_excerpt_is_from() -> None:
    kernel = "".join(f"[761945.3000{n}] usb 1-1: reset high-speed device number 2\n" for n in range(10, 32))
    other = "".join(f"drawing of a {chr(97 + n) * 4}.svg\n" for n in range(22))
    failed = "".join(
        f"[76196{second}.324110] ath11k_pci 0000:01:00.0: failed to send WMI_PDEV_SET_PARAM cmd\n"
        for second in range(10)
    )
    assert outcome(kernel + failed) is Outcome.DEGRADED
    assert outcome(kernel + other + failed) is Outcome.DEGRADED


@pytest.mark.parametrize(
    ("link", "expected"),
    [("mtphy[1]:Link-up at 100F.\n", Outcome.BOOT_OK), ("", Outcome.DEGRADED)],
    ids=["another", "none"],
)
def test_an_interface_is_not_the_network_where_a_port_has_its_link(link: str, expected: Outcome) -> None:
    assert outcome(START + RUNS + "ifconfig: SIOCSIFADDR: No such device\n" + link) is expected


@pytest.mark.parametrize(
    ("dump", "expected"),
    [
        ("before: 0x00dfc3fd\n after: 0x00cf41d9\n", Outcome.UNKNOWN),
        ("pc : 0x00dfc3fd\nlr : 0x00cf41d9\n", Outcome.FAILED),
    ],
    ids=["a driver's values", "registers"],
)
def test_two_values_are_a_dump_only_where_registers_have_their_names(dump: str, expected: Outcome) -> None:
    stamped = "".join(
        f"[    1.000000] {line}\n" for line in ("qzx: counters not available", *dump.splitlines())
    )
    assert outcome(START + stamped) is expected


def test_a_register_that_there_is_not_ends_no_boot() -> None:
    head = (
        "[    0.600000] unchecked MSR access error: WRMSR to 0x3a at rIP: 0xffffffff918657d4 (f+0x4/0x20)\n"
    )
    frames = "".join(f"[    0.60001{n}]  qzx_f{n}+0x4{n}/0x80\n" for n in range(4))
    assert outcome(START + head + "[    0.600005] Call Trace:\n" + frames) is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("driver", "expected"), [("tegra-ahci", Outcome.DEGRADED), ("rknand", Outcome.UNKNOWN)]
)
def test_a_controller_of_drives_is_missed_sooner_than_a_place_for_cards(
    driver: str, expected: Outcome
) -> None:
    failed = f"[    1.000000] {driver}: probe of 70027000.disk failed with error -110\n"
    assert outcome(START + failed) is expected


@pytest.mark.parametrize(
    ("driver", "expected"), [("tegra-ahci", Outcome.DEGRADED), ("rknand", Outcome.BOOT_OK)]
)
def test_an_empty_place_for_flash_is_not_missed_beside_a_disk(driver: str, expected: Outcome) -> None:
    failed = f"[    1.000000] {driver}: probe of 70027000.disk failed with error -110\n"
    disk = "[    1.200000] mmcblk0: mmc0:0001 SEM16G 14.7 GiB\n"
    programs = "[    1.900000] Run /init as init process\n[   71.000000] random: crng init done\n"
    assert outcome(START + failed + disk + programs) is expected


def test_a_stack_is_as_late_as_its_own_console_says() -> None:
    kernel = "[777184.936762] kworker/1:23    D    0 17371      2 0x80000000\n[777184.936786] Call Trace:\n"
    frames = "".join(f"[777184.93679{n}]  qzx_f{n}+0x4{n}/0x80\n" for n in range(8))
    assert outcome(kernel + frames) is Outcome.DEGRADED
    assert outcome(kernel + "lab@bench:~/work$ git status\n" + frames) is Outcome.DEGRADED


UNITS = (
    RUNS
    + "[    5.500000] systemd[1]: systemd 257 running in system mode (+PAM)\n"
    + "[    6.100000] systemd[1]: Created slice system-getty.slice.\n"
    + "[    6.200000] systemd[1]: Reached target Swap.\n"
)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("", Outcome.UNKNOWN),
        ("[    6.900000] systemd[1]: Started systemd-journald.service - Journal Service.\n", Outcome.BOOT_OK),
        (
            "[    7.100000] systemd-journald[88]: Received client request to flush.\n"
            "[    7.200000] systemd[1]: Reached target Timer Units.\n",
            Outcome.BOOT_OK,
        ),
    ],
    ids=["cut", "the journal runs", "systemd tells the kernel's log on"],
)
def test_a_log_that_ends_among_systemds_first_units_does_not_show_a_running_system(
    after: str, expected: Outcome
) -> None:
    assert outcome(START + UNITS + after) is expected


EARLY = (
    "[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x410fd034]\n"
    "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
    "[    0.000000] earlycon: pl11 at MMIO 0x00000000fff32000 (options '')\n"
    "[    0.000000] printk: bootconsole [pl11] enabled\n"
    + "".join(f"[    0.000000]   node   0: [mem 0x{n:016x}]\n" for n in range(50))
    + "[    0.008496] clocksource: arm,sp804: mask: 0xffffffff\n"
)


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("[    0.019110] Console: colour dummy device 80x25\n", Outcome.UNKNOWN),
        ("[    0.019110] smp: Bringing up secondary CPUs ...\n", Outcome.FAILED),
    ],
    ids=["the screen takes over", "a restart"],
)
def test_a_console_that_prints_the_log_from_its_start_is_no_restart(last: str, expected: Outcome) -> None:
    assert outcome(EARLY + last + EARLY) is expected


def test_a_disk_that_was_just_found_is_waited_for() -> None:
    waits = "[    2.500000] Waiting for root device /dev/sda5...\n"
    came = (
        "[    7.500000] usb-storage 1-3:1.0: USB Mass Storage device detected\n"
        "[    7.500100] scsi host0: usb-storage 1-3:1.0\n"
    )
    assert outcome(START + waits + "[    7.500000] random: crng init done\n") is Outcome.FAILED
    assert outcome(START + waits + came) is Outcome.UNKNOWN


def test_firmware_goes_on_with_its_next_driver() -> None:
    driver = "Loading driver at 0x000BBB8C000 EntryPoint=0x000BBB8D058 QuuxDxe.efi\n"
    failed = "Error: Image at 000BBC87000 start failed: Not Found\n"
    assert outcome(driver + failed) is Outcome.FAILED
    goes_on = driver + "InstallProtocolInterface: 18A031AB-B443-4D1A-A5C0-0C09261E9F71 BBB7C458\n"
    assert outcome(driver + failed + goes_on) is Outcome.UNKNOWN


def test_stars_before_what_a_loader_says_are_no_error() -> None:
    loader = "U-Boot 2024.01 (Jan 08 2024 - 12:00:00 +0000)\n\nDRAM:  64 MiB\nflash id: ef 40\n"
    assert outcome(loader + "*** Data is correct.\n") is Outcome.UNKNOWN
    assert outcome(loader + "*** Data is not valid\n") is Outcome.FAILED


@pytest.mark.parametrize(
    "lines",
    [
        "== Executing boot script in 3.000 seconds - enter ^C to abort\n",
        6 * "Chip found!!! Initializing PHY....\nconfig_set\nconfig_set quux=0, frob=1,\n",
        "Scan: found valid table 0 for die 0 at block 8\n",
    ],
    ids=["a countdown", "the ports of a chip", "a die of a flash chip"],
)
def test_a_loader_that_is_cut_off_has_not_failed(lines: str) -> None:
    loader = "U-Boot 2024.01 (Jan 08 2024 - 12:00:00 +0000)\n\nDRAM:  64 MiB\n"
    assert outcome(loader + lines) is Outcome.UNKNOWN


def test_a_first_stage_of_another_build_is_another_program() -> None:
    first, other = "(Jan 08 2024 - 12:00:00 +0000)", "(Jan 09 2024 - 13:00:00 +0000)"
    spl = "U-Boot SPL 2024.01 {}\nTrying to boot from MMC2\n"
    atf = "NOTICE:  BL31: v2.14.0(release):v2.14\nNOTICE:  BL31: Built : 11:33:22, Feb  2 2026\n"
    log = diagnose_bytes((spl.format(first) + atf + spl.format(other)).encode(), "log", load())
    assert len(log.boots) == 1
    again = diagnose_bytes(((spl.format(first) + atf) * 2).encode(), "log", load())
    assert len(again.boots) == 2
