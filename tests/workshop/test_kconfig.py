"""Kconfig read to explain what did not stick: conditions by their rules, and any text without a fault."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_tree_kit import kernel_tree

from bootwright.workshop.configuring.expression import NotRead, level, parse
from bootwright.workshop.configuring.kconfig import read_kconfig

VALUES = {"Y": "y", "M": "m", "N": "n", "TEXT": '"abc"', "SIX": "6", "HEX": "0x10"}


@pytest.mark.parametrize(
    ("text", "reached"),
    [
        ("Y", 2),
        ("M", 1),
        ("GONE", 0),
        ("!M", 1),
        ("Y && M", 1),
        ("N || M", 1),
        ("!(N || Y)", 0),
        ("Y || N && N", 2),
        ("M = m", 2),
        ('TEXT != "abc"', 0),
        ('TEXT = "abc"', 2),
        ("SIX < 10", 2),
        ("HEX >= 16", 2),
        ("$(cc-option,-f(x),y) && N", 0),
        ("$(cc-option,-f(x),y) && Y", None),
        ("$(cc-option,-f(x),y) || Y", 2),
    ],
)
def test_conditions(text: str, reached: int | None) -> None:
    assert level(parse(text), lambda name: VALUES.get(name, "n")) == reached


@pytest.mark.parametrize("text", ["", "&&", "A &&", "(A", "A B", "A = ", "$(x", "(" * 500 + "A" + ")" * 500])
def test_what_is_no_condition(text: str) -> None:
    with pytest.raises(NotRead):
        parse(text)


def test_a_tree(tmp_path: Path) -> None:
    options = read_kconfig(kernel_tree(tmp_path / "tree"))
    assert not options.unread
    macb = options.by_name["MACB"].definitions[0]
    assert [str(condition) for condition in macb.depends] == ["PCI", "ARCH_BOARD", "PHY"]
    assert options.by_name["MDIO"].selected[0].by == "PHY"
    assert options.by_name["LD_HAS_WINGS"].by_machine
    choice = options.by_name["ARM64_4K_PAGES"].definitions[0].choice
    assert choice is not None
    assert choice.members == ["ARM64_4K_PAGES", "ARM64_16K_PAGES", "ARM64_64K_PAGES"]


_LINES = st.lists(
    st.sampled_from(
        [
            *("config A", "config B\\", '\tbool "a" if B', 'menu "m"', "endmenu", "if A && B", "endif"),
            *(
                "choice",
                "endchoice",
                "\tdepends on !A || $(x",
                "\tselect B if A = y",
                "\trange 1 5",
                "\thelp",
            ),
            *("\t  words", 'source "Kconfig"', 'source "../x\0y"', "\tdef_bool $(success,x)", "\tdefault y"),
            *('comment "c"', "\\"),
        ]
    )
)


@given(st.binary(max_size=200), _LINES)
@settings(max_examples=20)
def test_any_text(data: bytes, lines: list[str]) -> None:
    path = Path(__file__).parents[2] / "fuzz/fuzz_kconfig.py"
    spec = importlib.util.spec_from_file_location("fuzz_kconfig", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.one_input(data)
    module.one_input("\n".join(lines).encode())
