"""QEMU's stream without pages of zeros: what is left says the same, whatever order pages come in."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from bootwright.lab.snapshots.stream import without_zero_pages

_CONFIGURATION = b"QEVM\0\0\0\3\7\0\0\0\4virt"
_FOOTER = b"\x7e\0\0\0\2"
_BLOCKS = {"memory": 1 << 27, "virt.flash0": 1 << 26, "/rom@etc/acpi/tables": 1 << 21}

Pages = list[tuple[str, int, bytes]]


def _stream(parts: list[Pages], behind: bytes, *, bits: int = 12, own_bits: bool = True) -> bytes:
    """As QEMU writes it: sizes, pages in parts, devices."""
    small = struct.pack(">I", bits)
    words = [_CONFIGURATION, b"\5\x1econfiguration/target-page-bits\0\0\0\1" + small if own_bits else b""]
    words += [b"\1\0\0\0\2\3ram\0\0\0\0\0\0\0\4", struct.pack(">Q", sum(_BLOCKS.values()) | 4)]
    for name, size in _BLOCKS.items():
        words.append(bytes([len(name)]) + name.encode() + struct.pack(">2Q", size, 0x40000000))
    words += [struct.pack(">Q", 0x10), _FOOTER]
    for number, pages in enumerate(parts):
        words.append(bytes([3 if number == len(parts) - 1 else 2]) + b"\0\0\0\2")
        last = ""
        for name, page, content in pages:
            kind = (2 if len(content) == 1 else 8) | (0x20 if name == last else 0)
            words.append(struct.pack(">Q", page << bits | kind))
            words += [] if name == last else [bytes([len(name)]) + name.encode()]
            words.append(content)
            last = name
        words += [struct.pack(">Q", 0x10), _FOOTER]
    return b"".join((*words, behind))


def _parts(size: int) -> st.SearchStrategy[list[Pages]]:
    content = st.one_of(
        st.sampled_from([b"\0", b"\xff"]), st.integers(0, 255).map(lambda byte: bytes([byte]) * size)
    )
    page = st.tuples(st.sampled_from(sorted(_BLOCKS)), st.integers(0, 1 << 14), content)
    return st.lists(st.lists(page, max_size=20), min_size=1, max_size=4)


@given(_parts(4096), st.binary(max_size=50))
def test_only_pages_of_zeros_are_left_out(parts: list[Pages], behind: bytes) -> None:
    kept = [[page for page in pages if page[2] != b"\0"] for pages in parts]
    stripped = without_zero_pages(_stream(parts, b"\4" + behind))
    assert stripped == _stream(kept, b"\4" + behind)
    assert without_zero_pages(stripped) == stripped


@given(_parts(1024))
def test_a_machine_with_pages_of_its_least_size(parts: list[Pages]) -> None:
    kept = [[page for page in pages if page[2] != b"\0"] for pages in parts]
    whole = _stream(parts, b"\0", bits=10, own_bits=False)
    assert without_zero_pages(whole) == _stream(kept, b"\0", bits=10, own_bits=False)


@given(_parts(4096), st.data())
def test_another_form_stays_as_it_is(parts: list[Pages], data: st.DataObject) -> None:
    whole = _stream(parts, b"\0")
    cut = whole[: data.draw(st.integers(0, len(whole) - 2))]
    assert without_zero_pages(cut) == cut
    # Compressed pages, XBZRLE and the like are not read here.
    other = bytearray(_stream([[("memory", 1, b"\0")]], b"\0"))
    at = other.index(struct.pack(">Q", 1 << 12 | 2))
    other[at + 7] = data.draw(st.sampled_from([0x40, 0x80, 0x01, 0x04]))
    assert without_zero_pages(bytes(other)) == bytes(other)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_stream_or_left(data: bytes) -> None:
    for stream in (data, _CONFIGURATION + b"\1\0\0\0\2\3ram\0\0\0\0\0\0\0\4" + data):
        assert len(without_zero_pages(stream)) <= len(stream)
