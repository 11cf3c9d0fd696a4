"""Conditional branches of A64 and conditional selects: which ways they go, and what each way teaches.

Arm Architecture Reference Manual, DDI 0487, section C4.1 for the encodings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bootwright.formats.code.a64_state import MASK64, Compared, State, Symbol, Value, narrowed, signed, ways
from bootwright.formats.code.a64_step import read_register, write_register


def branches(state: State, word: int) -> Iterator[tuple[int, Callable[[State], None] | None]] | None:
    """(next address, what is learnt by going there) for a conditional branch; None for another instruction.

    A conditional select is one too: both ways go on behind it, with different values.
    """
    pc = state.pc
    if word & 0xFF000010 == 0x54000000:
        target = pc + signed(word >> 5 & 0x7FFFF, 19) * 4
        return _by_flags(state, word & 15, target, pc + 4)
    if word & 0x7E000000 == 0x34000000:
        target = pc + signed(word >> 5 & 0x7FFFF, 19) * 4
        tested = Compared(read_register(state, word & 31), 0, 64 if word >> 31 else 32)
        return _by_comparison(tested, 1 if word >> 24 & 1 else 0, target, pc + 4)
    if word & 0x7E000000 == 0x36000000:
        return _by_bit(state, word)
    if word & 0x1FE00000 == 0x1A800000:
        return _select(state, word)
    return None


def _by_flags(
    state: State, condition: int, target: int, behind: int
) -> Iterator[tuple[int, Callable[[State], None] | None]]:
    for answer, symbol, value in ways(state.flags, condition):
        yield target if answer else behind, _learn(symbol, value)


def _by_comparison(
    tested: Compared, condition: int, target: int, behind: int
) -> Iterator[tuple[int, Callable[[State], None] | None]]:
    for answer, symbol, value in ways(tested, condition):
        yield target if answer else behind, _learn(symbol, value)


def _by_bit(state: State, word: int) -> Iterator[tuple[int, Callable[[State], None] | None]]:
    """TBZ, TBNZ."""
    target, behind = state.pc + signed(word >> 5 & 0x3FFF, 14) * 4, state.pc + 4
    bit, wanted = word >> 19 & 31 | word >> 26 & 32, word >> 24 & 1
    value = read_register(state, word & 31)
    if isinstance(value, int):
        yield (target if value >> bit & 1 == wanted else behind), None
        return
    if isinstance(value, Symbol) and bit in {31, 63}:
        for negative in (False, True):
            possible, left = narrowed(value, 1 if negative else 6)
            if possible:
                yield (target if negative == bool(wanted) else behind), _learn(value, left)
        return
    yield behind, None
    yield target, None


def _select(state: State, word: int) -> Iterator[tuple[int, Callable[[State], None] | None]]:
    """CSEL, CSINC, CSINV, CSNEG."""
    wide = bool(word >> 31)
    rd, rn, rm = word & 31, word >> 5 & 31, word >> 16 & 31
    opcode = word >> 29 & 2 | word >> 10 & 1
    for answer, symbol, value in ways(state.flags, word >> 12 & 15):

        def select(
            chosen: State, *, answer: bool = answer, symbol: Symbol | None = symbol, value: Value = value
        ) -> None:
            if symbol is not None:
                chosen.narrow(symbol, value)
            result = read_register(chosen, rn if answer else rm)
            if not answer and opcode:
                if isinstance(result, int):
                    result = (
                        result + 1 if opcode == 1 else result ^ MASK64 if opcode == 2 else -result
                    ) & MASK64
                else:
                    result = None
            write_register(chosen, rd, result, wide=wide)

        yield state.pc + 4, select


def _learn(symbol: Symbol | None, value: Value) -> Callable[[State], None] | None:
    if symbol is None:
        return None
    return lambda state: state.narrow(symbol, value)
