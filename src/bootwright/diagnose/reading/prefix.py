"""What loggers put before a message: times, priorities, host names. Taken off, the time kept.

Forms: printk (`[    1.234567][    T1]`, `<6>`, Amlogic's `[    1.234567@3]-`), dmesg -e, -x and -T, syslog,
journalctl (short, iso, precise, short-monotonic, json, export), OpenWrt's logread, `talosctl dmesg` and
`logs`, Talos's log delivery, extended netconsole (Documentation/networking/netconsole.rst), the EEPROM
(`5.79 MESS:00:00:05.794805:0:`), NVIDIA's Jetson (`[0000.053] I>`), grabserial, minicom and `ts` stamps,
Xen's `(XEN)` before its own lines and `(d1)` before a guest's, MediaTek's `(5)[1:init]`, HTC's
`[   81.045369 / 04-02 18:01:34.146]`, Android's `[04-02 18:01:34.146]`, NixOS tests, mail quotes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

_LEVELS: Final = rb"(?:emerg|alert|crit|err|error|warn|warning|notice|info|debug)"
_FACILITIES: Final = (
    rb"(?:kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|local\d|console|audit)"
)
_STRUCK_OUT: Final = rb"(?:<[\w\ .-]{1,32}>|\[(?:[Hh]ost|HOST|redacted|REDACTED)[\w\ .-]{0,24}\]|\*{1,16})"
"""A host's name that somebody took out, as `--redact` does."""
_STAMP: Final = re.compile(
    rb"""\s*(?:
      \[(?P<jetson>\d{4}\.\d{3}(?=\]\s[A-Z]>\s)|0\d{3}\.\d{3})\](?=\s|\Z)
    | \[\s*(?P<kernel>\d{1,10}\.\d{1,9})
        (?:@\d{1,3}\][a-z-]?|\](?:@\d{1,2}(?=\s))?|\s/\s\d\d-\d\d\s\d\d:\d\d:\d\d\.\d{1,6}\](?:\[\d\])?)
    | (?P<relative>\[(?:[A-Z][a-z]{2}\s?\d{1,2}\s\d\d:\d\d|\s*[+]\d{1,6}\.\d{1,9})\])(?=\s)
    | [\w.-]{1,64}\s\#\s(?=\[)
    | \[\s*[TC]\d{1,8}\]
    | \[\d{1,4}:\s*[\w./:-]{1,32}:\s*\d{1,8}\]
    | \(\d{1,2}\)\[\d{1,8}:[\w./:@-]{1,32}\]
    | <\d{1,3}>
    | (?P<month>(?:[A-Z][a-z]{2}|[a-z\x80-\xff][a-z.\x80-\xff]{2,11})\s+\d{1,2})
        \s(?P<clock>\d\d:\d\d:\d\d)(?:\.\d{1,9})?
        (?:\s(?:[\w.:-]{1,64}|""" + _STRUCK_OUT + rb"""))?\s(?:[a-z0-9]{2,10}\.[a-z]{3,7}\s)?
        (?=[\w@()./\\-]{1,64}(?:\[\d{1,10}\])?:)
    | \[?(?P<iso>\d{4}[-/]\d\d[-/]\d\d[T\ ]\d\d:\d\d:\d\d)(?:[.,]\d{1,9})?
        (?:Z|\ ?UTC|[+-]\d\d:?\d\d)?(?:\](?!:)|\]?:?(?!\S))
        (?:\s[\w.-]{1,64}\s(?=kernel:|[\w@.-]{1,64}\[\d{1,10}\]:))?
    | (?P<facility>(?:[\w.:-]{1,64}\s)?""" + _FACILITIES + rb"\." + _LEVELS + rb"""\s)
        (?=[\w@()./\\-]{1,64}(?:\[\d{1,10}\])?:)
    | kernel:
    | (?![A-Za-z]{2,12}ing\s)[\w.-]{1,64}\s(?=kernel:\s\S)
    | [A-Z][a-z]{2}\s+\d{1,2}\s\d\d:\d\d:\d\d(?=\s{1,8}\[)
    | [A-Z][a-z]{2}\s(?P<logread>[A-Z][a-z]{2}\s+\d{1,2}\s\d\d:\d\d:\d\d)\s\d{4}
        \s[a-z0-9]{2,10}\.[a-z]{3,7}(?=\s\S)
    | (?:\d{1,3}\.){3}\d{1,3}:(?=\s)
    | MESSAGE=
    | (?:EMERG|ALERT|CRIT|ERR|WARN|NOTICE|INFO|DEBUG|EMERGENCY|CRITICAL|ERROR|WARNING)\s(?=kernel:)
    | (?P<american>\d\d/\d\d/\d{4}\s\d\d:\d\d:\d\d)(?=\s)
    | c\d{1,3}\s+\d{1,7}(?=\s)
    | """ + _FACILITIES + rb"\s*:\s*" + _LEVELS + rb"""\s*:
    | \[(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\s(?P<human>[A-Z][a-z]{2}\s+\d{1,2}\s\d\d:\d\d:\d\d)(?:\s\d{4})?\]
    | [\w.:%-]{2,64}:\s+""" + _FACILITIES + rb":\s+" + _LEVELS + rb""":
    | (?:\d{1,6}\.\d\d\s+)?(?:MESS|ASRT):(?P<firmware>\d\d:\d\d:\d\d\.\d{1,6}):\d{1,3}:
    | (?P<eeprom>\d{1,6}\.\d\d)(?=\s[A-Za-z*\[])
    | \d{1,3},\d{1,12},(?P<micro>\d{1,16}),[-c+](?:,[^;]{0,120})?;
    | \[\s*\d{1,10}\.\d{1,9}(?:\s+\d{1,10}\.\d{1,9}|,\d)\]
    | \[\d{6,14},\d\](?=\s)
    | \[?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?\]?(?=\s)
    | >+(?=\s)
    | [\w.-]{1,64}\s{1,30}\|(?=\s)
    | \[\d\d-\d\d\s\d\d:\d\d:\d\d\.\d{3}\](?=\s)
    | \(d\d{1,5}\)(?=\s)
    | (?P<xen>\(XEN\))(?:\s\[[^\]\n]{1,30}\])?(?=\s)
    )""",
    re.VERBOSE,
)  # fmt: skip
# By far the most frequent form, told apart without trying the others.
_KERNEL_ONLY: Final = re.compile(
    rb"\[ *(\d{1,10}\.\d{6})\] (?=[A-Za-z/])"
    rb"(?!kernel:|c\d{1,3} |[\w.-]{1,64} (?:kernel|[\w@().-]{1,64}\[\d{1,10}\]):)"
)
# `journalctl -o short-monotonic` puts the host between the time and who spoke.
_HOST: Final = re.compile(rb"\s[\w.-]{1,64}(?=\s(?:kernel|[\w@().-]{1,64}\[\d{1,10}\]):)")
_BY_KERNEL: Final = re.compile(rb"\S.*\bkern(?:el)?\s*:|\Akern\s*:")
_DATE_OF_TALOS: Final = re.compile(rb"\A\[talos\] (?P<iso>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) ")
_ESCAPED: Final = re.compile(rb"\\x([0-9a-f]{2})")
"""As /dev/kmsg gives what cannot be printed, and the backslash (kernel/printk/printk.c msg_add_ext_text)."""
_OF_MACHINED: Final = frozenset({"machined", "controller-runtime"})
"""Logs of Talos's delivery that hold what its console shows under `[talos]`."""
_FIRST_FIELDS: Final = ("component", "controller", "volume", "phase")
_MAX_STAMPS: Final = 8
_LONGEST_KEPT: Final = 512
"""Bytes of a line whose message is remembered."""
_SPEAKS_BY: Final = {"xen": "xen", "facility": "log"}
"""Prefixes without a time → `Message.stamped_by`."""


