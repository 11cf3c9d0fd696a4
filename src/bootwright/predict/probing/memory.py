"""What a walk still knows after a call, and after some rounds of a loop."""

from __future__ import annotations

from collections.abc import Callable

from bootwright.formats.code.a64_state import REGIONS, State, Symbol, Value, region, signed
from bootwright.formats.code.linked_code import OWN, OWN_SIZE

STACK = 0xFFFF_0002_0000_0000
HEAP = 0xFFFF_0003_0000_0000
NODES = 0xFFFF_0004_0000_0000
OBJECT = 1 << 20
"""Bytes from one object in memory to the next."""
_STACK_END = STACK - (1 << 16)
_OUTPUT = 96
"""Bytes behind a pointer to the stack that a callee may fill in: struct resource and of_phandle_args fit."""
LARGEST_CLEARED = 4096
"""Bytes of a structure on the stack that is cleared (memset)."""
_SMALL = 4096
"""Numbers below are no pointers: what a callee's result may replace."""
_ROUNDS = 12

Visits = dict[tuple[object, ...], tuple[int, list[Value]]]
"""Place in the code → how often a walk has been there, and the registers the last time."""


def forget(state: State, place: Value) -> None:
    """Forget what a callee may change that was given a pointer to `place`."""
    if isinstance(place, Symbol):
        place = region(place)
    if not isinstance(place, int):
        return
    if _STACK_END <= place <= STACK:
        _remove(state, place, place + _OUTPUT, _is_output)
        _remove(state, place, place + LARGEST_CLEARED, _is_zero)
    elif HEAP <= place < NODES or place >= REGIONS:
        _remove(state, place, (place | (OBJECT - 1)) + 1, _may_change)


def _remove(state: State, start: int, end: int, which: Callable[[int, Value], bool]) -> None:
    memory = state.memory
    for address in [
        place for place, (_, value) in memory.items() if start <= place < end and which(place, value)
    ]:
        del memory[address]


def _is_output(address: int, value: Value) -> bool:
    """Whether it looks like a variable that a callee fills in, and not like a saved register."""
    return value is None or (isinstance(value, int) and (value < _SMALL or value == address))


def _is_zero(address: int, value: Value) -> bool:
    """Whether it may be a field of a structure that was cleared, which a callee fills in."""
    del address
    return value == 0


def _may_change(address: int, value: Value) -> bool:
    """A structure's pointer to the device stays; everything else in it a callee may change."""
    del address
    return not (isinstance(value, int) and OWN <= value < OWN + OWN_SIZE)


def widen(state: State, visits: Visits) -> None:
    """After a few rounds of a loop what still changes in registers is taken as unknown, so that it ends."""
    place = (state.pc, state.frames)
    count, before = visits.get(place, (0, state.x))
    if count >= _ROUNDS:
        state.x = [
            None if value != last and _counts(value) and _counts(last) else value
            for value, last in zip(state.x, before, strict=True)
        ]
        if count >= 2 * _ROUNDS:
            state.flags = None
    visits[place] = (count + 1, state.x)


def _counts(value: Value) -> bool:
    """Whether a loop may change it: a number that is no error."""
    return isinstance(value, int) and signed(value, 32) >= 0
