"""Any bytes are an archive or `Malformed`; what is read lies within them."""

from __future__ import annotations

from bootwright.formats.archives import cpio
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import BootwrightError


def one_input(data: bytes) -> None:
    """Read arbitrary bytes."""
    source = Bytes(data, "input")
    try:
        entries = list(cpio.read(source))
    except BootwrightError:
        return
    for entry in entries:
        assert 0 <= entry.offset <= entry.offset + entry.size <= len(data)
        assert cpio.content(source, entry).size == entry.size


if __name__ == "__main__":
    import sys

    import atheris

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
