"""Checks ECDSA signatures on the curves that Linux signs modules with (SEC 1, version 2.0, section 4.1.4).

Thousands of modules are signed by one key, so multiples of the key and of the base point are kept in tables:
a check is then about a hundred additions. Nothing here is secret, so nothing runs in constant time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from attrs import frozen

_WINDOW = 5
"""Bits of a scalar that one addition covers."""

_Jacobian = tuple[int, int, int]
_Affine = tuple[int, int]


@frozen
class Curve:
    """A curve y² = x³ - 3x + b over a prime field (FIPS 186-4, appendix D.1.2)."""

    name: str
    prime: int
    b: int
    base: _Affine
    order: int


CURVES: dict[bytes, Curve] = {
    bytes.fromhex("2a8648ce3d030107"): Curve(
        "P-256",
        (1 << 256) - (1 << 224) + (1 << 192) + (1 << 96) - 1,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
        (
            0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
            0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
        ),
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    ),
    bytes.fromhex("2b81040022"): Curve(
        "P-384",
        (1 << 384) - (1 << 128) - (1 << 96) + (1 << 32) - 1,
        int(
            "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875a"
            "c656398d8a2ed19d2a85c8edd3ec2aef",
            16,
        ),
        (
            int(
                "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a38"
                "5502f25dbf55296c3a545e3872760ab7",
                16,
            ),
            int(
                "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c0"
                "0a60b1ce1d7e819d7a431d7c90ea0e5f",
                16,
            ),
        ),
        int(
            "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf"
            "581a0db248b0a77aecec196accc52973",
            16,
        ),
    ),
    bytes.fromhex("2b81040023"): Curve(
        "P-521",
        (1 << 521) - 1,
        int(
            "51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109"
            "e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00",
            16,
        ),
        (
            int(
                "c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3d"
                "baa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66",
                16,
            ),
            int(
                "11839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e6"
                "62c97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650",
                16,
            ),
        ),
        int(
            "1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
            "ffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
            16,
        ),
    ),
}
"""By the object identifier of the named curve (RFC 5480, section 2.1.1.1)."""


@frozen
class Key:
    """A public key; raises `ValueError` for a point that is not on its curve."""

    curve: Curve
    point: _Affine

    def __attrs_post_init__(self) -> None:
        x, y = self.point
        curve = self.curve
        if not (0 <= x < curve.prime and 0 <= y < curve.prime):
            raise ValueError("coordinates beyond the field")
        if (y * y - (x * x * x - 3 * x + curve.b)) % curve.prime:
            raise ValueError("a point that is not on the curve")

    @classmethod
    def read(cls, identifier: bytes, data: bytes) -> Key:
        """From a curve's identifier and an uncompressed point; raises `ValueError`."""
        curve = CURVES.get(identifier)
        size = (curve.prime.bit_length() + 7) // 8 if curve is not None else 0
        if curve is None or len(data) != 1 + 2 * size or data[0] != 4:
            raise ValueError("a curve or a form of point that is not known")
        return cls(
            curve, (int.from_bytes(data[1 : 1 + size], "big"), int.from_bytes(data[1 + size :], "big"))
        )

    def signed(self, digest: bytes, r: int, s: int) -> bool:
        """Whether (r, s) is this key's signature of a hash."""
        curve = self.curve
        if not (0 < r < curve.order and 0 < s < curve.order):
            return False
        number = int.from_bytes(digest, "big") >> max(len(digest) * 8 - curve.order.bit_length(), 0)
        inverse = pow(s, -1, curve.order)
        tables = _table(curve, curve.base), _table(curve, self.point)
        sum_: _Jacobian = (0, 1, 0)
        for table, scalar in zip(
            tables, (number * inverse % curve.order, r * inverse % curve.order), strict=True
        ):
            for row in table:
                point = row[scalar & ((1 << _WINDOW) - 1)]
                scalar >>= _WINDOW
                if point is not None:
                    sum_ = _add(curve.prime, sum_, point)
        x, _, z = sum_
        if not z:
            return False
        return x * pow(z, -2, curve.prime) % curve.prime % curve.order == r


@lru_cache(maxsize=8)
def _table(curve: Curve, point: _Affine) -> list[list[_Affine | None]]:
    """For each window of bits: the point times every value that the window can have."""
    rows: list[list[_Affine | None]] = []
    start = point
    for _ in range(-(-curve.order.bit_length() // _WINDOW)):
        multiples: list[_Jacobian] = [(start[0], start[1], 1)]
        for _ in range((1 << _WINDOW) - 1):
            multiples.append(_add(curve.prime, multiples[-1], start))
        plain = _plain(curve.prime, multiples)
        rows.append([None, *plain[:-1]])
        start = plain[-1]
    return rows


def _plain(prime: int, points: Sequence[_Jacobian]) -> list[_Affine]:
    """Points that are not infinite, with one inversion for all of them (Montgomery 1987, section 10.3.1)."""
    products = [1]
    for _, _, z in points:
        products.append(products[-1] * z % prime)
    inverses = pow(products[-1], -1, prime)
    plain: list[_Affine] = []
    for (x, y, z), before in zip(reversed(points), reversed(products[:-1]), strict=True):
        inverse = inverses * before % prime
        inverses = inverses * z % prime
        square = inverse * inverse % prime
        plain.append((x * square % prime, y * square * inverse % prime))
    return plain[::-1]


def _add(prime: int, point: _Jacobian, other: _Affine) -> _Jacobian:
    """Jacobian plus affine (Cohen, Miyaji, Ono 1998; "madd" for a = -3)."""
    x1, y1, z1 = point
    x2, y2 = other
    if not z1:
        return x2, y2, 1
    square = z1 * z1 % prime
    width = (x2 * square - x1) % prime
    height = (y2 * square * z1 - y1) % prime
    if not width:
        return _double(prime, point) if not height else (0, 1, 0)
    width2 = width * width % prime
    width3 = width2 * width % prime
    moved = x1 * width2 % prime
    x = (height * height - width3 - 2 * moved) % prime
    return x, (height * (moved - x) - y1 * width3) % prime, z1 * width % prime


def _double(prime: int, point: _Jacobian) -> _Jacobian:
    x, y, z = point
    square = z * z % prime
    slope = 3 * (x - square) * (x + square) % prime
    middle = 4 * x * y * y % prime
    doubled = (slope * slope - 2 * middle) % prime
    return doubled, (slope * (middle - doubled) - 8 * pow(y, 4, prime)) % prime, 2 * y * z % prime
