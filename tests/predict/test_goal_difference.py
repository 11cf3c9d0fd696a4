from __future__ import annotations

import pytest
from click.testing import CliRunner

from bootwright.cli.diff import command
from bootwright.foundation.errors import Refused
from bootwright.foundation.verdict import Verdict
from bootwright.inspect.difference.model import Area, Difference
from bootwright.predict.goal_difference import Chain, Suspicion, suspects
from bootwright.predict.model import GoalVerdict

DTB = "bcm2712-rpi-5-b.dtb"
GEM = "/axi/pcie@1000120000/rp1_nexus/ethernet@40100000"
CLOCKS = "/axi/pcie@1000120000/rp1_nexus/clocks@40018000"


def chain(broken: str | None = None) -> Chain:
    verdict = Verdict.FAILS if broken else Verdict.WORKS
    return Chain(
        verdict=GoalVerdict("ethernet", verdict, GEM, (), None, (), ()),
        dtb=DTB,
        nodes=(GEM, CLOCKS, f"{GEM}/mdio/ethernet-phy@1"),
        compatibles=frozenset({"raspberrypi,rp1-gem", "raspberrypi,rp1-clocks"}),
        modules=frozenset({"macb", "rp1_clk"}),
        firmware=frozenset({"acme/phy.bin", "acme/v*.fw"}),
        options=frozenset({"CONFIG_ACME_PHY"}),
        broken=broken,
    )


def ranks(*differences: Difference, broken: str | None = None) -> dict[str, Suspicion]:
    return {
        suspect.difference.what: suspect.suspicion
        for suspect in suspects(differences, chain(), chain(broken))
    }


def test_nodes_of_the_chain_count_and_others_do_not() -> None:
    suspicions = ranks(
        Difference(Area.DEVICETREE, f"{DTB}: {GEM}: phy-handle", "<1>", "<2>"),
        Difference(Area.DEVICETREE, f"{DTB}: {GEM}/mdio/ethernet-phy@1: reg", "<1>", "<2>"),
        Difference(Area.DEVICETREE, f"{DTB}: /axi/pcie@1000120000/rp1_nexus", "node (and 9 below)", None),
        Difference(Area.DEVICETREE, f"{DTB}: /axi/pcie@1000120000: status", "okay", "disabled"),
        Difference(Area.DEVICETREE, f"{DTB}: /axi/gpu@1002000000: status", "okay", "disabled"),
        Difference(Area.DEVICETREE, f"{DTB}: /axi/gpu@1002000000", None, "brcm,gpu"),
        Difference(Area.DEVICETREE, f"other.dtb: {GEM}: phy-handle", "<1>", "<2>"),
    )
    assert suspicions == {
        f"{DTB}: {GEM}: phy-handle": Suspicion.CHAIN,
        f"{DTB}: {GEM}/mdio/ethernet-phy@1: reg": Suspicion.CHAIN,
        f"{DTB}: /axi/pcie@1000120000/rp1_nexus": Suspicion.CHAIN,
    }


def test_the_first_broken_link_comes_first() -> None:
    differences = (
        Difference(Area.KERNEL, "release", "6.18", "6.19"),
        Difference(Area.DEVICETREE, f"{DTB}: {GEM}: phy-handle", "<1>", "<2>"),
        Difference(Area.DEVICETREE, f"{DTB}: {CLOCKS}: clocks", "<1>", "<2>"),
    )
    suspicions = ranks(*differences, broken=CLOCKS)
    assert list(suspicions.items()) == [
        (f"{DTB}: {CLOCKS}: clocks", Suspicion.BROKEN_LINK),
        (f"{DTB}: {GEM}: phy-handle", Suspicion.CHAIN),
        ("release", Suspicion.WHOLE_SYSTEM),
    ]


def test_drivers_modules_and_options_by_what_they_drive_and_by_name() -> None:
    suspicions = ranks(
        Difference(Area.DRIVERS, "raspberrypi,rp1-gem", "macb", None),
        Difference(Area.DRIVERS, "fsl,imx8mp-clock", "imx", None),
        Difference(Area.MODULES, "rp1_clk", "in the root file system", None),
        Difference(Area.MODULES, "clk-rp1", "in the root file system: raspberrypi,rp1-clocks", "built in"),
        Difference(Area.MODULES, "rp1_pci", None, "in the root file system"),
        Difference(Area.MODULES, "bcachefs", "in the root file system", None),
        Difference(Area.KERNEL_CONFIG, "CONFIG_MACB", "m", None),
        Difference(Area.KERNEL_CONFIG, "CONFIG_MISC_RP1", None, "m"),
        Difference(Area.KERNEL_CONFIG, "CONFIG_GPIO_SIM", None, "m"),
        Difference(Area.COMMAND_LINE, "fw_devlink", None, "fw_devlink=off"),
        Difference(Area.COMMAND_LINE, "quiet", None, "quiet"),
        Difference(Area.FILES, "/etc/hostname", "1 bytes", "2 bytes"),
    )
    assert suspicions == {
        "raspberrypi,rp1-gem": Suspicion.DRIVER,
        "rp1_clk": Suspicion.DRIVER,
        "clk-rp1": Suspicion.DRIVER,
        "fw_devlink": Suspicion.DRIVER,
        "rp1_pci": Suspicion.NAMED_ALIKE,
        "CONFIG_MACB": Suspicion.NAMED_ALIKE,
        "CONFIG_MISC_RP1": Suspicion.NAMED_ALIKE,
    }


@pytest.mark.parametrize("options", [("--goal", "ethernet"), ("--board", "raspberrypi-5")])
def test_goal_and_board_belong_together(options: tuple[str, ...]) -> None:
    done = CliRunner().invoke(command, [*options, "a", "b"], standalone_mode=False)
    assert isinstance(done.exception, Refused)


def test_what_modules_of_the_chain_say_and_ask_for_counts() -> None:
    suspicions = ranks(
        Difference(Area.MODULES, "macb: depends on", "phylink", "phylink, ptp"),
        Difference(Area.MODULES, "e1000: depends on", "ptp", "nothing more"),
        Difference(Area.KERNEL_CONFIG, "CONFIG_ACME_PHY", None, "m"),
        Difference(Area.FIRMWARE, "acme/phy.bin.xz", "12 bytes", None),
        Difference(Area.FIRMWARE, "acme/v2.fw", "12 bytes", "13 bytes"),
        Difference(Area.FIRMWARE, "other/x.bin", "12 bytes", None),
    )
    drivers = ("macb: depends on", "acme/phy.bin.xz", "acme/v2.fw", "CONFIG_ACME_PHY")
    assert suspicions == dict.fromkeys(drivers, Suspicion.DRIVER)
