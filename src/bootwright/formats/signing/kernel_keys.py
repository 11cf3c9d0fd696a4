"""The keys a kernel trusts: the X.509 certificates that its build put into the image (certs/, Linux 6.12).

They lie behind one another in the image as DER, so they are found by how a certificate of version 3 begins
(RFC 5280, section 4.1). Keys that firmware or a user adds at boot (MOK, db) are not there, and so not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from attrs import frozen

from bootwright.formats.signing.der import BIT_STRING, IDENTIFIER, OCTET_STRING, SEQUENCE, Element
from bootwright.formats.signing.ecdsa import CURVES, Key

# SEQUENCE, length of two bytes; the same again; [0] INTEGER 2: version 3; INTEGER: the serial number.
_BEGINNING = re.compile(rb"\x30\x82..\x30\x82..\xa0\x03\x02\x01\x02\x02", re.DOTALL)
_RSA, _EC = bytes.fromhex("2a864886f70d010101"), bytes.fromhex("2a8648ce3d0201")
_KEY_ID, _COMMON_NAME = bytes.fromhex("551d0e"), bytes.fromhex("550403")
_MOST = 1024


@frozen
class RsaKey:
    """An RSA key."""

    modulus: int
    exponent: int


@frozen
class Certificate:
    """A certificate, as far as signatures name and need it."""

    issuer: bytes
    """The name as DER."""
    serial: bytes
    """The number as DER (tag, length, value)."""
    key_id: bytes | None
    name: str
    """The subject's common name."""
    key: RsaKey | Key | None
    """None for a kind of key that is not supported."""


def certificates(image: bytes) -> list[Certificate]:
    """The certificates in an uncompressed kernel image; what only looks like one is left out."""
    return [read_certificate(data) for data in certificate_data(image)]


def certificate_data(image: bytes) -> list[bytes]:
    """The DER bytes of those in a kernel image: searching takes a quarter of a second, so keep them."""
    certificates: list[bytes] = []
    for match in _BEGINNING.finditer(image):
        at = match.start()
        size = 4 + int.from_bytes(image[at + 2 : at + 4], "big")
        data = image[at : at + size]
        try:
            read_certificate(data)
        except ValueError:
            continue
        certificates.append(data)
        if len(certificates) >= _MOST:
            break
    return certificates


def read_certificate(data: bytes) -> Certificate:
    """Parse a DER certificate; raises `ValueError` for other bytes."""
    try:
        return _certificate(data)
    except IndexError as error:
        raise ValueError("an element without what it must hold") from error


def _certificate(data: bytes) -> Certificate:
    body, *_ = Element(data).children(SEQUENCE)
    _version, serial, _algorithm, issuer, _validity, subject, key, *rest = body.children(SEQUENCE)
    return Certificate(
        issuer.whole, serial.whole, _subject_key_id(rest), _common_name(subject), _public_key(key)
    )


def _public_key(field: Element) -> RsaKey | Key | None:
    """SubjectPublicKeyInfo (RFC 3279, section 2.3.1; RFC 5480, section 2)."""
    algorithm, bits = field.children(SEQUENCE)
    kind, *parameters = algorithm.children(SEQUENCE)
    if bits.tag != BIT_STRING:
        raise ValueError("a key that is no bit string")
    if kind.content == _EC and parameters and parameters[0].content in CURVES:
        return Key.read(parameters[0].content, bits.content[1:])
    if kind.content != _RSA:
        return None
    modulus, exponent = (entry.number() for entry in Element(bits.content, 1).children(SEQUENCE))
    if modulus < 1 << 511 or not 1 < exponent < 1 << 64:
        raise ValueError("an RSA key of at least 512 bits")
    return RsaKey(modulus, exponent)


def _subject_key_id(fields: Iterable[Element]) -> bytes | None:
    for field in fields:
        if field.tag != 0xA3:
            continue
        for extension in field.children()[0].children(SEQUENCE):
            name, *_, value = extension.children(SEQUENCE)
            if name.content == _KEY_ID and value.tag == OCTET_STRING:
                return Element(value.content).content
    return None


def _common_name(name: Element) -> str:
    for part in name.children(SEQUENCE):
        for pair in part.children():
            kind, value, *_ = pair.children(SEQUENCE)
            if kind.tag == IDENTIFIER and kind.content == _COMMON_NAME:
                return value.content.decode("utf-8", "replace")
    return "without a name"
