"""Boards are data: every file is in the form, and revision codes are read by their bits."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootwright.api.asked import asked_boards, is_unlisted
from bootwright.boards.locate import functions, locate
from bootwright.boards.model import BOARDS, Find, board, boards, boards_of, boards_of_code
from bootwright.devicetrees.source import SOURCES
from bootwright.formats.devicetree.fdt import parse_fdt
from bootwright.foundation import tools
from bootwright.foundation.errors import Malformed, Refused
from bootwright.foundation.places import data_files


@pytest.mark.parametrize("path", data_files("boards"), ids=lambda path: path.stem)
def test_every_file(path: Path) -> None:
    candidate = BOARDS.load(path)
    assert candidate.source.startswith("https://")
    assert candidate.compatible
    assert {goal.name for goal in candidate.goals} >= {"console", "storage", "usb"}
    assert len({stepping.name for stepping in candidate.steppings}) == len(candidate.steppings)
    assert all(stepping.dtb.endswith(".dtb") for stepping in candidate.steppings)
    assert candidate.devicetrees in {"", *SOURCES.names()}


@pytest.mark.parametrize(
    ("code", "stepping"),
    [
        ("c04170", "c0"),  # 4 GB, revision 1.0
        ("d04170", "c0"),  # 8 GB, revision 1.0
        ("e04171", "d0"),  # 16 GB, revision 1.1
        ("d04171", "d0"),  # 8 GB, revision 1.1
        ("b04170", "d0"),  # 2 GB boards have D0 from the start
        ("0xE04171", "d0"),
    ],
)
def test_pi_5_steppings_follow_from_the_bits(code: str, stepping: str) -> None:
    assert board("raspberrypi-5").stepping_of(code).name == stepping


@pytest.mark.parametrize("code", ["c03111", "a02082", "zz", "", "1e04171e04171", "04170"])
def test_other_codes_are_refused(code: str) -> None:
    with pytest.raises(Refused):
        board("raspberrypi-5").stepping_of(code)


def test_codes_of_other_raspberry_boards() -> None:
    assert board("raspberrypi-4").stepping_of("c03111").name == "b0"
    assert board("raspberrypi-3").stepping_of("a02082").name == "b"


def test_unknown_names_are_refused_with_those_there_are() -> None:
    with pytest.raises(Refused) as caught:
        board("raspberrypi-6")
    assert "raspberrypi-5" in str(caught.value.hint)
    with pytest.raises(Refused):
        board("raspberrypi-5").goal("fly")
    with pytest.raises(Refused):
        board("raspberrypi-5").stepping("e0")
    with pytest.raises(Refused):
        board("rock64").stepping_of("c03111")


def test_a_board_with_a_file_is_named_by_its_devicetree_as_well() -> None:
    for candidate in boards():
        assert board(candidate.compatible[0]) == candidate
        assert not is_unlisted(candidate.compatible[0])
        assert asked_boards((candidate.compatible[0],)) == ((candidate,), None)
        for stepping in candidate.steppings:
            (chosen,), of_devicetree = asked_boards((stepping.dtb,))
            assert chosen == candidate
            shared = sum(other.dtb == stepping.dtb for other in candidate.steppings) > 1
            assert of_devicetree == (None if shared or len(candidate.steppings) == 1 else stepping.name)
    both = asked_boards(("raspberrypi,5-model-b", "raspberrypi-5", "bcm2712-d-rpi-5-b.dtb"))
    assert both == ((board("raspberrypi-5"),), None)


def test_a_devicetree_of_another_stepping_than_the_one_named_is_refused() -> None:
    with pytest.raises(Refused, match="is of stepping d0, not c0"):
        asked_boards(("bcm2712-d-rpi-5-b.dtb",), stepping="c0")
    with pytest.raises(Refused, match="revision c04170 is stepping c0, not d0"):
        asked_boards(("bcm2712-d-rpi-5-b.dtb",), revision="c04170")
    assert asked_boards(("bcm2712-d-rpi-5-b.dtb",), revision="e04171")[1] == "d0"


@pytest.mark.parametrize("name", ["acme,one", "acme-one.dtb"])
def test_a_board_without_a_file_is_told_how_to_get_one(name: str) -> None:
    assert is_unlisted(name)
    with pytest.raises(Refused, match="has no board's file") as caught:
        board(name)
    assert f"bootwright boards add {name}" in str(caught.value.hint)
    with pytest.raises(Refused) as unknown:
        board("zzzz")
    assert "boards list" in str(unknown.value.hint)


def test_boards_of_a_devicetree() -> None:
    assert [candidate.id for candidate in boards_of(("raspberrypi,5-model-b", "brcm,bcm2712"))] == [
        "raspberrypi-5"
    ]
    assert not boards_of(("brcm,bcm2712",))
    assert len({candidate.compatible[0] for candidate in boards()}) == len(boards())


def test_nodes_are_found_by_each_key() -> None:
    source = """/dts-v1/; / { aliases { serial0 = &u; }; chosen { stdout-path = "serial0:115200n8"; };
        off@1 { compatible = "a,b"; status = "disabled"; }; on@2 { compatible = "a,b"; };
        u: serial@3 { compatible = "c,d"; }; };"""
    tree = parse_fdt(
        tools.run(["dtc", "-q", "-@", "-O", "dtb", "-"], input_bytes=source.encode()), "test.dtb"
    )
    assert locate(tree, [Find(compatible="a,b")]).name == "on@2"
    assert locate(tree, [Find(compatible="a,b", unit_address="1")]).name == "off@1"
    assert locate(tree, [Find(symbol="none"), Find(symbol="u")]).name == "serial@3"
    assert locate(tree, [Find(alias="serial0")]).name == "serial@3"
    assert locate(tree, [Find(stdout=True)]).name == "serial@3"
    assert locate(tree, [Find(node_name="serial")]).name == "serial@3"
    assert locate(tree, [Find(compatible="x,y")]) is None
    assert functions(tree, board("raspberrypi-5")) == ()


@pytest.mark.parametrize("text", ["", "name = 'x'", "[goal.x]\nfind = { typo = 1 }", "= nonsense"])
def test_what_is_no_board_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(Malformed):
        BOARDS.load(path)


def test_a_revision_code_says_whose_it_is() -> None:
    assert [board.id for board in boards_of_code(" E04171")] == ["raspberrypi-5"]
    assert [board.id for board in boards_of_code("a02082")] == ["raspberrypi-3"]
    assert boards_of_code("d0") == ()
    with pytest.raises(Refused, match="no revision code"):
        boards_of_code("rev 1.1")
    (board,), stepping = asked_boards((), revision="e04171")
    assert (board.id, stepping) == ("raspberrypi-5", "d0")
    with pytest.raises(Refused, match="one board's"):
        asked_boards((), revision="d0")


def test_the_only_stepping_of_a_board_is_not_named() -> None:
    """`any` of "Orange Pi 5 any" tells nobody anything."""
    for known in boards():
        names = {known.called(stepping.name) for stepping in known.steppings}
        assert len(names) == len(known.steppings)
        assert (names == {known.name}) is (len(known.steppings) == 1)


def test_a_board_without_known_codes_names_its_steppings() -> None:
    with pytest.raises(Refused) as refused:
        board("raspberrypi-cm5").stepping_of("c04180")
    assert refused.value.hint == "give --stepping instead: cm5io, cm4io, lite-cm5io, lite-cm4io"
