"""Broken references and missing properties: what drivers demand is read from their code, and boots agree.

The recordings in `references/` are real boots (`bootwright lab truth`, Debian's 6.18.15 under QEMU) of
machines with single properties dropped, cut short or made to lead nowhere; `mutations.toml` says which.
"""

from __future__ import annotations

import importlib.util
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.formats.code.linked_code import ModuleCode
from bootwright.formats.devicetree.fdt import parse_fdt
from bootwright.formats.kernel.built_in import Driver
from bootwright.formats.kernel.match_tables import PciId
from bootwright.formats.modules.module_file import unpack_module
from bootwright.foundation.errors import BootwrightError
from bootwright.kernels.catalogue import open_library
from bootwright.lab.truth.outcomes import Became, outcomes
from bootwright.lab.truth.recording import from_json
from bootwright.predict.api import facts_of, predict
from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.model import Answer, NodePrediction, first_broken
from bootwright.predict.probing.calls import Optional, calls
from bootwright.predict.probing.terms import Ending, There
from bootwright.predict.solving.node_answers import NodeAnswers
from predict.conftest import BASE, compile_tree, driver, make_kernel

KERNEL = "debian-6.18.15-4k"
RECORDINGS = Path(__file__).parent / "references"
Solve = Callable[..., dict[str, NodePrediction]]

# What the code does not tell: the rate of a clock that was set by assigned-clocks, the thermal zone that
# names this sensor, a key without GPIO that also has no interrupt (what is known of a button lies in memory
# that callees may change).
MISSED = {
    ("R4", "/soc/pwm@7e20c000"),
    ("R4", "/soc/thermal@7e212000"),
    ("V2", "/gpio-keys"),
    ("Z2", "/gpio-keys"),
}


@pytest.fixture(scope="module")
def kernel() -> KernelFacts:
    try:
        return facts_of(open_library().get(KERNEL, modules=True))
    except BootwrightError as error:
        pytest.skip(f"{KERNEL} is not here: {error}")


def outcome(
    kernel: KernelFacts,
    module: str | None,
    driver: str,
    compatible: str,
    *lacking: str,
    bus: str = "platform",
) -> tuple[Ending, str]:
    """What becomes of a driver's probe where everything is there but `lacking`."""

    def ask(question: str) -> There:
        return There.MISSING if question in lacking else There.YES

    assert kernel.probes is not None
    probe_outcome = kernel.probes.outcome(driver, module, bus, compatible, ask)
    assert probe_outcome is not None
    return probe_outcome.ending, probe_outcome.blamed


@pytest.mark.download
@pytest.mark.parametrize(
    ("module", "driver", "compatible", "question"),
    [
        ("bcm2835_thermal", "bcm2835_thermal", "brcm,bcm2837-thermal", "clocks||0"),
        ("bcm2835_thermal", "bcm2835_thermal", "brcm,bcm2837-thermal", "reg||0"),
        ("i2c_bcm2835", "i2c-bcm2835", "brcm,bcm2835-i2c", "interrupts||0"),
        ("macb", "macb", "cdns,zynqmp-gem", "clocks|pclk|0"),
        ("macb", "macb", "cdns,zynqmp-gem", "clocks|hclk|0"),
        ("macb", "macb", "cdns,zynqmp-gem", "interrupts||0"),
        # The helper of another module asks for it.
        ("sdhci_of_arasan", "sdhci-arasan", "xlnx,zynqmp-8.9a", "reg||0"),
        (None, "xuartps", "xlnx,zynqmp-uart", "reg||0"),
        (None, "bcm2835-mbox", "brcm,bcm2835-mbox", "interrupts||0"),
        (None, "pci-host-generic", "pci-host-ecam-generic", "reg||0"),
    ],
)
def test_a_driver_gives_up_without_what_it_demands(
    kernel: KernelFacts, module: str | None, driver: str, compatible: str, question: str
) -> None:
    assert outcome(kernel, module, driver, compatible)[0] is Ending.MAY_SUCCEED
    assert outcome(kernel, module, driver, compatible, question) == (Ending.FAILS, question)


