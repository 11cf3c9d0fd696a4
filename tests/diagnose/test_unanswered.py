"""Devices that do not do what their drivers tell them, by the drivers' own levels and words."""

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Finding, Outcome, Severity

START = (
    "[    0.000000] Linux version 6.12.5-test (builder@host) #1 SMP\n"
    "[    1.100000] Run /init as init process\n"
)
END = "board login: \n"


def found(*lines: str) -> tuple[Outcome, list[Finding]]:
    diagnosis = diagnose_bytes((START + "\n".join(lines) + "\n" + END).encode(), "console.log")
    findings = [finding for boot in diagnosis.boots for finding in boot.findings]
    return diagnosis.outcome, [finding for finding in findings if finding.signature == "device-unanswered"]


def test_a_display_that_does_not_answer_twice() -> None:
    outcome, findings = found(
        "[   17.100000] nouveau 0000:01:00.0: DRM: core notifier timeout",
        "[   17.200000] nouveau 0000:01:00.0: DRM: allocated 1600x900 fb: 0x50000",
        "[   19.100000] nouveau 0000:01:00.0: DRM: core notifier timeout",
    )
    assert outcome is Outcome.DEGRADED
    (finding,) = findings
    assert dict(finding.facts)["device"] == "0000:01:00.0"
    assert [line.number for line in finding.lines] == [3, 5]


def test_lines_of_one_attempt_are_one() -> None:
    outcome, findings = found(
        "[   17.100000] nouveau 0000:01:00.0: DRM: core notifier timeout",
        "[   17.100100] nouveau 0000:01:00.0: DRM: core notifier timeout",
    )
    assert (outcome, findings) == (Outcome.BOOT_OK, [])


def test_the_subsystem_speaks_for_a_device_without_its_name() -> None:
    line = "[drm:drm_atomic_helper_wait_for_dependencies] *ERROR* [CRTC:49:crtc-0] flip_done timed out"
    outcome, findings = found(f"[   15.200000] {line}", f"[   45.600000] {line}")
    assert outcome is Outcome.DEGRADED
    assert len(findings) == 1


@pytest.mark.parametrize(
    "message",
    [
        # Information by the level of its format, an error of another kind, and one that is taken back.
        "amdgpu 0000:03:00.0: amdgpu: Setting new power limit is not supported!",
        "[drm] Cannot find any crtc or sizes",
        "nouveau 0000:01:00.0: bus: MMIO read of 00000000 FAULT at 3e6684 [ PRIVRING ]",
        "amdgpu 0000:0a:00.0: amdgpu: ring gfx_0.1.0 timeout, but soft recovered",
    ],
)
def test_what_a_display_driver_says_otherwise_means_nothing(message: str) -> None:
    outcome, findings = found(*(f"[   {second}.000000] {message}" for second in range(20, 30)))
    assert (outcome, findings) == (Outcome.BOOT_OK, [])


def test_the_window_of_a_guest_is_worth_knowing() -> None:
    line = "vmwgfx 0000:00:0f.0: [drm] *ERROR* flip_done timed out"
    outcome, findings = found(f"[   12.500000] {line}", f"[   22.700000] {line}")
    assert outcome is Outcome.BOOT_OK
    assert [finding.severity for finding in findings] == [Severity.INFO]


WIRELESS = "mt7921e 0000:62:00.0: Message 00020001 (seq 1) timeout"


def test_a_wireless_device_that_never_answers() -> None:
    outcome, findings = found(f"[   69.700000] {WIRELESS}", f"[   81.200000] {WIRELESS}")
    assert outcome is Outcome.DEGRADED
    assert "wireless" in findings[0].cause


def test_a_wireless_link_afterwards_is_an_answer() -> None:
    link = "wlan0: associated"
    outcome, findings = found(
        f"[   69.700000] {WIRELESS}", f"[   81.200000] {WIRELESS}", f"[   83.000000] {link}"
    )
    assert (outcome, findings) == (Outcome.BOOT_OK, [])


def test_a_quoted_line_may_be_moved_in() -> None:
    outcome, _ = found(f"[   69.700000]   {WIRELESS}", f"[   81.200000]   {WIRELESS}")
    assert outcome is Outcome.DEGRADED


@pytest.mark.parametrize(("resets", "expected"), [(2, Outcome.BOOT_OK), (3, Outcome.DEGRADED)])
def test_a_display_that_has_to_be_brought_back_again_and_again_fails(resets: int, expected: Outcome) -> None:
    lines = []
    for reset in range(resets):
        lines.append(f"[ {reset + 1}00.000000] amdgpu 0000:c3:00.0: amdgpu: VPE queue reset failed")
        lines += [
            f"[ {reset + 1}05.{ring}00000] amdgpu 0000:c3:00.0: amdgpu: "
            f"ring comp_1.{ring}.0 uses VM inv eng {ring} on hub 0"
            for ring in range(8)
        ]
    outcome, findings = found(*lines)
    assert outcome is expected
    assert [finding.count for finding in findings] == ([resets] if expected is Outcome.DEGRADED else [])


@pytest.mark.parametrize(
    ("message", "device"),
    [
        ("Bluetooth: hci0: command 0xfc05 tx timeout", "hci0"),
        ("mip4_ts i2c-MLFS0000:00: mip4_i2c_xfer - i2c_transfer failed: -110 (-110)", "i2c-MLFS0000:00"),
        (
            "sof-audio-pci-intel-tgl 0000:00:1f.3: ipc tx timed out for 0x30010000 (msg/reply size: 108/20)",
            "0000:00:1f.3",
        ),
    ],
)
def test_devices_that_a_machine_does_its_work_without_are_missed_all_the_same(
    message: str, device: str
) -> None:
    outcome, findings = found(f"[   17.100000] {message}", f"[   27.100000] {message}")
    assert outcome is Outcome.DEGRADED
    assert [dict(finding.facts)["device"] for finding in findings] == [device]
    assert found(f"[   17.100000] {message}") == (Outcome.BOOT_OK, [])


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("ieee80211 phy0: brcmf_fw_crashed: Firmware has halted or crashed", Outcome.DEGRADED),
        ("ath10k_pci 0000:3a:00.0: firmware crashed! (guid 7cc45b3f)", Outcome.DEGRADED),
        ("ath10k_pci 0000:3a:00.0: failed to wake target", Outcome.BOOT_OK),
    ],
)
def test_a_device_that_its_driver_says_it_has_lost_need_not_be_lost_twice(
    message: str, expected: Outcome
) -> None:
    assert found(f"[   17.100000] {message}")[0] is expected


def test_a_port_without_cable_stands_behind_what_nobody_wants_and_leads_to_no_dead_display() -> None:
    lines = (
        "[   19.763335] smsc95xx 1-1.1:1.0 eth0: Link is Down",
        "[   21.000000] Sending DHCP requests ...... timed out!",
        "[   25.000000] i915 0000:00:02.0: Device initialization failed (-16)",
    )
    findings = diagnose_bytes((START + "\n".join(lines) + "\n").encode(), "log").boots[0].findings
    assert findings[0].signature == "device-unanswered"
    assert findings[0].caused_by is None
