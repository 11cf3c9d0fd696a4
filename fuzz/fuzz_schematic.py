"""Any bytes are a schematic or an error; what the factory would write of one is the same schematic again."""

from __future__ import annotations

from bootwright.foundation.errors import Malformed
from bootwright.prepare.factory.canonical import NotKnown
from bootwright.prepare.factory.schematic import canonical, read_schematic


def one_input(data: bytes) -> None:
    """Read arbitrary bytes as a schematic; what the factory would write is the same schematic again."""
    try:
        schematic = read_schematic(data, "fuzz.yaml")
    except Malformed:
        return
    try:
        text = canonical(schematic)
    except NotKnown:
        return
    again = read_schematic(text.encode(), "canonical.yaml")
    assert canonical(again) == text


if __name__ == "__main__":
    import sys

    import atheris

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