@pytest.mark.download
@pytest.mark.parametrize(
    ("module", "driver", "compatible", "question"),
    [
        ("macb", "macb", "cdns,zynqmp-gem", "clocks|tx_clk|0"),
        ("macb", "macb", "cdns,zynqmp-gem", "clocks|rx_clk|0"),
        ("macb", "macb", "cdns,zynqmp-gem", "clocks|tsu_clk|0"),
        ("bcm2835_rng", "bcm2835-rng", "brcm,bcm2835-rng", "clocks||0"),
        ("bcm2835_rng", "bcm2835-rng", "brcm,bcm2835-rng", "interrupts||0"),
        ("dwc2", "dwc2", "brcm,bcm2835-usb", "resets|dwc2|0"),
        (None, "pci-host-generic", "pci-host-ecam-generic", "property|bus-range|0"),
        # Ways that meet with different memory: which accesses its registers take is kept on the stack.
        (None, "dw-apb-uart", "snps,dw-apb-uart", "property|fifo-size|0"),
    ],
)
def test_a_driver_does_without_what_is_optional(
    kernel: KernelFacts, module: str | None, driver: str, compatible: str, question: str
) -> None:
    assert outcome(kernel, module, driver, compatible, question)[0] is Ending.MAY_SUCCEED


@pytest.mark.download
def test_a_pl011_needs_its_clock(kernel: KernelFacts) -> None:
    whole = outcome(kernel, None, "uart-pl011", "", bus="amba")
    without = outcome(kernel, None, "uart-pl011", "", "clocks||0", bus="amba")
    assert (whole[0], without) == (Ending.MAY_SUCCEED, (Ending.FAILS, "clocks||0"))


def boots() -> list[tuple[str, str, str, str, str]]:
    table = tomllib.loads((RECORDINGS / "mutations.toml").read_text())
    return [
        (boot["name"], boot["machine"], mutation["node"], mutation["change"], mutation["property"])
        for boot in table["boot"]
        for mutation in boot["mutations"]
    ]


@pytest.mark.download
def test_every_recorded_breakage_is_answered_as_the_guest_did(kernel: KernelFacts) -> None:
    wrong: list[tuple[str, ...]] = []
    solved: dict[str, tuple[dict[str, NodePrediction], dict[str, Became]]] = {}
    for name, _, node, change, changed in boots():
        if name not in solved:
            truth = from_json((RECORDINGS / f"{name}.json").read_text(), name)
            nodes = {node.path: node for node in predict(kernel, parse_fdt(truth.fdt, f"{name}.dtb")).nodes}
            solved[name] = (
                nodes,
                {path: probe_outcome.became for path, probe_outcome in outcomes(truth).items()},
            )
        nodes, became = solved[name]
        while nodes[node].bus is None and node.count("/") > 1:
            node = node.rpartition("/")[0]  # a child that is no device: its parent's driver reads it
        real = became.get(node) is Became.BOUND
        if (nodes[node].bound.word == "yes") is not real and (name, node) not in MISSED:
            wrong.append((name, node, change, changed, nodes[node].bound.word, nodes[node].reason))
    assert not wrong


@pytest.mark.download
def test_the_broken_link_names_the_property(kernel: KernelFacts) -> None:
    truth = from_json((RECORDINGS / "Z2.json").read_text(), "Z2")
    nodes = {node.path: node for node in predict(kernel, parse_fdt(truth.fdt, "z2.dtb")).nodes}
    ethernet = first_broken(nodes["/axi/ethernet@ff0e0000"].links)
    assert ethernet is not None
    assert ethernet.needs == "clocks (pclk)"
    assert "the driver macb gives up" in ethernet.reason
    gpio = first_broken(nodes["/axi/gpio@ff0a0000"].links)
    assert gpio is not None
    assert gpio.needs.startswith("clocks")
    assert "leads nowhere" in gpio.reason


TREE = """interrupt-parent = <&gic>;
  gic: gic { interrupt-controller; #interrupt-cells = <3>; };
  clk: clk { #clock-cells = <1>; };
  soc { compatible = "simple-bus"; #address-cells = <1>; #size-cells = <1>; ranges = <0x1000 0x81000 0x1000>;
    dev@1000 { reg = <0x1000 0x10>, <0x9000 0x10>; clocks = <&clk 1>, <&clk>; clock-names = "one", "two";
       interrupts = <0 1 4 0 2>; reset-gpios = <0xdead 1>; acme,syscon = <&clk>; }; };
  dark { #address-cells = <1>; #size-cells = <1>; dev@1 { reg = <1 1>; }; };"""


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("clocks|one|0", There.YES),
        ("clocks|two|0", There.BROKEN),
        ("clocks|three|0", There.MISSING),
        ("clocks||2", There.BROKEN),
        ("interrupts||0", There.YES),
        ("interrupts||1", There.BROKEN),
        ("interrupts||2", There.MISSING),
        ("reg||0", There.YES),
        ("reg||1", There.BROKEN),
        ("reg||2", There.MISSING),
        ("gpios|reset|0", There.BROKEN),
        ("gpios|enable|0", There.MISSING),
        ("ref|acme,syscon|0", There.YES),
        ("ref|acme,other|0", There.MISSING),
        ("property|clocks|0", There.YES),
        ("child:exists||0", There.MISSING),
        ("clocks|?|0", There.UNKNOWN),
        ("nonsense", There.UNKNOWN),
    ],
)
def test_what_a_node_has_is_answered_by_the_kernels_rules(question: str, answer: There) -> None:
    tree = compile_tree(TREE)
    node = next(node for node in tree.nodes if node.name == "dev@1000")
    assert NodeAnswers(tree, node)(question) is answer


