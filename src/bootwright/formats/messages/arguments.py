"""Which constant address a function passes in an argument register, read backwards from the call.

A64 encodings: Arm Architecture Reference Manual, DDI 0487, section C4.1. Arguments are in x0 to x7, and a
call changes x0 to x18 (Procedure Call Standard for the Arm 64-bit Architecture, section 6.1).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

_MOST_STEPS = 400
"""Instructions looked at for one argument, over all ways that lead to the call."""
_PROLOGUE = 64
"""Instructions in which a function saves its arguments."""
_KEPT_BY_CALLS = 19
"""The first register that a call leaves alone."""
_ZERO_REGISTER = 31
_STACK = 64
"""From here on a number is no register but a place on the stack: base register and offset."""

_BRANCHES = frozenset({0x54, 0x34, 0x35, 0xB4, 0xB5, 0x36, 0x37, 0xB6, 0xB7, *range(0x14, 0x18)})
"""The highest bytes of direct branches: B.cond, CBZ, CBNZ, TBZ, TBNZ, B."""

Branches = dict[int, list[int]]
"""Index of an instruction → indexes of branches that go to it."""


def branch_target(word: int, index: int) -> int | None:
    """Where a direct branch that is no call goes, as an index; None for another instruction."""
    if word >> 26 == 0x05:
        return index + _signed(word & 0x3FFFFFF, 26)
    if word & 0xFF000000 == 0x54000000 or word & 0x7E000000 == 0x34000000:
        return index + _signed(word >> 5 & 0x7FFFF, 19)
    if word & 0x7E000000 == 0x36000000:
        return index + _signed(word >> 5 & 0x3FFF, 14)
    return None


def branches_within(words: array[int], start: int, end: int) -> Branches:
    """The direct branches of the function between two indexes that stay inside it."""
    sources: Branches = {}
    for index, word in enumerate(words[start:end], start):
        if word >> 24 in _BRANCHES:
            target = branch_target(word, index)
            if target is not None and start <= target < end:
                sources.setdefault(target, []).append(index)
    return sources


def never_goes_on(word: int) -> bool:
    """Whether the next instruction is not reached from this one: B, BR, RET, BRK."""
    if word & 0xFE1F0000 == 0xD61F0000:
        return not word >> 21 & 1
    return word >> 26 == 0x05 or word & 0xFFE0001F == 0xD4200000


def is_call(word: int) -> bool:
    """BL, and BLR with or without pointer authentication."""
    return word >> 26 == 0x25 or (word & 0xFE1F0000 == 0xD61F0000 and bool(word >> 21 & 1))


def passed(
    words: array[int],
    call: int,
    register: int,
    *,
    start: int,
    made: Callable[[int], bytes | None],
    branches: Callable[[], Branches],
) -> tuple[bytes, ...]:
    """What `register` can hold where the call at index `call` stands.

    `made` gives the text whose address the instruction at an index makes, `branches` those of the function
    that begins at index `start`. Ways whose value is not such a text are left out.
    """
    texts: dict[bytes, None] = {}
    ways = [(call, register)]
    sources = branches()
    seen: set[tuple[int, int]] = set()
    steps = 0
    while ways and steps < _MOST_STEPS:
        index, wanted = ways.pop()
        while steps < _MOST_STEPS:
            if (index, wanted) in seen:
                break
            seen.add((index, wanted))
            steps += 1
            ways += [(source, wanted) for source in sources.get(index, ())]
            index -= 1
            if index < start or never_goes_on(words[index]):
                break
            word = words[index]
            if wanted >= _STACK:
                wanted = _stored(word, wanted)
                continue
            if is_call(word):
                if wanted < _KEPT_BY_CALLS:
                    break
                continue
            if not writes(word, wanted):
                continue
            kept = _loaded(word, wanted)
            if kept is not None:
                wanted = kept
                continue
            if word & 0xFFE0FFE0 == 0xAA0003E0:  # MOV
                wanted = word >> 16 & 31
                continue
            if word & 0xFFE00C00 == 0x9A800000:  # CSEL
                ways.append((index, word >> 16 & 31))
                wanted = word >> 5 & 31
                continue
            text = made(index)
            if text is not None:
                texts[text] = None
            break
    return tuple(texts)


def _place(word: int) -> int | None:
    """Where LDR, STR, LDP and STP of 64 bits with an offset keep the first register: in a frame, or None."""
    base = word >> 5 & 31
    if base not in {29, 31}:  # frame and stack pointer
        return None
    if word & 0xFF800000 == 0xF9000000:
        offset = (word >> 10 & 0xFFF) * 8
    elif word & 0xFF800000 == 0xA9000000:
        offset = _signed(word >> 15 & 0x7F, 7) * 8 & 0xFFFF
    else:
        return None
    return _STACK + (base << 16) + offset


def _loaded(word: int, register: int) -> int | None:
    """The place on the stack that an instruction loads a register from."""
    place = _place(word) if word >> 22 & 1 else None
    if place is None or word & 31 == register:
        return place
    return place + 8  # the other one of a pair


def _stored(word: int, place: int) -> int:
    """The register whose value an instruction puts to a place on the stack; else the place."""
    first = _place(word) if not word >> 22 & 1 else None
    if first == place:
        return word & 31
    if first is not None and first + 8 == place and word & 0xFF800000 == 0xA9000000:
        return word >> 10 & 31
    return place


def writes(word: int, register: int) -> bool:
    """Whether an instruction that is no branch changes a general register."""
    if register == _ZERO_REGISTER:
        return False
    group = word >> 25 & 0xF
    if group in {8, 9, 5, 13}:
        # CCMP and CCMN have flags where others have a destination.
        return word & 31 == register and word & 0x3FE00000 != 0x3A400000
    if group not in {4, 6, 12, 14} or word >> 26 & 1:
        return False
    if word & 0x3A000000 == 0x28000000:  # pairs
        return bool(word >> 22 & 1) and register in {word & 31, word >> 10 & 31}
    if word & 0x3F000000 == 0x08000000:  # exclusive, with a status where it stores
        return register == (word & 31 if word >> 22 & 1 else word >> 16 & 31)
    if word & 0x3B000000 == 0x18000000:  # literal
        return word & 31 == register
    return word & 31 == register and word >> 22 & 3 != 0


def saved_arguments(words: array[int], start: int, end: int) -> int | None:
    """The first argument register that a variadic function keeps for `va_arg` when it begins.

    It stores every register from there to x7 side by side on the stack (Procedure Call Standard, appendix
    B.3, `__gr_top`); None where the function does not.
    """
    places: dict[int, tuple[int, int]] = {}
    changed: set[int] = set()
    for index in range(start, min(end, start + _PROLOGUE)):
        word = words[index]
        base, first, second = word >> 5 & 31, word & 31, word >> 10 & 31
        if base in {29, 31} and word & 0xFFC00000 == 0xA9000000:  # STP, offset
            at = _signed(word >> 15 & 0x7F, 7) * 8
            stored = [(first, at), (second, at + 8)]
        elif base in {29, 31} and word & 0xFFC00000 == 0xF9000000:  # STR, offset
            stored = [(first, (word >> 10 & 0xFFF) * 8)]
        else:
            changed |= {register for register in range(8) if writes(word, register)}
            continue
        for register, at in stored:
            if register not in changed:
                places.setdefault(register, (base, at))
    saved = 8
    while saved and saved - 1 in places and (saved == 8 or places[saved - 1] == _before(places[saved])):
        saved -= 1
    return saved if saved < 8 else None


def _before(place: tuple[int, int]) -> tuple[int, int]:
    return place[0], place[1] - 8


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value
