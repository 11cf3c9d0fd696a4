"""The instructions that make and guard error numbers, as an assembler writes them."""

from __future__ import annotations

from bootwright.formats.code.a64_state import MASK64, signed

_CONDITIONS = ("eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "al", "nv")


def assembly(word: int, pc: int) -> str:
    """The instruction in assembler; the bare number where it is no move of a constant, branch or select."""
    wide = word >> 31
    if word & 0x1F800000 == 0x12800000 and word >> 29 & 3 != 3:  # MOVN, MOVZ
        part = (word >> 5 & 0xFFFF) << (word >> 21 & 3) * 16
        value = part if word >> 30 & 1 else part ^ (MASK64 if wide else 0xFFFFFFFF)
        return f"mov {_name(word & 31, wide)}, #{signed(value, 64 if wide else 32)}"
    if word & 0xFF000010 == 0x54000000:
        return f"b.{_CONDITIONS[word & 15]} {pc + signed(word >> 5 & 0x7FFFF, 19) * 4:#x}"
    if word & 0x7E000000 == 0x34000000:
        target = pc + signed(word >> 5 & 0x7FFFF, 19) * 4
        return f"{'cbnz' if word >> 24 & 1 else 'cbz'} {_name(word & 31, wide)}, {target:#x}"
    if word & 0x7E000000 == 0x36000000:
        bit = word >> 19 & 31 | word >> 26 & 32
        target = pc + signed(word >> 5 & 0x3FFF, 14) * 4
        register = _name(word & 31, bit >> 5)
        return f"{'tbnz' if word >> 24 & 1 else 'tbz'} {register}, #{bit}, {target:#x}"
    if word & 0x3FE00000 == 0x1A800000 and not word >> 11 & 1:
        name = ("csel", "csinc", "csinv", "csneg")[word >> 29 & 2 | word >> 10 & 1]
        registers = ", ".join(_name(word >> shift & 31, wide) for shift in (0, 5, 16))
        return f"{name} {registers}, {_CONDITIONS[word >> 12 & 15]}"
    return f".inst {word:#010x}"


def _name(register: int, wide: int) -> str:
    letter = "x" if wide else "w"
    return f"{letter}zr" if register == 31 else f"{letter}{register}"
