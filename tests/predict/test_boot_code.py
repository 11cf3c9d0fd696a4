"""What a kernel cannot do without before there are devices, and what setup functions demand of nodes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from attrs import evolve

from bootwright.formats.kernel.built_in import EarlyEntry
from bootwright.foundation.errors import BootwrightError
from bootwright.kernels.catalogue import open_library
from bootwright.predict.api import facts_of
from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.model import Answer, NodePrediction, first_broken
from bootwright.predict.probing.terms import BOOT_CODE, Ending, There
from predict.conftest import make_kernel, whole

GIC = """gic: gic@1000 { compatible = "arm,gic-400"; reg = <0x1000 1>; interrupt-controller;
    #interrupt-cells = <3>; };"""
TIMER = 'timer { compatible = "arm,armv8-timer"; interrupts = <1 13 8>; interrupt-parent = <&gic>; };'
CPUS = 'cpus { #address-cells = <1>; #size-cells = <0>; cpu@0 { device_type = "cpu"; reg = <0>; }; };'
BODY = f'{CPUS} {GIC} {TIMER} device {{ compatible = "acme,lone"; }};'


def arm64_kernel(config: Mapping[str, str] | None = None) -> KernelFacts:
    facts = make_kernel(config=config)
    said = facts.config if config is not None else None
    early = (
        EarlyEntry("irqchip", "arm,gic-400", keeps_device=False),
        EarlyEntry("timer", "arm,armv8-timer", keeps_device=True),
    )
    facts = evolve(facts, built_in=evolve(facts.built_in, early=early))
    facts.__dict__["config"] = said
    return facts


def prediction_of(body: str, path: str, kernel: KernelFacts) -> NodePrediction:
    return next(node for node in whole(body, kernel).nodes if node.path == path)


def test_a_machine_with_its_timer_and_interrupt_controller_gets_to_its_devices() -> None:
    for body in (BODY, BODY.replace("gic: gic@1000 {", "gic: gic@1000 { interrupt-parent = <&gic>;")):
        solved = prediction_of(body, "/device", arm64_kernel())
        assert solved.bound is Answer.YES


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (TIMER, "", "no node is compatible with arm,armv8-timer"),
        ("armv8-timer", "armv9-timer", "/timer is arm,armv9-timer"),
        ("timer {", 'timer { status = "disabled";', "/timer, the processor's timer, is disabled"),
        ("<&gic>", "<0xdead>", "interrupt-parent"),
        ("arm,gic-400", "arm,gic-4000", "is arm,gic-4000, for which test has no driver at boot"),
        ('compatible = "arm,gic-400";', "", "has no compatible"),
        ("interrupt-controller;", "", "has no property interrupt-controller"),
        ("reg = <0x1000 1>;", "", "reg of /gic@1000"),
        ("gic@1000 {", 'gic@1000 { status = "disabled";', "is disabled"),
    ],
)
def test_without_the_timer_or_its_interrupt_controller_there_are_no_devices(
    old: str, new: str, why: str
) -> None:
    broken = BODY.replace(old, new)
    assert broken != BODY
    solved = prediction_of(broken, "/device", arm64_kernel())
    assert solved.bound is Answer.NO
    link = first_broken(solved.links)
    assert link is not None
    assert link.needs.startswith("timer")
    assert why in link.reason
    assert link.remedy


@pytest.mark.parametrize(("numa", "bound"), [("y", Answer.NO), ("n", Answer.YES), (None, Answer.UNKNOWN)])
def test_a_kernel_with_numa_ends_where_no_processor_is_described(numa: str | None, bound: Answer) -> None:
    kernel = arm64_kernel({"CONFIG_NUMA": numa} if numa is not None else None)
    assert prediction_of(BODY, "/device", kernel).bound is Answer.YES
    assert prediction_of(BODY.replace(CPUS, ""), "/device", kernel).bound is bound


def test_a_controller_behind_one_that_nothing_sets_up_gives_no_interrupts() -> None:
    above = """top: top@2000 { compatible = "acme,unknown"; reg = <0x2000 1>; interrupt-controller;
        #interrupt-cells = <1>; };"""
    body = above + BODY.replace("gic@1000 {", "gic@1000 { interrupt-parent = <&top>;")
    solved = prediction_of(body, "/device", arm64_kernel())
    assert solved.bound is Answer.NO
    assert "/top@2000" in solved.reason


def real_kernel(name: str) -> KernelFacts:
    try:
        return facts_of(open_library().get(name, modules=True))
    except BootwrightError as error:
        pytest.skip(f"{name} is not here: {error}")


@pytest.mark.download
@pytest.mark.parametrize("name", ["debian-6.18.15-4k", "debian-7.3.4-4k"])
@pytest.mark.parametrize(
    ("kind", "compatible", "question"),
    [
        ("clk", "fixed-clock", "property|clock-frequency|0"),
        ("irqchip", "arm,cortex-a15-gic", "reg||0"),
        ("irqchip", "arm,gic-v3", "reg||0"),
    ],
)
def test_setup_functions_of_early_tables_demand_what_their_code_says(
    name: str, kind: str, compatible: str, question: str
) -> None:
    probes = real_kernel(name).probes
    assert probes is not None

    def ask(asked: str) -> There:
        return There.MISSING if asked == question else There.YES

    lacking = probes.outcome(kind, None, BOOT_CODE, compatible, ask)
    whole_node = probes.outcome(kind, None, BOOT_CODE, compatible, lambda _: There.YES)
    assert lacking is not None
    assert whole_node is not None
    assert (lacking.ending, lacking.blamed) == (Ending.FAILS, question)
    assert whole_node.ending is not Ending.FAILS


@pytest.mark.download
def test_a_clock_that_boot_code_cannot_set_up_is_waited_for_without_end() -> None:
    body = (
        f"""{CPUS}"""
        + """gic: gic@1000 { compatible = "arm,cortex-a15-gic"; reg = <0x1000 0x1000>, <0x2000 0x1000>;
            interrupt-controller; #interrupt-cells = <3>; };
        timer { compatible = "arm,armv8-timer"; interrupts = <1 13 8>; interrupt-parent = <&gic>; };
        clk: clk { compatible = "fixed-clock"; #clock-cells = <0>; clock-frequency = <24000000>; };
        uart@9000 { compatible = "arm,pl011", "arm,primecell"; reg = <0x9000 0x1000>;
            interrupt-parent = <&gic>; interrupts = <0 1 4>; clocks = <&clk>, <&clk>;
            clock-names = "uartclk", "apb_pclk"; };"""
    )
    kernel = real_kernel("debian-6.18.15-4k")
    assert prediction_of(body, "/uart@9000", kernel).bound is Answer.YES
    without = prediction_of(body.replace("clock-frequency = <24000000>;", ""), "/uart@9000", kernel)
    assert without.bound is Answer.NO
    assert "clock-frequency of /clk" in without.reason
