"""One test for each rule of the kernel that the predictor follows."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from bootwright.predict.model import NodePrediction
from predict.conftest import BASE, driver, make_kernel, module

Solve = Callable[..., dict[str, NodePrediction]]


def words(nodes: dict[str, NodePrediction], path: str) -> tuple[str, str]:
    return nodes[path].device.word, nodes[path].bound.word


def test_root_and_simple_bus_children_become_devices(solve: Solve) -> None:
    nodes = solve(
        """uart@1 { compatible = "acme,uart"; reg = <1 1>; };
        soc { compatible = "simple-bus"; #address-cells = <1>; #size-cells = <1>; ranges;
              uart@2 { compatible = "acme,uart"; reg = <2 1>; };
              nothing { }; off { compatible = "acme,uart"; status = "disabled"; }; };"""
    )
    assert words(nodes, "/uart@1") == ("yes", "yes")
    assert words(nodes, "/soc/uart@2") == ("yes", "yes")
    assert words(nodes, "/soc/nothing") == ("no", "no")
    assert words(nodes, "/soc/off") == ("no", "no")
    assert "disabled" in nodes["/soc/off"].reason
    assert nodes["/uart@1"].driver == "uart"
    assert nodes["/uart@1"].where == "built-in"


def test_a_plain_bus_binds_only_by_its_first_compatible_but_is_populated_all_the_same(solve: Solve) -> None:
    nodes = solve(
        """a { compatible = "simple-bus"; };
        b { compatible = "acme,bus", "simple-bus"; uart { compatible = "acme,uart"; }; };"""
    )
    assert words(nodes, "/a") == ("yes", "yes")
    assert words(nodes, "/b") == ("yes", "no")
    assert words(nodes, "/b/uart") == ("yes", "yes")


def test_nodes_set_up_early_supply_without_a_device(solve: Solve) -> None:
    nodes = solve(
        """clocks { c: osc { compatible = "fixed-clock"; #clock-cells = <0>; }; };
        uart { compatible = "acme,uart"; clocks = <&c>; };
        t { compatible = "acme,timer"; };"""
    )
    assert words(nodes, "/clocks/osc") == ("no", "no")
    assert words(nodes, "/uart") == ("yes", "yes")
    assert words(nodes, "/t") == ("yes", "no")


def test_a_missing_supplier_is_named(solve: Solve) -> None:
    nodes = solve(
        """r: reset { compatible = "acme,nothing"; #reset-cells = <0>; };
        c: clk { compatible = "acme,clk"; #clock-cells = <0>; resets = <&r>; };
        uart { compatible = "acme,uart"; clocks = <&c>; };"""
    )
    assert words(nodes, "/uart") == ("yes", "no")
    assert nodes["/uart"].waits_for == ("/clk",)
    assert nodes["/clk"].waits_for == ("/reset",)
    assert "no driver for acme,nothing" in nodes["/reset"].reason


@pytest.mark.parametrize(
    ("consumer", "bound"),
    [
        ("pinctrl-0 = <&s>;", "no"),
        ("vcc-supply = <&s>;", "no"),
        ("reset-gpios = <&s 1 0>;", "no"),
        ("gpios = <&s 1 0>;", "no"),
        ("interrupts-extended = <&s 1>;", "no"),
        ("power-domains = <&s>;", "no"),
        ("phys = <&s>;", "no"),
        ("nvmem-cells = <&s>;", "no"),
        ("mboxes = <&s>;", "no"),
        ("msi-parent = <&s>;", "yes"),  # probed without after the time-out
        ("dmas = <&s>;", "yes"),  # no link unless fw_devlink.strict
        ("iommus = <&s>;", "yes"),
        ("acme,phandle = <&s>;", "yes"),  # not a binding that fw_devlink knows
        ("resets = <&s>; post-init-providers = <&s>;", "yes"),
        ("acme,nr-gpios = <8>;", "yes"),
    ],
)
def test_which_properties_make_a_supplier(solve: Solve, consumer: str, bound: str) -> None:
    nodes = solve(
        f"""s: s {{ compatible = "acme,nothing"; #gpio-cells = <2>; #interrupt-cells = <1>;
                 #power-domain-cells = <0>; #phy-cells = <0>; #mbox-cells = <0>; interrupt-controller; }};
        uart {{ compatible = "acme,uart"; {consumer} }};"""
    )
    assert nodes["/uart"].bound.word == bound


def test_interrupts_go_to_the_parent_that_the_specification_names(solve: Solve) -> None:
    nodes = solve(
        """interrupt-parent = <&gic>;
        gic: gic { compatible = "acme,gic"; interrupt-controller; #interrupt-cells = <1>; };
        l2: l2 { compatible = "acme,nothing"; interrupt-controller; #interrupt-cells = <1>;
             interrupts = <1>; };
        good { compatible = "acme,uart"; interrupts = <1>; };
        bad { compatible = "acme,uart"; interrupt-parent = <&l2>; interrupts = <1>; };
        nexus: nexus { #interrupt-cells = <1>; #address-cells = <0>; interrupt-map = <1 &l2 1>; };
        mapped { compatible = "acme,uart"; interrupt-parent = <&nexus>; interrupts = <1>; };"""
    )
    assert nodes["/good"].bound.word == "yes"
    assert nodes["/bad"].waits_for == ("/l2",)
    assert nodes["/mapped"].waits_for == ("/l2",)


def test_a_circle_of_consumers_is_relaxed(solve: Solve) -> None:
    nodes = solve(
        """a: a { compatible = "acme,clk"; #clock-cells = <0>; clocks = <&b>; };
        b: b { compatible = "acme,clk"; #clock-cells = <0>; clocks = <&a>; };"""
    )
    assert nodes["/a"].bound.word == nodes["/b"].bound.word == "yes"


def test_a_supplier_inside_a_bound_device_is_its_device(solve: Solve) -> None:
    nodes = solve(
        """pmic { compatible = "acme,lone"; regulators { r: ldo { }; }; };
        none { regulators { q: ldo { }; }; };
        uart { compatible = "acme,uart"; vcc-supply = <&r>; };
        other { compatible = "acme,uart"; vcc-supply = <&q>; };"""
    )
    assert nodes["/uart"].bound.word == "yes"
    assert nodes["/other"].bound.word == "no"
    assert "never becomes a device" in nodes["/other"].reason


def test_children_of_other_devices_need_a_driver_that_makes_them(solve: Solve) -> None:
    nodes = solve(
        """m { compatible = "acme,mfd"; uart { compatible = "acme,uart"; }; };
        l { compatible = "acme,lone"; uart { compatible = "acme,uart"; }; };
        n { compatible = "acme,nothing"; uart { compatible = "acme,uart"; }; };"""
    )
    assert words(nodes, "/m/uart") == ("yes", "yes")
    assert words(nodes, "/l/uart") == ("no", "no")
    assert "makes no devices" in nodes["/l/uart"].reason
    assert words(nodes, "/n/uart") == ("no", "no")
    assert nodes["/n/uart"].waits_for == ("/n",)


def test_i2c_children_need_their_adapter_and_an_i2c_driver(solve: Solve) -> None:
    kernel = make_kernel([*BASE, driver("rtc", "acme,rtc", bus="i2c")])
    body = """i2c@1 {{ compatible = "{}"; reg = <1 1>; #address-cells = <1>; #size-cells = <0>;
        rtc@68 {{ compatible = "acme,rtc"; reg = <0x68>; }};
        uart@1 {{ compatible = "acme,uart"; reg = <1>; }}; }};"""
    nodes = solve(body.format("acme,i2c"), kernel)
    assert nodes["/i2c@1/rtc@68"].bus == "i2c"
    assert words(nodes, "/i2c@1/rtc@68") == ("yes", "yes")
    assert words(nodes, "/i2c@1/uart@1") == ("yes", "no")  # a platform driver is on another bus
    assert words(solve(body.format("acme,nothing"), kernel), "/i2c@1/rtc@68") == ("no", "no")


def test_amba_devices_match_by_peripheral_id(solve: Solve) -> None:
    nodes = solve(
        """clk: clk { compatible = "fixed-clock"; #clock-cells = <0>; };
        a { compatible = "arm,pl011", "arm,primecell"; reg = <1 1>;
            clocks = <&clk>; clock-names = "apb_pclk"; };
        b { compatible = "acme,other", "arm,primecell"; arm,primecell-periphid = <0x00341011>; reg = <2 1>;
            clocks = <&clk>; clock-names = "apb_pclk"; };
        c { compatible = "arm,pl022", "arm,primecell"; reg = <3 1>;
            clocks = <&clk>; clock-names = "apb_pclk"; };"""
    )
    assert nodes["/a"].driver == "uart-pl011"
    assert nodes["/b"].driver == "uart-pl011"
    assert nodes["/c"].bound.word == "no"


def test_pci_functions_with_an_address_bind_by_id(solve: Solve) -> None:
    kernel = make_kernel(
        modules=[module("card", aliases=["pci:v00001DE4d00000002sv*sd*bc*sc*i*"])],
    )
    nodes = solve(
        """pcie@1 { compatible = "acme,pcie"; device_type = "pci"; reg = <1 1>;
              #address-cells = <3>; #size-cells = <2>;
              pci@0,0 { device_type = "pci"; reg = <0 0 0 0 0>; #address-cells = <3>; #size-cells = <2>;
                        dev@0,0 { compatible = "pci1de4,2"; reg = <0 0 0 0 0>; };
                        dev@1,0 { compatible = "pci1de4,9"; reg = <0x800 0 0 0 0>; }; };
              stray { compatible = "simple-bus"; uart { compatible = "acme,uart"; }; }; };""",
        kernel,
    )
    assert nodes["/pcie@1/pci@0,0"].driver == "pcieport"
    assert nodes["/pcie@1/pci@0,0/dev@0,0"].where == "module: card"
    assert nodes["/pcie@1/pci@0,0/dev@1,0"].bound.word == "no"
    assert words(nodes, "/pcie@1/stray/uart") == ("no", "no")  # a PCI host populates nothing else


def test_mdio_phys_need_the_mac_and_its_reset_line(solve: Solve) -> None:
    kernel = make_kernel(
        modules=[module("broadcom", aliases=["mdio:01100000000011011000010010100010"])],
    )
    body = """g: gpio {{ compatible = "{}"; #gpio-cells = <2>; }};
        ethernet@1 {{ compatible = "acme,gem"; reg = <1 1>; phy-handle = <&p>;
          mdio {{ reset-gpios = <&g 1 0>; #address-cells = <1>; #size-cells = <0>;
                 p: ethernet-phy@1 {{ compatible = "ethernet-phy-id600d.84a2"; reg = <1>; }}; }}; }};"""
    nodes = solve(body.format("acme,lone"), kernel)
    assert nodes["/ethernet@1/mdio/ethernet-phy@1"].where == "module: broadcom"
    broken = solve(body.format("acme,nothing"), kernel)
    assert broken["/ethernet@1"].waits_for == ("/gpio",)
    assert broken["/ethernet@1/mdio/ethernet-phy@1"].waits_for == ("/ethernet@1",)


def test_modules_without_an_alias_for_the_device_are_loaded_only_by_others(solve: Solve) -> None:
    hidden = module(
        "gpu",
        "acme,gpu",
        drivers=[["gpu", ["platform"], ["acme,gpu"]], ["hdmi", ["platform"], ["acme,hdmi"]]],
    )
    kernel = make_kernel(modules=[hidden])
    alone = solve('h { compatible = "acme,hdmi"; };', kernel)
    assert alone["/h"].bound.word == "no"
    assert "nothing loads" in alone["/h"].reason
    both = solve('h { compatible = "acme,hdmi"; }; g { compatible = "acme,gpu"; };', kernel)
    assert both["/h"].where == "module: gpu"


def test_without_modules_an_absent_driver_is_unknown(solve: Solve) -> None:
    nodes = solve('x { compatible = "acme,nothing"; };', make_kernel(modules=None))
    assert nodes["/x"].bound.word == "unknown"
    assert "modules were not given" in nodes["/x"].reason


def test_a_clock_controller_does_not_wait_for_inputs_that_never_come(solve: Solve) -> None:
    nodes = solve(
        """dsi: dsi { compatible = "acme,nothing"; #clock-cells = <0>; status = "disabled"; };
        c: clk { compatible = "acme,clk"; #clock-cells = <0>; clocks = <&dsi>; };
        uart { compatible = "acme,uart"; clocks = <&dsi>; };"""
    )
    assert nodes["/clk"].bound.word == "yes"
    # Its code cannot be read here: it may take -ENOENT of a disabled provider for "no clock".
    assert nodes["/uart"].bound.word == "unknown"
    assert "/dsi is disabled" in nodes["/uart"].reason


def test_every_node_gets_an_answer_and_a_reason_where_it_is_not_yes(solve: Solve) -> None:
    nodes = solve('a { b { c { compatible = "x,y"; }; }; }; d { compatible = "acme,uart"; };')
    assert set(nodes) >= {"/", "/a", "/a/b", "/a/b/c", "/d"}
    assert all(node.reason for node in nodes.values() if node.bound.word != "yes")


def test_endpoints_of_a_graph_hold_up_only_where_one_side_does_not_refer_back(solve: Solve) -> None:
    # The panel has a driver, and never binds for want of its clock.
    tree = """
    gone: gone { compatible = "acme,gone"; #clock-cells = <0>; };
    bridge { compatible = "acme,uart"; ports { port { out: endpoint { remote-endpoint = <&in>; }; }; }; };
    panel { compatible = "acme,lone"; clocks = <&gone>; port { in: endpoint { %s }; }; };
    """
    assert words(solve(tree % "remote-endpoint = <&out>;"), "/bridge") == ("yes", "yes")
    one_sided = solve(tree % "")
    assert words(one_sided, "/bridge") == ("yes", "no")
    assert one_sided["/bridge"].waits_for == ("/panel",)


def test_an_interrupt_parent_is_a_supplier_even_without_interrupts(solve: Solve) -> None:
    tree = """
    gone: gone { compatible = "acme,gone"; #clock-cells = <0>; };
    intc: intc { compatible = "acme,lone"; clocks = <&gone>; #interrupt-cells = <1>; interrupt-controller; };
    uart { compatible = "acme,uart"; interrupt-parent = <&intc>; };
    """
    assert words(solve(tree), "/uart") == ("yes", "no")


def test_protocols_of_scmi_are_devices_whose_driver_goes_by_their_number(solve: Solve) -> None:
    tree = """
    firmware { scmi { compatible = "arm,scmi-smc"; #address-cells = <1>; #size-cells = <0>;
      clk: protocol@14 { reg = <0x14>; #clock-cells = <1>; };
      reset: protocol@16 { reg = <0x16>; #reset-cells = <1>; };
      off: protocol@13 { reg = <0x13>; status = "disabled"; }; }; };
    one { compatible = "acme,uart"; clocks = <&clk 3>; };
    two { compatible = "acme,uart"; resets = <&reset 3>; };
    """
    kernel = make_kernel(
        (*BASE, driver("scmi_smc_transport", "arm,scmi-smc")),
        [module("clk_scmi")],
        config={"CONFIG_COMMON_CLK_SCMI": "m", "CONFIG_RESET_SCMI": "n"},
    )
    nodes = solve(tree, kernel)
    assert nodes["/firmware/scmi/protocol@14"].driver == "scmi-clocks"
    assert words(nodes, "/one") == ("yes", "yes")
    assert words(nodes, "/firmware/scmi/protocol@16") == ("yes", "no")
    assert words(nodes, "/firmware/scmi/protocol@13") == ("no", "no")
    assert words(nodes, "/firmware") == ("no", "no")
    # Without the configuration the module may only have another name, and one with the same words is it.
    named = {"clk_scmi": "yes", "scmi_clk": "yes", "other": "unknown"}
    for name, bound in named.items():
        kernel = make_kernel((*BASE, driver("scmi_smc_transport", "arm,scmi-smc")), [module(name)])
        assert words(solve(tree, kernel), "/firmware/scmi/protocol@14") == ("yes", bound)


def test_spmi_children_and_what_a_remote_processor_announces(solve: Solve) -> None:
    tree = """
    arbiter@1 { compatible = "acme,arb"; reg = <1 1>; #address-cells = <2>; #size-cells = <0>;
      pmic@0 { compatible = "acme,pmic"; reg = <0 0>; key { compatible = "acme,uart"; }; }; };
    dsp { compatible = "acme,lone"; glink-edge { compatible = "acme,glink"; }; };
    """
    kernel = make_kernel(
        (
            *BASE,
            driver("arb", "acme,arb"),
            driver("pmic", "acme,pmic", bus="spmi", calls=["of_platform_populate"]),
        )
    )
    nodes = solve(tree, kernel)
    assert words(nodes, "/arbiter@1/pmic@0") == ("yes", "yes")
    assert words(nodes, "/arbiter@1/pmic@0/key") == ("yes", "yes")
    assert nodes["/dsp/glink-edge"].device.word == "unknown"


@pytest.mark.parametrize(
    ("end", "absent"),
    [
        ("# end of Kernel hacking\n", "n"),
        ("", None),  # it may end before the option
        ("#\n# Linux/arm64 4.19.300 Kernel Configuration\n#\n", "n"),  # which closed no menus
    ],
)
def test_an_option_is_the_same_read_alone_or_with_all_others(
    end: str, absent: str | None, tmp_path: Path
) -> None:
    text = f'CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_AB="x y"\nCONFIG_EMPTY=""\nCONFIG_N=12\n{end}'
    (tmp_path / "config").write_text(text)
    (tmp_path / "config.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("config", "config.gz"):
        facts = make_kernel()
        del facts.__dict__["config"]
        facts.config_file = tmp_path / name
        options = {
            symbol: facts.option(f"CONFIG_{symbol}") for symbol in ("A", "B", "AB", "EMPTY", "N", "NONE")
        }
        assert options == {"A": "y", "B": "n", "AB": "x y", "EMPTY": "n", "N": "12", "NONE": absent}
        assert facts.config is not None
        assert options == {option: facts.option(f"CONFIG_{option}") for option in options}
