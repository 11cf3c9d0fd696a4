"""Buses, chips of supplies, TPMs, hubs and clocks: what others hang on, and when it matters that it fails."""

from __future__ import annotations

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Diagnosis, Finding, Outcome

START = (
    "[    0.000000] Linux version 6.12.5-test (builder@host) #1 SMP\n"
    "[    1.100000] Run /init as init process\n"
)
UP = START + "[    9.000000] systemd[1]: Reached target Multi-User System.\n"


def diagnosed(text: str) -> Diagnosis:
    return diagnose_bytes(text.encode(), "console.log")


def first(text: str) -> tuple[Outcome, Finding]:
    diagnosis = diagnosed(text)
    return diagnosis.outcome, diagnosis.boots[-1].findings[0]


def every(seconds: float, message: str, *, since: float, times: int) -> str:
    """The message, so many times so many seconds apart."""
    return "".join(f"[{since + turn * seconds:12.6f}] {message}\n" for turn in range(times))


@pytest.mark.parametrize(
    "message",
    [
        "bq27xxx-battery 3-0055: error reading flags: -110",
        "spidev spi1.0: SPI transfer timed out",
        "stm32f7-i2c 4001a000.i2c: <stm32f7_i2c_xfer>: Access to slave 0x1c timed out",
        "i2c_designware i2c_designware.3: controller timed out",
    ],
)
def test_what_others_hang_on_fails_again_and_again(message: str) -> None:
    outcome, finding = first(UP + every(30, message, since=60, times=4))
    assert (outcome, finding.signature) == (Outcome.DEGRADED, "device-unanswered")


@pytest.mark.parametrize(
    "text",
    [
        # For some seconds, twice, and while the machine starts.
        UP + every(1, "i2c-bcm2835 fe804000.i2c: i2c transfer timed out", since=60, times=4),
        UP + every(30, "i2c-bcm2835 fe804000.i2c: i2c transfer timed out", since=60, times=2),
        UP + every(1, "spi-nor spi2.0: Software reset failed: -524", since=60, times=1),
        START
        + every(0.6, "i2c-bcm2835 fe804000.i2c: i2c transfer timed out", since=2, times=6)
        + "a login: \n",
    ],
)
def test_what_others_hang_on_may_fail_for_a_while(text: str) -> None:
    assert diagnosed(text).outcome is Outcome.BOOT_OK


def test_times_of_a_journal_tell_attempts_apart() -> None:
    begin = "Mar 03 10:00:01 quince kernel: Linux version 6.12.5-test (builder@host) #1 SMP\n"
    up = "Mar 03 10:00:20 quince systemd[1]: Reached target Multi-User System.\n"
    line = "Mar 03 10:{:02}:{:02} quince kernel: Bluetooth: hci0: command 0x0c03 tx timeout\n"
    apart = "".join(line.format(5, 10 * turn) for turn in range(3))
    assert diagnosed(begin + up + apart).outcome is Outcome.DEGRADED
    # The second that the clock shows next may be the same moment.
    assert diagnosed(begin + up + line.format(5, 10) + line.format(5, 11)).outcome is Outcome.BOOT_OK


def test_a_pci_device_that_does_not_answer_its_driver() -> None:
    line = "[   30.000000] {}: probe with driver {} failed with error -110\n"
    outcome, finding = first(UP + line.format("thunderbolt 0000:04:00.0", "thunderbolt"))
    assert (outcome, finding.signature) == (Outcome.DEGRADED, "probe-failed")
    # Switched off in many machines, and of no bus that tells what is there.
    for device in ("mei_me 0000:00:16.0", "edt_ft5x06 4-0038"):
        assert diagnosed(UP + line.format(device, device.split()[0])).outcome is Outcome.BOOT_OK


def test_a_usb_host_is_missed_where_no_other_one_works() -> None:
    failed = "[    2.400000] dwc3 fcc00000.usb: probe with driver dwc3 failed with error -110\n"
    other = "[    2.500000] xhci-hcd xhci-hcd.0.auto: new USB bus registered, assigned bus number 1\n"
    outcome, finding = first(START + failed + "a login: \n")
    assert (outcome, finding.signature) == (Outcome.DEGRADED, "bus-probe-failed")
    assert diagnosed(START + failed + other + "a login: \n").outcome is Outcome.BOOT_OK


def test_a_hub_that_was_taken_out_takes_its_ports_along() -> None:
    failed = every(0.1, "usb 2-1-port2: cannot reset (err = -71)", since=60, times=5)
    outcome, finding = first(UP + failed)
    assert (outcome, finding.signature) == (Outcome.DEGRADED, "usb-enumeration")
    gone = "[   61.000000] usb 2-1: USB disconnect, device number 4\n"
    assert diagnosed(UP + failed + gone).outcome is Outcome.BOOT_OK


