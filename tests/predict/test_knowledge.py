"""Every knowledge file is in the form, names its source, and conditions mean what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootwright.foundation.errors import Malformed
from bootwright.foundation.places import data_files
from bootwright.foundation.structure import structure
from bootwright.foundation.versions import Version
from bootwright.predict.model import Answer
from bootwright.predict.rules.conditions import Condition
from bootwright.predict.rules.knowledge import DRIVERS, HAZARDS, knowledge
from bootwright.predict.rules.predicates import Surroundings, holds, in_range
from predict.conftest import compile_tree, make_kernel


@pytest.mark.parametrize("path", data_files("drivers"), ids=lambda path: path.stem)
def test_driver_files(path: Path) -> None:
    driver = DRIVERS.load(path)
    assert driver.source
    assert driver.drivers or driver.compatibles
    assert driver.since is None or Version.parse(driver.since) is not None
    for expect in driver.expects:
        assert expect.reason
        assert expect.remedy
        assert expect.source


@pytest.mark.parametrize("path", data_files("hazards"), ids=lambda path: path.stem)
def test_hazard_files(path: Path) -> None:
    hazard = HAZARDS.load(path)
    assert hazard.sources
    assert hazard.remedy
    assert not hazard.when.is_empty, "a hazard that is always there says nothing"


@pytest.mark.parametrize(
    "text", ["", "source = 1", "title = 'x'", "[[expects]]", 'source = "s"\n[[expects]]\nwhen = { typo = 1 }']
)
def test_what_is_not_in_the_form_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(Malformed):
        DRIVERS.load(path)
    with pytest.raises(Malformed):
        HAZARDS.load(path)


def test_conditions() -> None:
    tree = compile_tree(
        'lab: a { compatible = "acme,a"; }; aliases { eth = &lab; }; b { status = "disabled"; };'
    )
    around = Surroundings(
        make_kernel(config={"CONFIG_X": "m"}), tree, stepping="d0", os={"talos": Version.parse("1.12.1")}
    )

    def check(condition: dict[str, object]) -> str:
        return holds(structure(condition, Condition, "test"), around).word

    assert check({}) == "yes"
    assert check({"compatible": "acme,a"}) == "yes"
    assert check({"compatible": "acme,z"}) == "no"
    assert check({"node_name": "b"}) == "no"  # disabled
    assert check({"symbol": "lab", "alias": "eth"}) == "yes"
    assert check({"absent": {"symbol": "nolab"}}) == "yes"
    assert check({"any": [{"symbol": "nolab"}, {"node_name": "a"}]}) == "yes"
    assert check({"option": {"CONFIG_X": "m"}}) == "yes"
    assert check({"option": {"CONFIG_X": ["y"]}}) == "no"
    assert check({"option": {"CONFIG_Y": "n"}}) == "yes"
    assert check({"kernel_since": "6.17", "kernel_before": "6.19"}) == "yes"
    assert check({"kernel_since": "6.19"}) == "no"
    assert check({"stepping": "c0"}) == "no"
    assert check({"os": {"name": "talos", "since": "1.12"}}) == "yes"
    assert check({"os": {"name": "talos", "before": "1.12"}}) == "no"
    assert check({"driver": "acme,uart"}) == "yes"
    assert holds(Condition(stepping="c0"), Surroundings(make_kernel(), tree)) is Answer.UNKNOWN


def test_ranges_are_half_open() -> None:
    assert in_range(Version.parse("6.17"), "6.17", "6.19") is Answer.YES
    assert in_range(Version.parse("6.19"), "6.17", "6.19") is Answer.NO
    assert in_range(Version.parse("6.18.99"), "6.17", "6.19") is Answer.YES
    assert in_range(None, "6.17", None) is Answer.UNKNOWN


def test_a_bus_that_binds_and_provides_nothing() -> None:
    from predict.conftest import driver, whole

    body = """noc: noc { compatible = "fsl,imx8mp-noc"; #interconnect-cells = <1>; };
        blk { compatible = "acme,uart"; interconnects = <&noc 1 &noc 2>; };"""
    drivers = [driver("imx-bus-devfreq", "fsl,imx8mp-noc"), driver("uart", "acme,uart")]
    for value, bound in (("m", "yes"), (None, "no")):
        options = {"CONFIG_INTERCONNECT_IMX8MP": value} if value else {"CONFIG_OTHER": "y"}
        nodes = {node.path: node for node in whole(body, make_kernel(drivers, config=options)).nodes}
        assert nodes["/noc"].bound.word == "yes"
        assert nodes["/blk"].bound.word == bound
    assert "CONFIG_INTERCONNECT_IMX8MP" in nodes["/blk"].reason


def test_knowledge_is_walked_not_registered() -> None:
    assert len(knowledge().drivers) == len(data_files("drivers"))
    assert len(knowledge().hazards) == len(data_files("hazards"))


def test_a_granule_the_cpu_lacks_stops_everything() -> None:
    from bootwright.boards.model import board
    from bootwright.foundation.verdict import Verdict
    from bootwright.predict.goals import judge, predict
    from predict.conftest import BASE

    tree = compile_tree(
        """compatible = "raspberrypi,4-model-b"; chosen { stdout-path = &u; };
        cpus { #address-cells = <1>; #size-cells = <0>;
               cpu@0 { device_type = "cpu"; reg = <0>; compatible = "arm,cortex-a72"; }; };
        u: serial { compatible = "acme,uart"; };"""
    )
    pi = board("raspberrypi-4")
    for size, verdict in ((4096, Verdict.WORKS), (16384, Verdict.FAILS)):
        kernel = make_kernel(BASE)
        kernel.page_size = size
        goal_verdict = judge(predict(kernel, tree, board=pi), pi, pi.goal("console"))
        assert goal_verdict.verdict is verdict
    assert goal_verdict.first_broken is not None
    assert "4K" in goal_verdict.first_broken.remedy
    assert goal_verdict.first_broken.node == "/cpus/cpu@0"