class Message(NamedTuple):
    """A line without what its logger put before it."""

    text: bytes
    seconds: float | None
    """On the clock of the one who spoke (kernel or firmware), which starts at about zero."""
    kernel: bool
    """Whether the kernel said it: its clock, or its name in a system log."""
    wall: float | None
    """Seconds of wall-clock time, of unknown zone; only differences mean something."""
    stamped_by: str = ""
    """`eeprom`, `jetson`, `xen`: the stamp of that firmware or hypervisor; `log`: of a system log that names
    who spoke."""


def split(line: bytes, *, dated: bool = True) -> Message:
    """Take the stamps off `line` (at most eight of them) and read the time they tell.

    Not `dated`, the wall-clock time is left unread, which takes longer than all the rest.
    """
    return _kept(line, dated) if len(line) <= _LONGEST_KEPT else _split(line, dated)


@lru_cache(maxsize=4096)
def _kept(line: bytes, dated: bool) -> Message:
    """Who looks closer at a boot asks for its lines again and again."""
    return _split(line, dated)


def _split(line: bytes, dated: bool) -> Message:
    quick = _KERNEL_ONLY.match(line)
    if quick is not None:
        return Message(line[quick.end() :].rstrip(), float(quick[1]), True, None)
    if line.startswith(b"{"):
        return _from_json(line) or Message(line.strip(), None, False, None)
    seconds: float | None = None
    wall: float | None = None
    kernel = False
    stamped_by = ""
    place = 0
    for _ in range(_MAX_STAMPS):
        match = _STAMP.match(line, place)
        if match is None or match.end() == place:
            break
        group = match.lastgroup
        if group is not None:
            if group == "relative":
                kernel = True
            elif group in {"kernel", "eeprom", "jetson"}:
                seconds = float(match[group])
                kernel = group == "kernel"
                stamped_by = stamped_by if kernel else group
            elif group == "firmware":
                hours, minutes, seconds_text = match[group].split(b":")
                seconds = int(hours) * 3600 + int(minutes) * 60 + float(seconds_text)
                stamped_by = "eeprom"
            elif group in _SPEAKS_BY:
                stamped_by = _SPEAKS_BY[group]
            elif group == "micro":
                seconds = int(match[group]) / 1e6
                kernel = True
            else:
                wall = _wall(match) if dated else None
                stamped_by = "log" if group == "clock" else stamped_by
        place = match.end()
        host = _HOST.match(line, place) if group == "kernel" else None
        if host is not None:
            place = host.end()
    kernel = kernel or _BY_KERNEL.search(line, 0, place) is not None
    text = line[place:].strip()
    if text.startswith(b"[talos] "):
        # In a container Talos puts the time after its name.
        date = _DATE_OF_TALOS.match(text)
        if date is not None:
            wall = _wall(date) if wall is None else wall
            text = b"[talos] " + text[date.end() :]
    if b"\\x" in text and text.startswith(b"[talos]"):
        text = _ESCAPED.sub(_unescaped, text)
    return Message(text, seconds, kernel, wall, stamped_by)


