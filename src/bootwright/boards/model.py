"""Boards: one TOML file each in `data/boards/`. They say where things are, never how they must come up."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from attrs import field, frozen

from bootwright.foundation.choices import hint_for, no_such
from bootwright.foundation.errors import Refused
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import HEAD, LONE, STEM, Hexadecimal, key, written

_FIELD = re.compile(r"\{(\w+)\}")
_PCI_ID = re.compile(r"([0-9a-f]{4}):([0-9a-f]{4})")


@frozen
class Find:
    """How to find a node: all given keys must fit."""

    alias: str | None = None
    symbol: str | None = None
    compatible: str | None = None
    node_name: str | None = None
    unit_address: str | None = None
    path: str | None = None
    """The whole path, where nothing else tells the node from others."""
    stdout: bool = False
    """The node that `/chosen/stdout-path` names."""

    def __attrs_post_init__(self) -> None:
        """Raises `ValueError` for a table that would fit every node."""
        keys = (self.alias, self.symbol, self.compatible, self.node_name, self.unit_address, self.path)
        if not (any(keys) or self.stdout):
            raise ValueError(
                "one of the keys alias, symbol, compatible, node_name, unit_address, path, stdout", "none"
            )


ONLY = "any"
"""What the stepping of a board is called that has one only."""


@frozen
class Stepping:
    """A variant of the board's silicon that boots with a devicetree of its own."""

    name: str
    dtb: str
    """File name, as firmware and kernel packages have it."""
    note: str = ""
    firmware_overlay: str = ""
    """The overlay that the board's firmware puts on another stepping's devicetree, by name."""
    base: str = ""
    """The devicetree that `dtb` is made of, by file name: a kernel may have that and `overlay` alone."""
    overlay: str = ""
    """File name of the overlay that the boot loader puts on `base`, beside it."""


Ranges = Mapping[str, tuple[int, int]]
"""Name of a bit field → (lowest, highest) value."""
_WrittenRanges = Mapping[str, int | tuple[int, int]]


def _ranges(given: Mapping[str, int | tuple[int, int]]) -> Ranges:
    return {name: (value, value) if isinstance(value, int) else value for name, value in given.items()}


@frozen
class RevisionRule:
    """Which stepping a revision code's bit fields mean; every field given must fit."""

    stepping: str
    fields: Ranges

    @classmethod
    def from_toml(cls, table: object) -> RevisionRule:
        """From a table of `stepping` and bit fields, each a number or [lowest, highest]."""
        fields = dict(table) if isinstance(table, dict) else {}
        stepping = fields.pop("stepping", None)
        if not isinstance(stepping, str):
            raise ValueError("a table with the key `stepping`", table)
        for name, value in fields.items():
            ends = value if isinstance(value, list) else [value, value]
            if len(ends) != 2 or not all(type(end) is int for end in ends):
                raise ValueError(f"a number or [lowest, highest] for {name}", value)
            fields[name] = tuple(ends)
        return cls(stepping, fields)


@frozen
class BitField:
    """Bits `low` to `high` of a revision code."""

    name: str
    low: int
    high: int

    def of(self, code: int) -> int:
        """The field's value."""
        return code >> self.low & ((1 << (self.high - self.low + 1)) - 1)


def _bits(given: Mapping[str, tuple[int, int]]) -> tuple[BitField, ...]:
    for name, (low, high) in given.items():
        if not 0 <= low <= high < 32:
            raise ValueError(f"bits between 0 and 31, the lowest first, for {name}", f"[{low}, {high}]")
    return tuple(BitField(name, low, high) for name, (low, high) in given.items())


@frozen
class Revision:
    """How a board's revision code is read."""

    source: str
    bits: tuple[BitField, ...] = field(metadata=written(Mapping[str, tuple[int, int]], _bits))
    board: Ranges = field(metadata=written(_WrittenRanges, _ranges))
    """Fields that say the code is of this board."""
    rules: tuple[RevisionRule, ...] = field(default=(), metadata=key("rule"))
    in_model: str = ""
    """How the firmware writes a bit field into the devicetree's model, such as `Rev 1.{revision}`."""

    def __attrs_post_init__(self) -> None:
        """Raises `ValueError` for a bit field that `bits` does not have."""
        if self.in_model and _FIELD.search(self.in_model) is None:
            raise ValueError("text with a bit field in braces", self.in_model)
        known = [bit_field.name for bit_field in self.bits]
        named = _FIELD.findall(self.in_model)
        for fields in (self.board, named, *(rule.fields for rule in self.rules)):
            for name in fields:
                if name not in known:
                    raise ValueError(
                        "the name of a bit field", name, hint_for(name, known, kind="bit fields")
                    )


@frozen
class PciId:
    """Vendor and device of a PCI function."""

    vendor: int
    device: int

    @classmethod
    def from_toml(cls, value: object) -> PciId:
        """From text such as `1de4:0001`."""
        match = _PCI_ID.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise ValueError('vendor and device in hexadecimal, such as "1de4:0001"', value)
        return cls(int(match[1], 16), int(match[2], 16))


