"""One A64 instruction at a time, as far as the values of arguments and return codes need it.

Arm Architecture Reference Manual, DDI 0487, section C4.1 for the encodings. What is not decoded makes its
destination register unknown (bits 4:0, where nearly every instruction has it), so that nothing is claimed
about what was not understood.
"""

from __future__ import annotations

from typing import Protocol

from bootwright.formats.code.a64_state import (
    MASK64,
    Compared,
    State,
    Symbol,
    Value,
    region,
    signed,
    ways,
)

_ZERO_REGISTER = 31
_SP = 31
_INSIDE = 64
"""Added to a symbol, this and more makes a pointer into a structure; less may be arithmetic."""


class Memory(Protocol):
    """What the code reads that it has not written itself."""

    def load(self, address: int, size: int) -> Value:
        """The value of `size` bytes there."""
        ...

    def page(self, pc: int, computed: int) -> int:
        """The address that the ADRP or ADR at `pc` makes, relocated."""
        ...

    def low(self, pc: int, immediate: int) -> int:
        """The low part that the ADD or load at `pc` adds, relocated."""
        ...


def read_register(state: State, register: int) -> Value:
    """The value of a general register; number 31 is zero."""
    return 0 if register == _ZERO_REGISTER else state.x[register]


def write_register(state: State, register: int, value: Value, *, wide: bool) -> None:
    """Set a general register, its lower half where not `wide`; number 31 takes nothing."""
    if register != _ZERO_REGISTER:
        state.x[register] = value if wide or not isinstance(value, int) else value & 0xFFFFFFFF


def step(state: State, word: int, memory: Memory) -> None:
    """Apply an instruction that neither branches nor calls, and go on to the next."""
    pc = state.pc
    state.pc = pc + 4
    group = word >> 25 & 0xF
    if group in {8, 9}:
        _immediate(state, word, pc, memory)
    elif group in {4, 6, 12, 14}:
        _load_store(state, word, pc, memory)
    elif group in {5, 13}:
        _register(state, word)
    elif group in {10, 11}:
        pass  # system instructions: hints, barriers; MRS is below
    if word & 0xFFF00000 == 0xD5300000:  # MRS
        write_register(state, word & 31, None, wide=True)


def _immediate(state: State, word: int, pc: int, memory: Memory) -> None:
    wide = bool(word >> 31)
    rd, rn = word & 31, word >> 5 & 31
    kind = word >> 23 & 7
    if kind in {0, 1}:  # ADR, ADRP
        offset = signed((word >> 5 & 0x7FFFF) << 2 | word >> 29 & 3, 21)
        computed = (pc & ~0xFFF) + (offset << 12) if wide else pc + offset
        write_register(state, rd, memory.page(pc, computed) & MASK64, wide=True)
    elif kind == 2:  # ADD, SUB
        number = memory.low(pc, word >> 10 & 0xFFF) << (12 if word >> 22 & 1 else 0)
        left = state.x[rn]
        _add(state, rd, left, number, word, to_stack=True)
    elif kind == 4:
        _logical(
            state, rd, read_register(state, rn), _bit_pattern(word), word >> 29 & 3, wide=wide, to_stack=True
        )
    elif kind == 5:  # MOVN, MOVZ, MOVK
        shift = (word >> 21 & 3) * 16
        part = (word >> 5 & 0xFFFF) << shift
        opcode = word >> 29 & 3
        if opcode == 3:
            old = read_register(state, rd)
            new: Value = (old & ~(0xFFFF << shift) | part) if isinstance(old, int) else None
        else:
            new = part ^ MASK64 if opcode == 0 else part
        write_register(state, rd, new, wide=wide)
    elif kind == 6:
        write_register(state, rd, _bits(word, read_register(state, rn)), wide=wide)
    else:
        write_register(state, rd, None, wide=True)


def _add(state: State, rd: int, left: Value, right: Value, word: int, *, to_stack: bool) -> None:
    wide, minus, flags = bool(word >> 31), bool(word >> 30 & 1), bool(word >> 29 & 1)
    bits = 64 if wide else 32
    result: Value = None
    if isinstance(left, int) and isinstance(right, int):
        result = (left - right if minus else left + right) & MASK64
    elif right == 0:
        result = left
    elif isinstance(left, Symbol) and isinstance(right, int) and wide and not minus and right >= _INSIDE:
        result = region(left) + right
    if flags:
        other = right
        if not minus:
            other = -right & MASK64 if isinstance(right, int) else None
        state.flags = Compared(left, other, bits)
        write_register(state, rd, result, wide=wide)
    elif to_stack:
        state.x[rd] = result if wide or not isinstance(result, int) else result & 0xFFFFFFFF
    else:
        write_register(state, rd, result, wide=wide)


