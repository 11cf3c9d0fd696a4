"""The section `bootwright` of a labgrid environment file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.bench.settings import BoardSettings, Deploy, chosen_target, parse_settings
from bootwright.foundation.errors import BootwrightError, Malformed, Refused

FILE = """
targets:
  a: {resources: {RemotePlace: {name: !template "$LG_PLACE"}}}
  b: {}
bootwright:
  a:
    board: raspberrypi-5
    levels: {board: rpi5-rev-1.1}
    deploy: {command: [cp, "{image}", card.img]}
"""


def test_a_file_of_labgrid_with_our_section() -> None:
    known, targets = parse_settings(FILE.encode(), "bench.yaml")
    assert targets == ("a", "b")
    deploy = Deploy(command=("cp", "{image}", "card.img"))
    assert known == {
        "a": BoardSettings(board="raspberrypi-5", levels={"board": "rpi5-rev-1.1"}, deploy=deploy)
    }


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (("a:\n    board:", "c:\n    board:"), "no target 'c'"),
        (("    board: raspberrypi-5", "    bord: raspberrypi-5"), "bord"),
        (('[cp, "{image}", card.img]', "[cp, card.img]"), "{image}"),
        (("    board: raspberrypi-5", "    off: 2"), "keys that are text, found False"),
        (("targets:", "tragets:"), "targets"),
        (("targets:", "targets: ["), "line"),
    ],
)
def test_what_is_wrong_is_named(changed: tuple[str, str], says: str) -> None:
    with pytest.raises(BootwrightError) as caught:
        parse_settings(FILE.replace(*changed).encode(), "bench.yaml")
    assert says in caught.value.message
    assert "bench.yaml" in caught.value.message


@given(st.binary(max_size=300) | st.text(alphabet="abc:{}[]-!&*# \n\"'", max_size=120).map(str.encode))
def test_any_bytes_are_settings_or_an_error(data: bytes) -> None:
    try:
        known, targets = parse_settings(data, "bench.yaml")
    except BootwrightError:
        return
    assert set(known) <= set(targets)


def test_too_large_a_file_is_not_read() -> None:
    with pytest.raises(Malformed):
        parse_settings(b" " * (2 << 20), "bench.yaml")


def test_which_target_is_meant() -> None:
    assert chosen_target(("a",), None, "f") == "a"
    assert chosen_target(("main", "b"), None, "f") == "main"
    assert chosen_target(("a", "b"), "b", "f") == "b"
    with pytest.raises(Refused, match="2 targets"):
        chosen_target(("a", "b"), None, "f")
    with pytest.raises(Refused, match="no target 'pi'"):
        chosen_target(("pi5", "b"), "pi", "f")


def test_labgrid_reads_the_same_file(tmp_path: Path) -> None:
    labgrid = pytest.importorskip("labgrid")
    path = tmp_path / "bench.yaml"
    path.write_text(FILE.replace('!template "$LG_PLACE"', "x"))
    assert set(labgrid.Environment(str(path)).config.get_targets()) == {"a", "b"}
