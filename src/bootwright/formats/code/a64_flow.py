"""What an A64 instruction reads, writes and leads to, without doing it: for following values backwards.

Arm Architecture Reference Manual, DDI 0487, section C4.1 for the encodings. General registers only, without
the base that a load or store moves on, which is an address; what is not decoded is taken to write
the register in bits 4:0 from those in 9:5 and 20:16, where nearly every instruction has them.
"""

from __future__ import annotations

from enum import Enum, auto

from attrs import frozen

from bootwright.formats.code.a64_state import signed

SP = 31
"""The stack pointer among the numbers of registers. Where 31 is the zero register it is left out."""
LINK = 30


class Kind(Enum):
    """How an instruction goes on."""

    PLAIN = auto()
    JUMP = auto()
    CONDITIONAL = auto()
    CALL = auto()
    INDIRECT_JUMP = auto()
    INDIRECT_CALL = auto()
    RETURN = auto()
    EXCEPTION_RETURN = auto()
    TRAP = auto()


@frozen
class Access:
    """Memory that is loaded or stored."""

    base: int
    offset: int
    index: int | None
    """A register that is added, as `extend` and `shift` say."""
    extend: int
    """The instruction's option: 2 UXTW, 3 LSL, 6 SXTW, 7 SXTX."""
    shift: int
    parts: tuple[tuple[int | None, int], ...]
    """(register, or None where it is none of the general ones or computed; bytes), one after another."""
    stores: bool


@frozen
class Flow:
    """An instruction."""

    kind: Kind = Kind.PLAIN
    writes: tuple[int, ...] = ()
    reads: tuple[int, ...] = ()
    """Registers whose values may become the result, or that are tested."""
    access: Access | None = None
    jump: int | None = None
    """Bytes from here to where a direct branch leads."""
    condition: int | None = None
    """Of B.cond, and of a conditional select or compare."""
    selects: bool = False
    """CSEL and its kin: `reads` is (the register when the condition holds, the other); 31 is zero."""
    sets_flags: bool = False


def flow(word: int) -> Flow:
    """What the instruction `word` does; defined for every 32-bit number."""
    group = word >> 25 & 0xF
    if group in {8, 9}:
        return _immediate(word)
    if group in {10, 11}:
        return _branch_or_system(word)
    if group in {5, 13}:
        return _register(word)
    if group in {4, 6, 12, 14}:
        return _load_store(word)
    if group == 0 and word >> 16 == 0:  # UDF
        return Flow(Kind.TRAP)
    return Flow()


def holds(condition: int, flags: int) -> bool:
    """Whether a condition holds with N, Z, C, V in bits 3 to 0 (ConditionHolds, Arm ARM J1.1)."""
    n, z, c, v = (bool(flags >> bit & 1) for bit in (3, 2, 1, 0))
    answer = (z, c, n, v, c and not z, n == v, n == v and not z, True)[condition >> 1]
    return answer != bool(condition & 1 and condition != 15)


def _general(*registers: int) -> tuple[int, ...]:
    return tuple(register for register in registers if register != SP)


def _immediate(word: int) -> Flow:
    rd, rn, kind = word & 31, word >> 5 & 31, word >> 23 & 7
    if kind in {0, 1}:
        return Flow(writes=_general(rd))
    if kind in {2, 3}:  # ADD, SUB: with flags the result may be dropped, without it may be the stack pointer
        flags = bool(word >> 29 & 1)
        return Flow(writes=_general(rd) if flags else (rd,), reads=(rn,), sets_flags=flags)
    if kind == 4:
        flags = word >> 29 & 3 == 3
        return Flow(writes=_general(rd) if flags else (rd,), reads=_general(rn), sets_flags=flags)
    if kind == 5:
        return Flow(writes=_general(rd), reads=_general(rd) if word >> 29 & 3 == 3 else ())
    if kind == 6:
        return Flow(writes=_general(rd), reads=_general(*((rn, rd) if word >> 29 & 3 == 1 else (rn,))))
    return Flow(writes=_general(rd), reads=_general(rn, word >> 16 & 31))


def _branch_or_system(word: int) -> Flow:
    if word & 0x7C000000 == 0x14000000:
        jump = signed(word & 0x3FFFFFF, 26) * 4
        return Flow(Kind.CALL, (LINK,), jump=jump) if word >> 31 else Flow(Kind.JUMP, jump=jump)
    if word & 0xFF000000 == 0x54000000:
        return Flow(Kind.CONDITIONAL, jump=signed(word >> 5 & 0x7FFFF, 19) * 4, condition=word & 15)
    if word & 0x7E000000 == 0x34000000:
        return Flow(Kind.CONDITIONAL, reads=_general(word & 31), jump=signed(word >> 5 & 0x7FFFF, 19) * 4)
    if word & 0x7E000000 == 0x36000000:
        return Flow(Kind.CONDITIONAL, reads=_general(word & 31), jump=signed(word >> 5 & 0x3FFF, 14) * 4)
    if word & 0xFE000000 == 0xD6000000:
        kinds = {0: Kind.INDIRECT_JUMP, 1: Kind.INDIRECT_CALL, 2: Kind.RETURN, 4: Kind.EXCEPTION_RETURN}
        kind = kinds.get(word >> 21 & 7, Kind.TRAP)
        return Flow(kind, (LINK,) if kind is Kind.INDIRECT_CALL else (), _general(word >> 5 & 31))
    if word & 0xFF000000 == 0xD4000000:  # SVC, BRK, HLT and so on
        return Flow(Kind.TRAP)
    if word & 0xFFD00000 == 0xD5100000 or word & 0xFFF80000 == 0xD5280000:  # MRS, SYSL
        return Flow(writes=_general(word & 31)) if word >> 21 & 1 else Flow()
    return Flow()


