"""Values and states of a symbolic walk through A64 code: what is known, and what a branch tells.

A value is a number (64 bits, unsigned), `None` where nothing is known, or a `Symbol`: something a call
returned, of which only the sign may be known. A branch on a symbol splits its signs between the two ways.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

NEGATIVE, ZERO, POSITIVE = 1, 2, 4
ANY = NEGATIVE | ZERO | POSITIVE
MASK64 = (1 << 64) - 1
_ERRORS = 4096
"""MAX_ERRNO + 1 (include/linux/err.h): addresses from -4095 on are error numbers."""


class Symbol(NamedTuple):
    """A value that is not known. Two symbols of one name are the same value."""

    name: tuple[str, int]
    signs: int = ANY
    """Which of `NEGATIVE` (an error number, also as a pointer), `ZERO` and `POSITIVE` it may be."""


Value = int | Symbol | None

REGIONS = 0xFFFF_0800_0000_0000
_REGION_SIZE = 1 << 20


def region(symbol: Symbol) -> int:
    """The address that stands for what a symbol points to. Those of one walk do not overlap."""
    kind, number = symbol.name
    return REGIONS + ((number << 1 | (kind == "field")) & 0xFFFFF) * _REGION_SIZE


class Compared(NamedTuple):
    """What the flags hold: the comparison of two values of 32 or 64 bits."""

    left: Value
    right: Value
    bits: int


class State:
    """Where a walk is, and what it knows."""

    __slots__ = ("flags", "frames", "memory", "pc", "x")

    def __init__(self, pc: int) -> None:
        self.pc = pc
        self.x: list[Value] = [None] * 32
        """x0 to x30, and the stack pointer as number 31."""
        self.flags: Compared | None = None
        self.memory: dict[int, tuple[int, Value]] = {}
        """Address → size in bytes and value of what was stored there."""
        self.frames: tuple[int, ...] = ()
        """Return addresses of the calls that are walked into."""

    def copy(self) -> State:
        """A state of its own."""
        other = State(self.pc)
        other.x = self.x[:]
        other.flags = self.flags
        other.memory = dict(self.memory)
        other.frames = self.frames
        return other

    def key(self) -> tuple[object, ...]:
        """Two states of one key go the same way from here."""
        return (self.pc, self.frames, self.flags, *self.x, frozenset(self.memory.items()))

    def narrow(self, symbol: Symbol, to: Value) -> None:
        """Replace a symbol wherever it is held."""
        name = symbol.name
        self.x = [to if isinstance(value, Symbol) and value.name == name else value for value in self.x]
        for address, (size, value) in list(self.memory.items()):
            if isinstance(value, Symbol) and value.name == name:
                self.memory[address] = (size, to)


def narrowed(symbol: Symbol, signs: int) -> tuple[bool, Value]:
    """(whether it can be, the value) when only these signs are left."""
    left = symbol.signs & signs
    return bool(left), 0 if left == ZERO else Symbol(symbol.name, left)


def signed(value: int, bits: int) -> int:
    """The number that `bits` bits mean in two's complement."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


# Conditions (Arm ARM C1.2.4): number → (for a signed comparison, what it says), even ones; odd ones invert.
_EQ, _CS, _MI, _VS, _HI, _GE, _GT, _AL = range(0, 16, 2)


def holds(condition: int, left: int, right: int, bits: int) -> bool:
    """Whether a condition holds after comparing two numbers."""
    mask = (1 << bits) - 1
    left, right = left & mask, right & mask
    a, b = signed(left, bits), signed(right, bits)
    even = condition & ~1
    if even == _EQ:
        answer = left == right
    elif even == _CS:
        answer = left >= right
    elif even == _MI:
        answer = bool((left - right) >> (bits - 1) & 1)
    elif even == _VS:
        answer = not -(1 << (bits - 1)) <= a - b < 1 << (bits - 1)
    elif even == _HI:
        answer = left > right
    elif even == _GE:
        answer = a >= b
    elif even == _GT:
        answer = a > b
    else:
        return True
    return answer is not bool(condition & 1)


def ways(flags: Compared | None, condition: int) -> Iterator[tuple[bool, Symbol | None, Value]]:
    """(whether the condition holds, a symbol that is known better then, its value) for each way."""
    if condition >= _AL:
        yield True, None, None
        return
    if flags is None:
        yield from ((False, None, None), (True, None, None))
        return
    left, right, bits = flags
    if isinstance(left, int) and isinstance(right, int):
        yield holds(condition, left, right, bits), None, None
        return
    if isinstance(left, Symbol) and isinstance(right, int):
        mask = (1 << bits) - 1
        for answer in (False, True):
            signs = _signs_where(condition if answer else condition ^ 1, right & mask, bits)
            if signs is None:
                equal = (condition == _EQ) is answer and condition & ~1 == _EQ
                yield (answer, left, right) if equal else (answer, None, None)
                continue
            possible, value = narrowed(left, signs)
            if possible:
                yield answer, left, value
        return
    yield from ((False, None, None), (True, None, None))


def _signs_where(condition: int, right: int, bits: int) -> int | None:
    """The signs a value can have where the condition holds against `right`; None where it tells nothing."""
    if right == (1 << bits) - _ERRORS:  # IS_ERR
        return {_HI: NEGATIVE, _HI + 1: ZERO | POSITIVE, _CS: NEGATIVE, _CS + 1: ZERO | POSITIVE}.get(
            condition
        )
    if right == (1 << bits) - _ERRORS + 1:  # IS_ERR as Clang has it: cmn x0, #4095; b.hs
        return {_CS: NEGATIVE, _CS + 1: ZERO | POSITIVE}.get(condition)
    if right == 0:
        return {
            _EQ: ZERO,
            _EQ + 1: NEGATIVE | POSITIVE,
            _MI: NEGATIVE,
            _MI + 1: ZERO | POSITIVE,
            _HI: NEGATIVE | POSITIVE,
            _HI + 1: ZERO,
            _GE: ZERO | POSITIVE,
            _GE + 1: NEGATIVE,
            _GT: POSITIVE,
            _GT + 1: NEGATIVE | ZERO,
        }.get(condition)
    if right == 1:
        return {_GE: POSITIVE, _GE + 1: NEGATIVE | ZERO}.get(condition)
    if right == (1 << bits) - 1:
        return {_GT: ZERO | POSITIVE, _GT + 1: NEGATIVE}.get(condition)
    return None
