"""What drivers complain of, device by device, and which of what fails nothing stands first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Finding, Outcome, Severity

START = (
    "[    0.000000] Linux version 6.12.5-test (builder@host) #1 SMP\n"
    "[    1.100000] Run /init as init process\n"
)
END = "board login: \n"
HOST = "xhci_hcd 0000:06:00.0: Error while assigning device slot ID: Command Aborted"
AMPLIFIER = "cs35l41-hda spi0-CSC3551:00-cs35l41-hda.0: Failed property example,position: -22"


def worth_knowing(*lines: str, end: str = END) -> list[Finding]:
    """What is told of a healthy boot with these lines, in order."""
    diagnosis = diagnose_bytes((START + "\n".join(lines) + "\n" + end).encode(), "console.log")
    assert diagnosis.outcome is Outcome.BOOT_OK
    findings = [finding for boot in diagnosis.boots for finding in boot.findings]
    return [finding for finding in findings if finding.severity is Severity.INFO]


def test_a_device_in_trouble_is_one_finding_with_its_whole_story() -> None:
    [finding] = worth_knowing(
        f"[   20.000000] {HOST}",
        f"[   30.000000] {HOST}",
        "[   31.000000] usb 1-4: new full-speed USB device number 4 using xhci_hcd",
        "[   40.000000] xhci_hcd 0000:06:00.0: ERROR unknown event type 51",
        f"[   50.000000] {HOST}",
        f"[   60.000000] {HOST}",
    )
    assert (finding.signature, dict(finding.facts)["role"]) == ("device-troubled", "usb")
    assert [line.number for line in finding.lines] == [3, 6, 8]
    assert finding.count == 5
    assert "again and again, to the end" in finding.cause


def test_later_devices_of_another_driver_have_a_finding_of_their_own() -> None:
    hosts = [HOST.replace("06:00.0", f"{place:02x}:00.0") for place in range(12)]
    hosts += [AMPLIFIER.replace("hda.0", f"hda.{place}") for place in range(3)]
    lines = [
        f"[   {20 + turn}.{place:02}0000] {host}" for turn in range(4) for place, host in enumerate(hosts)
    ]
    drivers = [dict(finding.facts)["driver"] for finding in worth_knowing(*lines)]
    assert sorted(set(drivers)) == ["cs35l41-hda", "xhci_hcd"]
    assert drivers.count("cs35l41-hda") == 1


def test_each_device_has_its_own() -> None:
    other = HOST.replace("06:00.0", "07:00.0")
    findings = worth_knowing(
        *(f"[   {20 + place}.000000] {HOST if place % 2 else other}" for place in range(8))
    )
    assert [dict(finding.facts)["device"] for finding in findings] == ["0000:07:00.0", "0000:06:00.0"]


def test_of_very_many_devices_the_later_ones_share_a_finding() -> None:
    hosts = [HOST.replace("06:00.0", f"{place:02x}:00.0") for place in range(20)]
    lines = [
        f"[   {20 + turn}.{place:02}0000] {host}" for turn in range(4) for place, host in enumerate(hosts)
    ]
    findings = worth_knowing(*lines)
    assert len(findings) == 9
    assert sum(finding.count for finding in findings) == 80


def test_once_and_late_is_told_and_once_while_it_starts_is_told_with_others() -> None:
    second = AMPLIFIER.replace(".0:", ".1:")
    [late] = worth_knowing(END.strip(), f"[  900.000000] {AMPLIFIER}", end="")
    assert late.signature == "device-troubled"
    [early] = worth_knowing(f"[    2.000000] {AMPLIFIER}", f"[    2.100000] {second}")
    assert early.signature == "device-complained"
    assert len(early.lines) == 2


@pytest.mark.parametrize(
    "message",
    [
        # Information, a device of no role, what is tried again, what a device may do without.
        "pci 0000:01:00.0: BAR 14: failed to assign [mem size 0x10000000]",
        "example-gpio 4711000.gpio: Failed to name line 3: -22",
        "cs35l41-hda spi0-CSC3551:00-cs35l41-hda.0: Failed property example,position: -517",
        "iwlwifi 0000:03:00.0: Direct firmware load for iwlwifi-ty-a0-99.ucode failed with error -2",
    ],
)
def test_what_healthy_boots_say_is_not_told(message: str) -> None:
    assert [
        entry for entry in worth_knowing(f"[    2.000000] {message}") if "device-" in entry.signature
    ] == []


def test_a_device_that_speaks_of_something_else_afterwards_got_over_one_complaint() -> None:
    works = AMPLIFIER.partition(": ")[0] + ": Cirrus Logic CS35L41 (35a40), Revision: B2"
    assert worth_knowing(f"[    2.000000] {AMPLIFIER}", f"[    2.500000] {works}") == []


def test_once_after_a_long_silence_is_late_where_only_the_kernel_speaks() -> None:
    lines = ("[    3.000000] example-clk clk0: registered", f"[   90.000000] {AMPLIFIER}")
    [late] = worth_knowing(*lines, end="[   91.000000] example-clk clk0: gated\n")
    assert (late.signature, dict(late.facts)["late"]) == ("device-troubled", "yes")


def test_what_a_starting_kernel_says_is_not_late_though_a_program_has_the_log() -> None:
    log = "<6>[    1.400000] init: 3 services found\n"
    diagnosis = diagnose_bytes(f"{log}<4>[    0.900000] {AMPLIFIER}\n".encode() * 2, "dmesg.txt")
    findings = [finding for boot in diagnosis.boots for finding in boot.findings]
    assert not any("was up" in finding.cause for finding in findings)


def test_a_message_that_begins_at_a_prompt_is_of_its_own_device() -> None:
    broken = "omap_i2c 20010000.i2c: controller timed out"
    findings = worth_knowing(*(f"board login: [   {place}.000000] {broken}" for place in range(10, 50, 10)))
    assert not any(dict(finding.facts).get("device") == "login" for finding in findings)


def test_a_program_that_names_itself_is_no_driver() -> None:
    assert (
        worth_knowing(
            *(f"unmounter: cannot unmount /srv/part{place}: Invalid argument" for place in range(9))
        )
        == []
    )


def test_another_finding_about_the_device_takes_the_story_in() -> None:
    [finding] = worth_knowing(
        "[   20.000000] usb 4-1: device descriptor read/64, error -71",
        "[   30.000000] usb 4-1: device not accepting address 5, error -71",
        "[   41.000000] usb 4-1: can't set config #1, error -110",
        "[   52.000000] usb 4-1: can't set config #1, error -110",
        "[   63.000000] usb 4-1: can't set config #1, error -110",
    )
    assert finding.signature == "usb-enumeration"
    assert {3, 5, 7} <= {line.number for line in finding.lines}


def test_a_warning_in_the_driver_of_the_device_is_joined_with_it() -> None:
    [finding] = worth_knowing(
        "[   20.000000] ath10k_pci 0000:01:00.0: failed to transmit packet, dropping: -12",
        "[   30.000000] ath10k_pci 0000:01:00.0: failed to transmit packet, dropping: -12",
        "[   40.000000] ath10k_pci 0000:01:00.0: failed to transmit packet, dropping: -12",
        "[   41.000000] ------------[ cut here ]------------",
        "[   41.000001] WARNING: CPU: 0 PID: 41 at drivers/ath10k/mac.c:7 f+0x4/0x8 [ath10k_pci]",
        "[   41.000002] CPU: 0 PID: 41 Comm: worker Not tainted 6.12.5-test #1",
        "[   41.000003] RIP: 0010:f+0x4/0x8 [ath10k_pci]",
        "[   41.000004] Call Trace:",
        "[   41.000005]  g+0x4/0x8 [ath10k_pci]",
        "[   41.000006] ---[ end trace 0000000000000000 ]---",
    )
    assert finding.signature == "kernel-warning"
    assert {3, 7} <= {line.number for line in finding.lines}


def test_what_goes_on_stands_before_what_was_got_over_and_errors_before_information() -> None:
    crash = "segfault at 10 ip 0000000000400af0 sp 00007ffd2a161fb0 error 4 in viewer[400000+1000]"
    early = f"[    5.100000] viewer[812]: {crash}"
    findings = worth_knowing(early, *(f"[   {20 + 9 * place}.000000] {HOST}" for place in range(5)))
    assert [finding.signature for finding in findings] == ["device-troubled", "segfault"]


def test_what_goes_on_to_the_end_stands_before_what_works_in_between() -> None:
    host = "xhci_hcd 0000:06:00.0: xHCI Host Controller"
    radio = "Bluetooth: hci0: Failed to send firmware data (-38)"
    lines = [f"[   {20 + 12 * place}.000000] {HOST}" for place in range(4)]
    more = [f"[   {80 + 12 * place}.000000] {radio}" for place in range(4)]
    findings = worth_knowing(*lines, f"[   70.000000] {host}", *more)
    assert [dict(finding.facts)["device"] for finding in findings] == ["hci0", "0000:06:00.0"]
    assert dict(findings[0].facts)["driver"] == "btintel"


def test_a_driver_that_shows_the_stack_of_its_error_did_not_crash() -> None:
    card = "iwlwifi 0000:3a:00.0:"
    log = "\n".join((
        f"[   11.687220] {card} Microcode SW error detected. Restarting 0x2000000.",
        *(f"[   11.6874{place}] {card} 0x0000{place} | data{place}" for place in range(10, 30)),
        f"[   11.688299] {card} Starting mac, retry will be triggered anyway",
        f"[   11.688317] {card} FW error in SYNC CMD PER_CHAIN_LIMIT_OFFSET_CMD",
        "[   11.688339]  iwl_trans_txq_send_hcmd+0x45c/0x470 [iwlwifi]",
        "[   11.688366]  iwl_trans_send_cmd+0x66/0xf0 [iwlwifi]",
    ))  # fmt: skip
    assert diagnose_bytes(log.encode(), "excerpt.log").outcome is not Outcome.FAILED


def test_a_device_that_the_machine_is_there_for_stands_before_another() -> None:
    other = "example-sensor 7-0048: Failed to read register 5: -121"
    lines = [f"[   {20 + 2 * place}.000000] {other if place < 4 else HOST}" for place in range(8)]
    assert [dict(finding.facts)["role"] for finding in worth_knowing(*lines)] == ["usb", "other"]


_WORDS = st.sampled_from([HOST, AMPLIFIER, "example-phy 32f0.phy: lost: -110", "[drm] *ERROR* link failed"])


@given(st.lists(st.tuples(_WORDS, st.floats(2, 4000)), min_size=1, max_size=12))
def test_complaints_fail_no_boot(complaints: list[tuple[str, float]]) -> None:
    healthy = [f"[{9.5 + place:12.6f}] example-clk clk{place}: registered" for place in range(60)]
    ordered = sorted(complaints, key=lambda entry: entry[1])
    worth_knowing(*healthy, *(f"[{70 + seconds:12.6f}] {text}" for text, seconds in ordered))


@pytest.mark.parametrize(("times", "reported"), [(1, False), (5, True)])
def test_what_calls_itself_a_warning_is_a_complaint_where_it_comes_again_and_again(
    times: int, reported: bool
) -> None:
    warned = [
        f"[ {1000 + 100 * number}.000000] ieee80211 phy0: quux_flush: Warning - Queue 0 failed to flush"
        for number in range(times)
    ]
    assert [finding.signature for finding in worth_knowing(END.strip(), *warned)] == [
        "device-troubled"
    ] * reported


def test_what_others_mean_as_an_error_in_the_same_words_may_be_information() -> None:
    first, *_ = worth_knowing(
        *(f"[   {20 + number}.000000] r8169 0000:08:00.0 enp8s0: link down" for number in range(4)),
        *(f"[  {100 + 100 * number}.000000] {HOST}" for number in range(4)),
    )
    assert first.signature == "device-troubled"