@pytest.mark.parametrize(
    ("line", "signature"),
    [
        ("i915 0000:00:02.0: [drm] GPU HANG: ecode 9:1:8ed9fff2, in Xorg [911]", "gpu-dead"),
        (
            "xe 0000:00:02.0: [drm] Tile0: GT0: Timedout job: seqno=4294967, lrc_seqno=31, guc_id=6, "
            "flags=0x0 in glxgears [912]",
            "gpu-dead",
        ),
        ("rmi4_f01 rmi4-00.fn01: Resume failed with code -110.", "suspend-failed"),
        ("ath11k_pci 0000:03:00.0: failed to resume core: -110", "suspend-failed"),
        ("PM: hibernation: Error -12 creating image", "suspend-failed"),
        ("softdog: Initiating system reboot", "watchdog-bite"),
        ('irq 16: nobody cared (try booting with the "irqpoll" option)', "interrupt-missing"),
        ("systemd[1]: Failed to ping hardware watchdog: Input/output error", "watchdog-bite"),
    ],
)
def test_what_is_said_once_and_means_it(line: str, signature: str) -> None:
    outcome, finding = first(UP + f"[   99.000000] {line}\n")
    assert (outcome, finding.signature) == (Outcome.DEGRADED, signature)


def test_a_port_that_trips_each_time_it_is_switched_on() -> None:
    trip = "usb usb1-port2: over-current condition"
    outcome, finding = first(UP + every(2, trip, since=30, times=5))
    assert (outcome, finding.signature) == (Outcome.DEGRADED, "usb-over-current")
    assert diagnosed(UP + every(2, trip, since=30, times=1)).outcome is Outcome.BOOT_OK


@pytest.mark.parametrize(
    "message",
    [
        "sn65dsi83 2-002c: failed to lock PLL, ret=-110",
        "amdgpu 0000:c1:00.0: amdgpu: MES failed to respond to msg=REMOVE_QUEUE",
        "msm_dpu ae01000.display-controller: [drm:dpu_encoder_wait:499] [dpu error]vblank timeout: 4200c1",
        "amdgpu 0000:c1:00.0: [drm] *ERROR* dc_dmub_srv_log_diagnostic_data: DMCUB error - collecting data",
    ],
)
def test_a_screen_behind_a_bridge_and_what_answers_for_it(message: str) -> None:
    outcome, finding = first(UP + every(20, message, since=30, times=3))
    assert (outcome, finding.signature) == (Outcome.DEGRADED, "device-unanswered")


def test_a_time_that_is_set_is_no_complaint() -> None:
    setting = "msm_dpu ae01000.display-controller: [drm] *ERROR* {}"
    for words in ("commit timeout: 100", "commit timeout=0x20", "commit timeout 50ms"):
        assert diagnosed(UP + every(20, setting.format(words), since=30, times=3)).outcome is Outcome.BOOT_OK


def test_a_touch_pad_that_does_not_answer_any_more() -> None:
    line = "i2c_hid_acpi i2c-TOUC2514:00: failed to set a report to device: -121"
    goes_on = "[  400.000000] usb 1-4: new full-speed USB device number 4 using xhci_hcd\n"
    outcome, finding = first(UP + every(30, line, since=200, times=4) + goes_on)
    assert (outcome, finding.signature) == (Outcome.DEGRADED, "device-unanswered")
    # One that a devicetree names, and this board does not have.
    early = "edt_ft5x06 4-0038: i2c transfer failed, error: -121"
    assert diagnosed(START + every(1, early, since=2, times=4) + "a login: \n").outcome is Outcome.BOOT_OK


@pytest.mark.parametrize(
    "words",
    [
        "snd_sof_amd_acp 0000:04:00.5: error: sof_probe_work failed err: -110",
        "snd_soc_avs 0000:00:1f.3: first boot failed: -2",
    ],
)
def test_a_sound_processor_that_does_not_start(words: str) -> None:
    outcome, finding = first(START + f"[    4.000000] {words}\n" + "a login: \n")
    assert (outcome, finding.signature) == (Outcome.DEGRADED, "device-failing")


def test_in_a_journal_what_goes_on_comes_before_what_was_got_over() -> None:
    stamp = "Mar 03 10:{:02}:{:02} quince kernel: {}\n"
    lines = stamp.format(0, 1, "Linux version 6.12.5-test (builder@host) #1 SMP")
    lines += "Mar 03 10:00:20 quince systemd[1]: Reached target Multi-User System.\n"
    lines += stamp.format(1, 0, "usb 1-3: device descriptor read/64, error -71") * 4
    lines += "".join(stamp.format(5 + turn, 0, "tpm tpm0: Operation Timed out") for turn in range(4))
    outcome, finding = first(lines)
    assert (outcome, finding.signature) == (Outcome.DEGRADED, "tpm-failed")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "amdgpu 0000:09:00.0: amdgpu: ERROR: System is going to shutdown due to GPU SW CTF!",
            Outcome.FAILED,
        ),
        ("nouveau 0000:09:00.0: therm: temperature (136 C) hit the 'shutdown' threshold", Outcome.FAILED),
        (
            "qla2xxx [0000:09:00.0]-b00c:3: Device temperature 106 degrees C exceeds maximum allowed. "
            "Hardware has been shut down.",
            Outcome.DEGRADED,
        ),
    ],
)
def test_what_is_too_hot(line: str, expected: Outcome) -> None:
    outcome, finding = first(START + f"[   99.000000] {line}\n")
    assert (outcome, finding.signature) == (expected, "thermal-shutdown")
