"""Whether a first line of firmware, loader or kernel means that the machine has started again.

It does not where the kernel's clock goes on after it: coreboot prints the banner of its SMM handler while the
kernel runs, and `cat /proc/version` shows the kernel's. Nor where somebody asked the boot loader for its
version, or where firmware prints one banner to two consoles, or a debugger that of the kernel it has stopped.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from bootwright.diagnose.reading import prefix

_STAMP: Final = re.compile(rb"[^\[\n]{0,80}\[ *(\d{1,8}\.\d{1,9})\](?!\[? *\d{1,4}\.\d{6})")
_VERSION: Final = re.compile(rb"[^\n]{0,40}?(?:=>|[#>]) ?v(?:e(?:r(?:s(?:i(?:on?)?)?)?)?)?\s*\Z")
"""U-Boot's command `version`, which any unambiguous beginning calls (common/command.c find_cmd, 2025.01)."""
_SHOWN: Final = re.compile(
    rb"[^\n]{0,60}?[#$>] ?(?:cat|more|less|head) [^\n]{0,20}/proc/version[^\n]{0,12}\Z"
)
"""What shows the running kernel's first line at a shell's prompt (fs/proc/version.c, Linux 6.12)."""
_XMON: Final = re.compile(rb"[ \t]+(?:current|paca|pid)[ \t]+= ")
"""What xmon says of a processor that crashed, before the kernel's banner (arch/powerpc/xmon/xmon.c, 6.12)."""
_ANSWERED: Final = 240
_BETWEEN: Final = 1
"""Bytes before the answer in which the command stands; lines of a second console in between."""
_SWITCHED: Final = re.compile(
    rb"(?:printk: )?(?:legacy )?(?:console \[[\w-]+\] (?:en|dis)abled|bootconsole \[[\w-]+\] disabled)"
    rb"|Console: colour "
)
BANNERS: Final = 2
"""Lines with which a kernel begins, each of which says so."""
_BEFORE_BANNER: Final = 6
"""Lines before the banner among which the other console is: an early one, and what is said before the banner
(arch/microblaze/kernel/setup.c, Linux 6.12)."""
_TWICE: Final = 2
"""Lines before and after a banner among which the same one belongs to the same start."""
LOOKED_AT: Final = 1600
LINES: Final = 24
"""Bytes and lines before and after the line that are looked at."""
_NEAR: Final = 12
"""Lines before and after the line among which the kernel's clock is looked for."""
_RUNNING: Final = 0.5
"""Seconds: a clock that has got so far did not start with this line."""


def is_none(before: bytes, after: bytes) -> bool:
    """Whether a first line, with which `after` begins and which follows `before`, means no restart."""
    return _is_none(before[-LOOKED_AT:], after[:LOOKED_AT])


def is_replay(before: bytes) -> bool:
    """Whether the kernel's first line that follows comes from a console that prints the log from its start.

    One that is registered does, as a rule in place of an early one (kernel/printk/printk.c register_console,
    CON_PRINTBUFFER, Linux 6.12): the last lines before tell of that. Where the screen takes over from an
    early one (drivers/tty/vt/vt.c con_init), that it does so is said on the screen alone.
    """
    before = before[-LOOKED_AT:]
    if b"onsole [" not in before and b"Console: colour " not in before:
        return False
    lines = before.rstrip().rsplit(b"\n", _BEFORE_BANNER)[-_BEFORE_BANNER:]
    return any(_SWITCHED.match(_message(line)) is not None for line in lines)


@lru_cache(maxsize=2048)
def _is_none(before: bytes, after: bytes) -> bool:
    """Logs put together from copies, and loops without a clock, ask for the same place again and again."""
    place = (before + after, len(before))
    return clock_goes_on(*place) or asked_for(*place) or said_twice(*place) or is_of_xmon(*place)


def clock_goes_on(text: bytes, offset: int) -> bool:
    """Whether the kernel's clock goes on over the line at `offset` in `text`."""
    before = _before(text, offset)
    return before > 0.0 and _after(text, offset) >= max(before, _RUNNING)


def asked_for(text: bytes, offset: int) -> bool:
    """Whether the banner at `offset` answers somebody who asked for it at a loader's or a shell's prompt."""
    before = text[max(0, offset - _ANSWERED) : offset].rstrip().rsplit(b"\n", _BETWEEN + 1)
    return any(_VERSION.match(line) or _SHOWN.match(line) for line in before[-_BETWEEN - 1 :])


def is_of_xmon(text: bytes, offset: int) -> bool:
    """Whether the banner at `offset` belongs to what PowerPC's debugger prints of a crash."""
    before = text[max(0, offset - _ANSWERED) : offset].rstrip().rsplit(b"\n", 1)[-1]
    return _XMON.match(before) is not None


def said_twice(text: bytes, offset: int) -> bool:
    """Whether the same banner stands once just before: one start, printed to two of its consoles (SeaBIOS).

    More often it is a loop, however little it says.
    """
    first, *after = text[offset : offset + 400].split(b"\n", _TWICE + 1)[: _TWICE + 1]
    banner = _message(first)
    if text.find(banner, max(0, offset - 400), offset) < 0:
        return False
    before = text[max(0, offset - 400) : offset].rstrip().rsplit(b"\n", 2 * _TWICE)[1:]
    before = [_message(line) for line in before]
    return (
        banner in before[-_TWICE:]
        and before.count(banner) == 1
        and banner not in [_message(line) for line in after]
    )


def _message(line: bytes) -> bytes:
    return prefix.split(line, dated=False).text.rstrip()


def _before(text: bytes, end: int) -> float:
    """Seconds that the last line with a time shows, 0 where none is near."""
    for _ in range(_NEAR):
        if end <= 0:
            break
        start = text.rfind(b"\n", 0, end - 1) + 1
        match = _STAMP.match(text, start)
        if match is not None:
            return float(match[1])
        end = start
    return 0.0


def _after(text: bytes, place: int) -> float:
    for _ in range(_NEAR):
        place = text.find(b"\n", place) + 1
        if place == 0:
            break
        match = _STAMP.match(text, place)
        if match is not None:
            return float(match[1])
    return 0.0