def test_an_address_behind_a_bus_without_ranges_cannot_be_translated() -> None:
    tree = compile_tree(TREE)
    node = next(node for node in tree.nodes if node.name == "dev@1")
    assert NodeAnswers(tree, node)("reg||0") is There.BROKEN


def test_the_core_wants_pins_assigned_clocks_and_the_amba_clock(solve: Solve) -> None:
    nodes = solve(
        """clk: clk { compatible = "acme,clk"; #clock-cells = <0>; };
        pins@1 { compatible = "acme,lone"; pinctrl-0 = <0xdead>; };
        late@2 { compatible = "acme,lone"; pinctrl-1 = <&clk>; assigned-clocks = <0xdead>; };
        rate@3 { compatible = "acme,lone"; assigned-clocks = <0xdead>; assigned-clock-rates = <5>; };
        uart@4 { compatible = "arm,pl011", "arm,primecell"; reg = <4 1>; clocks = <&clk>; };
        uart@5 { compatible = "arm,pl011", "arm,primecell"; reg = <5 1>;
           clocks = <&clk>; clock-names = "apb_pclk"; };
        uart@6 { compatible = "arm,pl011", "arm,primecell"; clocks = <&clk>; clock-names = "apb_pclk"; };"""
    )
    words = {path: nodes[path].bound.word for path in nodes}
    assert words["/pins@1"] == "no"
    assert words["/late@2"] == "yes"  # nothing is to be set, so that nobody looks
    assert words["/rate@3"] == "no"
    assert words["/uart@4"] == "no"
    assert "apb_pclk" in nodes["/uart@4"].reason
    assert words["/uart@5"] == "yes"
    assert nodes["/uart@6"].device.word == "no"


@pytest.mark.parametrize(
    ("arguments", "may"),
    [
        ({3: 6}, True),  # exclusive, optional: flags
        ({3: 4}, False),
        ({3: 1, 4: None}, False),  # shared, in both forms
        ({3: 1, 4: 1}, True),
        ({3: 0, 4: 1}, True),  # exclusive and optional, as words
        ({3: 0, 4: 0}, False),
        ({3: None}, True),  # not known: no claim
    ],
)
def test_flags_and_words_both_say_optional(arguments: dict[int, object], may: bool) -> None:
    (reset,) = calls().by_name["__devm_reset_control_get"]
    assert reset.optional == Optional(flags=3, flag=2, alone=4)
    assert reset.may_lack(arguments) is may


def fuzz_target() -> Callable[[bytes], None]:
    path = Path(__file__).parents[2] / "fuzz" / "fuzz_linked_code.py"
    spec = importlib.util.spec_from_file_location("fuzz_linked_code", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    target: Callable[[bytes], None] = module.one_input
    return target


@settings(max_examples=60)
@given(st.binary(max_size=400))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    fuzz_target()(data)


@pytest.mark.download
@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 1 << 15), st.integers(0, 255)), max_size=40))
def test_a_damaged_module_is_refused_or_walked(changes: list[tuple[int, int]]) -> None:
    try:
        tree = open_library().get(KERNEL, modules=True).modules
    except BootwrightError:
        pytest.skip(f"{KERNEL} is not here")
    assert tree is not None
    path = next(tree.rglob("bcm2835_thermal.ko*"))
    data = bytearray(unpack_module(path.read_bytes(), path.name))
    for at, value in changes:
        data[at % len(data)] = value
    fuzz_target()(bytes(data))


@pytest.mark.download
def test_a_module_is_laid_out_with_its_calls_and_strings(kernel: KernelFacts) -> None:
    tree = open_library().get(KERNEL, modules=True).modules
    assert tree is not None
    path = next(tree.rglob("macb.ko*"))
    code = ModuleCode(unpack_module(path.read_bytes(), path.name), path.name)
    assert "devm_clk_get" in code.imports.values()
    assert "macb_probe" in code.functions.values()
    assert any(code.string(place) == "macb" for place in code.pointers().values())


