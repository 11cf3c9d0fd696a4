from __future__ import annotations

import importlib.util
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootwright.formats.devicetree import structure as fdt_structure
from bootwright.formats.devicetree.fdt import MAX_DEPTH, Node, parse_fdt, read_fdt_file
from bootwright.foundation import tools
from bootwright.foundation.errors import Malformed, Missing

SOURCE = """/dts-v1/;
/memreserve/ 0x1000 0x2000;
/ {
    compatible = "acme,board", "acme,soc";
    model = "Acme Board";
    #address-cells = <2>;
    #size-cells = <1>;
    aliases { serial0 = "/soc/serial@1000"; eth = &eth; };
    soc {
        compatible = "simple-bus";
        gpio: gpio@2000 { reg = <0 0x2000 0x10>; #gpio-cells = <2>; phandle = <7>; };
        serial@1000 { reg = <0 0x1000 0x100>; status = "okay"; };
        eth: ethernet@3000 { reset-gpios = <&gpio 4 1>; local-mac-address = [00 11 22 33 44 55]; empty; };
        off { status = "disabled"; child { }; };
    };
};
"""


def compiled(source: str, *options: str) -> bytes:
    return tools.run(["dtc", "-q", *options, "-I", "dts", "-O", "dtb", "-"], input_bytes=source.encode())


@pytest.fixture(scope="module")
def blob() -> bytes:
    return compiled(SOURCE, "-@")


def fuzz_target(name: str) -> Callable[[bytes], None]:
    path = Path(__file__).parents[2] / "fuzz" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.one_input


def as_source(node: Node, depth: int = 0) -> str:
    """The tree as DTS with every value as bytes, for dtc to compile again."""
    head = "/" if not depth else node.name
    body = "".join(
        f"{name} = [{value.hex(' ')}];\n" if value else f"{name};\n"
        for name, value in node.properties.items()
    )
    return f"{head} {{\n{body}{''.join(as_source(child, depth + 1) for child in node.children)}}};\n"


def test_nothing_is_lost_against_dtc(blob: bytes) -> None:
    tree = parse_fdt(blob, "board.dtb")
    reserved = "".join(f"/memreserve/ {at:#x} {size:#x};\n" for at, size in tree.reservations)
    again = compiled(f"/dts-v1/;\n{reserved}{as_source(tree.root)}")
    listing = [
        tools.run(["dtc", "-q", "-s", "-I", "dtb", "-O", "dts", "-"], input_bytes=data)
        for data in (blob, again)
    ]
    assert listing[0] == listing[1]
    assert b"memreserve" in listing[0]


def test_values_agree_with_fdtget(blob: bytes, tmp_path: Path) -> None:
    path = tmp_path / "board.dtb"
    path.write_bytes(blob)
    tree = read_fdt_file(path)
    node = tree.node("/soc/ethernet@3000")
    assert node is not None
    printed = subprocess.run(
        ["fdtget", path, "/soc/ethernet@3000", "reset-gpios"], capture_output=True, check=True
    ).stdout
    assert list(node.cells("reset-gpios")) == [int(cell) for cell in printed.split()]


def test_paths_aliases_phandles_and_labels(blob: bytes) -> None:
    tree = parse_fdt(blob, "board.dtb")
    assert tree.compatible == ("acme,board", "acme,soc")
    assert tree.node("serial0") is tree.node("/soc/serial@1000")
    assert tree.alias("eth") is tree.node("/soc/ethernet@3000")
    assert tree.by_phandle[7].name == "gpio@2000"
    assert tree.symbols["gpio"] == "/soc/gpio@2000"
    assert tree.node("/nowhere") is None
    assert tree.node("nowhere") is None


def test_status_of_ancestors_counts(blob: bytes) -> None:
    tree = parse_fdt(blob, "board.dtb")
    child = tree.node("/soc/off/child")
    assert child is not None
    assert child.enabled
    assert not child.available
    assert tree.node("/soc/serial@1000").available


def test_a_property_is_found_again_in_the_blob(blob: bytes) -> None:
    tree = parse_fdt(blob, "board.dtb")
    node = tree.node("/soc/ethernet@3000")
    at = tree.property_offset(node, "local-mac-address")
    assert blob[at : at + 4] == b"\0\0\0\x03"
    assert blob[at + 12 : at + 18] == bytes.fromhex("001122334455")
    assert tree.property_offset(node, "no-such") is None


def test_an_overlay_is_known_as_one() -> None:
    overlay = compiled('/dts-v1/;\n/plugin/;\n&{/} { x = "y"; };\n')
    assert parse_fdt(overlay, "x.dtbo").is_overlay


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda data: b"\0" + data[1:], "magic"),
        (lambda data: data[:20], "header of 40 bytes"),
        (lambda data: data[:-8], "total size"),
        (lambda data: data[:20] + b"\0\0\0\1" + data[24:], "version"),
        (lambda data: data[:8] + b"\0\xff\0\0" + data[12:], "structure block"),
    ],
)
def test_damage_is_named_with_its_place(blob: bytes, change: Callable[[bytes], bytes], expected: str) -> None:
    with pytest.raises(Malformed, match=expected):
        parse_fdt(change(blob), "bad.dtb")


