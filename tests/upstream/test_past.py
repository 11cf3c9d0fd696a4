"""The commits that changed one thing, in a small history made by git; what stands around it is left out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from history_kit import History

from bootwright.foundation.verdict import Verdict
from bootwright.upstream.draft.concerned import concerns_of
from bootwright.upstream.draft.run_facts import Cell
from bootwright.upstream.relevance.ground import Commits, ground_of
from bootwright.upstream.relevance.past import Concern, Historian, Past
from bootwright.upstream.relevance.subject import Subject
from bootwright.workshop.repository import open_repository

SOC = "arch/arm64/boot/dts/vendor/soc.dtsi"
BOARD = "arch/arm64/boot/dts/vendor/board.dts"
DEFCONFIG = "arch/arm64/configs/defconfig"
RING = "\n\t\t\tring = <4>;"
SUBJECT = Subject(
    outcome="net",
    dtbs=frozenset({"board.dtb"}),
    nodes=frozenset({"/soc/pinctrl@100", "/soc/ethernet@200"}),
    labels=frozenset({"pins"}),
    compatibles=frozenset({"vendor,pins"}),
    calls=frozenset({"open_tree"}),
)


def soc(compatible: str = "vendor,pins", size: str = "0x30", clock: str = "1", more: str = "") -> str:
    return f"""/ {{
	soc {{
		pins: pinctrl@100 {{
			compatible = "{compatible}";
			reg = <0x100 {size}>;
		}};
		ethernet@200 {{
			compatible = "vendor,mac";
			clocks = <&clk {clock}>;{more}
		}};
	}};
}};
"""


def code(flags: str = "0", other: str = "0") -> str:
    return f"""static int other(void)
{{
	return {other};
}}

SYSCALL_DEFINE2(open_tree, int, fd, unsigned int, flags)
{{
	if (flags != {flags})
		return -EINVAL;
	return other();
}}