@frozen
class Function:
    """A PCI function soldered to the board, which enumeration finds whatever the devicetree says."""

    host: tuple[Find, ...] = field(metadata=LONE)
    """Its host bridge; tried in turn."""
    id: PciId
    title: str


def _number(given: Hexadecimal) -> int:
    return given.number


@frozen
class Goal:
    """What the user wants to work, and the nodes that stand for it."""

    name: str = field(metadata=HEAD)
    find: tuple[Find, ...] = field(metadata=LONE)
    """Tried in turn."""
    phy: int | None = field(default=None, metadata=written(Hexadecimal, _number))
    """The id of the Ethernet PHY on the board (IEEE 802.3 registers 2 and 3)."""
    boots_from: bool = False
    """Whether it is needed before the root file system is mounted."""
    role: str = ""
    """What its node is for, of `data/roles/`, where the goal is not called so (`ethernet` of ethernet-2)."""
    note: str = ""

    def __attrs_post_init__(self) -> None:
        """Raises `ValueError` for a goal without a node."""
        if not self.find:
            raise ValueError("at least one table in `find`", "none")

    @property
    def kind(self) -> str:
        """The role, or the name of a goal that is called as one."""
        return self.role or self.name


def _goals(given: Mapping[str, Goal]) -> tuple[Goal, ...]:
    return tuple(given.values())


@frozen
class Board:
    """A board."""

    id: str = field(metadata=STEM)
    name: str
    compatible: tuple[str, ...]
    source: str
    steppings: tuple[Stepping, ...] = field(metadata=key("stepping"))
    revision: Revision | None = None
    functions: tuple[Function, ...] = field(default=(), metadata=key("pci"))
    goals: tuple[Goal, ...] = field(
        default=(), metadata={**key("goal"), **written(Mapping[str, Goal], _goals)}
    )
    not_checked: tuple[str, ...] = ()
    firmware_models: frozenset[str] = frozenset()
    """Model filters of config.txt that hold on this board (`pi5` of `[pi5]`); empty without such firmware."""
    devicetrees: str = ""
    """What has its devicetrees, of `data/devicetrees/`, where a kernel may have none; empty where nothing."""
    device_type: str = ""
    """What LAVA calls it (etc/dispatcher-config/device-types, 2025); empty where that has no such type."""

    def __attrs_post_init__(self) -> None:
        """Raises `ValueError` where nothing could be asked about the board, or a rule names no stepping."""
        for name, given in (
            ("compatible", self.compatible),
            ("stepping", self.steppings),
            ("goal", self.goals),
        ):
            if not given:
                raise ValueError(f"at least one `{name}`", "none")
        steppings = [stepping.name for stepping in self.steppings]
        for rule in self.revision.rules if self.revision is not None else ():
            if rule.stepping not in steppings:
                hint = hint_for(rule.stepping, steppings, kind="steppings")
                raise ValueError("the name of a stepping in revision.rule", rule.stepping, hint)

    def called(self, stepping: str) -> str:
        """`Raspberry Pi 5 d0`; the name alone, where there is one stepping: it tells nobody anything."""
        return f"{self.name} {stepping}" if len(self.steppings) > 1 else self.name

    def goal(self, name: str) -> Goal:
        """The goal of that name; raises `Refused` with those there are."""
        for goal in self.goals:
            if goal.name == name:
                return goal
        known = [goal.name for goal in self.goals]
        raise no_such(f"{self.id} has no goal {name}", name, known, kind="its goals")

    def stepping(self, name: str | None) -> Stepping:
        """The stepping of that name, or the first; raises `Refused` with those there are."""
        if name is None:
            return self.steppings[0]
        for stepping in self.steppings:
            if stepping.name == name:
                return stepping
        known = [stepping.name for stepping in self.steppings]
        raise no_such(f"{self.id} has no stepping {name}", name, known, kind="its steppings")

    def stepping_of(self, code: str) -> Stepping:
        """The stepping a revision code means, by its bits.

        Raises `Refused` where it is no hexadecimal code, or one of another board.
        """
        revision = self.revision
        if revision is None:
            names = [stepping.name for stepping in self.steppings]
            hint = f"give --stepping instead: {', '.join(names)}" if len(names) > 1 else "leave it out"
            raise Refused(f"{self.id} has no revision codes that are known", hint=hint)
        number = _code(code)
        values = {field.name: field.of(number) for field in revision.bits}
        if number >> 32 or not _fits(values, revision.board):
            fields = ", ".join(f"{name} {value:#x}" for name, value in values.items())
            others = [other for other in boards() if other.revision is not None and other.id != self.id]
            its = [other.id for other in others if _is_code_of(other, number)]
            hint = f"it is one of {' or '.join(its)}" if its else f"its fields: {fields}"
            if not its and number >> 16 and (digits := len(f"{number:x}")) != _CODE_DIGITS:
                hint = f"it has {digits} digits, and such a code has {_CODE_DIGITS}, as e04171"
            raise Refused(f"revision {code} is not one of {self.name}", hint=hint)
        for rule in revision.rules:
            if _fits(values, rule.fields):
                return self.stepping(rule.stepping)
        return self.steppings[0]

    def steppings_of_model(self, model: str) -> frozenset[str]:
        """Names of the steppings that a board can have whose devicetree's model is this text."""
        revision = self.revision
        named = _FIELD.search(revision.in_model) if revision is not None else None
        if revision is None or named is None:
            return frozenset(stepping.name for stepping in self.steppings)
        before, after = (re.escape(part) for part in _FIELD.split(revision.in_model)[::2])
        written_in = re.search(rf"(?<!\w){before}([0-9]+){after}(?!\w)", model)
        known = {**revision.board, **({named[1]: (int(written_in[1]),) * 2} if written_in else {})}
        names: set[str] = set()
        for rule in revision.rules:
            its = {name: known[name] for name in rule.fields if name in known}
            if all(
                low <= value[0] <= high for name, value in its.items() for low, high in [rule.fields[name]]
            ):
                names.add(rule.stepping)
                if len(its) == len(rule.fields):
                    return frozenset(names)
        return frozenset(names | {self.steppings[0].name})


