"""Errors of devices by the kernel's own formats, and what the lines around a report tell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.diagnose.closer.kept import MOST, KeptText
from bootwright.diagnose.closer.look import CloserLook
from bootwright.diagnose.closer.surroundings import surroundings
from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.judging.device_roles import role_of
from bootwright.diagnose.judging.state import BootState
from bootwright.diagnose.model import Diagnosis, Finding, Outcome, Severity
from bootwright.diagnose.reading.levels import level_of
from bootwright.diagnose.reading.text import Block
from bootwright.diagnose.render import as_text

BOOT = """\
[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x414fd0b1]
[    0.000000] Linux version 6.18.15+deb13-arm64 (debian-kernel@lists.debian.org) #1 SMP Debian 6.18.15-1
{lines}
[    4.000000] systemd[1]: systemd 257.9-1 running in system mode
[    5.211004] systemd[1]: Reached target multi-user.target - Multi-User System.
[    9.000000] raspberrypi login:
"""
PHY = "[    3.402113] macb 1f00100000.ethernet eth0: Could not attach PHY (-19)"
UP = "[    5.102113] macb 1f00100000.ethernet eth0: Link is Up - 1Gbps/Full - flow control tx"


def failing(diagnosis: Diagnosis) -> list[Finding]:
    return [
        finding
        for boot in diagnosis.boots
        for finding in boot.findings
        if finding.signature == "device-failing"
    ]


def diagnosed(*lines: str) -> Diagnosis:
    return diagnose_bytes(BOOT.format(lines="\n".join(lines)).encode())


def test_the_only_network_card_that_ends_in_an_error_is_degraded() -> None:
    diagnosis = diagnosed(PHY)
    (finding,) = failing(diagnosis)
    assert diagnosis.outcome is Outcome.DEGRADED
    assert finding.severity is Severity.DEGRADING
    facts = dict(finding.facts)
    assert facts["file"] == "drivers/net/ethernet/cadence/macb_main.c"
    assert facts["module"] == "macb"
    assert facts["device"] == "1f00100000.ethernet"
    assert "Could not attach PHY (-19)" in finding.cause


def test_an_error_before_success_is_none() -> None:
    assert not failing(diagnosed(PHY, UP))


def test_with_another_network_card_it_is_worth_knowing() -> None:
    other = "[    5.102113] r8169 0000:01:00.0 eth1: Link is Up - 1Gbps/Full - flow control off"
    (finding,) = failing(diagnosed(PHY, other))
    assert finding.severity is Severity.INFO


def test_each_device_is_told_under_its_own_cause() -> None:
    diagnosis = diagnosed("[    2.2] nvme nvme0: Device not ready; aborting initialisation, CSTS=0x0", PHY)
    text = as_text(diagnosis)
    nvme, phy = (part.partition("\n\n")[0] for part in text.split("led to: ")[1:3])
    assert "nvme0" in nvme
    assert "ethernet" not in nvme
    assert "1f00100000.ethernet" in " ".join(phy.split())


def test_a_line_of_another_level_is_no_error() -> None:
    assert not failing(diagnosed(PHY.replace("[    3", "<4>[    3")))
    assert failing(diagnosed(PHY.replace("[    3", "<3>[    3")))
    assert not failing(diagnosed("kern  :warn  : " + PHY))


def test_a_device_without_a_role_is_none() -> None:
    line = "[    3.1] imx219 10-0010: failed to read chip id 219"
    assert not failing(diagnosed(line, line, line, line))


def test_a_long_log_is_not_looked_at_closely() -> None:
    noise = "\n".join(f"[    1.000000] acme: nothing of note {number}" for number in range(40_000))
    assert not failing(diagnosed(PHY, noise))


@pytest.mark.parametrize(
    ("raw", "level"),
    [
        (b"<3>[    1.0] x", 3),
        (b"<30>systemd[1]: x", 6),
        (b"kern  :err   : [    1.0] x", 3),
        (b"172.20.0.2: kern:    info: [2026-11-29T05:00:00Z]: x", 6),
        (b"user  :warn  : [    1.0] x", 4),
        (b"6,123,4567,-;x", 6),
        (b'{"PRIORITY":"4","MESSAGE":"x"}', 4),
        (b'{"msg":"x","facility":"kern","priority":"err"}', 3),
        (b'{"PRIORITY":"9","MESSAGE":"x"}', None),
        (b"[    1.0] x <3>", None),
        (b"x", None),
    ],
)
def test_levels_before_a_message(raw: bytes, level: int | None) -> None:
    assert level_of(raw) == level


@given(st.binary(max_size=200))
def test_any_prefix_has_a_level_or_none(raw: bytes) -> None:
    assert level_of(raw) in {None, *range(8)}


def test_roles_come_from_folders() -> None:
    role = role_of(["drivers/net/phy/phylink.c", "drivers/net/ethernet/cadence/macb_main.c"])
    assert role is not None
    assert role.name == "network"
    assert role_of(["drivers/net/phy/phylink.c", "drivers/mmc/core/mmc.c"]) is None
    assert role_of(["crypto/testmgr.c"]) is None
    assert role_of([]) is None


REPORT = b"""\
WARNING: drivers/clk/clk.c:1052 at clk_core_disable+0xb8/0xe0, CPU#3: kworker/u16:4/77
Modules linked in: clk_rp1(+) rp1_pci
CPU: 3 UID: 0 PID: 77 Comm: kworker/u16:4 Tainted: G        W           6.19.14+deb13-arm64 #1 PREEMPT
pc : clk_core_disable+0xb8/0xe0
Call trace:
 clk_core_disable+0xb8/0xe0 (P)