def _logical(
    state: State, rd: int, left: Value, right: Value, opcode: int, *, wide: bool, to_stack: bool = False
) -> None:
    result: Value = None
    if isinstance(left, int) and isinstance(right, int):
        result = {0: left & right, 1: left | right, 2: left ^ right, 3: left & right}[opcode]
    elif opcode == 1 and (left == 0 or right == 0):
        result = right if left == 0 else left
    elif opcode in {0, 3} and (left == 0 or right == 0):
        result = 0
    elif opcode == 3 and left == right:
        result = left
    if opcode == 3:
        state.flags = Compared(result, 0, 64 if wide else 32)
    if to_stack and opcode != 3 and rd == _SP:
        state.x[_SP] = result
    else:
        write_register(state, rd, result, wide=wide)


def _bit_pattern(word: int) -> Value:
    """A bitmask immediate (DecodeBitMasks, Arm ARM J1.1)."""
    n, immr, imms = word >> 22 & 1, word >> 16 & 63, word >> 10 & 63
    length = (n << 6 | ~imms & 63).bit_length() - 1
    if length < 1:
        return None
    size = 1 << length
    ones, turn = (imms & (size - 1)) + 1, immr & (size - 1)
    element = (1 << ones) - 1
    element = (element >> turn | element << (size - turn)) & ((1 << size) - 1)
    pattern = 0
    for at in range(0, 64, size):
        pattern |= element << at
    return pattern


def _bits(word: int, value: Value) -> Value:
    """SBFM, UBFM; a BFM's result is not known."""
    opcode, wide = word >> 29 & 3, bool(word >> 31)
    immr, imms = word >> 16 & 63, word >> 10 & 63
    bits = 64 if wide else 32
    if opcode == 0 and immr == 0 and imms == 31 and isinstance(value, Symbol):
        return value  # SXTW of a return code
    if not isinstance(value, int) or opcode == 1:
        return None
    if imms >= immr:
        width, part, place = imms - immr + 1, value >> immr, 0
    else:
        width, part, place = imms + 1, value, bits - immr
    part &= (1 << width) - 1
    if opcode == 0:
        part = signed(part, width)
    return part << place & ((1 << bits) - 1)


def _register(state: State, word: int) -> None:
    wide = bool(word >> 31)
    rd, rn, rm = word & 31, word >> 5 & 31, word >> 16 & 31
    if word & 0x1F000000 == 0x0A000000:  # logical, shifted
        right = _shifted(read_register(state, rm), word)
        if word >> 21 & 1:
            right = right ^ MASK64 if isinstance(right, int) else None
        _logical(state, rd, read_register(state, rn), right, word >> 29 & 3, wide=wide)
    elif word & 0x1F200000 == 0x0B000000:  # add or subtract, shifted
        _add(
            state,
            rd,
            read_register(state, rn),
            _shifted(read_register(state, rm), word),
            word,
            to_stack=False,
        )
    elif word & 0x1F200000 == 0x0B200000:  # add or subtract, extended
        right = read_register(state, rm)
        if isinstance(right, int):
            option = word >> 13 & 7
            size = 8 << (option & 3)
            right = signed(right, size) if option & 4 else right & ((1 << size) - 1)
            right = right << (word >> 10 & 7) & MASK64
        _add(state, rd, state.x[rn], right, word, to_stack=True)
    elif word & 0x1FE00000 == 0x1A400000:  # conditional compare
        state.flags = _compare_if(state, word)
    else:
        write_register(state, rd, None, wide=True)


def _compare_if(state: State, word: int) -> Compared | None:
    """CCMP, CCMN: followed only where the condition is certain."""
    certain = list(ways(state.flags, word >> 12 & 15))
    if len(certain) != 1:
        return None
    if not certain[0][0]:
        nzcv = word & 15
        # Any two numbers whose comparison gives these flags, of those that compilers use.
        pairs = {0: (2, 1), 4: (0, 0), 8: (0, 1), 2: (2, 1), 6: (0, 0)}
        return Compared(*pairs[nzcv], 64) if nzcv in pairs else None
    right: Value = word >> 16 & 31 if word >> 11 & 1 else read_register(state, word >> 16 & 31)
    if not word >> 30 & 1:
        right = -right & MASK64 if isinstance(right, int) else None
    return Compared(read_register(state, word >> 5 & 31), right, 64 if word >> 31 else 32)


def _shifted(value: Value, word: int) -> Value:
    kind, amount = word >> 22 & 3, word >> 10 & 63
    if amount == 0 or not isinstance(value, int):
        return value if amount == 0 else None
    bits = 64 if word >> 31 else 32
    value &= (1 << bits) - 1
    if kind == 0:
        return value << amount & ((1 << bits) - 1)
    if kind == 1:
        return value >> amount
    return signed(value, bits) >> amount & ((1 << bits) - 1) if kind == 2 else None