def _register(word: int) -> Flow:
    rd, rn, rm = word & 31, word >> 5 & 31, word >> 16 & 31
    if word & 0x1F000000 == 0x0A000000:
        return Flow(writes=_general(rd), reads=_general(rn, rm), sets_flags=word >> 29 & 3 == 3)
    if word & 0x1F200000 == 0x0B000000:
        return Flow(writes=_general(rd), reads=_general(rn, rm), sets_flags=bool(word >> 29 & 1))
    if word & 0x1F200000 == 0x0B200000:
        flags = bool(word >> 29 & 1)
        writes = _general(rd) if flags else (rd,)
        return Flow(writes=writes, reads=(rn, *_general(rm)), sets_flags=flags)
    if word & 0x1FE00000 == 0x1A000000:  # with carry
        return Flow(writes=_general(rd), reads=_general(rn, rm), sets_flags=bool(word >> 29 & 1))
    if word & 0x1FE00000 == 0x1A400000:  # conditional compare
        reads = _general(rn) if word >> 11 & 1 else _general(rn, rm)
        return Flow(reads=reads, condition=word >> 12 & 15, sets_flags=True)
    if word & 0x1FE00000 == 0x1A800000:
        return Flow(writes=_general(rd), reads=(rn, rm), condition=word >> 12 & 15, selects=True)
    if word & 0x1F000000 == 0x1B000000:
        return Flow(writes=_general(rd), reads=_general(rn, rm, word >> 10 & 31))
    return Flow(writes=_general(rd), reads=_general(rn) if word >> 30 & 1 else _general(rn, rm))


def _load_store(word: int) -> Flow:
    if word & 0x3A000000 == 0x28000000:
        return _pair(word)
    if word & 0x3B000000 == 0x39000000:  # unsigned offset
        return _single(word, offset=(word >> 10 & 0xFFF) << _scale(word))
    if word & 0x3B200000 == 0x38000000:  # unscaled, before, after
        offset, mode = signed(word >> 12 & 0x1FF, 9), word >> 10 & 3
        return _single(word, offset=0 if mode == 1 else offset)
    if word & 0x3B200C00 == 0x38200800:
        return _single(word, index=word >> 16 & 31)
    if word & 0x3B000000 == 0x18000000:  # literal
        return Flow(writes=() if word >> 26 & 1 else _general(word & 31))
    if word >> 26 & 1:
        return Flow()
    return _atomic(word)


def _scale(word: int) -> int:
    """The logarithm of the size in bytes of what is moved."""
    vector = word >> 26 & 1
    return 4 if vector and word >> 23 & 1 else word >> 30


def _single(word: int, *, offset: int = 0, index: int | None = None) -> Flow:
    rt, rn, vector, opcode = word & 31, word >> 5 & 31, bool(word >> 26 & 1), word >> 22 & 3
    scale = _scale(word)
    stores = opcode == 0 or (vector and opcode == 2)
    if word >> 30 == 3 and opcode == 2 and not vector:  # PRFM
        return Flow()
    access = Access(
        rn, offset, index, word >> 13 & 7, scale if word >> 12 & 1 else 0,
        ((None if vector or rt == SP else rt, 1 << scale),), stores,
    )  # fmt: skip
    writes = () if stores or vector else _general(rt)
    return Flow(writes=writes, access=access)


def _pair(word: int) -> Flow:
    mode, loads, vector = word >> 23 & 3, bool(word >> 22 & 1), bool(word >> 26 & 1)
    opcode, rn = word >> 30, word >> 5 & 31
    size = 4 << opcode if vector else 8 if opcode == 2 else 4
    offset = signed(word >> 15 & 0x7F, 7) * size
    registers = (word & 31, word >> 10 & 31)
    parts = tuple((None if vector or register == SP else register, size) for register in registers)
    access = Access(rn, 0 if mode == 1 else offset, None, 3, 0, parts, not loads)
    writes = _general(*registers) if loads and not vector else ()
    return Flow(writes=writes, access=access)


def _atomic(word: int) -> Flow:
    """Exclusive, ordered, compare-and-swap, LSE atomics: stored is what they compute, unless it is plain."""
    rt, rn, rs, size = word & 31, word >> 5 & 31, word >> 16 & 31, 1 << (word >> 30)
    if word & 0x3F000000 == 0x08000000:
        loads, plain, pair = bool(word >> 22 & 1), bool(word >> 23 & 1), bool(word >> 21 & 1)
        if pair:  # CAS, exclusive pairs
            return Flow(writes=_general(rs, rt, word >> 10 & 31), access=_at(rn, None, size, stores=True))
        if loads:
            return Flow(writes=_general(rt), access=_at(rn, rt, size, stores=False))
        return Flow(writes=() if plain else _general(rs), access=_at(rn, rt, size, stores=True))
    if word & 0x3B200C00 == 0x38200000:
        if word >> 12 & 0xF == 0xC:  # LDAPR
            return Flow(writes=_general(rt), access=_at(rn, rt, size, stores=False))
        return Flow(writes=_general(rt), access=_at(rn, None, size, stores=True))
    return Flow(writes=_general(rt))


def _at(base: int, register: int | None, size: int, *, stores: bool) -> Access:
    return Access(base, 0, None, 3, 0, ((None if register == SP else register, size),), stores)
