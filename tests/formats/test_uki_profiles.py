"""Sections and profiles of unified kernel images: read, changed, and left alone."""

from __future__ import annotations

import struct

import pe_kit
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.formats.programs.pe import open_section, read_pe
from bootwright.formats.programs.uki import labeled_sections, open_labeled, read_profiles, read_text
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import BootwrightError, Malformed, Refused
from bootwright.images.write.uki import NewSection, add_sections, replace_sections

_PARTS = [
    (".osrel", b"NAME=Kit\n"),
    (".linux", b"kernel" * 200),
    (".initrd", b"archive" * 300),
    (".dtbauto", b"tree one"),
    (".dtbauto", b"tree two"),
    (".profile", b"ID=main\nTITLE=Kit\n"),
    (".cmdline", b"quiet console=ttyAMA0"),
    (".profile", b'ID=reset\nTITLE="Reset the machine"\n'),
    (".cmdline", b"quiet console=ttyAMA0 wipe=system"),
]


def _image(parts: list[tuple[str, bytes]]) -> bytes:
    return add_sections(pe_kit.efi_program(), [NewSection(name, data) for name, data in parts], "kit")


def _contents(image: bytes) -> dict[str, bytes]:
    source = Bytes(image, "uki")
    return {
        labeled.label: open_section(source, labeled.section).read(0, labeled.section.size)
        for labeled in labeled_sections(read_pe(source))
    }


def test_each_profile_has_the_base_and_its_own() -> None:
    source = Bytes(_image(_PARTS), "uki")
    main, reset = read_profiles(source, read_pe(source))
    assert (main.id, main.title, reset.id, reset.title) == ("main", "Kit", "reset", "Reset the machine")
    assert read_text(source, main.section(".cmdline")) == "quiet console=ttyAMA0"
    assert read_text(source, reset.section(".cmdline")).endswith("wipe=system")
    assert main.section(".linux") == reset.section(".linux")
    assert [part.label for part in reset.sections][-2:] == [".profile@1", ".cmdline@1"]
    assert {".dtbauto", ".dtbauto#2", ".cmdline@0"} <= set(_contents(_image(_PARTS)))
    with pytest.raises(Refused, match=r"no section \.dtb@1"):
        open_labeled(source, ".dtb@1")


def test_a_profile_takes_the_place_of_what_the_base_has() -> None:
    source = Bytes(
        _image([(".cmdline", b"base"), *_PARTS[:2], (".profile", b"ID=a\n"), (".cmdline", b"own")]), "uki"
    )
    (only,) = read_profiles(source, read_pe(source))
    assert read_text(source, only.section(".cmdline")) == "own"
    assert [part.section.name for part in only.sections].count(".cmdline") == 1


def test_without_profiles_there_is_one() -> None:
    source = Bytes(_image(_PARTS[:5]), "uki")
    (only,) = read_profiles(source, read_pe(source))
    assert (only.number, only.id) == (0, "")


@pytest.mark.parametrize("label", [".cmdline@0", ".cmdline@1", ".linux", ".dtbauto#2", ".profile@1"])
@pytest.mark.parametrize("size", [0, 7, 500, 5000])
def test_what_is_not_changed_stays_byte_for_byte(label: str, size: int) -> None:
    image = _image(_PARTS)
    before = _contents(image)
    after = _contents(replace_sections(image, {label: b"n" * size}, "uki"))
    assert after == before | {label: b"n" * size}
    assert [*after] == [*before]


def test_nothing_moves_where_the_space_suffices() -> None:
    image = _image(_PARTS)
    changed = replace_sections(image, {".cmdline@0": b"short"}, "uki")
    places = [(section.offset, section.address) for section in read_pe(Bytes(image, "u")).sections]
    assert [(section.offset, section.address) for section in read_pe(Bytes(changed, "u")).sections] == places
    assert replace_sections(image, {}, "uki") == image


def test_a_new_section_holds_for_every_profile() -> None:
    image = replace_sections(_image(_PARTS), {".dtb": b"tree"}, "uki")
    source = Bytes(image, "uki")
    for profile in read_profiles(source, read_pe(source)):
        assert read_text(source, profile.section(".dtb")) == "tree"


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [(16, 0xFF000200, "a section inside the file"), (12, 0xFFFFF000, "end below 4 GiB in memory")],
)
def test_numbers_that_would_need_gigabytes_are_refused(field: int, value: int, expected: str) -> None:
    image = bytearray(_image(_PARTS[:3]))
    struct.pack_into("<I", image, image.index(b".initrd\0") + field, value)
    assert read_pe(Bytes(bytes(image), "uki"))
    with pytest.raises(Malformed, match=expected):
        replace_sections(bytes(image), {".initrd": b"x", ".dtb": b"tree"}, "uki")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_changed_bytes_give_an_error_or_an_image(data: st.DataObject) -> None:
    image = bytearray(_image(_PARTS))
    for _ in range(data.draw(st.integers(1, 8))):
        image[data.draw(st.integers(0, 2047))] = data.draw(st.integers(0, 255))
    source = Bytes(bytes(image), "uki")
    try:
        headers = read_pe(source)
        read_profiles(source, headers)
        changed = replace_sections(bytes(image), {".cmdline@1": b"x" * 600}, "uki")
        read_pe(Bytes(changed, "changed"))
    except BootwrightError:
        pass
