"""Devices that fail in a machine that is up, or that a driver gave up; what led to a report of the kernel.

The lines have the forms of the kernel's messages; devices and times are made up.
"""

from __future__ import annotations

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Finding, Outcome

START = (
    "[    0.000000] Linux version 6.12.5-test (builder@host) #1 SMP\n"
    "[    1.100000] Run /init as init process\n"
)
UP = START + "[    9.000000] systemd[1]: Startup finished in 3s (kernel) + 6s (userspace) = 9s.\n"
RESET = "igc 0000:02:00.0 enp2s0: Reset adapter"
LINK = "igc 0000:02:00.0 enp2s0: NIC Link is Up 2500 Mbps Full Duplex, Flow Control: RX/TX"


def of(text: str) -> tuple[Outcome, list[Finding]]:
    diagnosis = diagnose_bytes(text.encode(), "console.log")
    return diagnosis.outcome, [finding for boot in diagnosis.boots for finding in boot.findings]


def lines(*entries: tuple[float, str]) -> str:
    return "".join(f"[{seconds:12.6f}] {text}\n" for seconds, text in entries)


@pytest.mark.parametrize(("resets", "expected"), [(1, Outcome.BOOT_OK), (4, Outcome.DEGRADED)])
def test_an_error_by_its_level_alone_counts_in_whatever_words(resets: int, expected: Outcome) -> None:
    outcome, _ = of(
        UP
        + lines(
            *(
                entry
                for turn in range(resets)
                for entry in ((400.0 + 900 * turn, RESET), (408.0 + 900 * turn, LINK))
            )
        )
    )
    assert outcome is expected


def test_a_word_of_information_is_no_error() -> None:
    text = "igc 0000:02:00.0 enp2s0: entered promiscuous mode"
    _, findings = of(UP + lines(*((400.0 + 900 * turn, text) for turn in range(4))))
    assert "device-troubled" not in {finding.signature for finding in findings}


CARD = (
    (5.1, "sof-es83 sof-es83: ASoC: failed to instantiate card -22"),
    (5.2, "sof-es83 sof-es83: probe with driver sof-es83 failed with error -22"),
)
JACK = (5.4, "input: HDA Intel PCH Headphone as /devices/pci0000:00/0000:00:1f.3/sound/card0/input9")


def test_a_sound_card_that_its_driver_gave_up_is_missed_unless_there_is_another() -> None:
    assert of(START + lines(*CARD) + "board login: \n")[0] is Outcome.DEGRADED
    assert of(START + lines(*CARD, JACK) + "board login: \n")[0] is Outcome.BOOT_OK
    # a card that is only late
    late = (5.1, "sof-es83 sof-es83: snd_soc_register_card failed: -517")
    assert of(START + lines(late) + "board login: \n")[0] is Outcome.BOOT_OK


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ((10.0, 16.7, 23.4, 30.1), Outcome.DEGRADED),
        ((10.0, 10.1), Outcome.BOOT_OK),
        ((10.0,), Outcome.BOOT_OK),
    ],
)
def test_a_link_that_comes_up_again_and_again_was_lost_in_between(
    times: tuple[float, ...], expected: Outcome
) -> None:
    up = "e1000e: eno1 NIC Link is Up 1000 Mbps Full Duplex, Flow Control: Rx/Tx"
    assert of(UP + lines(*((seconds, up) for seconds in times)))[0] is expected


STACK = """\
[    2.000000] Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000
[    2.000100] Internal error: Oops: 96000004 [#1] PREEMPT SMP
[    2.000200] CPU: 0 PID: 1 Comm: swapper/0 Not tainted 6.12.5-test #1
[    2.000300] pc : strcmp+0x18/0x154
[    2.000400] Call trace:
[    2.000500]  strcmp+0x18/0x154
[    2.000600]  acme_clk_register_branches+0x388/0x908
[    2.000700]  acme_pll_probe+0x20/0x90
[    2.000800] ---[ end trace 0000000000000000 ]---
"""