def _load_store(state: State, word: int, pc: int, memory: Memory) -> None:
    if word & 0x3A000000 == 0x28000000:
        _pair(state, word, memory)
    elif word & 0x3B000000 == 0x39000000:  # unsigned offset
        size = word >> 30
        vector = bool(word >> 26 & 1)
        offset = memory.low(pc, (word >> 10 & 0xFFF) << size)
        base = state.x[word >> 5 & 31]
        _one(state, word, plus(base, offset), memory, vector=vector)
    elif word & 0x3B200000 == 0x38000000:  # unscaled, before or after
        vector = bool(word >> 26 & 1)
        offset = signed(word >> 12 & 0x1FF, 9)
        rn, mode = word >> 5 & 31, word >> 10 & 3
        base = state.x[rn]
        _one(state, word, base if mode == 1 else plus(base, offset), memory, vector=vector)
        if mode in {1, 3}:
            state.x[rn] = plus(base, offset)
    elif word & 0x3B200C00 == 0x38200800:  # register offset
        index = read_register(state, word >> 16 & 31)
        if isinstance(index, int):
            option = word >> 13 & 7
            if option in {2, 6}:
                index = signed(index, 32) if option == 6 else index & 0xFFFFFFFF
            index <<= (word >> 30) if word >> 12 & 1 else 0
        address = plus(state.x[word >> 5 & 31], index) if isinstance(index, int) else None
        _one(state, word, address, memory, vector=bool(word >> 26 & 1))
    elif not word >> 26 & 1:  # exclusive, ordered, atomic: what is read is not known
        write_register(state, word & 31, None, wide=True)
        if word & 0x3F000000 == 0x08000000:
            write_register(state, word >> 16 & 31, None, wide=True)


def plus(base: Value, offset: int) -> Value:
    """An address; what a symbol points to lies at addresses of its own."""
    if isinstance(base, Symbol):
        base = region(base)
    return (base + offset) & MASK64 if base is not None else None


def _one(state: State, word: int, address: Value, memory: Memory, *, vector: bool) -> None:
    size, opcode, rt = 1 << (word >> 30), word >> 22 & 3, word & 31
    if opcode == 0 or (vector and opcode == 2):
        value = None if vector else read_register(state, rt)
        if isinstance(value, int) and size < 8:
            value &= (1 << (8 * size)) - 1
        _store(state, address, (16 if vector else size), value)
        return
    if vector:
        return
    if size == 8 and opcode == 2:
        return  # PRFM
    value = load(state, address, size, memory)
    if opcode >= 2 and isinstance(value, int):
        value = signed(value, 8 * size) & (MASK64 if opcode == 2 else 0xFFFFFFFF)
    write_register(state, rt, value, wide=True)


def _pair(state: State, word: int, memory: Memory) -> None:
    mode, loads, vector = word >> 23 & 3, bool(word >> 22 & 1), bool(word >> 26 & 1)
    opcode = word >> 30
    size = (4 << opcode) if vector else 8 if opcode == 2 else 4
    offset = signed(word >> 15 & 0x7F, 7) * size
    rn = word >> 5 & 31
    base = state.x[rn]
    address = base if mode == 1 else plus(base, offset)
    for register, at in ((word & 31, 0), (word >> 10 & 31, size)):
        place = plus(address, at)
        if loads and not vector:
            value = load(state, place, size, memory)
            if opcode == 1 and isinstance(value, int):
                value = signed(value, 32) & MASK64
            write_register(state, register, value, wide=True)
        elif not loads:
            _store(state, place, size, None if vector else read_register(state, register))
    if mode in {1, 3}:
        state.x[rn] = plus(base, offset)


def _store(state: State, address: Value, size: int, value: Value) -> None:
    if not isinstance(address, int):
        return
    known = state.memory
    for near in range(address - 7, address + size):
        if near in known and near + known[near][0] > address:
            del known[near]
    known[address] = (size, value)


def load(state: State, address: Value, size: int, memory: Memory) -> Value:
    """What is read there: what was stored, or what has been there before."""
    if not isinstance(address, int):
        return None
    kept = state.memory.get(address)
    if kept is not None:
        stored, value = kept
        if stored == size:
            return value
        if size < stored and isinstance(value, int):
            return value & ((1 << (8 * size)) - 1)
        upper = state.memory.get(address + stored)
        # Two words that were cleared are a double word that is.
        return 0 if size == 2 * stored and value == 0 and upper == (stored, 0) else None
    value = memory.load(address, size)
    if isinstance(value, Symbol):
        state.memory[address] = (size, value)
    return value
