"""What nodes are for, without a board's file: made-up devicetrees, and those of real kernels."""

from __future__ import annotations

from functools import cache

import pytest
from attrs import evolve
from tests.predict.conftest import BASE, compile_tree, driver, make_kernel, module

from bootwright.boards.locate import locate
from bootwright.boards.model import Board, Find, Goal, boards
from bootwright.boards.role import ROLES, role_of
from bootwright.formats.devicetree.fdt import read_fdt_file
from bootwright.foundation.errors import Missing, Refused
from bootwright.foundation.verdict import Verdict
from bootwright.kernels.catalogue import open_library
from bootwright.kernels.model import Kernel
from bootwright.predict.api import dtb_for, facts_of, judge, predict
from bootwright.predict.roles.board import made_board, with_made_goals
from bootwright.predict.solving.prediction import Prediction

KERNELS = ("debian-6.18-4k", "debian-7.3-4k")


def in_folder(name: str, folder: str, *compatibles: str) -> dict[str, object]:
    return module(name, *compatibles, path=f"kernel/{folder}/{name}.ko")


MODULES = (
    in_folder("mac", "drivers/net/ethernet/acme", "acme,mac"),
    in_folder("mdio", "drivers/net/ethernet/acme", "acme,mdio"),
    in_folder("sd", "drivers/mmc/host", "acme,sd"),
    in_folder("dwc3", "drivers/usb/dwc3", "acme,glue", "acme,core"),
    in_folder("radio", "drivers/net/wireless/acme", "acme,radio"),
    in_folder("kms", "drivers/gpu/drm/acme", "acme,kms", "acme,hdmi"),
    in_folder("con", "drivers/gpu/drm/bridge", "hdmi-connector"),
    in_folder("tone", "sound/soc/acme", "acme,sound"),
    in_folder("disk", "drivers/ata", "acme,ahci"),
)
HEAD = 'compatible = "acme,board", "acme,soc"; model = "Acme board";'


def goals(prediction: Prediction) -> dict[str, str]:
    """Goal → path of its node."""
    board = made_board(prediction, "board.dtb")
    paths = {}
    for goal in board.goals:
        node = locate(prediction.tree, goal.find)
        assert node is not None
        paths[goal.name] = node.path
    return paths


def solved(body: str) -> Prediction:
    kernel = make_kernel((*BASE, driver("dw", "acme,dw")), MODULES)
    return predict(kernel, compile_tree(f"{HEAD} {body}"))


def test_roles_that_a_file_does_not_name_are_made_and_take_no_node_of_its_own() -> None:
    prediction = solved(
        """
        ethernet@1 { compatible = "acme,mac"; reg = <1 1>; };
        ethernet@2 { compatible = "acme,mac"; reg = <2 1>; };
        mmc@3 { compatible = "acme,sd"; reg = <3 1>; };
        wifi@4 { compatible = "acme,radio"; reg = <4 1>; };
        wifi@5 { compatible = "acme,radio"; reg = <5 1>; };
        """
    )
    made = made_board(prediction, "board.dtb")
    file = evolve(
        made,
        goals=(
            Goal("lan", (Find(path="/ethernet@1"),), role="ethernet"),
            Goal("card", (Find(path="/mmc@3"),), role="storage"),
            Goal("antenna", (Find(path="/wifi@4"),), role="usb"),  # a file may see a node otherwise
        ),
    )
    more = with_made_goals(prediction, file).goals
    assert more[:3] == file.goals
    assert [(goal.name, goal.find) for goal in more[3:]] == [("wifi", (Find(path="/wifi@5"),))]
    assert with_made_goals(prediction, made) == made


def test_every_role_is_in_the_form_and_names_its_source() -> None:
    for name, role in ROLES.all().items():
        assert role.source, name
        assert all(folder.endswith("/") for folder in role.drivers), name
        assert set(role.not_above) <= set(ROLES.names()), name
    orders = [role.order for role in ROLES.all().values()]
    assert len(set(orders)) == len(orders)


