"""The firmware's parameters: each form of a declaration, on trees that dtc compiled."""

from __future__ import annotations

import pytest
from firmware_kit import compiled, fuzz_target, node, sound
from hypothesis import given
from hypothesis import strategies as st

from bootwright.firmware.overlays import merge, resolve
from bootwright.firmware.parameters import apply_parameter, enabling_parameter, number, parameters
from bootwright.formats.devicetree.fdt import Tree
from bootwright.formats.devicetree.writer import DraftTree
from bootwright.foundation.errors import BootwrightError, Refused

BASE = """
/dts-v1/;
/ {
  compatible = "acme,board";
  gpio: gpio { #gpio-cells = <1>; };
  i2c0: i2c0 { status = "disabled"; };
  i2c1: i2c1 { status = "okay"; };
  test: test { u8s = [00 11 22]; flag; };
  named: named@10 { reg = <0x10>; inner: inner {}; };
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
    first = <&test>,"text{=other,a=alpha}";
    passed = <&test>,"text{,a=alpha}";
    numbers = <&test>,"u32s:0{lots=4096,few='0x3'}";
    cells = <&test>,"u32s:0{a=",<7>,"b=",<0xfffffffe>,"}";
    open = <&test>,"u32s:0{a=",<7>;
    yes = <&test>,"flag?{none=0,some=1}";
    line = <&test>,"text=",&gpio, <&test>,"last=";
    u64 = <&test>,"u64s#0";
    namer = <&named>,"name";
    moved = <&named>,"reg:0";
    partly = <&test>,"text", <&test>,"u32s:0";
    lost = <0x1234>,"text";
    table = <&test>,"text{a=1}";
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
    nowhere = <0>,"=7";
  };
};
"""


@pytest.fixture(scope="module")
def base() -> Tree:
    return compiled(BASE)


@pytest.fixture(scope="module")
def overlay() -> Tree:
    return compiled(OVERLAY)


def test_the_parameter_that_enables_a_node(base: Tree) -> None:
    assert enabling_parameter(base, node(base, "/i2c0")) == "i2c"
    assert enabling_parameter(base, node(base, "/i2c1")) is None
    assert enabling_parameter(base, node(base, "/test")) is None
    source = BASE.replace('i2c = <&i2c0>,"status";', 'i2c = <&i2c0>,"status"; i2c0 = <&i2c0>,"status";')
    twice = compiled(source.replace("__overrides__ {", '__overrides__ { damaged = "x";'))
    assert enabling_parameter(twice, node(twice, "/i2c0")) == "i2c0", "the name that the node itself has"


def changed(tree: Tree, **values: str) -> Tree:
    draft = DraftTree(tree)
    for name, value in values.items():
        apply_parameter(draft, name, value)
    return sound(draft.tree())


def merged(base: Tree, overlay: Tree, **values: str) -> Tree:
    draft = DraftTree(base)
    resolved = resolve(draft, overlay)
    for name, value in values.items():
        apply_parameter(resolved, name, value)
    return sound(merge(draft, resolved).tree())


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
        ("loose", "", "text", b"\0"),
        # A default counts wherever it stands (2.2.7), and only where no key fits.
        ("first", "a", "text", b"alpha\0"),
        ("first", "b", "text", b"other\0"),
        ("passed", "b", "text", b"b\0"),
        ("letter", "A", "text", b"tango, uniform\0"),
        ("numbers", "lots", "u32s", b"\0\0\x10\0"),
        ("numbers", "few", "u32s", b"\0\0\0\x03"),
        ("cells", "b", "u32s", b"\xff\xff\xff\xfe"),
        ("open", "a", "u32s", b"\0\0\0\x07"),
        ("yes", "none", "flag", None),
        ("yes", "some", "flag", b""),
        # A literal that is a path to a label follows as a string of its own.
        ("line", "", "text", b"/gpio\0"),
        ("line", "", "last", b"\0"),
        # Numbers as C reads them: an empty value is 0, a leading 0 is octal, words are those of GPIO pulls.
        ("byte", "", "u8s", b"\x00\x00\x22"),
        ("byte", "010", "u8s", b"\x00\x08\x22"),
        ("byte", "0x1ff", "u8s", b"\x00\xff\x22"),
        ("byte", "up", "u8s", b"\x00\x02\x22"),
        ("byte", "down", "u8s", b"\x00\x01\x22"),
        ("byte", " 5", "u8s", b"\x00\x05\x22"),
        ("u64", "99999999999999999999999", "u64s", b"\xff" * 8),
        ("u64", "-2", "u64s", b"\xff" * 7 + b"\xfe"),
        ("flag", "", "flag", None),
        ("noflag", "", "flag", b""),
        ("flag", "0x2", "flag", b""),
        ("mac", "", "mac", b""),
        ("mac", "aa bb\tcc:dd", "mac", b"\xaa\xbb\xcc\xdd"),
        ("text", "a\\tb\\x41\\101\\\\", "text", b"a\tbAA\\\0"),
        ("text", "", "text", b"\0"),
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


