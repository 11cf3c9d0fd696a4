"""Who signed an archive's head: keys of a keyring, or one that is known by its fingerprint.

Signatures are checked by gpgv(1), or by sqv(1) where only that is installed (as on Debian 13), and only the
text that was signed is read. The forms of signed text and of armored keys are those of RFC 9580, sections 6
and 7.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from bootwright.foundation import tools
from bootwright.foundation.errors import Malformed, Refused, ToolFailed
from bootwright.foundation.processes.work_folder import temporary_folder

_STATUS = "[GNUPG:] "
_BAD = {"BADSIG", "ERRSIG", "NO_PUBKEY", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "NODATA", "UNEXPECTED"}
_ARMOR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\s*?\n(?:[!-9;-~]+: [^\n]*\n)*\s*\n(?P<body>[A-Za-z0-9+/=\s]+?)"
    rb"(?:\n=[A-Za-z0-9+/]{4})?\s*-----END PGP PUBLIC KEY BLOCK-----"
)
_CLEAR = re.compile(
    rb"-----BEGIN PGP SIGNED MESSAGE-----\r?\n(?:Hash: [^\n]*\n)*\r?\n(?P<text>.*?)\r?\n"
    rb"(?P<signature>-----BEGIN PGP SIGNATURE-----\r?\n.*?-----END PGP SIGNATURE-----)\s*",
    re.DOTALL,
)


@frozen
class Keys:
    """Whose signature counts."""

    keyring: Path
    """A file of public keys, not armored."""
    fingerprints: tuple[str, ...] = ()
    """Of the keys that must have signed, upper case; empty: any key of the keyring."""

    def __str__(self) -> str:
        named = f" with fingerprint {' or '.join(self.fingerprints)}" if self.fingerprints else ""
        return f"a key of {self.keyring}{named}"


def installed_keyring(candidates: Sequence[str]) -> Path | None:
    """The first of these files that is there."""
    return next((Path(name) for name in candidates if Path(name).is_file()), None)


def binary_key(data: bytes, where: str) -> bytes:
    """A public key as the checkers take it: its armor taken off. Raises `Malformed` for what is none."""
    if not data.lstrip().startswith(b"-----BEGIN"):
        # An OpenPGP packet begins with bit 7 set (RFC 9580, 4.2).
        if not data or not data[0] & 0x80:
            raise Malformed(where, 0, "an OpenPGP public key", repr(data[:20]))
        return data
    match = _ARMOR.search(data.replace(b"\r\n", b"\n"))
    try:
        return base64.b64decode(b"".join(match["body"].split()), validate=True) if match else _no_key(where)
    except binascii.Error as error:
        raise Malformed(where, None, "an armored OpenPGP public key", str(error)) from error


def _no_key(where: str) -> bytes:
    raise Malformed(where, 0, "an armored OpenPGP public key", "another text")


def signed_text(
    data: bytes, keys: Keys, where: str, *, signature: bytes | None = None
) -> tuple[str, tuple[str, ...]]:
    """The text that was signed, and the fingerprints of the keys whose signature is good.

    `data` is a clear-signed file, or with `signature` the file that it is the detached signature of.
    Raises `Refused` unless one of the `keys` signed and no signature is bad; `Missing` without a checker.
    """
    with temporary_folder() as folder:
        if tools.find("gpgv") is None and tools.find("sqv") is not None:
            text, signers, reason = _by_sqv(data, keys, folder, where, signature)
            signing = signers
        else:
            text, signers, signing, reason = _by_gpgv(data, keys, folder, signature)
    if not signers or (keys.fingerprints and not set(signing) & set(keys.fingerprints)):
        by = f"signed by {', '.join(signing)}" if signing and not reason else reason
        raise Refused(
            f"{where} is not signed by {keys} ({by or 'no good signature'})",
            hint="use the archive's own mirror; if its keys are newer than yours, update the keyring package",
        )
    return text.decode("utf-8", "replace"), signers


def _by_gpgv(
    data: bytes, keys: Keys, folder: Path, signature: bytes | None
) -> tuple[bytes, tuple[str, ...], tuple[str, ...], str]:
    """Text, primary keys, the keys themselves, and what is wrong; no keys unless one is good and none bad."""
    gpgv = tools.need("gpgv", purpose="check the archive's signature")
    (folder / "signed").write_bytes(data)
    command = [str(gpgv), "--status-fd", "2", "--output", "-", "--keyring", str(keys.keyring)]
    if signature is not None:
        (folder / "signature").write_bytes(signature)
        command.append(str(folder / "signature"))
    # gpgv looks for nothing else, but must not read a user's settings.
    done = _run([*command, str(folder / "signed")], folder)
    lines = done.stderr.decode("utf-8", "replace").splitlines()
    status = [line.removeprefix(_STATUS).split() for line in lines if line.startswith(_STATUS)]
    words = {line[0] for line in status if line}
    # VALIDSIG begins with the key's fingerprint and ends with the primary key's (GnuPG, doc/DETAILS).
    valid = [line for line in status if len(line) > 2 and line[0] == "VALIDSIG"]
    text = done.stdout if signature is None else data
    if "BADSIG" in words or "GOODSIG" not in words:
        return text, (), (), ", ".join(sorted(words & _BAD))
    primary = tuple(dict.fromkeys(line[-1] for line in valid))
    return text, primary, tuple(dict.fromkeys(line[1] for line in valid)), ""


def _by_sqv(
    data: bytes, keys: Keys, folder: Path, where: str, signature: bytes | None
) -> tuple[bytes, tuple[str, ...], str]:
    """Text, the certificates that signed, and what is wrong. sqv before 1.3 reads no clear-signed files."""
    sqv = tools.need("sqv", purpose="check the archive's signature")
    if signature is None:
        match = _CLEAR.fullmatch(data)
        if match is None:
            raise Malformed(where, 0, "a clear-signed file", repr(data[:40]))
        # Lines that begin with a dash are escaped, trailing white space is not signed (RFC 9580, 7.2).
        lines = (line.removeprefix(b"- ").rstrip(b" \t\r") for line in match["text"].split(b"\n"))
        data, signature = b"\r\n".join(lines), match["signature"] + b"\n"
    (folder / "signed").write_bytes(data)
    (folder / "signature").write_bytes(signature)
    command = [str(sqv), "--keyring", str(keys.keyring)]
    done = _run([*command, str(folder / "signature"), str(folder / "signed")], folder)
    fingerprints = re.findall(rb"^([0-9A-F]{40})$", done.stdout, re.MULTILINE)
    signers = tuple(dict.fromkeys(line.decode() for line in fingerprints)) if done.returncode == 0 else ()
    complaint = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return data, signers, "" if signers else (complaint[-1][:120] if complaint else "")


def _run(command: list[str], home: Path) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            command,
            capture_output=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C", "GNUPGHOME": str(home)},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolFailed(Path(command[0]).name, str(error)) from error
