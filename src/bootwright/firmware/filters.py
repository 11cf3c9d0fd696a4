"""Conditional filters of config.txt: `[pi5]`, `[board-type=0x17]`, `[0x1234]`, `[gpio4=1]`, `[boot_count>3]`.

Raspberry Pi documentation, "config.txt", conditional filters: a filter replaces one of its own type and
combines with those of other types; `[all]` resets them, `[none]` lets nothing pass until then. Expressions
compare a boot variable with numbers: `[V=N]`, `[V<N]`, `[V>N]`, `[V&MASK]` and `[V&MASK=N]`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import field, frozen

_MODEL = re.compile(r"(?:pi|cm)[0-9][0-9a-z+]*\Z")
_VARIABLES = "partition|boot_partition|boot_arg1|boot_count|bootvar0|cust_otp[0-7]"
_EXPRESSION = re.compile(rf"({_VARIABLES})\s*([=<>&])\s*(\w+)\s*(?:=\s*(\w+)\s*)?\Z")


@frozen
class Filter:
    """A conditional filter such as `[pi5]` or `[board-type=0x17]`."""

    text: str
    """What stands between the brackets."""
    type: str
    """Filters of one type replace each other: `model`, `serial`, `gpio`, `edid`, `hdmi`, `expression`, …"""


@frozen
class BoardFacts:
    """What the firmware knows of the board it runs on, as far as we do."""

    models: frozenset[str]
    """The model filters that hold: a CM5 sees `pi5` and `cm5`."""
    board_type: int | None = None
    """Bits 4-11 of the revision code."""
    serial: int | None = None
    variables: Mapping[str, int] = field(factory=dict)
    """Boot variables that are known, such as `boot_partition`."""
    other: Mapping[str, bool] = field(factory=dict)
    """Filters by their text, such as `tryboot`."""

    def applies(self, filters: tuple[Filter, ...]) -> bool | None:
        """Whether all filters hold; None where that depends on something not known (a GPIO, a monitor)."""
        verdicts = [self._holds(condition) for condition in filters]
        if False in verdicts:
            return False
        return None if None in verdicts else True

    def _holds(self, filter_: Filter) -> bool | None:
        text = filter_.text
        if filter_.type == "none":
            return False
        if filter_.type == "model" and not text.startswith("board-type"):
            return text in self.models
        if filter_.type == "model":
            wanted = _integer(text.partition("=")[2])
            return None if self.board_type is None or wanted is None else wanted == self.board_type
        if filter_.type == "serial":
            wanted = _integer(text)
            return None if self.serial is None or wanted is None else wanted == self.serial
        if filter_.type == "expression":
            return self._compares(text)
        return self.other.get(text)

    def _compares(self, text: str) -> bool | None:
        match = _EXPRESSION.match(text)
        if match is None:
            return None
        variable, operator, first, second = match.groups()
        value, number = self.variables.get(variable), _integer(first)
        wanted = _integer(second) if second is not None else None
        if value is None or number is None or (second is not None and (operator != "&" or wanted is None)):
            return None
        if operator == "&":
            return value & number != 0 if wanted is None else value & number == wanted
        return {"=": value == number, "<": value < number, ">": value > number}[operator]


def apply_filter(text: str, filters: dict[str, Filter]) -> None:
    """Put the filter `[text]` into those that stand, by type; order of first appearance is kept."""
    if text.lower() == "all":
        filters.clear()
        return
    kind = _type_of(text)
    filters[kind] = Filter(text.lower() if kind == "model" else text, kind)


def _type_of(text: str) -> str:
    lower = text.lower()
    name, equals, _ = lower.partition("=")
    if _MODEL.match(lower) or name.strip() == "board-type":
        return "model"
    if lower == "none":
        return "none"
    if lower.startswith("0x"):
        return "serial"
    if lower.startswith("hdmi:"):
        return "hdmi"
    if _EXPRESSION.match(text):
        return "expression"
    if equals and re.fullmatch(r"gpio\s*[0-9]+\s*", name):
        return "gpio"
    return name.strip() if equals else lower


def _integer(text: str) -> int | None:
    try:
        return int(text.strip(), 0) if len(text) < 32 else None
    except ValueError:
        return None
