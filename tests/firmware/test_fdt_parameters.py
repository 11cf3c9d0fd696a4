"""The firmware's parameters: each form of a declaration, on trees that dtc compiled and fdtoverlay merges."""

from __future__ import annotations

import pytest
from disk_kit import fuzz_target
from hypothesis import given
from hypothesis import strategies as st

from bootwright.firmware.parameters import apply_parameter, parameters
from bootwright.formats.devicetree.fdt import Node, Tree, parse_fdt
from bootwright.formats.devicetree.overlay import apply_overlays
from bootwright.formats.devicetree.writer import write_fdt
from bootwright.foundation import tools
from bootwright.foundation.errors import BootwrightError, Refused

BASE = """
/dts-v1/;
/ {
  compatible = "acme,board";
  gpio: gpio { #gpio-cells = <1>; };
  i2c0: i2c0 { status = "disabled"; };
  i2c1: i2c1 { status = "okay"; };
  test: test { u8s = [00 11 22]; flag; };
  chosen: chosen { bootargs = "quiet"; };
  __overrides__ {
    i2c = <&i2c0>,"status";
    text = <&test>,"text";
    byte = <&test>,"u8s.1";
    half = <&test>,"u16s;2";
    word = <&test>,"u32s:4";
    long = <&test>,"u64s#0";
    flag = <&test>,"flag?";
    noflag = <&test>,"flag!";
    mac = <&test>,"mac[";
    both = <&i2c0>,"status", <&test>,"u32s:0", <&test>,"other?";
    fixed = <&test>,"text=value", <&test>,"u32s:0=42", <&test>,"u32s:4=",<43>, <&test>,"m[=b8:27";
    letter = <&test>,"text{a=alpha,b=bravo,d,='tango, uniform'}";
    strict = <&test>,"text{a=alpha}";
    loose = <&test>,"text{a=alpha,}";
    pick = <&test>,"gpio:0{0=",<&gpio>,"1=",<&i2c1>,"}";
    args = <&chosen>,"bootargs";
  };
};
"""
OVERLAY = """
/dts-v1/;
/plugin/;
/ {
  compatible = "acme,board";
  frag0: fragment@0 {
    target = <&i2c1>;
    __overlay__ {
      #address-cells = <1>; #size-cells = <0>;
      rtc: rtc@68 { reg = <0x68>; compatible = "acme,rtc"; inner { at = <&gpio>; }; };
    };
  };
  fragment@1 { target = <&i2c0>; __dormant__ { dormant; }; };
  fragment@2 { target = <&i2c0>; __overlay__ { awake; }; };
  __overrides__ {
    addr = <&rtc>,"reg:0";
    bus = <&frag0>,"target:0{0=",<&i2c0>,"1=",<&i2c1>,"}";
    pin = <&rtc>,"pin:0=",<&gpio>;
    self = <&rtc>,"self:4=",<&rtc>;
    swap = <0>,"+1-2";
    other = <0>,"=1!2";
  };
};
"""


def compiled(source: str) -> Tree:
    return parse_fdt(tools.run(["dtc", "-q", "-@", "-O", "dtb"], input_bytes=source.encode()), "test.dtb")


@pytest.fixture(scope="module")
def base() -> Tree:
    return compiled(BASE)


@pytest.fixture(scope="module")
def overlay() -> Tree:
    return compiled(OVERLAY)


def changed(tree: Tree, **values: str) -> Tree:
    copy = parse_fdt(tree.blob, tree.name)
    for name, value in values.items():
        apply_parameter(copy, name, value)
    written = write_fdt(copy)
    # dtc reads what was written: it is a sound blob.
    tools.run(["dtc", "-q", "-I", "dtb", "-O", "dtb", "-"], input_bytes=written)
    return parse_fdt(written, tree.name)


def node(tree: Tree, path: str) -> Node:
    found = tree.node(path)
    assert found is not None, path
    return found


