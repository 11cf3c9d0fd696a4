"""Schematics of the image factory: read strictly, and their ids to the byte."""

from __future__ import annotations

import json
import string
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.foundation.errors import Malformed
from bootwright.prepare.factory.canonical import NotKnown, marshal
from bootwright.prepare.factory.schematic import canonical, read_schematic, schematic_id
from bootwright.prepare.factory.yaml_text import MOST_BYTES, read_yaml

EMPTY = "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba"
TOOLS = """customization:
  systemExtensions:
    officialExtensions: [siderolabs/iscsi-tools, siderolabs/util-linux-tools]
"""
FIVE = "overlay:\n  name: rpi_5\n  image: siderolabs/sbc-raspberrypi\n"

# The first seven are those of the factory's own tests; the rest were given by the factory to users who wrote
# schematic and id down.
KNOWN = [
    ("{}", EMPTY),
    ("customization: {extraKernelArgs: [], systemExtensions: {}}", EMPTY),
    (
        "customization: {extraKernelArgs: [noapic, nolapic]}",
        "9cba8e32753f91a16c1837ab8abf356af021706ef284aef07380780177d9a06c",
    ),
    (
        "customization: {meta: [{key: 10, value: foo}]}",
        "d308a2a5ee2277bed5fbaa104fcbc8d59122abfa737df987a95b4ca763459a7f",
    ),
    (
        "overlay: {name: rpi_generic, image: siderolabs/sbc-raspberrypi}",
        "ee21ef4a5ef808a9b7484cc0dda0f25075021691c8c09a276591eedb638ea1f9",
    ),
    (
        "customization: {secureboot: {includeWellKnownCertificates: true}}",
        "fa8e05f142a851d3ee568eb0a8e5841eaf6b0ebc8df9a63df16ac5ed2c04f3e6",
    ),
    (
        "customization: {diskImage: {sectorSize: 4096}}",
        "92833e9ddd9bb9e11b2464fa5525429f01866306d52ebd882ee08d7918f6d1ea",
    ),
    (FIVE, "a636242df247ad4aad2e36d1026d8d4727b716a3061749bd7b19651e548f65e4"),
    (TOOLS + FIVE, "b00ac8400b2ad823d3d5e972136dd89c0d960d58e0ff2b12d5b8b87e9d53e670"),
    (
        TOOLS + FIVE + "  options:\n    configTxtAppend: |\n      dtparam=cooling_fan=on\n",
        "5a66af048bde96b95010bf8bba792973932e5bb7359e77f2ef7d8edb9aacc2a6",
    ),
]


@pytest.mark.parametrize(("text", "expected"), KNOWN)
def test_ids_are_those_that_the_factory_gave(text: str, expected: str) -> None:
    assert schematic_id(read_schematic(text.encode(), "s.yaml")) == expected


def test_order_and_style_do_not_matter() -> None:
    first = (
        b"customization: {bootloader: grub}\noverlay: {name: 'rpi_5', image: siderolabs/sbc-raspberrypi}\n"
    )
    other = (
        b'# mine\noverlay:\n    image: "siderolabs/sbc-raspberrypi"\n    name: rpi_5\n'
        b"customization:\n    bootloader: grub\n"
    )
    assert schematic_id(read_schematic(first, "1")) == schematic_id(read_schematic(other, "2"))


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        (b"overlay: {nam: x}", "one of the keys image, name, options", "did you mean name?"),
        (b"customisation: {}", "found the key `customisation`", "did you mean customization?"),
        (b"customization: {bootloader: grubb}", "found 'grubb'", "did you mean grub?"),
        (b"customization: {meta: [{key: 300, value: a}]}", "a whole number up to 255", None),
        (b"customization: {meta: [{key: 0x0a, value: a}]}", "a whole number", None),
        (b"customization: {extraKernelArgs: quiet}", "expected a list", None),
        (b"a: &b [1]\nc: *b", "at byte 0xd: expected no aliases", "write the value out"),
        (b"overlay: {<<: {name: x}}", "no merge keys", "write the values out"),
        (b"a: !!python/object:os.system x", "no tags", "leave the tag out; quote what is text"),
        (b"overlay: {name: a, name: b}", "each key once", None),
        (b"{}\n---\n{}", "one document", "give each its own file"),
        (b"a: [1", "expected YAML", None),
        (b"a: \x01", "printable", None),
        (b"a: \xff", "at byte 0x3: expected UTF-8 text", None),
        (b"", "expected a schematic, found nothing", "the empty schematic is `customization: {}`"),
        (b"- a", "expected a schematic", None),
        (b"[" * 3000, "nesting", None),
        (b"a" * (MOST_BYTES + 1), "at most 128 KiB", None),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(data: bytes, message: str, hint: str | None) -> None:
    with pytest.raises(Malformed) as caught:
        read_schematic(data, "s.yaml")
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert hint is None or caught.value.hint == hint


def test_a_text_field_takes_what_stands_there() -> None:
    asked = read_schematic(b"customization: {extraKernelArgs: [1.20, yes, ~, '0x10']}", "s").customization
    assert asked.arguments == ("1.20", "yes", "0x10")  # go-yaml leaves a null out of a list of texts


