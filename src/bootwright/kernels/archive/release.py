"""The signed head of a Debian-style archive: `InRelease`, or `Release` with `Release.gpg`.

Format: https://wiki.debian.org/DebianRepository/Format. Signatures are checked by gpgv(1), and only the text
that gpgv says was signed is read.
"""

from __future__ import annotations

import datetime
import email.utils
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import field, frozen

from bootwright.foundation import tools
from bootwright.foundation.errors import Malformed, Missing, Refused, ToolFailed

_HASH_LINE = re.compile(r" ([0-9a-f]{64})\s+(\d{1,15})\s+(\S+)")
_STATUS = "[GNUPG:] "


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


def signed_text(
    data: bytes, keyrings: Sequence[Path], where: str, *, signature: bytes | None = None
) -> tuple[str, tuple[str, ...]]:
    """The text that was signed and who signed it.

    `data` is a clear-signed file, or with `signature` the file that it is the detached signature of.
    Raises `Refused` unless at least one signature is good and none is bad; `Missing` without gpgv.
    """
    gpgv = tools.need("gpgv", purpose="check the archive's signature")
    with tempfile.TemporaryDirectory(prefix="bootwright-") as folder:
        signed = Path(folder, "signed")
        signed.write_bytes(data)
        command = [str(gpgv), "--status-fd", "2", "--output", "-"]
        for keyring in keyrings:
            command += ["--keyring", str(keyring)]
        if signature is not None:
            detached = Path(folder, "signature")
            detached.write_bytes(signature)
            command += [str(detached)]
        try:
            done = subprocess.run(
                [*command, str(signed)],
                capture_output=True,
                timeout=60,
                check=False,
                stdin=subprocess.DEVNULL,
                # gpgv looks for nothing else, but must not read a user's settings.
                env={**os.environ, "LC_ALL": "C", "GNUPGHOME": folder},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ToolFailed("gpgv", str(error)) from error
    status = [
        line.removeprefix(_STATUS).split()
        for line in done.stderr.decode("utf-8", "replace").splitlines()
        if line.startswith(_STATUS)
    ]
    words = {line[0] for line in status if line}
    # VALIDSIG ends with the primary key's fingerprint (GnuPG, doc/DETAILS).
    signers = tuple(dict.fromkeys(line[-1] for line in status if len(line) > 2 and line[0] == "VALIDSIG"))
    if "BADSIG" in words or "GOODSIG" not in words or not signers:
        raise Refused(
            f"{where} is not signed by a key of {', '.join(str(path) for path in keyrings)}"
            f" ({', '.join(sorted(words & _BAD)) or 'no good signature'})",
            hint="use the archive's own mirror; if its keys are newer than yours, update the keyring package",
        )
    text = done.stdout if signature is None else data
    return text.decode("utf-8", "replace"), signers


_BAD = {"BADSIG", "ERRSIG", "NO_PUBKEY", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "NODATA", "UNEXPECTED"}


def find_keyrings(candidates: Sequence[str], package: str) -> list[Path]:
    """The keyring of the archive; raises `Missing` naming the package that holds it."""
    found = [Path(name) for name in candidates if Path(name).is_file()]
    if not found:
        raise Missing(
            f"the archive's keys are not installed ({', '.join(candidates)})", hint=f"install {package}"
        )
    return found[:1]


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
