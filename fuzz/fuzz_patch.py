"""Any bytes are read as a patch; what it needs of itself twice over has an answer."""

from __future__ import annotations

from bootwright.foundation.errors import Malformed
from bootwright.workshop.patches.needs import closed, textual_needs
from bootwright.workshop.patches.unified import read_changes


def one_input(data: bytes) -> None:
    """Read the bytes, and follow their lines through a series."""
    try:
        changes = read_changes(data, "fuzz")
    except Malformed:
        return
    small = all(hunk.old_start < 10_000 for change in changes for hunk in change.hunks)
    if small:
        needs = closed(textual_needs([changes, changes, changes]))
        assert all(other < number for number, others in enumerate(needs) for other in others)


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
