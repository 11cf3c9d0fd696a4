"""The little of DER that certificates and signatures need: elements by their place (X.690, section 8.1)."""

from __future__ import annotations

from collections.abc import Iterator

_MOST_ELEMENTS = 256

INTEGER, BIT_STRING, OCTET_STRING, IDENTIFIER, SEQUENCE, SET = 0x02, 0x03, 0x04, 0x06, 0x30, 0x31


class Element:
    """One element of `data`; raises `ValueError` where there is none."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        if at + 2 > len(data):
            raise ValueError("an element beyond the end")
        length, start = data[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            if not 1 <= count <= 4 or start + count > len(data):
                raise ValueError("a length that is not definite")
            length, start = int.from_bytes(data[start : start + count], "big"), start + count
        if start + length > len(data):
            raise ValueError("an element beyond the end")
        self._data = data
        self.tag = data[at]
        self.at = at
        self.start = start
        self.end = start + length

    @property
    def content(self) -> bytes:
        """What it holds."""
        return self._data[self.start : self.end]

    @property
    def whole(self) -> bytes:
        """With its tag and length."""
        return self._data[self.at : self.end]

    def children(self, tag: int | None = None) -> list[Element]:
        """The elements inside it; raises `ValueError` unless its own tag is `tag`."""
        if tag is not None and self.tag != tag:
            raise ValueError(f"an element of type {tag:#x} was expected, not {self.tag:#x}")
        return list(self._children())

    def _children(self) -> Iterator[Element]:
        at = self.start
        for _ in range(_MOST_ELEMENTS):
            if at >= self.end:
                return
            element = Element(self._data[: self.end], at)
            yield element
            at = element.end
        raise ValueError(f"more than {_MOST_ELEMENTS} elements in one")

    def number(self) -> int:
        """An INTEGER's value; raises `ValueError`."""
        if self.tag != INTEGER:
            raise ValueError("no integer")
        return int.from_bytes(self.content, "big", signed=True)


def encoded(tag: int, content: bytes) -> bytes:
    """An element of DER."""
    if len(content) < 128:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content
