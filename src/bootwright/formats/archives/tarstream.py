"""A tar archive read once from front to back, as in a .deb.

Formats: POSIX.1-1988 ustar, POSIX.1-2001 pax headers (`path`, `linkpath`, `size`), GNU long names ('L', 'K').
Not read, and named in the error: GNU sparse files, multi-volume archives.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from bootwright.formats.sources.streams import Limited, Stream, exactly
from bootwright.foundation.errors import Malformed

_BLOCK = 512
# PATH_MAX is 4096 on Linux (include/uapi/linux/limits.h); a pax header holds a few such fields.
_MOST_HEADER = 64 * 1024
_MOST_SIZE = 1 << 40
_MOST_MEMBERS = 500_000


@frozen
class TarMember:
    """One entry. `name` has no leading `./` or `/`; `kind` is `file`, `directory`, `link` or `other`."""

    name: str
    kind: str
    size: int
    mode: int
    target: str


def read_tar(stream: Stream, where: str) -> Iterator[tuple[TarMember, Limited]]:
    """Each member with its content, which must be read before the next member is asked for (or is skipped).

    Raises `Malformed` for a bad checksum, a number that is none, a name that leaves the archive's root
    (`..` or NUL in it), and an archive that ends inside a member.
    """
    long_name = long_target = None
    pax: dict[str, str] = {}
    position = 0
    for _ in range(_MOST_MEMBERS):
        header = _header(stream, where, position)
        if header is None:
            return
        at = position
        kind = header[156:157]
        size = _number(header[124:136], where, at + 124)
        if kind not in b"xgLK" and "size" in pax:
            size = _decimal(pax["size"], where, at)
        if size > _MOST_SIZE:
            raise Malformed(where, at + 124, "a size below 1 TiB", str(size))
        padded = -(-size // _BLOCK) * _BLOCK
        position += _BLOCK + padded
        if kind in b"xgLK":
            if size > _MOST_HEADER:
                raise Malformed(where, at, f"an extended header below {_MOST_HEADER} bytes", str(size))
            body = exactly(stream, padded, where)[:size]
            if kind == b"L":
                long_name = body.rstrip(b"\0")
            elif kind == b"K":
                long_target = body.rstrip(b"\0")
            elif kind == b"x":
                pax = _pax(body, where, at)
            continue
        name = _text(long_name) if long_name is not None else pax.get("path") or _short_name(header)
        target = _text(long_target) if long_target is not None else pax.get("linkpath")
        member = TarMember(
            name=_safe(name, where, at),
            kind=_KINDS.get(kind, "other"),
            size=size,
            mode=_number(header[100:108], where, at + 100) & 0o7777,
            target=target if target is not None else _text(header[157:257].split(b"\0")[0]),
        )
        if kind == b"S" or any(key.startswith("GNU.sparse") for key in pax):
            raise Malformed(where, at, "a file stored whole", f"the sparse file {member.name!r}")
        long_name, long_target, pax = None, None, {}
        content = Limited(stream, size, f"{where}:{member.name}")
        yield member, content
        content.drain()
        exactly(stream, padded - size, where)
    raise Malformed(where, position, f"at most {_MOST_MEMBERS} headers", "more")


_KINDS = {b"0": "file", b"\0": "file", b"7": "file", b"5": "directory", b"1": "link", b"2": "link"}


def _header(stream: Stream, where: str, at: int) -> bytes | None:
    """The next header block, or None at the end (two zero blocks, or simply no more data)."""
    first = stream.read(_BLOCK)
    if not first:
        return None
    try:
        header = first + exactly(stream, _BLOCK - len(first), where)
        if header == bytes(_BLOCK):
            return None
        stored = _number(header[148:156], where, at + 148)
    except Malformed as error:
        if at:
            raise
        raise _no_archive(where) from error
    computed = sum(header) - sum(header[148:156]) + 8 * ord(" ")
    if stored == computed:
        return header
    if at == 0:
        raise _no_archive(where)
    raise Malformed(where, at + 148, f"a tar header's checksum, {computed:#o}", f"{stored:#o}")


def _no_archive(where: str) -> Malformed:
    return Malformed(where, 0, "a tar archive, plain or compressed", "no tar header")


def _number(field: bytes, where: str, at: int) -> int:
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    digits = field.split(b"\0")[0].strip(b" ")
    if digits and digits.strip(b"01234567"):
        raise Malformed(where, at, "an octal number", repr(field))
    return int(digits or b"0", 8)


def _decimal(text: str, where: str, at: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Malformed(where, at, "a decimal number", repr(text[:40]))
    return int(text)


def _pax(body: bytes, where: str, at: int) -> dict[str, str]:
    """`length key=value\\n` records, length in decimal and including itself (POSIX.1-2001, pax)."""
    fields: dict[str, str] = {}
    start = 0
    while start < len(body):
        space = body.find(b" ", start, start + 7)
        digits = body[start:space] if space > start else b""
        end = start + int(digits) if digits.isdigit() else 0
        record = body[space + 1 : end]
        if not space < end <= len(body) or not record.endswith(b"\n") or b"=" not in record:
            raise Malformed(where, at, "a pax record", repr(body[start : start + 40]))
        key, _, value = record[:-1].partition(b"=")
        fields[_text(key)] = _text(value)
        start = end
    return fields


def _short_name(header: bytes) -> str:
    name = header[:100].split(b"\0")[0]
    if header[257:263] == b"ustar\0":
        prefix = header[345:500].split(b"\0")[0]
        if prefix:
            name = prefix + b"/" + name
    return _text(name)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="backslashreplace")


def _safe(name: str, where: str, at: int) -> str:
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts or "\0" in name:
        raise Malformed(
            where,
            at,
            "a name below the archive's root",
            repr(name[:200]),
            hint="the archive tries to write elsewhere; do not trust it",
        )
    return "/".join(parts)