SYSCALL_DEFINE1(move_mount, int, fd)
{{
	return {other};
}}
"""


def driver(*compatibles: str) -> str:
    entries = "".join(f'\t{{ .compatible = "{name}" }},\n' for name in compatibles)
    return f"static const struct of_device_id ids[] = {{\n{entries}\t{{ }}\n}};\n"


def kconfig(depends: str, help_text: str = "Pins.") -> str:
    return (
        f'config PINS\n\ttristate "Pins"\n\tdepends on {depends}\n\thelp\n\t  {help_text}\n'
        "\nconfig OTHER\n\tbool\n"
    )


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """Every second commit changes something that stands beside what is asked for."""
    files = {
        SOC: soc(),
        BOARD: '#include "soc.dtsi"\n/ {\n\tmodel = "b";\n};\n',
        "fs/namespace.c": code(),
        "drivers/pins/pins.c": driver("vendor,pins"),
        "drivers/pins/Kconfig": kconfig("OF"),
        "drivers/pins/Makefile": "obj-$(CONFIG_PINS) += pins.o\n",
        DEFCONFIG: "CONFIG_PINS=m\nCONFIG_OTHER=y\n",
    }
    history = History.start(tmp_path_factory.mktemp("past") / "linux", files)
    history.git("tag", "v6.17")
    history.commit("dts: soc: another clock", {SOC: soc(clock="2")})
    history.commit("dts: soc: pins of D0", {SOC: soc("vendor,pins-d0", clock="2")})
    history.commit(
        "dts: soc: the ring's size", {SOC: soc("vendor,pins-d0", clock="2", more="\n\t\t\tring = <4>;")}
    )
    history.commit("fs: other", {"fs/namespace.c": code(other="1")})
    history.git("tag", "v6.18")
    history.commit("fs: open_tree takes a flag", {"fs/namespace.c": code("1", "1")})
    history.commit("pins: D0", {"drivers/pins/pins.c": driver("vendor,pins", "vendor,pins-d0")})
    history.commit(
        "pins: another chip", {"drivers/pins/pins.c": driver("vendor,pins", "vendor,pins-d0", "b,c")}
    )
    history.commit("pins: help", {"drivers/pins/Kconfig": kconfig("OF", "Pins, of course.")})
    history.commit("pins: needs the bus", {"drivers/pins/Kconfig": kconfig("OF && BUS", "Pins, of course.")})
    history.commit(
        "defconfig: pins built in", {"arch/arm64/configs/defconfig": "CONFIG_PINS=y\nCONFIG_OTHER=y\n"}
    )
    history.commit("defconfig: other", {"arch/arm64/configs/defconfig": "CONFIG_PINS=y\nCONFIG_OTHER=m\n"})
    override = '#include "soc.dtsi"\n/ {\n\tmodel = "b";\n};\n&pins {\n\treg = <0x100 0x20>;\n};\n'
    history.commit("dts: board: shorter pins", {BOARD: override})
    return history


def past_of(history: History, concern: Concern) -> Past:
    repository = open_repository(history.folder)
    head = repository.commit("HEAD")
    past = Historian(repository, head, ground_of(Commits(repository), head, SUBJECT)).past_of(concern)
    assert past is not None
    assert past.is_whole
    return past


@pytest.mark.parametrize(
    ("concern", "subjects"),
    [
        (Concern("property", "compatible", "pinctrl@100"), ["dts: soc: pins of D0", "base"]),
        (Concern("property", "clocks", "ethernet@200"), ["dts: soc: another clock", "base"]),
        (
            Concern("property", "", "pinctrl@100"),
            ["dts: board: shorter pins", "dts: soc: pins of D0", "base"],
        ),
        (Concern("call", "open_tree"), ["fs: open_tree takes a flag", "base"]),
        (Concern("compatible", "vendor,pins-d0"), ["pins: D0"]),
        (Concern("option", "CONFIG_PINS"), ["defconfig: pins built in", "pins: needs the bus", "base"]),
    ],
)
def test_the_commits_that_changed_it(history: History, concern: Concern, subjects: list[str]) -> None:
    assert [change.commit.subject for change in past_of(history, concern).changes] == subjects


def test_before_and_after_and_since_when(history: History) -> None:
    past = past_of(history, Concern("property", "compatible", "pinctrl@100"))
    newest, oldest = past.changes
    assert newest.what == 'compatible: "vendor,pins" → "vendor,pins-d0"'
    assert (newest.since, oldest.since) == ("v6.18", "v6.17")
    assert past.paths == (BOARD, SOC)
    option = past_of(history, Concern("option", "CONFIG_PINS"))
    assert option.changes[0].what == "arch/arm64/configs/defconfig: m → y"
    assert "depends on OF → " in option.changes[1].what
    assert option.changes[0].since == ""  # no release has it yet


def test_a_node_that_moves_to_another_file_is_the_same(history: History, tmp_path: Path) -> None:
    history = History(shutil.copytree(history.folder, tmp_path / "linux"), history._clock)
    text = soc("vendor,pins-d0", clock="2")
    history.commit(
        "dts: a file of its own", {SOC: '#include "pins.dtsi"\n', SOC.replace("soc", "pins"): text}
    )
    past = past_of(history, Concern("property", "compatible", "pinctrl@100"))
    assert [change.commit.subject for change in past.changes] == ["dts: soc: pins of D0", "base"]


def test_what_is_not_there(history: History) -> None:
    repository = open_repository(history.folder)
    head = repository.commit("HEAD")
    historian = Historian(repository, head, ground_of(Commits(repository), head, SUBJECT))
    for concern in (
        Concern("property", "clocks", "nothing@1"),
        Concern("call", "mount"),
        Concern("option", "CONFIG_NONE"),
        Concern("compatible", "no,such"),
    ):
        assert historian.past_of(concern) is None


def test_what_a_cells_evidence_hangs_on() -> None:
    goal = {
        "first_broken": {
            "node": "/soc/pcie@1/[pci 1de4:0001]",
            "link": "supplier: clocks → /clk",
            "reason": "no driver has vendor,clk-d0",
            "remedy": "set CONFIG_CLK_D0=y",
        },
        "hazards": [
            {"effect": "fails", "node": "/soc/pinctrl@100", "title": "t", "reason": "r"},
            {"effect": "unknown", "node": "/soc/msi@1", "title": "CONFIG_MSI", "reason": "r"},
        ],
    }
    tests = [{"name": "mounts/x", "ok": False, "call": "open_tree"}, {"name": "mounts/y", "ok": True}]
    cell = Cell("a", {}, "predicted", Verdict.FAILS, {"goals": {"net": goal}, "tests": tests})
    assert concerns_of(cell, "net") == (
        Concern("call", "open_tree"),
        Concern("property", "clocks", "pcie@1"),
        Concern("property", "", "pinctrl@100"),
        Concern("option", "CONFIG_CLK_D0"),
        Concern("compatible", "vendor,clk-d0"),
    )
    assert concerns_of(Cell("b", {}, "bench", Verdict.FAILS, {}), "net") == ()
