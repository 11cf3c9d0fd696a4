"""The addresses that a function's code makes, as arguments of what it calls or to read what lies there."""

from __future__ import annotations

from bootwright.formats.code.a64_state import signed
from bootwright.formats.code.linked_code import Code

_MOST_BYTES = 64 << 10


def made_addresses(code: Code, function: int) -> frozenset[int]:
    """Every address that ADRP or ADR, and additions to it, make in the function that begins at an address.

    Arm Architecture Reference Manual, DDI 0487, section C4.1.93. A register that something else wrote in
    between may be taken for an address: the set may hold more than the code makes, hardly ever less.
    """
    addresses: set[int] = set()
    held: dict[int, int] = {}
    for pc in range(function, min(code.end(function), function + _MOST_BYTES), 4):
        word = code.word(pc)
        if word is None:
            break
        target, source = word & 31, word >> 5 & 31
        if word & 0x1F000000 == 0x10000000:  # ADR, ADRP
            offset = signed((word >> 5 & 0x7FFFF) << 2 | word >> 29 & 3, 21)
            is_page = bool(word >> 31)
            held[target] = code.page(pc, (pc & ~0xFFF) + (offset << 12) if is_page else pc + offset)
            if not is_page:
                addresses.add(held[target])
        elif word & 0xFF800000 == 0x91000000 and source in held:  # ADD, 64 bits, immediate
            immediate = code.low(pc, word >> 10 & 0xFFF)
            held[target] = held[source] + (immediate << 12 if word >> 22 & 1 else immediate)
            addresses.add(held[target])
        elif word & 0xFFE0FFE0 == 0xAA0003E0 and word >> 16 & 31 in held:  # MOV, 64 bits
            held[target] = held[word >> 16 & 31]
    return frozenset(addresses)
