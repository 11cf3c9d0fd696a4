"""config.txt applied to the devicetree as the firmware does, and what is said where that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootwright.boards.model import board
from bootwright.firmware.config_txt import read_config_txt
from bootwright.firmware.given_tree import GivenTree
from bootwright.formats.devicetree.fdt import Tree, parse_fdt
from bootwright.foundation import tools
from bootwright.foundation.errors import Missing
from bootwright.predict.board_tree import devicetree_name, devicetree_of
from bootwright.predict.given.gather import gather_devicetrees

BASE = """
/dts-v1/;
/ {
  compatible = "raspberrypi,5-model-b", "brcm,bcm2712";
  i2c1: i2c { status = "disabled"; };
  spi0: spi { status = "disabled"; };
  __overrides__ { i2c = <&i2c1>,"status"; spi = <&spi0>,"status"; };
};
"""
RTC = """
/dts-v1/;
/plugin/;
/ {
  fragment@0 { target = <&i2c1>; all: __overlay__ { status = "okay"; rtc: rtc { speed = <1>; }; }; };
  __overrides__ { speed = <&rtc>,"speed:0"; on = <&all>,"status"; };
};
"""
MISFIT = "/dts-v1/; /plugin/; / { fragment@0 { target = <&nowhere>; __overlay__ { a; }; }; };"
MAP = """
/dts-v1/;
/ { rtc { bcm2711 = "rtc-old"; bcm2712 = "rtc-new"; }; gone { deprecated = "use rtc"; }; two { bcm2711; }; };
"""


def compiled(source: str) -> bytes:
    return tools.run(["dtc", "-q", "-@", "-O", "dtb"], input_bytes=source.encode())


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    paths = {}
    for name, source in (("rtc", RTC), ("misfit", MISFIT)):
        paths[name] = tmp_path / f"{name}.dtbo"
        paths[name].write_bytes(compiled(source))
    return paths


def made(text: str, files: dict[str, Path], code: int | None = None) -> GivenTree:
    config = read_config_txt(text.encode(), "config.txt")
    return devicetree_of(parse_fdt(compiled(BASE), "b.dtb"), config, files, board("raspberrypi-5"), code=code)


def status(tree: Tree, path: str) -> str | None:
    node = tree.node(path)
    assert node is not None
    return node.string("status")


def speed(given: GivenTree) -> int | None:
    node = given.tree.node("/i2c/rtc")
    return node.cell("speed") if node is not None else None


def test_parameters_belong_to_the_base_or_to_the_overlay_before_them(files: dict[str, Path]) -> None:
    given_tree = made("dtparam=spi=on\ndtoverlay=rtc\ndtparam=speed=5\ndtoverlay=\ndtparam=i2c=off\n", files)
    assert status(given_tree.tree, "/spi") == "okay"
    assert speed(given_tree) == 5
    assert status(given_tree.tree, "/i2c") == "disabled"
    assert not given_tree.not_applied


def test_parameters_on_the_overlay_s_own_line(files: dict[str, Path]) -> None:
    assert speed(made("dtoverlay=rtc,speed=7\n", files)) == 7
    assert speed(made("dtoverlay=rtc:speed=0x10\n", files)) == 16


def test_a_parameter_may_change_the_target_itself(files: dict[str, Path]) -> None:
    given_tree = made("dtoverlay=rtc,on=off\n", files)
    assert status(given_tree.tree, "/i2c") == "disabled"
    assert given_tree.tree.node("i2c1") is None or speed(given_tree) == 1


def test_conditions_of_board_and_type_are_decided_and_others_told(files: dict[str, Path]) -> None:
    text = "[pi4]\ndtparam=spi=on\n[board-type=0x17]\ndtparam=i2c=on\n[all]\n[gpio4=1]\ndtparam=spi=on\n"
    given_tree = made(text, files)
    assert status(given_tree.tree, "/i2c") == "okay"
    assert status(given_tree.tree, "/spi") == "disabled"
    (remark,) = given_tree.not_applied
    assert "[gpio4=1]" in remark
    assert "line 7" in remark
    # Revision codes hold the type in bits 4 to 11: this is a Compute Module 5's.
    assert status(made(text, files, code=0xC04180).tree, "/i2c") == "disabled"


def test_what_cannot_be_applied_is_told_and_the_rest_goes_on(files: dict[str, Path]) -> None:
    text = "dtoverlay=misfit\ndtparam=a=1\ndtoverlay=absent\ndtparam=b=1\ndtoverlay=rtc,unknown=1\n"
    given_tree = made(f"{text}dtoverlay=\ndtparam=i2c=maybe\n", files)
    assert status(given_tree.tree, "/i2c") == "maybe"  # a text like any other to the firmware
    assert speed(given_tree) == 1
    remarks = "\n".join(given_tree.not_applied)
    for words in (
        "misfit",
        "absent is not among the files",
        "its overlay is left out",
        "no parameter unknown",
    ):
        assert words in remarks
    (comment, slip) = made("dtparam=i2c # on\ndtparam=i2cc=on\n", files).not_applied
    assert comment.endswith("; a comment stands on a line of its own")
    assert slip.endswith("; did you mean i2c?")
    assert given_tree.applied == ["dtoverlay=rtc,unknown=1", "dtparam=i2c=maybe"]


def test_the_map_names_another_overlay_for_this_soc(files: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "overlay_map.dtb"
    path.write_bytes(compiled(MAP))
    every = {"rtc-new": files["rtc"], "overlay_map": path}
    assert speed(made("dtoverlay=rtc\n", every)) == 1
    remarks = made("dtoverlay=gone\ndtoverlay=two\n", every).not_applied
    assert "use rtc" in remarks[0]
    assert "not for bcm2712" in remarks[1]


def test_another_devicetree_by_name() -> None:
    five = board("raspberrypi-5")
    config = read_config_txt(b"device_tree=a.dtb\n[pi4]\ndevice_tree=b.dtb\n", "config.txt")
    assert devicetree_name(config, five) == "a.dtb"
    assert devicetree_name(None, five) is None


def test_a_config_txt_of_thousands_of_lines_ends(files: dict[str, Path]) -> None:
    given_tree = made("dtparam=spi=on\n" * 2000, files)
    assert status(given_tree.tree, "/spi") == "okay"
    assert "only the first 256" in given_tree.not_applied[0]
    assert len(given_tree.not_applied) == 1


@pytest.mark.parametrize("config_txt", ["", "[pi4]\narm_64bit=1\n", None])
def test_the_firmwares_own_overlay_needs_no_config_txt(config_txt: str | None, tmp_path: Path) -> None:
    """A D0 board without a devicetree of its own gets C0's, with the overlay that its firmware brings."""
    overlay = RTC.replace("rtc: rtc", "d0: d0").replace("&rtc", "&d0")
    (tmp_path / "overlays").mkdir()
    (tmp_path / "overlays" / "bcm2712d0.dtbo").write_bytes(compiled(overlay))
    (tmp_path / "bcm2712-rpi-5-b.dtb").write_bytes(compiled(BASE))
    if config_txt is not None:
        (tmp_path / "config.txt").write_text(config_txt)
    five = board("raspberrypi-5")
    resolved = {stepping: gather_devicetrees(tmp_path).resolve(five, stepping) for stepping in ("c0", "d0")}
    assert resolved["c0"].tree.node("/i2c/d0") is None
    assert resolved["d0"].tree.node("/i2c/d0") is not None
    assert not resolved["c0"].notes
    (note,) = resolved["d0"].notes
    assert "applied dtoverlay=bcm2712d0" in note
    (tmp_path / "bcm2712-d-rpi-5-b.dtb").write_bytes(compiled(BASE))
    own = gather_devicetrees(tmp_path).resolve(five, "d0")
    assert own.tree.node("/i2c/d0") is None, "its own devicetree needs no overlay"


def test_a_folder_without_devicetrees_is_one_line(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(Missing, match="holds no devicetrees"):
            gather_devicetrees(folder)
