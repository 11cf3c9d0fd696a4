"""Options as they are asked for: lines of a fragment, in the form of a `.config`.

Format: Documentation/kbuild/kconfig.rst and scripts/kconfig/confdata.c conf_read_simple (Linux 6.12).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

from bootwright.foundation.errors import Malformed, Missing

_MOST_BYTES = 4 << 20
_SET = re.compile(r"(?:CONFIG_)([A-Za-z0-9_]+)=(.*)")
_UNSET = re.compile(r"# CONFIG_([A-Za-z0-9_]+) is not set")
_VALUE = re.compile(r"""y|m|n|-?[0-9]{1,20}|0[xX][0-9a-fA-F]{1,16}|"(?:[^"\\]|\\.)*\"""")


@frozen
class Asked:
    """One option that is asked for. `value` is as it stands in a `.config`; `n` for one not set."""

    value: str
    by: str
    """Where: `FILE: line 3`, `preset probe`, `--page-size`."""


@frozen
class Fragment:
    """Options by name, without `CONFIG_`."""

    name: str
    options: Mapping[str, Asked] = field(repr=False)


def parse_fragment(data: bytes, name: str) -> Fragment:
    """The options of a fragment or a whole `.config`; of one that is there twice the last counts.

    Raises `Malformed` for a line that is neither an option nor a comment, and a value that none can have.
    """
    if len(data) > _MOST_BYTES:
        raise Malformed(name, _MOST_BYTES, f"a configuration below {_MOST_BYTES >> 20} MiB", "more")
    options: dict[str, Asked] = {}
    offset = 0
    for number, raw in enumerate(data.split(b"\n"), 1):
        line = raw.decode("utf-8", "backslashreplace").strip()
        if match := _UNSET.fullmatch(line):
            options[match[1]] = Asked("n", f"{name}: line {number}")
        elif match := _SET.fullmatch(line):
            if _VALUE.fullmatch(match[2]) is None:
                raise Malformed(
                    name, offset, 'y, m, n, a number or a "text" as value', f"line {number}: {line[:80]!r}"
                )
            options[match[1]] = Asked(match[2], f"{name}: line {number}")
        elif line and not line.startswith("#"):
            raise Malformed(
                name,
                offset,
                "CONFIG_NAME=value, '# CONFIG_NAME is not set', or a comment",
                f"line {number}: {line[:80]!r}",
            )
        offset += len(raw) + 1
    return Fragment(name, options)


def read_fragment(path: Path) -> Fragment:
    """The same of a file; raises `Missing` where it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise Missing(
            f"cannot read {path}: {error.strerror}", hint="give a file with lines CONFIG_NAME=value"
        ) from error
    return parse_fragment(data, str(path))


def written(options: Mapping[str, Asked]) -> str:
    """The options as the text of a fragment, in the order of their names."""
    lines = (
        f"# CONFIG_{name} is not set" if asked.value == "n" else f"CONFIG_{name}={asked.value}"
        for name, asked in sorted(options.items())
    )
    return "".join(f"{line}\n" for line in lines)
