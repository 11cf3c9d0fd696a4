"""A serial port's bytes out of a telnet connection, however they are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.bench.telnet import BINARY, DO, GREETING, IAC, SB, SE, WILL, WONT, Telnet

AGREED = bytes((IAC, DO, BINARY, IAC, WILL, BINARY))


def sent(data: bytes, *, binary: bool) -> bytes:
    """What a server makes of a port's bytes: RFC 854, and RFC 856 where both ways are binary."""
    data = data.replace(b"\xff", b"\xff\xff")
    return data if binary else data.replace(b"\r", b"\r\0")


def received(*pieces: bytes) -> bytes:
    telnet = Telnet()
    return b"".join(telnet.feed(piece) for piece in pieces)


@given(st.binary(max_size=300), st.booleans(), st.integers(1, 7))
def test_every_byte_comes_through_however_it_is_cut(data: bytes, binary: bool, size: int) -> None:
    stream = (AGREED if binary else b"") + sent(data, binary=binary)
    assert received(stream) == data
    assert received(*(stream[start : start + size] for start in range(0, len(stream), size))) == data


@given(st.binary(max_size=200))
def test_any_bytes_are_taken(data: bytes) -> None:
    telnet = Telnet()
    assert len(telnet.feed(data)) <= len(data)
    assert len(telnet.take_replies()) <= len(data)


def test_what_is_offered_is_declined_and_settings_are_left_alone() -> None:
    telnet = Telnet()
    offer = bytes((IAC, WILL, 1, IAC, DO, 44, IAC, SB, 44, 107, 3, IAC, IAC, IAC, SE))
    assert telnet.feed(b"a" + offer + b"b") == b"ab"
    assert telnet.take_replies() == bytes((IAC, 254, 1, IAC, WONT, 44))
    assert telnet.take_replies() == b""
    assert bytes((IAC, WILL, 44)) not in GREETING


@pytest.mark.parametrize("text", [b"\r\n", b"\r\0x"])
def test_before_it_is_binary_a_lone_return_is_followed_by_nul(text: bytes) -> None:
    assert received(text) == text.replace(b"\0", b"")
    assert received(AGREED, text) == text