@pytest.mark.download
def test_a_probe_function_that_is_handed_over_is_found(kernel: KernelFacts) -> None:
    """`module_platform_driver_probe`: the driver's structure has none."""
    arguments = ("imx2_wdt", "imx2-wdt", "fsl,imx21-wdt")
    assert outcome(kernel, *arguments)[0] is Ending.MAY_SUCCEED
    assert outcome(kernel, *arguments, "reg||0") == (Ending.FAILS, "reg||0")


@pytest.mark.download
@pytest.mark.parametrize(
    ("driver", "compatible", "question", "errors"),
    [
        ("raspberrypi-firmware", "raspberrypi,bcm2835-firmware", "mboxes||0", (517,)),
        ("raspberrypi-power", "raspberrypi,bcm2835-power", "provider|firmware|0", (19, 517)),
    ],
)
def test_a_driver_waits_for_ever_for_a_disabled_provider(
    kernel: KernelFacts, driver: str, compatible: str, question: str, errors: tuple[int, ...]
) -> None:
    def ask(asked: str) -> There:
        return There.DISABLED if asked == question else There.YES

    assert kernel.probes is not None
    probe_outcome = kernel.probes.outcome(driver, None, "platform", compatible, ask)
    assert probe_outcome is not None
    assert (probe_outcome.ending, probe_outcome.blamed, probe_outcome.errors) == (
        Ending.FAILS,
        question,
        errors,
    )
    assert probe_outcome.disabled == (question,)


def test_a_reference_to_a_disabled_node_is_told_from_a_broken_one() -> None:
    tree = compile_tree(
        """off: off { #clock-cells = <0>; #mbox-cells = <0>; #gpio-cells = <1>; status = "disabled"; };
        nop: nop { compatible = "usb-nop-xceiv"; #phy-cells = <0>; status = "disabled"; };
        dev { clocks = <&off>; mboxes = <&off>; gpios = <&off 1>; phys = <&nop>; memory-region = <&off>;
           vcc-supply = <&off>; firmware = <&off>; };"""
    )
    node = next(node for node in tree.nodes if node.name == "dev")
    answers = NodeAnswers(tree, node)
    for question in ("clocks||0", "mboxes||0", "gpios||0", "regulators|vcc|0", "provider|firmware|0"):
        assert answers(question) is There.DISABLED, question
        target = answers.disabled_target(question)
        assert target is not None, question
        assert target.path == "/off"
    assert answers("phys||0") is There.MISSING  # -ENODEV: the subsystem of USB transceivers has it
    assert answers("memory-region||0") is There.YES  # passed over in silence


def test_clocks_asked_for_in_bulk_by_names_that_are_not_known() -> None:
    tree = compile_tree(
        """clk: clk { #clock-cells = <0>; };
        two { clocks = <&clk>, <&clk>; clock-names = "a", "b"; };
        bare { clocks = <&clk>, <&clk>; };
        hole { clocks = <&clk>, <0xdead>; clock-names = "a", "b"; };"""
    )
    asked = {node.name: NodeAnswers(tree, node)("clocks|?|2") for node in tree.nodes}
    assert asked["two"] is There.YES
    assert asked["bare"] is There.MISSING
    assert asked["hole"] is There.BROKEN
    two = next(node for node in tree.nodes if node.name == "two")
    assert NodeAnswers(tree, two)("clocks|?|1") is There.UNKNOWN


@pytest.mark.download
@pytest.mark.parametrize(
    ("lines", "ending"),
    [
        ({"gpios|cd|0": There.BROKEN}, Ending.FAILS),
        ({"gpios|cd|0": There.DISABLED}, Ending.FAILS),
        ({"gpios|cd|0": There.MISSING}, Ending.MAY_SUCCEED),
        ({"gpios|cd|0": There.BROKEN, "property|non-removable|0": There.YES}, Ending.MAY_SUCCEED),
        ({"gpios|wp|0": There.BROKEN, "property|non-removable|0": There.YES}, Ending.FAILS),
    ],
)
def test_lines_of_a_card_slot_are_asked_for_by_the_mmc_core(
    kernel: KernelFacts, lines: dict[str, There], ending: Ending
) -> None:
    def ask(question: str) -> There:
        unsaid = There.MISSING if question.startswith("property|") else There.YES
        return lines.get(question, unsaid)

    assert kernel.probes is not None
    became = kernel.probes.outcome("sdhost-bcm2835", "bcm2835", "platform", "brcm,bcm2835-sdhost", ask)
    assert became is not None
    assert became.ending is ending
    if ending is Ending.FAILS:
        assert became.blamed == next(iter(lines))


@pytest.mark.download
def test_what_makes_a_way_through_by_itself_is_to_blame_though_an_option_would_not() -> None:
    """With everything there the walk fails as well: macb of 7.3 asks for more where cdns,timer-adjust is."""
    try:
        newer = facts_of(open_library().get("debian-7.3.4-4k", modules=True))
    except BootwrightError as error:
        pytest.skip(f"debian-7.3.4-4k is not here: {error}")
    options = ("property|cdns,timer-adjust|0", "property|cdns,rx-watermark|0", "property|cdns,refclk-ext|0")
    lacking = (*options, "interrupts||0")
    assert outcome(newer, "macb", "macb", "xlnx,zynqmp-gem", *lacking) == (Ending.FAILS, "interrupts||0")
    assert outcome(newer, "macb", "macb", "xlnx,zynqmp-gem", *options)[0] is not Ending.FAILS


def test_pins_of_a_disabled_controller_are_missed_by_a_part_of_a_composed_device_too(solve: Solve) -> None:
    body = """pins: pins { compatible = "acme,pins"; %s group: group { }; };
        part { compatible = "acme,part"; pinctrl-names = "default"; pinctrl-0 = <&group>; };"""
    drivers = (*BASE, driver("pins", "acme,pins"), driver("part", "acme,part", calls=["component_add"]))
    for status, bound in (("", Answer.YES), ('status = "disabled";', Answer.NO)):
        assert solve(body % status, make_kernel(drivers))["/part"].bound is bound


@pytest.mark.parametrize(
    ("line", "bound"),
    [
        ("reset-gpios = <&on 1>;", Answer.YES),
        ("reset-gpios = <&off 1>;", Answer.NO),
        ("reset-gpios = <0xdead 1>;", Answer.NO),
        ("", Answer.YES),
    ],
)
def test_the_reset_line_of_an_mdio_bus_is_its_mac_s(solve: Solve, line: str, bound: Answer) -> None:
    body = f"""on: gpio@1 {{ compatible = "acme,lone"; gpio-controller; #gpio-cells = <1>; }};
        off: gpio@2 {{ compatible = "acme,lone"; #gpio-cells = <1>; status = "disabled"; }};
        ethernet@3 {{ compatible = "acme,gem"; mdio {{ {line} }}; }};"""
    assert solve(body)["/ethernet@3"].bound is bound


@pytest.mark.parametrize(
    ("name", "compatible", "property_text"),
    [
        ("reg-fixed-voltage", "regulator-fixed", 'regulator-name = "3v3";'),
        ("dwc3", "snps,dwc3", "interrupts = <1>;"),
        ("brcmstb-gpio", "brcm,brcmstb-gpio", "brcm,gpio-bank-widths = <32>;"),
        ("irq-bcm2712-mip", "brcm,bcm2712-mip", "msi-ranges = <&gic 1 2>;"),
        ("brcm-pcie", "brcm,bcm2712-pcie", "dma-ranges = <0 0 0 0 0 1 0>;"),
    ],
)
def test_a_driver_gives_up_without_what_its_file_says(
    solve: Solve, name: str, compatible: str, property_text: str
) -> None:
    body = """interrupt-parent = <&gic>;
        gic: gic { compatible = "acme,gic"; interrupt-controller; #interrupt-cells = <1>; };
        device { compatible = "%s"; %s };"""
    kernel = make_kernel((*BASE, driver(name, compatible)))
    assert solve(body % (compatible, property_text), kernel)["/device"].bound is Answer.YES
    lacking = solve(body % (compatible, ""), kernel)["/device"]
    assert lacking.bound is Answer.NO
    assert property_text.partition(" ")[0].removesuffix("s") in lacking.reason


def test_a_property_above_that_a_driver_asks_for_may_not_lead_nowhere(solve: Solve) -> None:
    body = """mip: mip { compatible = "acme,lone"; };
        pcie@1 { compatible = "acme,pcie"; device_type = "pci"; #address-cells = <3>; #size-cells = <2>;
          msi-parent = <%s>; ranges;
          pci@0,0 { device_type = "pci"; reg = <0 0 0 0 0>; #address-cells = <3>; #size-cells = <2>; ranges;
            dev@0,0 { compatible = "pci1de4,1"; reg = <0x10000 0 0 0 0>; }; }; };"""
    rp1 = Driver(name="rp1_pci", buses=("pci",), pci=(PciId(0x1DE4, 1, 0, 0),))
    kernel = make_kernel((*BASE, rp1), version="7.0.0")
    function = "/pcie@1/pci@0,0/dev@0,0"
    assert solve(body % "&mip", kernel)[function].bound is Answer.YES  # no #msi-cells: none
    assert solve(body % "0xdead", kernel)[function].bound is Answer.NO