@pytest.mark.parametrize(
    ("before", "shown"),
    [
        ((1.9, "acme_clk_register_branches: failed to register clock uart0: -17"), True),
        ((1.9, "acme-pll 40000000.clock: cannot enable supply: -22"), True),
        ((0.2, "acme-pll 40000000.clock: cannot enable supply: -22"), False),
        ((1.9, "other_clk_register: failed to register clock uart0: -17"), False),
        ((1.9, "acme_clk_register_branches: 12 clocks"), False),
    ],
)
def test_what_the_functions_of_a_stack_complained_of_led_to_the_report(
    before: tuple[float, str], *, shown: bool
) -> None:
    _, findings = of(START + lines(before) + STACK)
    oops = next(finding for finding in findings if finding.signature == "kernel-oops")
    assert (f"the same code complained: `{before[1]}`" in oops.cause) is shown
    assert (3 in {line.number for line in oops.lines}) is shown


def test_a_kernel_that_has_only_unpacked_its_initramfs_has_started_nothing() -> None:
    text = (
        "[    0.000000] Booting Linux on physical CPU 0x0\n"
        "[    0.000000] Linux version 6.12.5-test (builder@host) #1 SMP\n"
        "[    0.500000] Trying to unpack rootfs image as initramfs...\n"
        "[    0.900000] usbcore: registered new interface driver option\n"
    )
    assert of(text)[0] is Outcome.UNKNOWN
    assert of(text + "[    1.200000] Adding 524284k swap on /dev/zram0.\n")[0] is Outcome.BOOT_OK


def test_a_loader_of_another_system_is_none_of_talos() -> None:
    outcome, findings = of("LZMA boot failed\n" + START + "board login: \n")
    assert not [finding for finding in findings if finding.area == "talos"], outcome


def test_a_gpio_that_a_phy_can_do_without_is_no_missing_phy() -> None:
    assert of(START + "[    3.1] ipq-mdio 90000.mdio: Could not find phy-reset-gpio, idx 1\nr login: \n")[
        0
    ] is (Outcome.BOOT_OK)


def oops(task: str, pid: int, module: str, *, at: float) -> str:
    return lines(
        (at, "BUG: kernel NULL pointer dereference, address: 0000000000000000"),
        (at + 0.001, "Oops: 0000 [#1] PREEMPT SMP"),
        (at + 0.002, f"CPU: 7 PID: {pid} Comm: {task} Not tainted 6.12.5-test #1"),
        (at + 0.003, f"RIP: 0010:do_it+0x29/0x348 [{module}]"),
        (at + 0.004, "Call Trace:"),
        (at + 0.005, f" other_function+0x20/0x90 [{module}]"),
        (at + 0.006, "---[ end trace 0000000000000000 ]---"),
    )


@pytest.mark.parametrize(
    ("task", "pid", "module", "expected"),
    [
        ("(udev-worker)", 287, "hid_mcp2221", Outcome.DEGRADED),
        ("(udev-worker)", 287, "nvme", Outcome.FAILED),
        ("systemd", 1, "hid_mcp2221", Outcome.FAILED),
        ("pipewire", 568, "nvme", Outcome.DEGRADED),
    ],
)
def test_an_oops_fails_the_boot_unless_it_is_of_a_part_or_of_a_session(
    task: str, pid: int, module: str, expected: Outcome
) -> None:
    assert of(START + oops(task, pid, module, at=2.0))[0] is expected


def test_a_screen_that_the_firmware_lost_and_no_driver_made_is_missed() -> None:
    taken = (3.0, "fb0: switching to nouveau from VESA VGA")
    error = (3.1, "nouveau 0000:01:00.0: DRM: failed to map fb: -28")
    made = (3.2, "fb0: nouveaudrmfb frame buffer device")
    assert of(START + lines(taken, error) + "board login: \n")[0] is Outcome.DEGRADED
    assert of(START + lines(taken, error, made) + "board login: \n")[0] is Outcome.BOOT_OK
    assert of(START + lines(error) + "board login: \n")[0] is Outcome.BOOT_OK


