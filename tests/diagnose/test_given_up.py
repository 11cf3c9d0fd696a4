"""What a machine that is up loses for good: a card its driver cannot reset, a CAN bus, its cluster's quorum.

The lines have the forms of the kernel's and systems' messages; devices and times are made up.
"""

from __future__ import annotations

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Diagnosis, Outcome
from bootwright.diagnose.signatures.knowledge import load

KNOWLEDGE = load()
UP = (
    "[    0.000000] Linux version 6.12.5-test (a@b) #1\n"
    "[    1.900000] Run /sbin/init as init process\n"
    "[    4.000000] r8169 0000:09:00.0 eth9: Link is Up - 1Gbps/Full\n"
    "[    9.000000] systemd[1]: Startup finished in 3s (kernel) + 6s (userspace) = 9s.\n"
)
MLX = (
    "[  900.000000] mlx5_core 0000:41:00.0: mlx5_health_try_recover:345:(pid 812): "
    "health recovery flow aborted, PCI reads still not working\n"
)
BNX = "[  900.000000] bnx2x 0000:41:00.0 eth1: Recovery has failed. Power cycle is needed.\n"
MT = "[  900.000000] mt7921e 0000:31:00.0: chip reset failed\n"
CAN = (
    "[  {0}.000000] quux spi1.0 can0: bus-off\n"
    "[  {0}.500000] IPv6: ADDRCONF(NETDEV_CHANGE): can0: link becomes ready\n"
)
LOST = (
    "Nov 28 12:08:59 q corosync[11]:   [QUORUM] This node is within the non-primary component"
    " and will NOT provide any services.\nNov 28 12:09:00 q pmxcfs[12]: [status] notice: node lost quorum\n"
)
HAS = (
    "Nov 28 12:10:59 q corosync[11]:   [QUORUM] This node is within the primary component"
    " and will provide service.\nNov 28 12:11:00 q pmxcfs[12]: [status] notice: node has quorum\n"
)


def diagnosed(lines: str) -> Diagnosis:
    return diagnose_bytes((UP + lines).encode(), "log", KNOWLEDGE)


@pytest.mark.parametrize(
    ("lines", "signature"),
    [
        (MLX, "network-card-given-up"),
        (BNX, "network-card-given-up"),
        (MT, "wifi-dead"),
        ("".join(CAN.format(700 + number) for number in range(4)), "can-bus-off"),
        (LOST, "quorum-lost"),
    ],
)
def test_what_is_lost_for_good_is_missed_though_others_work(lines: str, signature: str) -> None:
    diagnosis = diagnosed(lines)
    assert diagnosis.outcome is Outcome.DEGRADED
    assert diagnosis.blamed is not None
    assert diagnosis.blamed.finding.signature == signature


@pytest.mark.parametrize(
    "lines",
    [
        MLX + "[  950.000000] mlx5_core 0000:41:00.0 eth1: Link up\n",
        MT + "[  950.000000] wlan0: associated\n",
        CAN.format(700),
        LOST + HAS,
    ],
    ids=["card", "wireless", "once off the bus", "quorum"],
)
def test_what_came_back_is_not(lines: str) -> None:
    assert diagnosed(lines).outcome is Outcome.BOOT_OK


@pytest.mark.parametrize(
    "place", ["ov5640: probe of 1-003c failed", "ov5640 1-003c: probe with driver ov5640 failed"]
)
def test_a_part_that_does_not_answer_on_its_bus_is_worth_knowing(place: str) -> None:
    diagnosis = diagnosed(f"[    3.130000] {place} with error -121\n")
    assert diagnosis.outcome is Outcome.BOOT_OK
    causes = {finding.severity.value: finding.cause for boot in diagnosis.boots for finding in boot.findings}
    assert "nothing answers at that address" in causes["info"]


@pytest.mark.parametrize(("speed", "slower"), [("100Mbps", True), ("1Gbps", False), ("2.5Gbps", False)])
def test_a_link_that_came_back_slower_is_worth_knowing(speed: str, slower: bool) -> None:
    link = "[ {}.000000] r8169 0000:09:00.0 eth9: Link is {}\n"
    lines = link.format(2000, "Down") + link.format(2004, f"Up - {speed}/Full - flow control off")
    diagnosis = diagnosed(lines)
    assert diagnosis.outcome is Outcome.BOOT_OK
    causes = [finding.cause for boot in diagnosis.boots for finding in boot.findings]
    assert any("1000 Mbit/s" in cause and "100 Mbit/s now" in cause for cause in causes) is slower


@pytest.mark.parametrize(
    ("errno", "expected"),
    [("-ETIMEDOUT", Outcome.DEGRADED), ("-110", Outcome.DEGRADED), ("-EPROBE_DEFER", Outcome.BOOT_OK)],
)
def test_the_chip_of_a_supply_has_to_answer(errno: str, expected: Outcome) -> None:
    assert diagnosed(f"[   12.0] vdd_frob: failed to get the current voltage: {errno}\n").outcome is expected
