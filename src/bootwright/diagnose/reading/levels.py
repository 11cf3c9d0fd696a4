"""The level that a logger put before a message.

`<3>` (printk's own, `dmesg -r`; with the facility in it from syslog), `kern  :err   :` (`dmesg -x`),
`kern.err` (syslogd, OpenWrt's logread), `3,1,2,-;` (/dev/kmsg, netconsole), `PRIORITY` of journalctl's
JSON, `"priority"` of Talos's log delivery. Firmware that prints a level of its own before each line: Trusted
Firmware-A (include/common/debug.h), OP-TEE (lib/libutils/ext/trace.c), coreboot (src/commonlib/bsd/include/
commonlib/bsd/loglevel.h), NVIDIA's MB1, MB2 and CBoot (`E>`), skiboot (include/skiboot.h `prlog`), SyterKit
(include/log.h), Qualcomm's Wi-Fi drivers (`[0:E:ANY]`), and others that print a letter (`[E]`).
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
_OF_FIRMWARE: Final = re.compile(
    rb"[\[\](){}\d\s.:|@T/-]{0,64}?(?:"
    rb"(?<![\w-])(?P<tfa>ERROR|NOTICE|INFO|VERBOSE):\x20{2,4}(?=\S)"
    rb"|(?<![\w-])(?P<tee>[EIDFM])/T[CA]:"
    rb"|\[(?P<coreboot>EMERG|ALERT|CRIT\x20|ERROR|WARN\x20|NOTE\x20|INFO\x20|DEBUG|SPEW\x20)\]\x20"
    rb"|(?<![\w>])(?P<jetson>[CEWID])>\x20"
    rb"|\[\s*(?:\d{1,6}\.\d{9}|\d{6,14}),(?P<opal>\d)\]\x20"
    rb"|(?:\d\.\d{6}\])?\[(?P<letter>[FEWIDTVB])\]\s"
    rb"|(?:wlan: )?\[\d{1,6}:(?P<qualcomm>[FEWID]):\w{2,12}\]\s)"
)
"""At the beginning of a line, after times and numbers alone."""
_LETTERS: Final = {
    b"ERROR": 3, b"NOTICE": 5, b"VERBOSE": 7, b"EMERG": 0, b"ALERT": 1, b"CRIT": 2, b"WARN": 4, b"NOTE": 5,
    b"INFO": 6, b"DEBUG": 7, b"SPEW": 7, b"C": 2, b"E": 3, b"W": 4, b"I": 6, b"D": 7, b"F": 7, b"M": 6,
    b"T": 7, b"V": 7, b"B": 6,
}  # fmt: skip
_GRAVEST: Final = {"tfa": b"ERROR", "jetson": b"C", "letter": b"F", "qualcomm": b"F"}
"""The gravest level of a firmware's log function that is not called critical: nothing is worse there."""
CRITICAL: Final = 2
INFORMATION: Final = 6
_PREFIX: Final = 160
"""Bytes of a line in which a level is looked for; JSON is searched further."""


def firmware_level_of(raw: bytes) -> int | None:
    """The same of a line to which firmware's own log function gave a level, with its stamps or without."""
    match = _OF_FIRMWARE.match(raw)
    if match is None or match.lastgroup is None:
        return None
    word = match[match.lastgroup].strip()
    if _GRAVEST.get(match.lastgroup) == word:
        return CRITICAL
    return min(int(word), 7) if word.isdigit() else _LETTERS[word]


def level_of(raw: bytes) -> int | None:
    """0 (emergency) to 7 (debug); None where the line's prefix does not tell."""
    match = _LEVEL.search(raw if raw.startswith(b"{") else raw[:_PREFIX])
    if match is None:
        return firmware_level_of(raw)
    number = match["priority"] or match["record"]
    if number:
        return int(number) & 7
    name = match["name"] or match["dotted"] or match["json"]
    return _NAMES[name] if name in _NAMES else int(name)
