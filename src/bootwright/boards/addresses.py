"""A board's address in the router's list of devices, as a person tells it."""

from __future__ import annotations

import ipaddress
import re

from bootwright.foundation.errors import Refused

_NONE = "none"
_NAME = re.compile(
    r"(?=.{4,253}\Z)(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9]"
)


def told_address(text: str) -> str | None:
    """The address without spaces around it; None for `none`.

    An address is evidence that the network works, so that nothing is taken for one that may be another word:
    a name needs its domain (`pi.lan`), and addresses that no single machine has on a network are none.
    Raises `Refused` for all that.
    """
    said = text.strip()
    if said.casefold() == _NONE:
        return None
    try:
        address = ipaddress.ip_address(said.partition("%")[0])
    except ValueError:
        if _NAME.fullmatch(said):
            return said
        raise _refused(text, "is no address") from None
    nowhere = address.is_unspecified or address.is_loopback or address.is_multicast
    if nowhere or (address.version == 4 and address.is_reserved):
        raise _refused(text, "is no address that a board has on a network")
    return said


def _refused(text: str, why: str) -> Refused:
    hint = "it looks like 192.168.1.50 or pi.lan; say none where the router lists no such board"
    return Refused(f"{text!r} {why}", hint=f"{hint}, and leave it out where you did not look")