---[ end trace 0000000000000000 ]---
CPU: 0 UID: 0 PID: 1 Comm: systemd Not tainted 6.19.14+deb13-arm64 #1 PREEMPT"""


def test_what_stands_around_a_warning_of_6_19() -> None:
    around = surroundings(REPORT.split(b"\n"))
    assert (around.where, around.file) == ("clk_core_disable", "drivers/clk/clk.c:1052")
    assert (around.task, around.pid, around.cpu) == ("kworker/u16:4", "77", "3")
    assert around.taint == "Tainted: G        W"


def test_reporting_functions_are_passed_by() -> None:
    around = surroundings(
        b"""\
BUG: sleeping function called from invalid context at kernel/locking/mutex.c:283
CPU: 1 PID: 411 Comm: modprobe Not tainted 6.12.94+deb13-arm64 #1
Call trace:
 show_stack+0x20/0x38 (C)
 dump_stack_lvl+0x60/0x80
 __might_resched+0x160/0x190
 mutex_lock+0x24/0x88
 acme_irq+0x4c/0x100 [acme]""".split(b"\n")
    )
    assert (around.where, around.module, around.file) == ("acme_irq", "acme", "kernel/locking/mutex.c:283")
    assert around.task == "modprobe"


def test_who_called_a_helper() -> None:
    around = surroundings(
        b"""\
Unable to handle kernel NULL pointer dereference at virtual address 0000000000000008
CPU: 1 UID: 0 PID: 9 Comm: kworker/1:0 Not tainted 6.18.15 #1
pc : rb_erase+0x20/0x3a0
Call trace:
 rb_erase+0x20/0x3a0 (P)
 timerqueue_del+0x30/0x58
 acme_stop+0x40/0x90 [acme]
---[ end trace 0000000000000000 ]---""".split(b"\n")
    )
    assert (around.where, around.way) == ("rb_erase", "acme_stop [acme]")


def test_whose_work_it_was_is_told_by_the_first_stack_alone() -> None:
    around = surroundings(
        b"""\
INFO: task acmed:411 blocked for more than 120 seconds.
      Not tainted 6.12.94 #1
task:acmed           state:D stack:0     pid:411   ppid:1      flags:0x00000000
Call Trace:
 <TASK>
 __schedule+0x3d1/0x1590
 schedule+0x5c/0x90
 rtnl_lock+0x10/0x20
 acme_notify+0x40/0x90 [acme]
 raw_notifier_call_chain+0x44/0x60
 acme_core_change+0x40/0x90 [acme_core]
 do_syscall_64+0x5c/0x90
 entry_SYSCALL_64_after_hwframe+0x72/0xdc
INFO: task otherd:412 blocked for more than 120 seconds.
Call Trace:
 other_wait+0x40/0x90 [other]""".split(b"\n")
    )
    assert around.where == "rtnl_lock"
    assert around.way == "acme_notify [acme] ← acme_core_change [acme_core]"


def test_a_finding_has_them_as_facts() -> None:
    report = "\n".join(f"[    2.1] {line}" for line in REPORT.decode().splitlines())
    (finding,) = [
        finding for finding in diagnosed(report).boots[0].findings if finding.signature == "kernel-warning"
    ]
    facts = dict(finding.facts)
    assert (facts["where"], facts["task"], facts["pid"], facts["cpu"]) == (
        "clk_core_disable", "kworker/u16:4", "77", "3",
    )  # fmt: skip


LINES = st.lists(st.binary(max_size=60).map(lambda line: line.replace(b"\n", b"")), min_size=1, max_size=30)


@given(LINES)
def test_any_lines_have_surroundings(lines: list[bytes]) -> None:
    around = surroundings(lines)
    assert around.pid == "" or around.pid.isdigit()