def test_a_driver_s_subsystem_decides_and_not_the_node_s_name() -> None:
    prediction = solved(
        """aliases { ethernet0 = &second; };
        first: gmac@1 { compatible = "acme,mac"; reg = <1 1>; phy-mode = "rmii"; };
        second: gmac@2 { compatible = "acme,mac"; reg = <2 1>; phy-mode = "rmii"; };
        mdio@3 { compatible = "acme,mdio"; reg = <3 1>; };
        off@4 { compatible = "acme,mac"; reg = <4 1>; phy-mode = "rmii"; status = "disabled"; };
        ethernet@5 { compatible = "acme,radio"; reg = <5 1>; phy-mode = "rmii"; };""",
    )
    assert goals(prediction) == {"ethernet": "/gmac@2", "ethernet-2": "/gmac@1"}


def test_without_a_driver_the_generic_name_says_what_a_node_is_for() -> None:
    prediction = solved(
        """ethernet@1 { compatible = "other,mac"; reg = <1 1>; };
        ethernet-phy@2 { compatible = "other,phy"; reg = <2 1>; };
        ethernet@3 { reg = <3 1>; };""",
    )
    board = made_board(prediction, "board.dtb")
    assert goals(prediction) == {"ethernet": "/ethernet@1"}
    verdict = judge(prediction, board, board.goal("ethernet"))
    assert verdict.verdict is Verdict.FAILS
    assert verdict.first_broken is not None
    assert "no driver for other,mac" in verdict.first_broken.reason


def test_ports_stand_for_their_controller_and_the_innermost_usb_for_its_glue() -> None:
    prediction = solved(
        """ethernet@1 { compatible = "acme,mac"; reg = <1 1>; ethernet-ports { #address-cells = <1>;
            #size-cells = <0>; port@0 { reg = <0>; phy-mode = "sgmii"; };
            port@1 { reg = <1>; status = "disabled";
            phy-mode = "sgmii"; }; port@2 { reg = <2>; fixed-link { speed = <1000>; }; }; }; };
        usb@8 { compatible = "acme,glue", "simple-bus"; reg = <8 1>; ranges; #address-cells = <1>;
            #size-cells = <1>; usb@9 { compatible = "acme,core"; reg = <9 1>; dr_mode = "host"; }; };
        usb@a { compatible = "acme,core"; reg = <10 1>; dr_mode = "peripheral"; };""",
    )
    assert goals(prediction) == {
        "ethernet": "/ethernet@1/ethernet-ports/port@0",
        "ethernet-2": "/ethernet@1/ethernet-ports/port@2",
        "usb": "/usb@8/usb@9",
    }


def test_an_mmc_host_of_a_radio_is_no_storage_and_an_empty_pci_host_may_have_a_drive() -> None:
    prediction = solved(
        """mmc@1 { compatible = "acme,sd"; reg = <1 1>; #address-cells = <1>; #size-cells = <0>;
            wifi@1 { compatible = "acme,sdio-radio"; reg = <1>; }; };
        mmc@2 { compatible = "acme,sd"; reg = <2 1>; bus-width = <4>; };
        mmc@3 { compatible = "acme,sd"; reg = <3 1>; no-sd; no-mmc; };
        sata@4 { compatible = "acme,ahci"; reg = <4 1>; };
        pcie@5 { compatible = "acme,pcie"; device_type = "pci"; reg = <5 1>; #address-cells = <3>;
            #size-cells = <2>; ranges; pcie@0 { device_type = "pci"; reg = <0 0 0 0 0>; ranges;
            #address-cells = <3>; #size-cells = <2>; }; };
        pcie@6 { compatible = "acme,pcie"; device_type = "pci"; reg = <6 1>; #address-cells = <3>;
            #size-cells = <2>; ranges;
            ethernet@0,0 { compatible = "pci10ec,8168"; reg = <0 0 0 0 0>; }; };""",
    )
    assert goals(prediction) == {
        "ethernet": "/pcie@6/ethernet@0,0",
        "storage": "/mmc@2",
        "nvme": "/pcie@5",
        "sata": "/sata@4",
        "wifi": "/mmc@1/wifi@1",
    }


