"""`/etc/os-release` and the kernel's command line: small texts that say what a system is.

os-release(5), systemd 257; command line as in Documentation/admin-guide/kernel-parameters.rst, Linux 6.12.
"""

from __future__ import annotations

from attrs import frozen

from bootwright.foundation.errors import Malformed

_MAX_SIZE = 1 << 16


def read_os_release(data: bytes, name: str) -> dict[str, str]:
    """The assignments, quotes removed; raises `Malformed` for what is no text."""
    if len(data) > _MAX_SIZE or b"\0" in data:
        raise Malformed(name, 0, f"text of at most {_MAX_SIZE} bytes", "something else")
    values: dict[str, str] = {}
    for raw in data.decode("utf-8", "replace").splitlines():
        key, equals, value = raw.strip().partition("=")
        if equals and key and not key.startswith("#"):
            values[key] = _unquoted(value.strip())
    return values


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    result: list[str] = []
    escaped = False
    for char in value:
        if char == "\\" and not escaped:
            escaped = True
            continue
        result.append(char)
        escaped = False
    return "".join(result)


@frozen
class Argument:
    """One argument of a kernel command line."""

    name: str
    value: str | None
    """None for a flag without `=`."""

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}={self.value}"


def read_command_line(text: str) -> tuple[Argument, ...]:
    """The arguments in order, as lib/cmdline.c splits them: at blanks outside double quotes."""
    arguments: list[Argument] = []
    word: list[str] = []
    quoted = False
    for char in (*text, " "):
        if char == '"':
            quoted = not quoted
        if (char.isspace() and not quoted) or char == "\0":
            if word:
                arguments.append(_argument("".join(word)))
            word = []
        else:
            word.append(char)
    if word:
        arguments.append(_argument("".join(word)))
    return tuple(arguments)


def _argument(word: str) -> Argument:
    name, equals, value = word.partition("=")
    return Argument(name.strip('"'), value.strip('"') if equals else None)