NO_NETWORK = (
    "[   33.0] random: crng init done\n"
    "SIOCGIFADDR: No such device\nipconfig: no devices to configure\n"
    "[   34.0] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000200\n"
)
CLOCK = "[    3.4] s5m8767-clk s5m8767-clk: failed to get clock\n"
WAITING = "[   12.0] platform 12480000.usb: deferred probe pending\n"


@pytest.mark.parametrize(("waits", "blamed"), [("", False), (WAITING, True)])
def test_a_clock_is_blamed_for_a_network_only_where_something_waits(waits: str, *, blamed: bool) -> None:
    _, findings = of(START + CLOCK + waits + NO_NETWORK)
    assert (findings[0].signature in {"supplier-missing", "deferred-bus"}) is blamed, findings[0].signature


def test_a_file_system_lacks_one_of_its_devices() -> None:
    _, findings = of(
        START
        + "[    5.0] BTRFS warning (device sdg1): devid 2 uuid 0b1c-22 is missing\n"
        + "[    5.1] BTRFS error (device sdg1): failed to read the system array: -2\n"
        + "[    5.2] BTRFS error (device sdg1): open_ctree failed\n"
        + "nas login: \n"
    )
    assert "devid 2" in findings[0].cause


def test_a_driver_may_speak_under_more_than_its_modules_name() -> None:
    text = "etnaviv-gpu 130000.gpu: command buffer outside valid memory window"
    _, findings = of(START + lines(*((2.0 + second, text) for second in range(3))) + "board login: \n")
    assert [finding.signature for finding in findings] == ["device-troubled"]


def test_what_somebody_may_not_do_is_no_damage() -> None:
    text = "BTRFS error (device sda3): deleting default subvolume 259 is not allowed"
    assert of(UP + lines((900.0, text)))[0] is Outcome.BOOT_OK
    assert of(UP + "plcd[866]: 9(lan): packetsock_handle_one_packet: read failed - Network is down (100)\n")[
        0
    ] is (Outcome.BOOT_OK)


def test_a_bridge_that_gets_further_ports_loses_no_link() -> None:
    again = "IPv6: ADDRCONF(NETDEV_CHANGE): br-wan: link becomes ready"
    assert of(UP + lines((739.0, again), (818.0, again), (1006.0, again)))[0] is Outcome.BOOT_OK


def test_firmware_files_that_a_driver_does_without_are_no_errors_in_use() -> None:
    missing = "r8169 0000:01:00.0: firmware: failed to load rtl_nic/rtl8168e-3.fw (-2)"
    assert of(UP + lines((700.0, missing), (800.0, missing), (900.0, missing)))[0] is Outcome.BOOT_OK


def test_a_warning_is_no_report_in_whatever_words() -> None:
    stack = "".join(
        f"[    1.00000{place}]  [<ffffffff81071e{place}7>] ? {name}+0x87/0xc0\n"
        for place, name in enumerate(("warn_slowpath_common", "warn_slowpath_fmt", "a", "b", "c", "d", "e"))
    )
    text = "[    1.0] Your hardware is unsupported.  Do not report bugs, panics, oopses\n"
    head = "[    1.0] Pid: 0, comm: swapper Not tainted 2.6.32-431.el6.x86_64 #1\n[    1.0] Call Trace:\n"
    assert of(START + text + head + stack + "server login: \n")[0] is Outcome.BOOT_OK


def test_bounce_buffers_that_are_not_had_end_no_boot() -> None:
    text = "[    1.2] software IO TLB: swiotlb_memblock_alloc: Failed to allocate 268435456 bytes\n"
    later = "[    2.0] usbcore: registered new interface driver usbfs\nserver login: \n"
    assert of(START.replace("[    1.1", "[    3.1") + text + later)[0] is Outcome.BOOT_OK