@given(LINES, st.data())
def test_kept_lines_are_those_of_the_log(lines: list[bytes], data: st.DataObject) -> None:
    kept, number = KeptText(), 1
    place = 0
    while place < len(lines):
        size = data.draw(st.integers(1, 4))
        part = lines[place : place + size]
        kept.extend(Block(b"\n".join(part) + b"\n", number))
        number += len(part)
        place += size
    first = data.draw(st.integers(1, len(lines)))
    last = data.draw(st.integers(first, len(lines)))
    got = [line for line in kept.lines(first, last) if line[1] or line[0] <= len(lines)]
    assert [raw for _, raw in got if raw] == [raw for raw in lines[first - 1 : last] if raw]


def test_no_more_is_kept_than_said() -> None:
    kept = KeptText()
    kept.extend(Block(b"x" * (MOST + 1) + b"\n", 1))
    assert not kept.whole
    assert list(kept.lines(1, 1)) == []


@given(LINES)
def test_any_lines_can_be_looked_at_more_closely(lines: list[bytes]) -> None:
    look = CloserLook()
    look.extend(Block(b"\n".join(lines) + b"\n", 1))
    shows_more = look.shows_more(1, len(lines))
    state = BootState(1)
    look.tell(state)
    assert shows_more or not state.tallies


STACK = """\
[    9.550290] CPU: 1 UID: 0 PID: 41 Comm: kworker/u8:2 Not tainted 7.9.1-example #1 PREEMPT
[    9.550300] Hardware name: Example board (DT)
[    9.550310] Call trace:
[    9.550316]  show_regs_of+0x20/0x38 (C)
[    9.550324]  example_claim+0x84/0x120
[    9.550331]  example_writeback+0x1c8/0x3e0
[    9.550338]  process_one_work+0x160/0x3f0
[    9.550345]  worker_thread+0x2d0/0x400
[    9.550352]  kthread+0x110/0x128
"""


@pytest.mark.parametrize(
    ("head", "reported"),
    [
        ("[    9.550214] example: claim 3 failed, owned by nobody", True),
        # By its level no error.
        ("<4>[    9.550214] example: claim 3 failed, owned by nobody", False),
        # Another matter: a warning has come in between, or a second.
        ("[    9.550200] example: claim 3 failed\n[    9.550214] WARNING: at example.c:1", False),
        ("[    8.100000] example: claim 3 failed, owned by nobody", False),
        # No error.
        ("[    9.550214] example: the state is as follows", False),
    ],
)
def test_an_error_with_its_stack_is_a_report_whatever_its_words(head: str, reported: bool) -> None:
    diagnosis = diagnose_bytes(f"{head}\n{STACK}".encode())
    names = {finding.signature for boot in diagnosis.boots for finding in boot.findings}
    assert ("kernel-report" in names) is reported


def test_a_core_that_speaks_in_a_drivers_name_speaks_of_its_device() -> None:
    line = "[    3.4{number}2113] dwmac-sun8i 1c50000.ethernet: Error applying setting, reverse things back"
    diagnosis = diagnosed(*(line.format(number=number) for number in range(3)))
    (finding,) = failing(diagnosis)
    assert dict(finding.facts)["role"] == "network"
    assert dict(finding.facts)["file"] == "drivers/pinctrl/core.c"


def test_the_rest_of_a_wrapped_list_of_modules_is_no_report() -> None:
    stack = "\n".join(
        f"[   10.72{number}000]  function_{number}+0x{number}4/0x884 [example]" for number in range(1, 9)
    )
    log = (
        "[    0.000000] Linux version 6.12.5-test (builder@host) #1 SMP\n"
        "[    1.100000] Run /init as init process\n"
        "[   10.720000] Modules linked in: example_one example_two\n"
        "snvs_pwrkey caam error pwm_imx27 spi_imx imx_sdma\n"
        "[   10.720500] CPU: 1 PID: 135 Comm: irq/203-example Tainted: G\n"
        "[   10.720600] Call trace:\n"
        f"{stack}\n"
        "board login: \n"
    )
    diagnosis = diagnose_bytes(log.encode(), "console.log")
    assert "kernel-report" not in {finding.signature for boot in diagnosis.boots for finding in boot.findings}


def test_the_last_word_of_a_loader_comes_with_the_error_before_it() -> None:
    log = """\
U-Boot SPL 2024.01 (Jan 01 2024 - 00:00:00 +0000)
Trying to boot from MMC1
Could not get FIT buffer of 1074176 bytes
        check the size of the heap
Failed to update DTB
resetting ..."""
    (finding,) = [
        finding
        for finding in diagnose_bytes(log.encode(), "log").boots[0].findings
        if finding.signature == "loader-stopped"
    ]
    assert (
        "`Failed to update DTB`. Before that, the loader complained: `Could not get FIT buffer"
        in finding.cause
    )
    assert [line.number for line in finding.lines[:2]] == [3, 5]