def _code(text: str) -> int:
    """The number of a revision code; raises `Refused` where it is no hexadecimal one."""
    try:
        return int(text.strip().lower().removeprefix("0x"), 16)
    except ValueError as error:
        raise Refused(
            f"{text!r} is no revision code",
            hint="it looks like e04171: in /proc/cpuinfo of any system that boots there, or on the "
            "firmware's screen without a card (`board:`)",
        ) from error


def boards_of_code(code: str) -> tuple[Board, ...]:
    """The boards that a revision code may be of; raises `Refused` where it is no hexadecimal code."""
    number = _code(code)
    return tuple(board for board in boards() if _is_code_of(board, number))


def _is_code_of(board: Board, number: int) -> bool:
    """Whether a revision code is one of that board."""
    revision = board.revision
    if revision is None or number >> 32:
        return False
    return _fits({field.name: field.of(number) for field in revision.bits}, revision.board)


_CODE_DIGITS = 6
"""Of a new-style revision code, whose flag is bit 23 (Raspberry Pi documentation: revision codes)."""


def _fits(values: Mapping[str, int], wanted: Mapping[str, tuple[int, int]]) -> bool:
    return all(low <= values[name] <= high for name, (low, high) in wanted.items())


BOARDS = Kind("boards", "a board", Board)
"""`data/boards/`, and the user's own."""


def boards() -> tuple[Board, ...]:
    """Every board known, by name of its file."""
    return tuple(BOARDS.all().values())


def board(name: str) -> Board:
    """The board of that name, in the file of that path, or whose compatible or devicetree (its file name) it
    is; raises `Refused` with those there are."""
    by_devicetree = listed(name)
    if by_devicetree is not None:
        return by_devicetree[0]
    if names_devicetree(name):
        hint = f"bootwright boards add {shlex.quote(name)} writes one from its devicetree"
        raise Refused(f"{name} has no board's file", hint=f"{hint}, which every command then takes")
    files = BOARDS.files()
    if name not in files and "/" not in name and not name.endswith(".toml"):
        otherwise = "bootwright boards list has them, all arm64; boards add writes one from a devicetree"
        raise no_such(f"there is no board {name!r}", name, files, kind="boards", otherwise=otherwise)
    return BOARDS.find(name)


def names_devicetree(name: str) -> bool:
    """Whether a board is named by its devicetree: the file's name, or the root's compatible."""
    return ("," in name and "/" not in name) or name.endswith(".dtb")


def listed(name: str) -> tuple[Board, str | None] | None:
    """(board, stepping) of a compatible, or of a devicetree's file name; None where no board's file has it.

    The stepping is None of a compatible, and where several boot with the devicetree.
    """
    if not names_devicetree(name):
        return None
    for candidate in boards():
        if candidate.compatible[0] == name:
            return candidate, None
        its = [stepping.name for stepping in candidate.steppings if stepping.dtb == name]
        if its:
            return candidate, its[0] if len(its) == 1 else None
    return None


def board_of_model(model: str) -> Board | None:
    """The board that a devicetree's `model` names, as kernels print it: `Raspberry Pi 5 Model B Rev 1.1`."""
    named = [board for board in boards() if re.match(rf"{re.escape(board.name)}(?!\w)", model)]
    return max(named, key=lambda board: len(board.name), default=None)


def boards_of(compatible: tuple[str, ...]) -> tuple[Board, ...]:
    """Boards whose own (first) compatible is in a devicetree's root compatible."""
    return tuple(board for board in boards() if board.compatible[0] in compatible)