def test_a_device_is_told_by_what_is_known_of_it() -> None:
    _, findings = of(
        "t3: user: warning: [2026-01-01T23:30:13.9Z]: [talos] service[etcd](Running): Health check failed: "
        "context deadline exceeded\n"
        "t3: kern: warning: [2026-01-01T23:30:46.0Z]: nvme nvme1: I/O tag 27 (e01b) opcode 0x2 (Admin Cmd) "
        "QID 0 timeout, reset controller\n"
        "t3: kern:     err: [2026-01-01T23:32:07.5Z]: nvme nvme1: Device not ready; aborting reset\n"
        "t3: kern: warning: [2026-01-01T23:32:27.6Z]: nvme nvme1: Disabling device after reset failure: -19\n"
    )
    assert findings[0].signature == "nvme-dead"
    assert "talos-service-failed" in findings[0].explains


def test_an_oops_of_udev_is_why_devices_never_come() -> None:
    text = oops("systemd-udevd", 406, "nvme", at=4.0) + lines(
        (94.0, "systemd[1]: Timed out waiting for device /dev/disk/by-uuid/A6E6-A760."),
        (94.1, "systemd[1]: Dependency failed for /boot/efi."),
        (94.2, "systemd[1]: Dependency failed for Local File Systems."),
        (94.3, "systemd[1]: Started Emergency Shell."),
        (94.4, "systemd[1]: Reached target Emergency Mode."),
    )
    _, findings = of(START + text)
    assert findings[0].signature == "kernel-oops"
    assert "device-timed-out" in findings[0].explains


@pytest.mark.parametrize(
    ("services", "expected"),
    [(("flash_recovery", "bootsound"), Outcome.BOOT_OK), (("servicemanager", "vold"), Outcome.FAILED)],
)
def test_android_does_without_many_services_but_not_without_its_own(
    services: tuple[str, str], expected: Outcome
) -> None:
    text = "".join(
        f"[    5.{place}] init: cannot find '/system/bin/{name}', disabling '{name}'\n"
        for place, name in enumerate(services)
    )
    assert of(START + text + "[    9.0] healthd: battery l=50 v=3 t=25.0 h=2 st=3\n")[0] is expected


def test_a_soft_lockup_that_the_machine_goes_on_after_fails_no_boot() -> None:
    lockup = "watchdog: BUG: soft lockup - CPU#104 stuck for 22s! [tuned:4828]"
    started = START + "[    9.0] systemd[1]: Started dbus.service - D-Bus System Message Bus.\n"
    assert of(started + lines((80.0, lockup), (200.0, "usb 1-1: USB disconnect, device number 2")))[0] is (
        Outcome.DEGRADED
    )
    assert of(started + lines((80.0, lockup)))[0] is Outcome.FAILED


def test_a_storage_controller_that_is_not_there_is_not_missed() -> None:
    text = "ufshcd fc594000.ufshc: ufshcd_variant_hba_init: variant qcom init failed err -19"
    assert of(START + lines((0.9, text)) + "recovery login: \n")[0] is Outcome.BOOT_OK


def test_sound_that_its_driver_gives_up_in_other_words_is_missed() -> None:
    begun = (
        "[    0.000000] Linux version 6.18.5 (a@b) #1 SMP\n[    2.0] Run /init as init process\n"
        "[    3.0] systemd[1]: Started systemd-journald.service - Journal Service.\n"
    )
    initialized = begun + "[    5.1] snd_hda_intel 0000:00:1f.3: no codecs initialized\n"
    sof = begun + "[    5.1] sof-audio-pci-intel-tgl 0000:00:1f.3: error: sof_probe_work failed err: -2\n"
    rest = "".join(f"[    6.{turn}] systemd[1]: Started quux{turn}.service.\n" for turn in range(9))
    for log in (initialized, sof):
        diagnosis = diagnose_bytes((log + rest).encode())
        assert diagnosis.outcome.value == "degraded"
        assert diagnosis.boots[0].findings[0].signature == "device-failing"
    # A processor may bring the controller along without anything connected to it.
    empty = begun + "[    5.1] snd_hda_intel 0000:00:1f.3: no codecs found!\n"
    diagnosis = diagnose_bytes((empty + rest).encode())
    assert diagnosis.outcome.value == "boot-ok"
    assert [finding.severity.value for finding in diagnosis.boots[0].findings] == ["info"]