def test_depth_is_bounded() -> None:
    def nested(levels: int) -> str:
        return "/dts-v1/;\n/ {" + "a {" * levels + "};" * levels + "};"

    deep = compiled(nested(MAX_DEPTH - 1))
    assert len(parse_fdt(deep, "deep").nodes) == MAX_DEPTH
    with pytest.raises(Malformed, match="levels"):
        parse_fdt(compiled(nested(MAX_DEPTH)), "deeper")


def test_paths_stay_short() -> None:
    """Each node's path repeats the names above it: long ones would fill the memory."""
    tree = compiled(f"/dts-v1/;\n/ {{ {'n' * 400}@1 {{ a {{ }}; }}; }};", "-f")
    assert parse_fdt(tree, "one").nodes[-1].path == f"/{'n' * 400}@1/a"
    many = "/dts-v1/;\n/ {" + f"{'n' * 400} {{" * 12 + "};" * 12 + "};"
    with pytest.raises(Malformed, match="long ones"):
        parse_fdt(compiled(many, "-f"), "many")


def test_property_names_stay_short() -> None:
    """Each offset into a name is the place of another name: a long one would be a million of them."""
    with pytest.raises(Malformed, match="property names"):
        parse_fdt(compiled(f"/dts-v1/;\n/ {{ {'p' * 256}; }};", "-f"), "x")


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(Missing):
        read_fdt_file(tmp_path / "none.dtb")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    fuzz_target("fuzz_fdt")(data)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_mutated_blobs(data: st.DataObject) -> None:
    changed = bytearray(compiled_once())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(changed) - 1))
        changed[at] = data.draw(st.integers(0, 255))
    fuzz_target("fuzz_fdt")(bytes(changed))


def seen(blob: bytes) -> object:
    """All that a reading gives: the nodes with everything in them, or the error."""
    try:
        tree = parse_fdt(blob, "x")
    except Malformed as error:
        return str(error), error.offset
    nodes = [(node.offset, node.name, node.path, tuple(node.properties.items())) for node in tree.nodes]
    return nodes, [(handle, node.offset) for handle, node in tree.by_phandle.items()]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whole_nodes_at_once_give_what_single_tokens_give(
    data: st.DataObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = bytearray(compiled_once())
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(changed) - 4))
        changed[at : at + 4] = data.draw(
            st.sampled_from([b"\0\0\0\1", b"\0\0\0\2", b"\0\0\0\3", b"\0\0\0\4", b"\0\0\0\x09", b"\0\0\0\0"])
            | st.binary(min_size=4, max_size=4)
        )
    at_once = seen(bytes(changed))
    with monkeypatch.context() as patch:
        patch.setattr(fdt_structure, "_pattern_for", lambda _: re.compile("(?!)"))
        assert seen(bytes(changed)) == at_once


def test_a_repeated_property_counts_once(blob: bytes) -> None:
    """`empty` is made another `reg`, of which the node has one before."""
    tree = parse_fdt(blob, "x")
    node = tree.node("/soc/gpio@2000")
    other, first = tree.property_offset(node, "#gpio-cells"), tree.property_offset(node, "reg")
    changed = bytearray(blob)
    changed[other + 8 : other + 12] = blob[first + 8 : first + 12]
    again = parse_fdt(bytes(changed), "x").node("/soc/gpio@2000")
    assert again.cells("reg") == (0, 0x2000, 0x10)
    assert "#gpio-cells" not in again


def test_long_values_and_nops_are_read_like_any_other() -> None:
    values = {f"p{size}": bytes(range(1, 200)) * 3 for size in (1, 2)} | {
        f"q{size}": bytes([size % 255 + 1]) * size for size in range(140)
    }
    body = "".join(f"{name} = [{value.hex(' ')}];\n" for name, value in values.items())
    blob = bytearray(compiled(f"/dts-v1/;\n/ {{ {body} a {{ x = <1>; y = <2>; }}; }};"))
    tree = parse_fdt(bytes(blob), "x")
    assert tree.root.properties == values
    node = tree.node("/a")
    at = tree.property_offset(node, "x")
    blob[at : at + 16] = b"\0\0\0\4" * 4
    assert parse_fdt(bytes(blob), "x").node("/a").properties == {"y": b"\0\0\0\2"}


_BLOBS: list[bytes] = []


def compiled_once() -> bytes:
    if not _BLOBS:
        _BLOBS.append(compiled(SOURCE, "-@"))
    return _BLOBS[0]
