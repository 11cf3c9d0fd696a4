"""What a window of the kernel's log was taken for: a piece of a running system's log, with no boot in it.

The lines have the forms of the kernel's messages; drivers, devices and times are made up.
"""

from __future__ import annotations

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Outcome
from bootwright.diagnose.signatures.knowledge import load
from bootwright.foundation.places import DATA

KNOWLEDGE = load()
START = "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
RUNS = "[    1.900000] Run /sbin/init as init process\n"
ERROR = "widget 4-0010: mailbox transfer failed, status -71"
LOCKS = DATA / "signatures/window-known/golden/two-locks/console.log"


def window(lines: int, errors: int, *, driver: str = "usb 3-1:", begins: float = 200.0) -> str:
    """So many lines, with that many errors of the widget's driver among them."""
    step = lines // (errors + 1)
    texts = [
        ERROR
        if errors and number % step == step - 1 and number // step < errors
        else f"{driver} event {number}"
        for number in range(lines)
    ]
    return "".join(f"[{begins + number / 8:12.6f}] {text}\n" for number, text in enumerate(texts))


def blamed(text: str) -> tuple[Outcome, str]:
    diagnosis = diagnose_bytes(text.encode(), "log", KNOWLEDGE)
    return diagnosis.outcome, diagnosis.blamed.finding.signature if diagnosis.blamed else ""


@pytest.mark.parametrize(
    ("lines", "errors", "driver", "expected"),
    [
        (90, 3, "usb 3-1:", Outcome.DEGRADED),
        (300, 3, "usb 3-1:", Outcome.BOOT_OK),
        (90, 0, "usb 3-1:", Outcome.BOOT_OK),
        (300, 2, "widget 4-0010:", Outcome.DEGRADED),
        (300, 2, "usb 3-1:", Outcome.BOOT_OK),
        (1200, 40, "usb 3-1:", Outcome.BOOT_OK),
    ],
    ids=["one in thirty", "fewer", "none", "its own driver's", "another driver's", "a whole buffer"],
)
def test_errors_that_prevail_are_what_it_was_taken_for(
    lines: int, errors: int, driver: str, expected: Outcome
) -> None:
    outcome, signature = blamed(window(lines, errors, driver=driver))
    assert outcome is expected
    assert (signature == "window-errors") == (expected is Outcome.DEGRADED)


def test_a_boot_in_it_makes_it_no_window() -> None:
    """What a boot carries of errors means nothing by itself."""
    text = window(90, 3, begins=2.0)
    assert blamed(text)[1] == "window-errors"
    assert blamed(START + RUNS + text)[1] != "window-errors"


def test_a_report_for_developers_is_worth_knowing_in_a_boot_and_more_in_a_window() -> None:
    report = LOCKS.read_text()
    assert blamed(report) == (Outcome.DEGRADED, "lockdep-report")
    ready = "[    9.000000] systemd[1]: Startup finished in 3s (kernel) + 6s (userspace) = 9s.\n"
    assert blamed(START + RUNS + ready + report)[0] is Outcome.BOOT_OK


def test_a_stack_of_no_known_report_is_what_it_was_taken_for() -> None:
    calls = "".join(f"[  300.0000{n:02d}]  widget_step_{n}+0x{n}4/0x110 [widget]\n" for n in range(10, 18))
    head = "[  300.000001] widget 4-0010: state machine went back\n[  300.000002] Call trace:\n"
    outcome, signature = blamed(window(20, 0) + head + calls + window(3, 0, begins=310.0))
    assert (outcome, signature) == (Outcome.DEGRADED, "window-stack")
    assert blamed(window(20, 0))[0] is Outcome.BOOT_OK


def test_a_test_of_the_kernels_own_tells_of_the_errors_that_it_makes() -> None:
    lines = [f"[  400.{n:06d}] mtd_readtest: error: read failed at page {n}\n" for n in range(20)]
    text = "".join(lines) + window(90, 0, begins=401.0)
    assert blamed(text)[0] is Outcome.BOOT_OK
    assert blamed(text.replace("mtd_readtest", "mtdblock3"))[0] is Outcome.DEGRADED


def test_a_report_whose_stack_was_left_out_is_what_a_few_lines_were_taken_for() -> None:
    head = "[  300.000001] WARNING: CPU: 1 PID: 77 at drivers/widget/core.c:88 widget_step+0x10/0x20\n"
    assert blamed(window(20, 0) + head + window(20, 0, begins=310.0)) == (Outcome.DEGRADED, "kernel-warning")
    assert blamed(window(80, 0) + head + window(20, 0, begins=310.0))[0] is Outcome.BOOT_OK