def test_a_display_is_all_that_its_graph_joins_and_sound_is_not() -> None:
    graph = """hdmi-out { compatible = "hdmi-connector";
            port { out: endpoint { remote-endpoint = <&h1>; }; }; };
        hdmi@1 { compatible = "acme,hdmi"; reg = <1 1>; ports { #address-cells = <1>; #size-cells = <0>;
            port@0 { reg = <0>; h0: endpoint { remote-endpoint = <&k>; }; };
            port@1 { reg = <1>; h1: endpoint { remote-endpoint = <&out>; }; };
            port@2 { reg = <2>; h2: endpoint { remote-endpoint = <&s>; }; }; }; };
        kms@2 { compatible = "acme,kms"; reg = <2 1>; %s
            port { k: endpoint { remote-endpoint = <&h0>; }; }; };
        sound@3 { compatible = "acme,sound"; reg = <3 1>; clocks = <&none>;
            port { s: endpoint { remote-endpoint = <&h2>; }; }; };
        none: clock { compatible = "other,clk"; #clock-cells = <0>; };"""
    prediction = solved(graph % "")
    board = made_board(prediction, "board.dtb")
    assert goals(prediction) == {"display": "/hdmi-out"}
    verdict = judge(prediction, board, board.goal("display"))
    assert verdict.verdict is Verdict.WORKS
    assert {link.node for link in verdict.chain} == {"/hdmi-out", "/hdmi@1", "/kms@2"}
    broken = solved(graph % "clocks = <&none>;")
    verdict = judge(broken, board, board.goal("display"))
    assert verdict.verdict is Verdict.FAILS


def test_the_console_is_where_stdout_path_leads_or_else_the_first_port() -> None:
    ports = """one: serial@1 { compatible = "acme,uart"; reg = <1 1>; };
        two: serial@2 { compatible = "acme,uart"; reg = <2 1>; };"""
    both = "aliases { serial0 = &one; }; chosen { stdout-path = &two; };"
    assert goals(solved(f"{both} {ports}")) == {"console": "/serial@2"}
    assert goals(solved(f"aliases {{ serial0 = &one; }}; {ports}")) == {"console": "/serial@1"}
    with pytest.raises(Refused, match="no enabled node has a role"):
        made_board(solved(ports), "board.dtb")
    with pytest.raises(Refused, match="no compatible"):
        made_board(predict(make_kernel(), compile_tree("")), "board.dtb")


@cache
def kernel(name: str) -> Kernel:
    try:
        return open_library().get(name, modules=True)
    except (Missing, Refused) as error:
        pytest.skip(f"{name}: {error}")


def _with_its_file(board: Board, name: str) -> list[tuple[Goal, str, Verdict, dict[str, list[Verdict]]]]:
    """Goals of a board's file: the goal, its node, its verdict, and of the made goals path → verdicts."""
    facts = facts_of(kernel(name))
    rows = []
    for stepping in board.steppings:
        try:
            dtb = dtb_for(kernel(name), board, stepping.name)
        except Missing:
            continue
        prediction = predict(facts, read_fdt_file(dtb), board=board, stepping=stepping.name)
        made = made_board(prediction, dtb.name)
        verdicts: dict[str, list[Verdict]] = {}
        for goal in made.goals:
            verdict = judge(prediction, made, goal)
            verdicts.setdefault(verdict.node or "", []).append(verdict.verdict)
        for goal in board.goals:
            verdict = judge(prediction, board, goal)
            node = prediction.tree.node(verdict.node) if verdict.node is not None else None
            named = goal.kind != "console" or any(made_goal.kind == "console" for made_goal in made.goals)
            if node is not None and node.available and named:  # which port is the console, not all say
                rows.append((goal, node.path, verdict.verdict, verdicts))
    return rows


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("board", boards(), ids=lambda board: board.id)
def test_made_goals_agree_with_those_of_every_board_s_file(board: Board, name: str) -> None:
    """A file's node, one below it (a port, a USB core) or above, is a made goal's, and judged alike."""
    for goal, node, verdict, made in _with_its_file(board, name):
        near = [
            verdict
            for path, verdicts in made.items()
            if path == node or path.startswith(f"{node}/") or node.startswith(f"{path}/")
            for verdict in verdicts
        ]
        assert role_of(goal) is not None
        # Of a PCI function without a compatible the devicetree does not tell what it is; the file does.
        function = any("@0,0" in path for path in made if path.startswith(node))
        agree = {verdict, Verdict.UNKNOWN} if function else {verdict}
        assert agree.intersection(near), f"{goal.name} at {node}: {verdict}, made: {made}"