def _unescaped(match: re.Match[bytes]) -> bytes:
    """The byte that was meant; a space for what would break the line."""
    byte = bytes.fromhex(match[1].decode("ascii"))
    return byte if byte >= b" " else b" "


def _from_json(line: bytes) -> Message | None:
    """A log that keeps its messages in JSON, one a line; None where it is something else.

    `journalctl -o json`; Talos's log delivery (`talos.logging.kernel`, `clock` in microseconds); containers.
    """
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    text = next(
        (fields[name] for name in ("MESSAGE", "msg", "log") if isinstance(fields.get(name), str)), None
    )
    if text is None:
        return None
    kernel = fields.get("_TRANSPORT") == "kernel" or fields.get("facility") == "kern"
    clock = _microseconds(fields.get("__MONOTONIC_TIMESTAMP", fields.get("clock")))
    wall = _microseconds(fields.get("__REALTIME_TIMESTAMP"))
    if "talos-time" in fields:
        text = _of_talos(text, fields)
        wall = _iso(fields["talos-time"])
    elif "msg" in fields and isinstance(fields.get("level"), str):
        text = _as_logfmt(text, fields)
    message = " ".join(text.splitlines()).strip().encode(errors="replace")
    return Message(message, clock, kernel, None if clock is not None else wall)


def _of_talos(text: str, fields: Mapping[str, object]) -> str:
    """The message as Talos's console has it: with its name before it, and behind it what a controller adds.

    The log delivery takes such a message apart (siderolabs/talos v1.14 pkg/runtime/logging/extract.go).
    """
    if fields.get("talos-service") in _OF_MACHINED and not text.startswith("[talos]"):
        text = f"[talos] {text}"
    if isinstance(fields.get("controller"), str):
        names = dict.fromkeys((*_FIRST_FIELDS, *(name for name in fields if name != "error"), "error"))
        added = {
            name: fields[name]
            for name in names
            if name in fields and name != "msg" and not name.startswith("talos-")
        }
        text = f"{text} {json.dumps(added, ensure_ascii=False)}"
    return text


def _as_logfmt(text: str, fields: Mapping[str, object]) -> str:
    """A line of zap's or logrus's JSON as logrus writes it without: its level tells how grave it is."""
    error = next((fields[name] for name in ("error", "err") if isinstance(fields.get(name), str)), "")
    return f'level={fields["level"]} msg="{text}"' + (f' error="{error}"' if error else "")


def _iso(value: object) -> float | None:
    """Seconds of a time as RFC 3339 writes it."""
    try:
        return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None


def _microseconds(value: object) -> float | None:
    """Seconds."""
    try:
        return int(value) / 1e6 if isinstance(value, str | int) else None
    except (ValueError, OverflowError):
        return None


def is_stamped(line: bytes) -> bool:
    """Whether a logger put a time or priority before the message."""
    match = _STAMP.match(line)
    return match is not None and match.end() > 0 and not line.lstrip().startswith(b">")


def _wall(match: re.Match[bytes]) -> float | None:
    try:
        if match["iso"]:
            text = match["iso"].decode().replace("/", "-")
            return datetime.fromisoformat(text).timestamp()
        if match["american"]:
            return _clock(match["american"].decode(), "%m/%d/%Y %H:%M:%S")
        if match["human"] or match["logread"]:
            text = " ".join((match["human"] or match["logread"]).decode().split())
        else:
            text = " ".join(f"{match['month'].decode()} {match['clock'].decode()}".split())
        # A leap year, so that 29 February parses where the log names no year.
        return _clock(f"2024 {text}", "%Y %b %d %H:%M:%S")
    except (ValueError, AttributeError, OverflowError, OSError):
        return None


@lru_cache(maxsize=256)
def _clock(text: str, form: str) -> float:
    """Many lines are of one second."""
    return datetime.strptime(text, form).timestamp()