# By siderolabs/image-factory's structures and go.yaml.in/yaml v3.0.4 and v4.0.0-rc.6, which agree.
TEXTS_BY_GO = [
    ("2026-11-30 rack 3", "2026-11-30 rack 3"),
    ("2026-11-30", '"2026-11-30"'),
    ("2026-11-31", "2026-11-31"),
    ("2024-2-29", '"2024-2-29"'),
    ("2026-2-29", "2026-2-29"),
    ("2026-11-30   1:2:3,5", '"2026-11-30   1:2:3,5"'),
    ("2026-11-30 24:00:00", "2026-11-30 24:00:00"),
    ("2026-11-30T1:2:3", "2026-11-30T1:2:3"),
    ("2026-11-30t1:2:3.5-07:00", '"2026-11-30t1:2:3.5-07:00"'),
    ("2026-11-30Tomorrow", "2026-11-30Tomorrow"),
    ("0000-02-29", '"0000-02-29"'),
    ("_1", "_1"),
    ("-_1", '"-_1"'),
    ("1__0", '"1__0"'),
    ("0_", '"0_"'),
    (".5_0", '".5_0"'),
    ("._5", "._5"),
    (".5_", ".5_"),
    ("1e400", "1e400"),
    ("0x" + "f" * 16, '"0x' + "f" * 16 + '"'),
    ("0x" + "f" * 17, "0x" + "f" * 17),
    ("-0x8000000000000000", '"-0x8000000000000000"'),
    ("+0x8000000000000000", "+0x8000000000000000"),
    ("18446744073709551616", '"18446744073709551616"'),
    ("08", '"08"'),
]


@pytest.mark.parametrize(("text", "written"), TEXTS_BY_GO)
def test_which_texts_are_quoted(text: str, written: str) -> None:
    asked = f"customization: {{meta: [{{key: 10, value: {json.dumps(text)}}}]}}"
    assert f"          value: {written}\n" in canonical(read_schematic(asked.encode(), "s"))


def test_a_date_without_quotes_is_refused_as_the_factory_does() -> None:
    with pytest.raises(
        Malformed, match=r"text as customization\.extraKernelArgs, found '2026-11-30'"
    ) as caught:
        read_schematic(b"customization: {extraKernelArgs: [2026-11-30]}", "s")
    assert caught.value.hint == "put it in quotes"
    arguments = read_schematic(b"customization: {extraKernelArgs: [2026-11-30 x]}", "s").customization
    assert arguments.arguments == ("2026-11-30 x",)


@pytest.mark.parametrize(
    "value",
    ["'2026-1-2T1:2:3+25:00'", "1.5", "0x10", "2001-01-01", "1_000", "'yes'", "'12:30:45'", '"\\n a"'],
)
def test_an_id_that_is_not_certain_is_none(value: str) -> None:
    schematic = read_schematic(f"overlay: {{name: a, options: {{x: {value}}}}}".encode(), "s")
    with pytest.raises(NotKnown):
        schematic_id(schematic)


@given(st.binary(max_size=400) | st.text(alphabet="ab:- \n{}[]'\"|>#&*!\t\\", max_size=80).map(str.encode))
@settings(deadline=None, max_examples=300)
def test_any_bytes_are_a_value_or_an_error(data: bytes) -> None:
    with suppress(Malformed):
        read_yaml(data, "s.yaml")


TEXTS = st.text(alphabet=string.printable + "äé€\U0001f600", max_size=30)
NAMES = st.text("abcXYZ", min_size=2, max_size=8)
PLAIN = TEXTS | st.integers(0, 10**9) | st.booleans() | st.none()
VALUES = st.recursive(
    PLAIN, lambda inner: st.dictionaries(NAMES, inner, max_size=3) | st.lists(inner, max_size=3), max_leaves=8
)


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=4))
@settings(deadline=None, max_examples=300)
def test_what_is_written_reads_back_with_a_library_of_its_own(document: dict[str, object]) -> None:
    try:
        text = marshal(document)  # type: ignore[arg-type]
    except NotKnown:
        return
    assert yaml.load(text, yaml.BaseLoader) == as_text(document)  # noqa: S506 (it makes text only)


def as_text(value: object) -> object:
    """Scalars as the words that stand for them: which words are text differs between YAML 1.1 and go-yaml."""
    if isinstance(value, dict):
        return {name: as_text(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [as_text(entry) for entry in value]
    return value if isinstance(value, str) else json.dumps(value)


def test_options_keep_types() -> None:
    text = b"overlay: {name: a, image: b, options: {x: 1, u: true, z: null, t: 'true', e: ''}}"
    assert canonical(read_schematic(text, "s")) == (
        "overlay:\n    image: b\n    name: a\n    options:\n"
        '        e: ""\n        t: "true"\n        u: true\n        x: 1\n        z: null\n'
        "customization: {}\n"
    )


def test_the_fuzz_targets_seeds_are_read(tmp_path: Path) -> None:
    fuzz = Path(__file__).parents[2] / "fuzz"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(fuzz))
        from fuzz_schematic import one_input
        from make_seeds import schematic

        for seed in schematic(tmp_path):
            assert read_schematic(seed, "seed.yaml")
            one_input(seed)
