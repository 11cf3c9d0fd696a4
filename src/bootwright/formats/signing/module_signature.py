"""A module's signature: who made it, and whether it fits the module.

It is appended: PKCS#7 data, `struct module_signature`, a magic line (Linux 6.12,
include/linux/module_signature.h and scripts/sign-file.c).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable

from attrs import frozen

from bootwright.formats.signing.der import OCTET_STRING, SEQUENCE, SET, Element, encoded
from bootwright.formats.signing.ecdsa import Key
from bootwright.formats.signing.kernel_keys import Certificate
from bootwright.foundation.errors import Malformed

MAGIC = b"~Module signature appended~\n"
_TRAILER = struct.Struct(">BBBBBxxxI")
_PKCS7 = 2
_HASHES = {
    bytes.fromhex(identifier): name
    for identifier, name in (
        ("608648016503040201", "sha256"), ("608648016503040202", "sha384"), ("608648016503040203", "sha512"),
        ("608648016503040204", "sha224"), ("608648016503040208", "sha3_256"),
        ("608648016503040209", "sha3_384"), ("60864801650304020a", "sha3_512"), ("2b0e03021a", "sha1"),
    )
}  # fmt: skip
_MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
_NULL = b"\x05\x00"


@frozen
class Signature:
    """What is appended to a module."""

    issuer: bytes | None
    """Name of the signer's issuer as DER; None where the signer is named by a key id."""
    serial: bytes
    """Serial number of the signer's certificate as DER, or its key id."""
    hash_name: str | None
    """The name in hashlib; None for one that is not supported."""
    hash_identifier: bytes
    attributes: bytes | None
    """What was signed in place of the module itself, where it was (RFC 5652, section 5.4)."""
    value: bytes
    covered: int
    """Bytes of the module before the signature."""

    def signer(self, certificates: Iterable[Certificate]) -> Certificate | None:
        """The certificate it names, if it is among them."""
        for certificate in certificates:
            if self.issuer is None and certificate.key_id == self.serial:
                return certificate
            if self.issuer == certificate.issuer and self.serial == certificate.serial:
                return certificate
        return None

    def fits(self, module: bytes, signer: Certificate) -> bool | None:
        """Whether the signature is the signer's of this very module; None where that cannot be computed."""
        key = signer.key
        if self.hash_name is None or key is None:
            return None
        digest = hashlib.new(self.hash_name, memoryview(module)[: self.covered]).digest()
        if self.attributes is not None:
            try:
                if not _names_digest(self.attributes, digest):
                    return False
            except (IndexError, ValueError):
                return False
            digest = hashlib.new(self.hash_name, encoded(SET, self.attributes)).digest()
        if isinstance(key, Key):
            try:
                r, s = (entry.number() for entry in Element(self.value).children(SEQUENCE))
            except ValueError:
                return False
            return key.signed(digest, r, s)
        # RSASSA-PKCS1-v1_5 (RFC 8017, section 8.2.2)
        size = (key.modulus.bit_length() + 7) // 8
        message = pow(int.from_bytes(self.value, "big"), key.exponent, key.modulus)
        algorithm = encoded(SEQUENCE, encoded(0x06, self.hash_identifier) + _NULL)
        tail = b"\0" + encoded(SEQUENCE, algorithm + encoded(OCTET_STRING, digest))
        return message.to_bytes(size, "big") == b"\0\1".ljust(size - len(tail), b"\xff") + tail


def read_signature(module: bytes, name: str) -> Signature | None:
    """None without a signature; raises `Malformed` for one that is broken."""
    if not module.endswith(MAGIC):
        return None
    end = len(module) - len(MAGIC) - _TRAILER.size
    if end < 0:
        raise Malformed(name, 0, "a signature before its magic line", "the start of the file")
    _, _, kind, _, _, size = _TRAILER.unpack_from(module, end)
    if kind != _PKCS7 or size > end:
        raise Malformed(name, end, "a PKCS#7 signature inside the file", f"type {kind}, {size} bytes")
    try:
        return _signed_data(module[end - size : end], end - size)
    except (IndexError, ValueError) as error:
        raise Malformed(name, end - size, "PKCS#7 SignedData (RFC 2315)", str(error)[:80]) from error


def _signed_data(data: bytes, covered: int) -> Signature:
    """RFC 2315, sections 7, 9.1 and 9.2: ContentInfo → SignedData → the last field, signerInfos."""
    signed = Element(data).children(SEQUENCE)[1].children()[0]
    signer = signed.children(SEQUENCE)[-1].children(SET)[0]
    _version, identifier, algorithm, *rest = signer.children(SEQUENCE)
    issuer: bytes | None = None
    if identifier.tag == 0x80:  # by subject key identifier, where sign-file was told to (CMS, RFC 5652)
        serial = identifier.content
    else:
        name, number = identifier.children(SEQUENCE)
        number.number()
        issuer, serial = name.whole, number.whole
    attributes = rest[0].content if rest and rest[0].tag == 0xA0 else None
    value = next((element for element in rest if element.tag == OCTET_STRING), None)
    if value is None:
        raise ValueError("a signer without a signature")
    hash_identifier = algorithm.children(SEQUENCE)[0].content
    return Signature(
        issuer, serial, _HASHES.get(hash_identifier), hash_identifier, attributes, value.content, covered
    )


def _names_digest(attributes: bytes, digest: bytes) -> bool:
    for attribute in Element(encoded(SET, attributes)).children(SET):
        kind, values = attribute.children(SEQUENCE)
        if kind.content == _MESSAGE_DIGEST:
            return values.children(SET)[0].content == digest
    return False