@pytest.mark.parametrize(
    ("name", "value", "key", "expected"),
    [
        ("text", "hello", "text", b"hello\0"),
        ("byte", "0x7f", "u8s", b"\x00\x7f\x22"),
        ("half", "258", "u16s", b"\0\0\x01\x02"),
        ("word", "on", "u32s", bytes(7) + b"\x01"),
        ("long", "0x0102030405060708", "u64s", bytes(range(1, 9))),
        ("byte", "-1", "u8s", b"\x00\xff\x22"),
        ("flag", "no", "flag", None),
        ("flag", "yes", "flag", b""),
        ("noflag", "yes", "flag", None),
        ("mac", "aa:bb:0c", "mac", b"\xaa\xbb\x0c"),
        ("mac", "aabb", "mac", b"\xaa\xbb"),
        ("fixed", "whatever", "text", b"value\0"),
        ("fixed", "whatever", "u32s", bytes([0, 0, 0, 42, 0, 0, 0, 43])),
        ("fixed", "whatever", "m", b"\xb8\x27"),
        ("letter", "a", "text", b"alpha\0"),
        ("letter", "d", "text", b"d\0"),
        ("letter", "z", "text", b"tango, uniform\0"),
        ("loose", "z", "text", b"z\0"),
    ],
)
def test_each_form_of_a_declaration(
    base: Tree, name: str, value: str, key: str, expected: bytes | None
) -> None:
    assert node(changed(base, **{name: value}), "/test").properties.get(key) == expected


def test_several_targets_status_and_the_command_line(base: Tree) -> None:
    tree = changed(base, both="on", args="loglevel=7")
    assert node(tree, "/i2c0").string("status") == "okay"
    assert node(tree, "/test").cells("u32s") == (1,)
    assert "other" in node(tree, "/test")
    assert node(tree, "/chosen").string("bootargs") == "quiet loglevel=7"
    assert node(changed(base, i2c="off"), "/i2c0").string("status") == "disabled"


def test_a_table_may_give_nodes(base: Tree) -> None:
    assert node(changed(base, pick="1"), "/test").cell("gpio") == node(base, "/i2c1").cell("phandle")


@pytest.mark.parametrize(
    ("name", "value"), [("strict", "z"), ("flag", "perhaps"), ("word", "ten"), ("mac", "xy"), ("none", "1")]
)
def test_what_does_not_fit_is_refused(base: Tree, name: str, value: str) -> None:
    with pytest.raises(Refused, match=name):
        changed(base, **{name: value})


def test_an_overlay_takes_its_parameters_along_when_it_is_merged(base: Tree, overlay: Tree) -> None:
    assert {"addr", "bus", "pin"} <= parameters(overlay)
    plain = apply_overlays(base, [overlay])
    assert node(plain, "/i2c1/rtc@68").cell("reg") == 0x68
    assert "awake" in node(plain, "/i2c0")
    made = apply_overlays(base, [changed(overlay, addr="0x51", bus="0", pin="1", swap="on", self="1")])
    rtc = node(made, "/i2c0/rtc@51")
    assert rtc.cell("reg") == 0x51
    assert rtc.cell("pin") == node(made, "/gpio").cell("phandle")
    assert made.by_phandle[rtc.cells("self")[1]] is rtc
    assert node(made, "/i2c0/rtc@51/inner").cell("at") == node(made, "/gpio").cell("phandle")
    assert "dormant" in node(made, "/i2c0")
    assert "awake" not in node(made, "/i2c0")
    assert made.node("/i2c1/rtc@68") is None


def test_fragments_by_the_value(base: Tree, overlay: Tree) -> None:
    assert "dormant" in node(apply_overlays(base, [changed(overlay, other="on")]), "/i2c0")
    assert "awake" in node(apply_overlays(base, [changed(overlay, other="off")]), "/i2c0")


@given(st.binary(max_size=80), st.text(max_size=10))
def test_any_declaration_changes_the_tree_or_is_refused(raw: bytes, value: str) -> None:
    tree = parse_fdt(_BLOB, "fuzz")
    overrides = node(tree, "/__overrides__")
    overrides.properties["fuzz"] = raw
    try:
        apply_parameter(tree, "fuzz", value)
        parse_fdt(write_fdt(tree), "fuzz")
    except BootwrightError:
        pass


_BLOB = compiled(BASE).blob


@given(st.data())
def test_a_mutated_overlay_is_a_blob_or_an_error(data: st.DataObject) -> None:
    blob = bytearray(_OVERLAY)
    for _ in range(data.draw(st.integers(1, 6))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    _TARGET(bytes(blob))


_TARGET = fuzz_target("fuzz_fdt_parameters")
_OVERLAY = compiled(OVERLAY).blob
