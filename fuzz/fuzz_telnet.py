"""Any bytes are what a telnet server may send, and however they are cut the same comes out of them."""

from __future__ import annotations

from bootwright.bench.telnet import Telnet


def one_input(data: bytes) -> None:
    """Read arbitrary bytes whole and one by one."""
    whole, single = Telnet(), Telnet()
    expected = whole.feed(data)
    assert b"".join(single.feed(data[at : at + 1]) for at in range(len(data))) == expected
    assert single.take_replies() == whole.take_replies()
    assert len(expected) <= len(data)


if __name__ == "__main__":
    import sys

    import atheris

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
