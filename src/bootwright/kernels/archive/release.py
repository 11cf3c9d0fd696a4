"""The signed head of a Debian-style archive: `InRelease`, or `Release` with `Release.gpg`.

Format: https://wiki.debian.org/DebianRepository/Format.
"""

from __future__ import annotations

import datetime
import email.utils
import re
from collections.abc import Mapping

from attrs import field, frozen

from bootwright.foundation.errors import Malformed

_HASH_LINE = re.compile(r" ([0-9a-f]{64})\s+(\d{1,15})\s+(\S+)")


@frozen
class Release:
    """What the archive's owner signed."""

    origin: str
    codename: str
    suite: str
    date: datetime.datetime
    valid_until: datetime.datetime | None
    by_hash: bool
    files: Mapping[str, tuple[str, int]] = field(repr=False)
    """Path below the suite → SHA256, size in bytes."""
    signers: tuple[str, ...] = ()
    """Fingerprints of the primary keys whose signature is good."""


def read_release(text: str, where: str, signers: tuple[str, ...] = ()) -> Release:
    """The fields we need; raises `Malformed` for one that is missing or not what it should be."""
    fields: dict[str, str] = {}
    files: dict[str, tuple[str, int]] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(" "):
            if section == "SHA256":
                match = _HASH_LINE.fullmatch(line.rstrip())
                if match is None:
                    raise Malformed(where, None, "hash, size and path", f"line {number}: {line[:80]!r}")
                files[match[3]] = (match[1], int(match[2]))
            continue
        section, colon, value = line.partition(":")
        if colon:
            fields[section] = value.strip()
    date = _date(fields.get("Date", ""), where, "Date")
    until = fields.get("Valid-Until")
    if not files:
        raise Malformed(where, None, "a SHA256 section", "none")
    return Release(
        origin=fields.get("Origin", ""),
        codename=fields.get("Codename", ""),
        suite=fields.get("Suite", ""),
        date=date,
        valid_until=_date(until, where, "Valid-Until") if until else None,
        by_hash=fields.get("Acquire-By-Hash", "no") == "yes",
        files=files,
        signers=signers,
    )


def _date(text: str, where: str, name: str) -> datetime.datetime:
    try:
        # Release files write "UTC", which RFC 5322 spells "+0000" or "GMT".
        parsed = email.utils.parsedate_to_datetime(
            text.removesuffix("UTC") + "GMT" if text.endswith("UTC") else text
        )
    except (TypeError, ValueError, IndexError, OverflowError) as error:
        raise Malformed(where, None, f"a date in {name}", repr(text[:60])) from error
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=datetime.UTC)
