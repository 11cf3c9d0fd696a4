"""A file that a Go program carries, found by its variable; programs of Go 1.19 were read so as well."""

from __future__ import annotations

from contextlib import suppress

import pytest
from go_kit import go_program
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.formats.programs.go_embed import embedded_bytes
from bootwright.foundation.errors import Malformed

TEXT = b"kernel=u-boot.bin\n[pi5]\nenable_uart=0\n"


def test_the_bytes_of_the_variable() -> None:
    assert embedded_bytes(go_program(TEXT), "main.configTxt", "program") == TEXT
    assert embedded_bytes(go_program(b""), "main.configTxt", "program") == b""


def test_what_has_no_such_variable_is_said() -> None:
    with pytest.raises(Malformed, match=r"a symbol main\.other"):
        embedded_bytes(go_program(TEXT), "main.other", "program")
    with pytest.raises(Malformed, match="64-bit little-endian ELF"):
        embedded_bytes(b"#!/bin/sh\n", "main.configTxt", "program")


@given(st.integers(0, 500), st.binary(max_size=8))
@settings(max_examples=200, deadline=None)
def test_a_damaged_program_is_an_error_or_read(at: int, put: bytes) -> None:
    whole = go_program(TEXT)
    with suppress(Malformed):
        embedded_bytes(whole[:at] + put + whole[at + len(put) :], "main.configTxt", "program")
    with suppress(Malformed):
        embedded_bytes(whole[:at], "main.configTxt", "program")
