"""Network links that are lost again and again: neither a driver's second `down`, nor a cable that was pulled.

A link is lost where `up` is followed by `down`, or where its driver says in the same words once more, seconds
later, that it is up; again and again where that happens several times within minutes, and the link does not
hold afterwards. Where lines have no times, every `down` counts.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import define, field

from bootwright.diagnose.judging.order.kept_lines import Occurrence
from bootwright.diagnose.judging.state import BootState

FLAPPING: Final = "@link/flapping"
UP: Final = "@link/up"
"""Of several interfaces one has a link at the end."""
SLOWER: Final = "@link/slower"
"""A link came back slower than it had been, and stayed so."""
_SPEED: Final = re.compile(rb"[^\d]{1,12}(?P<number>\d{1,6}(?:\.\d)?) ?(?P<unit>[MG])(?:bps|b/s|bit/s)")
"""Behind the word that it is up."""
_CHANGE: Final = re.compile(
    rb"(?P<netdev>(?:eth|en|lan|wan|usb|br|sw|wl)[\w.-]{0,18})(?:: (?:NIC )?| NIC )"
    rb"(?:[Ll]ink (?:is )?(?P<state>[Uu]p|[Dd]own)\b|(?P<lost>Lost carrier|carrier lost)"
    rb"|(?P<got>Gained carrier|carrier acquired|link becomes ready|associated\b))"
)
"""drivers/net/phy/phy.c phy_print_status and the drivers' own, net/ipv6/addrconf.c, net/mac80211/mlme.c
(Linux 6.12); systemd-networkd; dhcpcd."""
_ROAMING: Final = b"wl"
"""Wireless interfaces lose their link whenever they change the access point."""
_WITHIN: Final = 600.0
"""Seconds."""
_LOSSES: Final = 3
_APART: Final = 1.0
"""Seconds between two words of a driver that tell of two states; several sources tell of one at once."""


def may_tell_of_link(text: bytes) -> bool:
    """Whether a message may tell of a link: told sooner than by the expression."""
    return b"ink " in text or b"arrier" in text or b"associated" in text


@define
class _Link:
    last: Occurrence
    up: bool = False
    since: float | None = None
    """When it came into that state."""
    words: bytes = b""
    said: float | None = None
    """In which words, and when, it was last said to be up."""
    losses: list[tuple[float | None, Occurrence]] = field(factory=list)
    flapping: list[Occurrence] = field(factory=list)
    fastest: tuple[int, Occurrence] | None = None
    speed: tuple[int, Occurrence] | None = None
    """Mbit/s, at most in this boot and now, and where it was said."""

    @property
    def slower(self) -> bool:
        """Whether it is up with less than it once had."""
        if not self.up or self.fastest is None or self.speed is None:
            return False
        return self.speed[0] < self.fastest[0]


@define
class LinkChanges:
    """Reads the messages of one boot in order."""

    _links: dict[bytes, _Link] = field(factory=dict)
    _by_wall: bool = False

    def read(self, number: int, raw: bytes, text: bytes, seconds: float | None, wall: float | None) -> None:
        """Look at a message for which `may_tell_of_link`, by the kernel's clock and by another."""
        self._by_wall |= wall is not None
        seconds = wall if self._by_wall else seconds
        change = _CHANGE.search(text)
        if change is None:
            return
        link = self._links.setdefault(change["netdev"], _Link(Occurrence(number, raw)))
        link.last = Occurrence(number, raw)
        up = change["got"] is not None or (change["state"] or b"").lower() == b"up"
        if link.up and _held(link.since, seconds):
            link.flapping = []
        words = change[0] if up and change["state"] is not None else b""
        again = bool(words) and words == link.words and _is_apart(link.said, seconds)
        if words:
            link.words, link.said = words, seconds
        if link.up and (again or not up):
            link.losses.append((seconds, Occurrence(number, raw)))
            recent = [
                place
                for when, place in link.losses
                if when is None or seconds is None or seconds - when <= _WITHIN
            ]
            if len(recent) >= _LOSSES and not change["netdev"].startswith(_ROAMING):
                link.flapping = recent
        speed = _SPEED.match(text, change.end()) if up else None
        if speed is not None:
            mbits = int(float(speed["number"]) * (1000 if speed["unit"] == b"G" else 1))
            link.speed = mbits, Occurrence(number, raw)
            if link.fastest is None or mbits > link.fastest[0]:
                link.fastest = link.speed
        if link.up is not up or again:
            link.up, link.since = up, seconds

    @property
    def any(self) -> bool:
        """Whether one is lost again and again or got slower, or one of several is up."""
        several = len(self._links) > 1
        return any(link.flapping or link.slower or (several and link.up) for link in self._links.values())

    def tell(self, state: BootState) -> None:
        """Let the state know."""
        state.tallies.pop(FLAPPING, None)
        state.tallies.pop(UP, None)
        state.tallies.pop(SLOWER, None)
        up = [link.last for link in self._links.values() if link.up]
        if up and len(self._links) > 1:
            state.count_all(UP, (), up[:1], len(up))
        last = state.last_wall if self._by_wall else state.last_seconds
        for netdev, link in self._links.items():
            if link.flapping and not (link.up and _held(link.since, last)):
                facts = (("netdev", netdev.decode()),)
                state.count_all(FLAPPING, facts, link.flapping[-4:], len(link.losses))
            elif link.slower and link.fastest and link.speed and not netdev.startswith(_ROAMING):
                (before, first), (now, latest) = link.fastest, link.speed
                speeds = (("netdev", netdev.decode()), ("before", str(before)), ("now", str(now)))
                state.count_all(SLOWER, speeds, [first, latest], max(1, len(link.losses)))


def _is_apart(before: float | None, now: float | None) -> bool:
    return before is not None and now is not None and now - before >= _APART


def _held(since: float | None, now: float | None) -> bool:
    """Whether a link stayed as it was for so long that what was before is over."""
    return since is not None and now is not None and now - since > _WITHIN
