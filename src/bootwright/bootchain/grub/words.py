"""The commands and words of a GRUB script (GRUB manual 2.12, section 6.4): quotes, escapes, comments."""

from __future__ import annotations

from collections.abc import Iterator

from bootwright.foundation.errors import Malformed

_MAX_SIZE = 4 << 20

LITERAL = "\ue000"
"""Stands for a dollar sign that was quoted, in the words of `commands`."""


def text_of(data: bytes, name: str) -> str:
    """A configuration file's text; raises `Malformed` where it is none."""
    if len(data) > _MAX_SIZE:
        raise Malformed(name, _MAX_SIZE, f"at most {_MAX_SIZE} bytes of text", f"{len(data)} bytes")
    if b"\0" in data:
        raise Malformed(name, data.index(b"\0"), "text", "a NUL byte")
    return data.decode("utf-8", "replace")


def commands(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line number, words) of each command: quotes, escapes, comments, `;` and continued lines."""
    yield from _Commands(text).commands()


class _Commands:
    """A script's text, read once from front to back."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._index = 0
        self._line = 1
        self._started = 1
        """The line of the command's first word."""
        self._words: list[str] = []
        self._word: list[str] = []
        self._quoted = False
        """Whether part of the word was quoted: then it may be empty."""

    def commands(self) -> Iterator[tuple[int, list[str]]]:
        while self._index < len(self._text):
            char = self._next()
            if char in "'\"":
                self._quote(char)
            elif char == "\\" and self._index < len(self._text):
                self._escaped()
            elif char == "#" and not self._word and not self._quoted:
                end = self._text.find("\n", self._index)
                self._index = end if end >= 0 else len(self._text)
            elif char in "\n;" or (char == "}" and not self._word and not self._words):
                self._end_word()
                if char == "}":
                    self._words.append("}")
                yield from self._command()
            elif char == "{" and not self._word:
                self._words.append("{")
                yield from self._command()
            elif char.isspace():
                self._end_word()
            else:
                if not self._words and not self._word:
                    self._started = self._line
                self._word.append(char)
        self._end_word()
        yield from self._command()

    def _next(self) -> str:
        char = self._text[self._index]
        self._index += 1
        self._line += char == "\n"
        return char

    def _command(self) -> Iterator[tuple[int, list[str]]]:
        """End the command, which may have no words."""
        if self._words:
            yield self._started, self._words
            self._words = []
        self._started = self._line

    def _end_word(self) -> None:
        if self._word or self._quoted:
            self._words.append("".join(self._word))
        self._word, self._quoted = [], False

    def _quote(self, quote: str) -> None:
        """Read up to the closing quote, or to the end where there is none."""
        self._quoted = True
        while self._index < len(self._text) and (char := self._next()) != quote:
            following = self._text[self._index : self._index + 1]
            if char == "\\" and quote == '"' and following and following in '\\"$\n':
                char = self._next()
                self._word.append(LITERAL if char == "$" else char)
            else:
                self._word.append(LITERAL if char == "$" and quote == "'" else char)

    def _escaped(self) -> None:
        """What follows a backslash outside quotes; a newline joins two lines."""
        char = self._next()
        if char != "\n":
            self._word.append(LITERAL if char == "$" else char)
