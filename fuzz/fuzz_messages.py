"""Fuzz the recognition of lines: any bytes as a format, and as the line it may have printed."""

from __future__ import annotations

from bootwright.diagnose.messages.speaker import kernel_formats, speaker
from bootwright.formats.messages.model import ERROR, Call, Format, Owner
from bootwright.formats.messages.printf import letters, pieces, printed_by, words
from bootwright.formats.messages.table import table_of


def one_input(data: bytes) -> None:
    """The first half is the format, the second the line."""
    half = len(data) // 2
    text, line = data[:half].decode(errors="replace"), data[half:]
    whole = text.encode()
    assert sum(len(piece.literal) for piece in pieces(whole)) <= len(whole)
    assert letters(whole) <= len(whole)
    assert all(words(whole))
    printed_by(line, whole)
    owner = Owner("fuzzed", "drivers/fuzzed")
    table = table_of([Format(text, call, ERROR, (owner,), ("fuzz",)) for call in Call])
    assert len(table) == len(list(table.formats()))
    said = speaker(line, table)
    if said is not None:
        assert said.levels == (ERROR,)
        assert [holder.name for holder in said.owners] == ["fuzzed"]
        assert (said.driver + said.device + said.interface).isascii()
    assert speaker(line) is None or any(True for _ in kernel_formats())


if __name__ == "__main__":
    import sys

    import atheris

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