FREED = (
    (4.30, "acme-mac 5020000.ethernet: reset timeout"),
    (4.34, "kernel BUG at net/core/dev.c:9252!"),
    (4.35, "Internal error: Oops - BUG: 0 [#1] PREEMPT SMP"),
    (4.36, "Modules linked in: crct10dif {modules} ipv6"),
    (4.37, "CPU: 1 PID: 1519 Comm: {task} Not tainted 6.12.5-test #6"),
    (4.38, "pc : free_netdev+0x104/0x108"),
)


@pytest.mark.parametrize(
    ("modules", "task", "shown"),
    [
        ("acme_mac(+)", "systemd-udevd", True),
        ("acme_mac(O+)", "modprobe", True),
        ("acme_mac", "systemd-udevd", False),
        ("acme_mac(+) other(+)", "systemd-udevd", False),
        ("acme_mac(+)", "kworker/1:2", False),
    ],
)
def test_what_the_module_complained_of_that_was_being_loaded_led_to_the_report(
    modules: str, task: str, *, shown: bool
) -> None:
    entries = ((at, text.format(modules=modules, task=task)) for at, text in FREED)
    _, findings = of(START + lines(*entries))
    bug = next(finding for finding in findings if finding.signature == "kernel-bug")
    assert ("the driver complained: `acme-mac 5020000.ethernet: reset timeout`" in bug.cause) is shown


@pytest.mark.parametrize(
    ("after", "fails"),
    [
        ("rk_gmac-dwmac 2a0000.ethernet: set tx_delay to 0x30", False),
        ("rk_gmac-dwmac 2b0000.ethernet: set tx_delay to 0x30", True),
        ("rk_gmac-dwmac 2a0000.ethernet: set rx_delay to 0x10", True),
    ],
)
def test_a_setting_that_is_not_there_and_has_a_value_all_the_same_fails_nothing(
    after: str, *, fails: bool
) -> None:
    missing = "rk_gmac-dwmac 2a0000.ethernet: Can not read property: tx_delay."
    _, findings = of(START + lines((3.1, missing), (3.2, after)) + "board login: \n")
    assert ("device-failing" in {finding.signature for finding in findings}) is fails


@pytest.mark.parametrize(("error", "expected"), [("-121", Outcome.BOOT_OK), ("-22", Outcome.DEGRADED)])
def test_a_codec_that_is_not_on_its_bus_is_no_lost_sound(error: str, expected: Outcome) -> None:
    codec = "wm8960 1-001a: "
    given_up = f"{codec}probe with driver wm8960 failed with error {error}"
    text = START + lines((5.1, f"{codec}Failed to issue reset"), (5.2, given_up)) + "board login: \n"
    assert of(text)[0] is expected


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("r8125: enp5s0: link up", Outcome.BOOT_OK),
        ("eth0: link up, 100Mbps, full-duplex, lpa 0x45E1", Outcome.BOOT_OK),
        ("brcm-pcie 1000.pcie: no bus behind it", Outcome.DEGRADED),
    ],
)
def test_a_link_is_told_in_the_forms_of_drivers_from_outside_too(link: str, expected: Outcome) -> None:
    error = "rk_gmac-dwmac 2a0000.ethernet: Can not read property: tx_delay."
    assert of(START + lines((3.1, error), (4.1, link)) + "board login: \n")[0] is expected
