"""Rules that boots of machines not looked at before showed to be missing, each on its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bootwright.formats.kernel.built_in import EarlyEntry
from bootwright.foundation.versions import Version
from bootwright.predict.model import NodePrediction
from predict.conftest import BASE, EARLY, driver, make_kernel, module

Solve = Callable[..., dict[str, NodePrediction]]


def bound(nodes: dict[str, NodePrediction], path: str) -> str:
    return nodes[path].bound.word


def test_a_serial_device_on_an_amba_port_is_made(solve: Solve) -> None:
    kernel = make_kernel((*BASE, driver("bt", "acme,bt", bus="serial")))
    nodes = solve(
        """clk: clk { compatible = "fixed-clock"; #clock-cells = <0>; };
           serial@1 { compatible = "arm,pl011", "arm,primecell"; reg = <1 1>;
              clocks = <&clk>; clock-names = "apb_pclk";
              bluetooth { compatible = "acme,bt"; }; };""",
        kernel,
    )
    assert bound(nodes, "/serial@1") == "yes"
    assert bound(nodes, "/serial@1/bluetooth") == "yes"


@pytest.mark.parametrize(("calls", "made"), [(["spi_register_controller"], "yes"), ([], "no")])
def test_an_spi_controller_by_any_name_is_one_by_its_driver(
    solve: Solve, calls: list[str], made: str
) -> None:
    kernel = make_kernel(
        (*BASE, driver("bb", "acme,bitbang", calls=calls), driver("chip", "acme,chip", bus="spi"))
    )
    nodes = solve(
        """bitbang { compatible = "acme,bitbang"; #address-cells = <1>; #size-cells = <0>;
              chip@0 { compatible = "acme,chip"; reg = <0>; }; };""",
        kernel,
    )
    assert nodes["/bitbang/chip@0"].device.word == made


def test_an_mdio_bus_with_a_driver_of_its_own_is_a_device(solve: Solve) -> None:
    kernel = make_kernel((*BASE, driver("own-mdio", "acme,mdio", calls=["of_mdiobus_register"])))
    nodes = solve(
        """ethernet@1 { compatible = "acme,gem"; reg = <1 1>;
              mdio@2 { compatible = "acme,mdio"; #address-cells = <1>; #size-cells = <0>; reg = <2 1>;
                 ethernet-phy@1 { reg = <1>; }; }; };
        ethernet@3 { compatible = "acme,gem"; reg = <3 1>;
              mdio { #address-cells = <1>; #size-cells = <0>; ethernet-phy@1 { reg = <1>; }; }; };""",
        kernel,
    )
    assert nodes["/ethernet@1/mdio@2"].driver == "own-mdio"
    assert bound(nodes, "/ethernet@1/mdio@2/ethernet-phy@1") == "yes"
    assert nodes["/ethernet@3/mdio"].device.word == "no"
    assert bound(nodes, "/ethernet@3/mdio/ethernet-phy@1") == "yes"


def test_an_irqchip_is_set_up_early_only_where_it_is_a_controller(solve: Solve) -> None:
    nodes = solve(
        """a { compatible = "acme,gic"; interrupt-controller; #interrupt-cells = <1>; };
        b { compatible = "acme,gic"; };"""
    )
    assert nodes["/a"].device.word == "no"
    assert nodes["/b"].device.word == "yes"


@pytest.mark.parametrize(
    ("version", "made"),
    [
        ("6.12.67", "no"),
        ("6.12.107", "yes"),
        ("6.17.13", "no"),
        ("6.18.5", "no"),
        ("6.18.8", "yes"),
        ("6.19", "yes"),
        ("7.3.4", "yes"),
    ],
)
def test_plain_buses_below_firmware_are_populated_since_the_kernel_that_does(
    solve: Solve, version: str, made: str
) -> None:
    assert Version.parse(version) is not None
    nodes = solve(
        """firmware { fw { compatible = "simple-bus"; uart { compatible = "acme,uart"; }; }; };""",
        make_kernel(version=version),
    )
    assert nodes["/firmware/fw"].device.word == "yes"
    assert nodes["/firmware/fw/uart"].device.word == made


@pytest.mark.parametrize(
    ("kind", "call"), [("resets", "reset_control_get"), ("interrupts-extended", "platform_get_irq")]
)
def test_a_supplier_without_driver_is_missed_only_by_who_asks_for_it(
    solve: Solve, kind: str, call: str
) -> None:
    body = f"""s: supplier {{ compatible = "acme,none"; #reset-cells = <0>;
              interrupt-controller; #interrupt-cells = <0>; }};
        consumer {{ compatible = "acme,consumer"; {kind} = <&s>; }};"""
    asking = make_kernel(modules=[module("consumer", "acme,consumer", calls=[call])])
    not_asking = make_kernel(modules=[module("consumer", "acme,consumer")])
    built_in = make_kernel((*BASE, driver("consumer", "acme,consumer")))
    assert bound(solve(body, asking), "/consumer") == "no"
    assert bound(solve(body, not_asking), "/consumer") == "yes"
    assert bound(solve(body, built_in), "/consumer") == "no"  # not all it calls is seen


def test_a_node_that_never_becomes_a_device_is_waited_for_by_whoever(solve: Solve) -> None:
    nodes = solve(
        """controller { compatible = "acme,none"; s: line { #reset-cells = <0>; }; };
        consumer { compatible = "acme,consumer"; resets = <&s>; };""",
        make_kernel(modules=[module("consumer", "acme,consumer")]),
    )
    assert bound(nodes, "/consumer") == "no"


def test_interrupts_of_nodes_below_are_the_drivers_own_to_find(solve: Solve) -> None:
    nodes = solve(
        """none: controller { compatible = "acme,none"; interrupt-controller; #interrupt-cells = <0>; };
        fine: gic { compatible = "acme,gic"; interrupt-controller; #interrupt-cells = <0>; };
        a { compatible = "acme,uart"; button { interrupts-extended = <&none>; }; };
        b { compatible = "acme,uart"; button { interrupts-extended = <&fine>; }; };"""
    )
    assert bound(nodes, "/a") == "no"
    assert nodes["/a"].waits_for == ("/controller",)
    assert bound(nodes, "/b") == "yes"


def test_what_an_initcall_sets_up_supplies_unless_a_driver_has_to(solve: Solve) -> None:
    kernel = make_kernel((*BASE, driver("pmc", "acme,pmc")))
    early = (
        *EARLY,
        EarlyEntry("initcall", "acme,sysc", keeps_device=True),
        EarlyEntry("initcall", "acme,pmc", keeps_device=True),
    )
    object.__setattr__(kernel.built_in, "early", early)
    nodes = solve(
        """s: sysc { compatible = "acme,sysc"; #power-domain-cells = <0>; };
        none: none { compatible = "acme,none"; #clock-cells = <0>; };
        p: pmc { compatible = "acme,pmc"; #power-domain-cells = <0>; clocks = <&none>; };
        a { compatible = "acme,uart"; power-domains = <&s>; };
        b { compatible = "acme,uart"; power-domains = <&p>; };""",
        kernel,
    )
    assert bound(nodes, "/sysc") == "no"
    assert bound(nodes, "/a") == "yes"
    assert bound(nodes, "/b") == "no"


@pytest.mark.parametrize("name", ["i2c-bus", "dais"])
def test_buses_and_sound_parts_are_asked_for_by_name(solve: Solve, name: str) -> None:
    nodes = solve(
        f"""s: supplier {{ compatible = "acme,none"; }};
        consumer {{ compatible = "acme,uart"; {name} = <&s>; }};"""
    )
    assert bound(nodes, "/consumer") == "no"


def test_channels_of_an_mdio_multiplexer_are_buses(solve: Solve) -> None:
    kernel = make_kernel((*BASE, driver("mux", "acme,mdio-mux")))
    nodes = solve(
        """mdio@1 { compatible = "acme,mdio-mux"; #address-cells = <1>; #size-cells = <0>; reg = <1 1>;
              mdio@0 { reg = <0>; #address-cells = <1>; #size-cells = <0>;
                 ethernet-phy@8 { reg = <8>; }; }; };""",
        kernel,
    )
    assert nodes["/mdio@1/mdio@0"].device.word == "no"
    assert bound(nodes, "/mdio@1/mdio@0/ethernet-phy@8") == "yes"


def test_what_an_sdio_card_is_only_the_card_says(solve: Solve) -> None:
    kernel = make_kernel((*BASE, driver("host", "acme,sdhci")))
    nodes = solve(
        """mmc@1 { compatible = "acme,sdhci"; reg = <1 1>; #address-cells = <1>; #size-cells = <0>;
              wifi@1 { compatible = "acme,wifi"; reg = <1>; }; };""",
        kernel,
    )
    assert bound(nodes, "/mmc@1/wifi@1") == "unknown"


@pytest.mark.parametrize(("mode", "binds"), [("rgmii-id", "yes"), ("sgmii", "no")])
def test_macb_asks_for_its_transceiver_only_where_it_is_used(solve: Solve, mode: str, binds: str) -> None:
    kernel = make_kernel((*BASE, driver("macb", "cdns,zynqmp-gem")))
    nodes = solve(
        f"""s: phy {{ compatible = "acme,none"; #phy-cells = <0>; }};
        ethernet {{ compatible = "cdns,zynqmp-gem"; phys = <&s>; phy-mode = "{mode}"; }};""",
        kernel,
    )
    assert bound(nodes, "/ethernet") == binds
