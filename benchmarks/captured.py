"""What captures add to a log: lines of another console, and what tools put before every line."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

# What somebody types and reads on another terminal while the machine boots. Nothing of it belongs to a boot.
SECOND_CONSOLE = (
    b"lab@bench:~/work$ ls -l",
    b"total 48",
    b"-rw-r--r-- 1 lab lab  1824 Nov 20 09:12 notes.txt",
    b"drwxr-xr-x 2 lab lab  4096 Nov 20 09:12 pictures",
    b"lab@bench:~/work$ df -h /home",
    b"Filesystem      Size  Used Avail Use% Mounted on",
    b"/dev/mapper/vg-home  916G  312G  558G  36% /home",
    b"lab@bench:~/work$ make -j8 all",
    b"  CC      src/main.o",
    b"  LD      build/program",
    b"lab@bench:~/work$ ping -c 3 192.0.2.7",
    b"64 bytes from 192.0.2.7: icmp_seq=1 ttl=64 time=0.412 ms",
    b"3 packets transmitted, 3 received, 0% packet loss, time 2031ms",
    b"lab@bench:~/work$ uptime",
    b" 09:14:03 up 12 days,  3:41,  4 users,  load average: 0.31, 0.28, 0.24",
    b"lab@bench:~/work$ git status",
    b"On branch topic",
    b"nothing to commit, working tree clean",
)

_BEGUN = datetime(2026, 11, 20, 10, tzinfo=UTC)
_NAMES = (b"console", b"node1", b"serial", b"dut-7", b"build (arm64)", b"stdout", b"E")
_LEVELS = (b"INFO", b"DEBUG", b"WARNING")
_SEPARATORS = (b" ", b" - ", b" | ", b": ", b"\t", b"  ")


class Wrapper:
    """Puts before each line what some tool might: dates, counters, names and levels in any order."""

    def __init__(self, chance: random.Random) -> None:
        parts: list[Callable[[int], bytes]] = [
            lambda number: f"{_BEGUN + timedelta(seconds=number):%Y-%m-%d %H:%M:%S}".encode(),
            lambda number: f"{_BEGUN + timedelta(seconds=number):[%a %d/%m/%Y %H.%M.%S,000]}".encode(),
            lambda number: b"%6d" % (number + 1),
            lambda number: b"%d" % (number + 1),
            lambda number: b"%.3f" % (number * 0.21),
            lambda number: b"[%d ms]" % (number * 210),
            lambda number: b"(" + _LEVELS[number * 7 // 3 % len(_LEVELS)] + b")",
        ]
        name = chance.choice(_NAMES)
        parts += [lambda _: name, lambda _: b"[" + name + b"]"]
        self._parts = chance.sample(parts, chance.randint(1, 3))
        self._separator = chance.choice(_SEPARATORS)
        self._lines = 0

    def __call__(self, line: bytes) -> bytes:
        """The next line, wrapped."""
        number, self._lines = self._lines, self._lines + 1
        return self._separator.join((*(part(number) for part in self._parts), line))
