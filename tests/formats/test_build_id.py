"""The kernel's own build id among those of the programs that an image holds."""

from __future__ import annotations

import re
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.formats.kernel.build_id import image_build_id
from bootwright.kernels.catalogue import open_library

NOTE = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0"
OWN, OTHER = bytes(range(20)), bytes(range(20, 40))


def program(bits: int) -> bytes:
    """A program with a note: its header, the note, two section headers."""
    body = NOTE + OTHER + bytes(28)
    size = 64 if bits == 64 else 40
    head = b"\x7fELF" + bytes([bits // 32, 1, 1]) + bytes(9)
    if bits == 64:
        head += bytes(24) + struct.pack("<Q", 64 + len(body)) + bytes(10) + struct.pack("<3H", size, 2, 0)
    else:
        head += bytes(16) + struct.pack("<I", 64 + len(body)) + bytes(10) + struct.pack("<3H", size, 2, 0)
    return head.ljust(64, b"\0") + body + bytes(2 * size)


@pytest.mark.parametrize("bits", [32, 64])
def test_notes_of_programs_inside_are_not_the_kernels(bits: int) -> None:
    image = b"MZ" + bytes(98) + program(bits)
    assert image_build_id(image) is None
    assert image_build_id(image + NOTE + OWN) == OWN.hex()
    assert image_build_id(NOTE + OWN + image) == OWN.hex()
    assert image_build_id(image + NOTE + OWN[:-1]) is None


PARTS = (NOTE, OWN, b"\x7fELF\x02\x01\x01", b"\x7fELF\x01\x01\x01", b"\xff" * 64)


@settings(max_examples=200)
@given(st.lists(st.sampled_from(PARTS) | st.binary()))
def test_any_bytes(parts: list[bytes]) -> None:
    data = b"".join(parts)
    identifier = image_build_id(data)
    assert identifier is None or bytes.fromhex(identifier) in data


@pytest.mark.download
def test_a_kernel_that_holds_two_vdsos() -> None:
    image = open_library().get("debian-6.12-4k").image.read_bytes()
    notes = [image[match.end() : match.end() + 20].hex() for match in re.finditer(re.escape(NOTE), image)]
    assert len(notes) == 3
    # The linker puts the kernel's own behind its read-only data, where the vDSOs are.
    assert image_build_id(image) == notes[-1]