@pytest.mark.parametrize(
    "raw", [b"\0\0", b"\0\0\0\1text", b"\0\0\0\1\0", b"\xff\0\0\0text\0", b"\0\0\0\0?\0"]
)
def test_a_damaged_declaration_is_refused(base: Tree, raw: bytes) -> None:
    draft = DraftTree(base)
    overrides = draft.root.child("__overrides__")
    assert overrides is not None
    overrides.properties["broken"] = raw
    with pytest.raises(Refused, match="parameter broken has"):
        apply_parameter(draft, "broken", "1")


def test_a_value_that_fits_one_target_only_changes_nothing(base: Tree) -> None:
    draft = DraftTree(base)
    with pytest.raises(Refused, match="many"):
        apply_parameter(draft, "partly", "many")
    assert "text" not in node(draft.tree(), "/test")


def test_reg_and_name_rename_the_node_and_its_labels(base: Tree) -> None:
    tree = changed(base, moved="0x2a")
    assert node(tree, "/named@2a").cell("reg") == 0x2A
    assert tree.symbols["named"] == "/named@2a"
    assert tree.symbols["inner"] == "/named@2a/inner"
    assert tree.node("/named@10") is None
    assert node(changed(base, namer="other"), "/other").cell("reg") == 0x10


def test_status_takes_its_words_and_keeps_other_texts(base: Tree) -> None:
    for value, status in {
        **dict.fromkeys(("y", "yes", "on", "true", "1", "enable"), "okay"),
        **dict.fromkeys(("n", "no", "off", "false", "0"), "disabled"),
        "okay": "okay",
        "reserved": "reserved",
        "On": "On",
        "2": "2",
    }.items():
        assert node(changed(base, i2c=value), "/i2c0").string("status") == status, value


def test_an_overlay_takes_its_parameters_along_when_it_is_merged(base: Tree, overlay: Tree) -> None:
    assert {"addr", "bus", "pin"} <= parameters(DraftTree(overlay))
    plain = merged(base, overlay)
    assert node(plain, "/i2c1/rtc@68").cell("reg") == 0x68
    assert "awake" in node(plain, "/i2c0")
    made = merged(base, overlay, addr="0x51", bus="0", pin="1", swap="off", self="1")
    rtc = node(made, "/i2c0/rtc@51")
    assert rtc.cell("reg") == 0x51
    assert rtc.cell("pin") == node(made, "/gpio").cell("phandle")
    assert made.by_phandle[rtc.cells("self")[1]] is rtc
    assert node(made, "/i2c0/rtc@51/inner").cell("at") == node(made, "/gpio").cell("phandle")
    # `+1-2` switches whatever the value is.
    assert "dormant" in node(made, "/i2c0")
    assert "awake" not in node(made, "/i2c0")
    assert made.node("/i2c1/rtc@68") is None


@pytest.mark.parametrize(
    ("value", "on"),
    [("on", True), ("2", True), ("anything", True), ("off", False), ("", False), ("0", False)],
)
def test_fragments_by_the_value(base: Tree, overlay: Tree, value: str, on: bool) -> None:
    properties = node(merged(base, overlay, other=value), "/i2c0")
    assert ("dormant" in properties) is on
    assert ("awake" in properties) is not on


def test_a_fragment_that_is_not_there_is_refused(base: Tree, overlay: Tree) -> None:
    with pytest.raises(Refused, match="fragment 7"):
        merged(base, overlay, nowhere="1")


@given(st.text(alphabet="0123456789abcdefxX+- \t", max_size=24))
def test_numbers_are_64_bits_or_none(text: str) -> None:
    value = number(text)
    assert value is None or 0 <= value < 1 << 64


@given(st.binary(max_size=80), st.text(max_size=10))
def test_any_declaration_changes_the_tree_or_is_refused(raw: bytes, value: str) -> None:
    _tried(raw, value)


def _tried(raw: bytes, value: str) -> None:
    draft = DraftTree(_TREE)
    overrides = draft.root.child("__overrides__")
    assert overrides is not None
    overrides.properties["fuzz"] = raw
    try:
        apply_parameter(draft, "fuzz", value)
        draft.tree()
    except BootwrightError:
        pass


_PIECES = [
    b"text",
    b":0",
    b"{",
    b"}",
    b"=",
    b",",
    b"'",
    b"\0",
    b"a",
    b"?",
    b"[",
    b"#8",
    b"\0\0\0\1",
    b"reg",
    b"name",
]


@given(st.lists(st.sampled_from(_PIECES), max_size=12), st.sampled_from(["a", "", "1", "x"]))
def test_any_declaration_of_its_parts_too(pieces: list[bytes], value: str) -> None:
    _tried(b"\0\0\0\1" + b"".join(pieces) + b"\0", value)


_TREE = compiled(BASE)
_OVERLAY = compiled(OVERLAY).blob


@given(st.data())
def test_a_mutated_overlay_is_a_blob_or_an_error(data: st.DataObject) -> None:
    blob = bytearray(_OVERLAY)
    for _ in range(data.draw(st.integers(1, 6))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    fuzz_target("fdt_parameters")(bytes(blob))
