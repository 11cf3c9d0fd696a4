"""Any console gives a result: nothing is raised, and nothing without the mark is taken for a test."""

from __future__ import annotations

from bootwright.lab.probes.ktap import parse

MARK = "bw0123456789abcdef"


def one_input(data: bytes) -> None:
    """Parse arbitrary bytes, and the same with every line marked as the guest's."""
    if MARK.encode() not in data:
        result = parse(data, MARK)
        assert result.tests == ()
        assert result.release is None
        assert not result.complete
    marked = b"\n".join(f"[ 1.0] {MARK}: ".encode() + line for line in data.split(b"\n"))
    result = parse(marked, MARK)
    for test in result.tests:
        assert test.name
        assert len(test.detail) < 2000
        assert all(char.isprintable() for char in test.name + test.detail)


if __name__ == "__main__":
    import sys

    import atheris

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
