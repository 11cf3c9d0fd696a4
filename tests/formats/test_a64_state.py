"""What a comparison tells of a pointer that may be an error number (IS_ERR, include/linux/err.h)."""

from __future__ import annotations

import pytest

from bootwright.formats.code.a64_state import ANY, NEGATIVE, POSITIVE, ZERO, Compared, Symbol, ways

HIGHER_OR_SAME, HIGHER = 2, 8


@pytest.mark.parametrize(
    ("against", "condition"),
    [(-4096, HIGHER), (-4095, HIGHER_OR_SAME)],
    ids=["GCC: cmn x0, #1, lsl #12; b.hi", "Clang: cmn x0, #4095; b.hs"],
)
def test_both_compilers_ask_whether_a_pointer_is_an_error(against: int, condition: int) -> None:
    pointer = Symbol(("call", 1), ANY)
    flags = Compared(pointer, against & ((1 << 64) - 1), 64)
    by_answer = {answer: value for answer, _, value in ways(flags, condition)}
    assert by_answer == {
        True: Symbol(("call", 1), NEGATIVE),
        False: Symbol(("call", 1), ZERO | POSITIVE),
    }
    by_answer = {answer: value for answer, _, value in ways(flags, condition ^ 1)}
    assert by_answer[False] == Symbol(("call", 1), NEGATIVE)
