"""The level that a logger put before a message.

`<3>` (printk's own, `dmesg -r`; with the facility in it from syslog), `kern  :err   :` (`dmesg -x`),
`kern.err` (syslogd, OpenWrt's logread), `3,1,2,-;` (/dev/kmsg, netconsole), `PRIORITY` of journalctl's
JSON, `"priority"` of Talos's log delivery.
"""

from __future__ import annotations

import re
from typing import Final

_LEVEL: Final = re.compile(
    rb"(?P<number>\A[^\w<]{0,4}<(?P<priority>\d{1,3})>)"
    rb"|\b(?:kern|user|daemon)\s{0,4}:\s{0,8}(?P<name>emerg|alert|crit|err|error|warn|warning|notice|info|debug)\s{0,4}:"
    rb"|\bkern\.(?P<dotted>emerg|alert|crit|err|error|warn|warning|notice|info|debug)\s"
    rb"|\A(?P<record>\d{1,3}),\d{1,12},\d{1,16},"
    rb'|"(?:PRIORITY|priority)"\s?:\s?"?(?P<json>[0-7]|emerg|alert|crit|err|error|warning|notice|info|debug)\b'
)
_NAMES: Final = {
    b"emerg": 0, b"alert": 1, b"crit": 2, b"err": 3, b"error": 3, b"warn": 4, b"warning": 4, b"notice": 5,
    b"info": 6, b"debug": 7,
}  # fmt: skip
_PREFIX: Final = 160
"""Bytes of a line in which a level is looked for; JSON is searched further."""


def level_of(raw: bytes) -> int | None:
    """0 (emergency) to 7 (debug); None where the line's prefix does not tell."""
    match = _LEVEL.search(raw if raw.startswith(b"{") else raw[:_PREFIX])
    if match is None:
        return None
    number = match["priority"] or match["record"]
    if number:
        return int(number) & 7
    name = match["name"] or match["dotted"] or match["json"]
    return _NAMES[name] if name in _NAMES else int(name)
