"""Formats by the word that tells most, so that a line finds its format by looking up its own words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from bootwright.formats.messages.model import Format
from bootwright.formats.messages.printf import letters, printed_by, words

_FEWEST_LETTERS = 6
"""A format with fewer literal letters and digits tells nothing of who printed a line."""


class MessageTable:
    """Formats of one or several kernels."""

    def __init__(self, formats: Iterable[Format]) -> None:
        self._formats = tuple(formats)
        self._by_word: dict[bytes, list[int]] = {}
        counts = Counter(word for entry in self._formats for word in set(words(entry.text.encode())))
        for number, entry in enumerate(self._formats):
            text = entry.text.encode()
            anchors = words(text)
            if anchors and letters(text) >= _FEWEST_LETTERS:
                rarest = min(anchors, key=lambda word: (counts[word], -len(word)))
                self._by_word.setdefault(rarest, []).append(number)

    def __len__(self) -> int:
        return len(self._formats)

    def formats(self) -> Iterator[Format]:
        """All of them."""
        return iter(self._formats)

    def printing(self, line: bytes) -> tuple[Format, ...]:
        """The formats that can have printed a line (without stamps and device prefix), most literal only."""
        best: list[Format] = []
        most = 0
        for word in dict.fromkeys(line.split()):
            for number in self._by_word.get(word, ()):
                entry = self._formats[number]
                text = entry.text.encode()
                if not printed_by(line, text):
                    continue
                known = letters(text)
                if known > most:
                    best, most = [], known
                if known == most:
                    best.append(entry)
        return tuple(best)
