"""Any bytes are the record of a prepared image, and the text of a photo, or an error in our words."""

from __future__ import annotations

from pathlib import Path

from bootwright.foundation.errors import BootwrightError
from bootwright.prepare.seen.photo_text import photo_text
from bootwright.prepare.seen.record import parse_record, sightings


def one_input(data: bytes) -> None:
    """Read arbitrary bytes as a record and as a photo's text."""
    try:
        record = parse_record(data, "fuzz")
    except BootwrightError:
        pass
    else:
        assert parse_record(record.text().encode(), "fuzz") == record
        assert all(sighting.board == record.board for sighting in sightings([(Path("fuzz"), record)]))
    try:
        read = photo_text(data, "fuzz")
    except BootwrightError:
        return
    assert b"\0" not in read.data


if __name__ == "__main__":
    import sys

    import atheris

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
