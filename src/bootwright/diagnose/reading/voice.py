"""Who speaks in a line, as far as the line itself tells: the kernel, a program, a firmware, or nobody knows.

A line of firmware or of a boot loader carries no name; that it is one follows from who has the machine then
(`judging.state`).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.prefix import Message

KERNEL: Final = "kernel"
PROGRAM: Final = "program"
LOADER: Final = "loader"
"""Firmware and boot loaders: they have the machine one after the other, up to the kernel."""
SECURE: Final = "secure"
"""What runs beside or below the others (TF-A, OP-TEE, SMM, a hypervisor): it may speak while any of them has
the machine."""
UNKNOWN: Final = ""
EEPROM: Final = "eeprom"
JETSON: Final = "jetson"
XEN: Final = "xen"
"""A hypervisor that names itself (`(XEN)`); among the speakers it counts as `SECURE`."""
OWN_CLOCK: Final = frozenset({EEPROM, JETSON})
"""Loaders that put their own clock before each line, and so name themselves."""

SPEAKERS: Final = (KERNEL, PROGRAM, LOADER, SECURE)

_PROGRAM: Final = re.compile(
    # Any digit where a name has one (s6, e2fsck): who speaks is remembered by the line with other digits.
    # A tag of syslog, also in /dev/kmsg: systemd[1]:; klog; logrus. Not the kernel's own (x86 io_apic.c).
    rb"(?!IOAPIC\[)[\w@().\\/:-]{1,64}\[\d{1,10}\]: "
    rb"|\[talos\] |\[\s*(?:OK|FAILED|DEPEND|TIME|WARN|INFO|SKIP|UNSUPP|ABORT|SUPPORTED|!!!!!!)\s*\]"
    rb"|\[\s*[*\x20]{1,8}\] (?:A|\(\d+ of \d+\) A) (?:start|stop) job"
    rb"|[IWEF]\d{4} \d\d:\d\d:\d\d\.\d{6} |(?:time=\"?\d{4}-\d\d-\d\dT\S{8,30} )?level=[a-z]{4,7} msg="
    rb"|(?:systemd|dracut|udevd|udhcpc|dhcpcd|dhclient|init|cloud-init|initramfs|procd|netifd|kmodloader"
    rb"|u?mount|modprobe|cryptsetup|mdadm|e?\d?fsck|switch_root|run-init|runsv|s\d)(?:[-.][\w.-]{1,30})?: "
)
_CRASHED: Final = re.compile(
    rb"\S{1,64} ?[\[(](?P<pid>\d{1,10})[\])]:? "
    rb"(?:segfault at|trap |unhandled|undefined instruction|alignment trap|has RLIMIT_CORE|bad frame)"
)
"""The kernel speaks of a program with the program's tag (arch/*/mm/fault.c, kernel/traps.c, Linux 6.12)."""
_TAGGED: Final = re.compile(rb"[\w@().\\/-]{1,64}(?:\[\d{1,10}\])?: ")


def voice_of(message: Message) -> str:
    """One of `SPEAKERS` or `OWN_CLOCK`, `XEN`, or `UNKNOWN` for a line that anybody may have printed."""
    find = _kept_voice_of if len(message.text) <= _LONGEST else _voice_of
    return find(message.text, message.kernel, message.stamped_by)


def _voice_of(text: bytes, kernel: bool, stamped_by: str) -> str:
    if _PROGRAM.match(text) is not None:
        return KERNEL if kernel and _CRASHED.match(text) is not None else PROGRAM
    if kernel:
        return KERNEL
    if stamped_by in {EEPROM, JETSON}:
        return stamped_by
    if stamped_by == XEN:
        return XEN
    if stamped_by == "log" and _TAGGED.match(text) is not None:
        return PROGRAM
    return UNKNOWN


_kept_voice_of = lru_cache(maxsize=4096)(_voice_of)
"""Loops, copies and the boots of one file say the same."""


def crashed_program(text: bytes) -> int | None:
    """The process ID in the kernel's line about a program that crashed; None for another line."""
    match = _CRASHED.match(text.removeprefix(b"Process "))
    return int(match["pid"]) if match is not None else None


_DIGITS: Final = bytes(0x30 if 0x30 <= code <= 0x39 else code for code in range(256))
_MOST: Final = 20_000
_LONGEST: Final = 512
"""Lines, and bytes of a line, whose speakers are remembered."""


class Speakers:
    """Who speaks in lines and where their messages begin, remembered: it is the same for other digits."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[int, bool, str]] = {}

    def said(self, raw: bytes) -> tuple[bytes, bool, str]:
        """The message of a line, whether the kernel says so, and whose voice it is (`voice_of`)."""
        shape = raw.translate(_DIGITS)
        known = self._known.get(shape)
        if known is not None:
            return raw[known[0] :].rstrip(), known[1], known[2]
        message = prefix.split(raw, dated=False)
        text, voice = message.text, voice_of(message)
        # Of JSON, escapes are digits too.
        if len(raw) <= _LONGEST and not raw.startswith(b"{"):
            stripped = raw.rstrip()
            # A message of which something inside was left out is none that begins at one place.
            if stripped.endswith(text):
                if len(self._known) >= _MOST:
                    self._known.clear()
                self._known[shape] = (len(stripped) - len(text), message.kernel, voice)
        return text, message.kernel, voice
