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
    words: list[str] = []
    word: list[str] = []
    quoted = False  # a word may be empty when it was quoted
    quote = ""
    line, started = 1, 1
    index, length = 0, len(text)

    def end_word() -> None:
        nonlocal word, quoted
        if word or quoted:
            words.append("".join(word))
        word, quoted = [], False

    while index < length:
        char = text[index]
        index += 1
        if char == "\n":
            line += 1
        if quote:
            if char == quote:
                quote = ""
            elif char == "\\" and quote == '"' and index < length and text[index] in '\\"$\n':
                word.append(LITERAL if text[index] == "$" else text[index])
                line += text[index] == "\n"
                index += 1
            else:
                word.append(LITERAL if char == "$" and quote == "'" else char)
        elif char in "'\"":
            quote, quoted = char, True
        elif char == "\\" and index < length:
            if text[index] == "\n":
                line += 1
            else:
                word.append(LITERAL if text[index] == "$" else text[index])
            index += 1
        elif char == "#" and not word and not quoted:
            while index < length and text[index] != "\n":
                index += 1
        elif char in "\n;" or (char == "}" and not word and not words):
            end_word()
            if char == "}":
                words.append("}")
            if words:
                yield started, words
                words = []
            started = line
        elif char == "{" and not word:
            words.append("{")
            yield started, words
            words, started = [], line
        elif char.isspace():
            end_word()
        else:
            if not words and not word:
                started = line
            word.append(char)
    end_word()
    if words:
        yield started, words