def test_an_error_that_comes_once_is_not_what_a_log_ends_with_over_and_over() -> None:
    lines = [f"[  3{n}.000000] acme_pm: the other cluster did not go down\n" for n in range(20, 60, 5)]
    assert blamed(window(100, 0) + lines[0])[1] != "kept-failing"
    assert blamed(window(100, 0) + "".join(lines))[1] == "kept-failing"


def test_programs_that_write_into_the_kernels_log_are_none_of_its_drivers() -> None:
    """Scripts of a box whose console stamps every line."""
    lines = [f"[   2{n}.107000] [_OK_] # /etc/rc.d/S{n}widget boot\n" for n in range(10, 60)]
    lines[20:20] = ["[   30.545000] sh: 44k: bad number\n", "[   30.593000] ipfilter: Bad rule\n"]
    assert blamed("".join(lines))[0] is Outcome.BOOT_OK


@pytest.mark.parametrize(("begins", "expected"), [(2.0, Outcome.BOOT_OK), (200.0, Outcome.DEGRADED)])
def test_what_fails_is_told_by_the_way_while_a_machine_starts(begins: float, expected: Outcome) -> None:
    sensors = "".join(
        f"[{begins + n / 4:12.6f}] quux-hub 4-001{n}: probe with driver quux-hub failed with error -121\n"
        for n in range(4)
    )
    assert blamed(sensors + window(70, 0, begins=begins + 2.0))[0] is expected


@pytest.mark.parametrize(
    ("says", "expected"), [("PCIe link down", Outcome.BOOT_OK), ("no clock", Outcome.DEGRADED)]
)
def test_empty_slots_are_no_failure_in_a_few_lines_either(says: str, expected: Outcome) -> None:
    slots = "".join(
        f"[    2.{n}00000] mtk-pcie-gen3 112{n}0000.pcie: {says}\n"
        f"[    2.{n}10000] mtk-pcie-gen3 112{n}0000.pcie: probe with driver mtk-pcie-gen3 failed with error "
        f"{'-110' if says.startswith('PCIe') else '-2'}\n"
        for n in range(4)
    )
    assert blamed(slots)[0] is expected


def test_a_stack_below_what_is_known_to_mean_nothing_means_nothing() -> None:
    log = (
        "[  801.000100] smpboot: Booting Node 0 Processor 1 APIC 0x2\n"
        "[  801.000200] unchecked MSR access error: WRMSR to 0x7aa at rIP: 0xffffffff81000010\n"
        "[  801.000300] Call Trace:\n"
        "[  801.000400]  __acme_wrmsr_on_cpu+0x33/0x40\n"
        "[  801.000500]  generic_exec_single+0x59/0x90\n"
        "[  801.000600]  smp_call_function_single+0xde/0x120\n"
        "[  801.000700]  acme_cpu_online+0x94/0x8a0\n"
        "[  801.000800]  cpuhp_invoke_callback+0x80/0x5c0\n"
        "[  801.000900]  _cpu_up+0xa0/0x140\n"
        "[  801.001000] CPU1 is up\n"
        "[  801.200000] PM: suspend exit\n"
    )
    assert diagnose_bytes(log.encode(), "log", KNOWLEDGE).outcome is Outcome.BOOT_OK
    other = log.replace("unchecked MSR access error", "quux: frob")
    assert diagnose_bytes(other.encode(), "log", KNOWLEDGE).outcome is Outcome.DEGRADED


@pytest.mark.parametrize(
    "says", ["my board does not boot", "I cannot connect to the node", "We get no picture, it failed"]
)
def test_what_a_person_says_is_no_log(says: str) -> None:
    assert diagnose_bytes(f"{says}\n".encode()).outcome is Outcome.UNKNOWN


def test_that_it_boots_is_said_where_programs_run() -> None:
    error = "[    3.000000] widget 1f000000.widget: probe failed with error -22\n"
    assert diagnose_bytes(error.encode()).outcome is Outcome.DEGRADED
    assert "whether the machine boots is not in the log" in diagnose_bytes(error.encode()).sentence
    unit = "systemd[1]: Started Example One.\nsystemd[1]: Failed to start Example Daemon.\n"
    assert diagnose_bytes(unit.encode()).sentence == "it boots, but something does not work"
