"""Any facts of a snapshot load, or are malformed, whatever lies beside them; any stream is read or left."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from bootwright.foundation.errors import Malformed
from bootwright.lab.snapshots.door import door_in
from bootwright.lab.snapshots.saved import load
from bootwright.lab.snapshots.stream import without_zero_pages


def one_input(data: bytes) -> None:
    """Read arbitrary bytes as the facts, with files of a few bytes beside them, and as a console."""
    door = door_in(data)
    assert door is None or 0 <= door < 10**15
    assert len(without_zero_pages(data)) <= len(data)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "snapshot.json").write_bytes(data)
        (folder / "memory").write_bytes(b"memory")
        with contextlib.suppress(Malformed):
            snapshot = load(folder, "aa")
            assert snapshot is None or snapshot.key == "aa"


if __name__ == "__main__":
    import sys

    import atheris

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
