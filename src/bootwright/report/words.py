"""Words and numbers for people: untrusted text made harmless, quantities rounded, lists spoken."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from bootwright.foundation.screen import line_width

# ECMA-48 sequences: CSI, OSC and other strings ended by BEL or ST, then two-byte escapes.
_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x9b[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]{0,4096}(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_MOST = 2_000


def clean(text: object, most: int = _MOST) -> str:
    """`text` on one line without control sequences or characters that do not print, at most `most` long.

    What does not print (bidirectional controls too) becomes U+FFFD, so that nothing is hidden silently.
    """
    bare = _SEQUENCES.sub("", str(text)[: 4 * most])
    bare = " ".join(segment for segment in re.split(r"[\t\n\v\f\r\x85\u2028\u2029]+", bare) if segment)
    bare = "".join(char if char.isprintable() else "\ufffd" for char in bare)
    return bare if len(bare) <= most else bare[: most - 1] + "…"


def seconds(value: float) -> str:
    """`0.4 s`, `3.1 s`, `48 s`, `5 min`, `2 h`."""
    if value < 10:
        return f"{value:.1f} s"
    if value < 90:
        return f"{value:.0f} s"
    if value < 5400:
        return f"{value / 60:.0f} min"
    hours = value / 3600
    return f"{hours:.0f} h" if abs(hours - round(hours)) < 0.05 else f"{hours:.1f} h"


def size(value: int) -> str:
    """Bytes as `4.2 MB` (10⁶ bytes)."""
    if value < 1000:
        return f"{value} bytes"
    for unit, scale in (("kB", 1e3), ("MB", 1e6), ("GB", 1e9)):
        if value < 1000 * scale or unit == "GB":
            amount = value / scale
            return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:,.0f} {unit}"
    return f"{value} bytes"


def count(number: int, singular: str, many: str = "") -> str:
    """`1 cause`, `202 causes`."""
    return f"{number:,} {singular if number == 1 else many or singular + 's'}"


def listed(texts: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(texts) < 2:
        return "".join(texts)
    return f"{', '.join(texts[:-1])} {last} {texts[-1]}"


def capital(text: str) -> str:
    """The first letter large, the rest as it is; a first word that is a name (`rp1_pci`) stays as it is."""
    first = re.split(r"[\s,;:]", text, maxsplit=1)[0]
    return text[:1].upper() + text[1:] if first.replace("'", "").isalpha() else text


def sentence(text: str) -> str:
    """Begun with a capital and ended with a full stop."""
    whole = capital(text.strip())
    return whole if not whole or whole[-1] in ".!?…" else whole + "."


def bound(text: str) -> str:
    """A condition's text as in result.json, spoken: `before 6.15`, `6.15 or later`, `not 16K`, `16K`."""
    if text.startswith("<=") and " or >=" in text:
        return ", or ".join(bound(side) for side in text.split(" or ", 1))
    if text.startswith(">="):
        return f"{text[2:]} or later"
    if text.startswith("<="):
        return f"{text[2:]} or earlier"
    if text.startswith("<"):
        return f"before {text[1:]}"
    return text


def share(bits: float) -> str:
    """What an expected number of bits means: `halves the causes, on average`."""
    fraction = 2.0**-bits
    if 0.45 <= fraction <= 0.55:
        return "about half of the causes would be left"
    if fraction >= 0.995:
        return "almost all of the causes would be left"
    return f"about {max(fraction, 0.01):.0%} of the causes would be left"


def command_lines(command: str, width: int, indent: int = 2) -> list[str]:
    """A command for a reader to copy, broken as a shell takes it where it is longer than `width` columns.

    Only spaces outside of quotes are broken at, before options where that is possible.
    """
    if indent + len(command) <= width:
        return [" " * indent + command]
    lines = [""]
    for part in command_parts(command):
        line = f"{lines[-1]} {part}" if lines[-1] else part
        hanging = indent + (4 if len(lines) > 1 else 0)
        if lines[-1] and hanging + len(line) + 2 > width:
            lines.append(part)
        else:
            lines[-1] = line
    joined = [f"{line} \\" for line in lines[:-1]] + lines[-1:]
    return [" " * (indent + (4 if number else 0)) + line for number, line in enumerate(joined)]


def command_parts(command: str) -> list[str]:
    """Its words as they are quoted, each option with its value."""
    parts: list[str] = []
    for word in re.findall(r"(?:'[^']*'|\"[^\"]*\"|\S)+", command):
        if parts and re.fullmatch(r"--?[a-z][a-z-]*", parts[-1]) and not word.startswith("-"):
            parts[-1] = f"{parts[-1]} {word}"
        else:
            parts.append(word)
    return parts


def wrapped(indent: str, text: str) -> list[str]:
    """Lines as wide as the screen; those after the first stand below the first one's text."""
    hanging = " " * (len(indent) if indent.strip() else len(indent) + 2)
    return textwrap.wrap(
        text,
        line_width(),
        initial_indent=indent,
        subsequent_indent=hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )
