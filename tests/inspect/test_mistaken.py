"""What people give by mistake is called by its name, with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright import api
from bootwright.foundation.errors import CUT_SHORT, Malformed, Refused
from bootwright.inspect.mistaken import refuse_mistaken


@pytest.mark.parametrize(
    ("content", "name", "hint"),
    [
        (b"\xff\xd8\xff\xe0" + bytes(range(200)), "a JPEG picture", "the image, the kernel"),
        (b"\0\0\0\x20ftypheic" + bytes(200), "a HEIC picture", "the image, the kernel"),
        (b"PK\x03\x04" + bytes(range(200)), "a zip archive", "unpack it"),
        (b"[    1.000000] VFS: Unable to mount root fs\n", "text", "bootwright diagnose"),
        ("# äöü\n".encode(), "text", "bootwright diagnose"),
        (b"/dts-v1/;\n/ { };\n", "the source of a devicetree", "dtc -O dtb"),
    ],
)
def test_it_is_called_by_its_name(tmp_path: Path, content: bytes, name: str, hint: str) -> None:
    path = tmp_path / "given"
    path.write_bytes(content)
    for read in (api.check, api.inspect):
        with pytest.raises(Refused, match=f"is {name}, not an artifact") as caught:
            read(path)
        assert hint in (caught.value.hint or "")


def test_an_empty_file_is_an_unfinished_download(tmp_path: Path) -> None:
    path = tmp_path / "given"
    path.touch()
    for read in (api.check, api.inspect):
        with pytest.raises(Malformed, match="an empty file") as caught:
            read(path)
        assert caught.value.hint == CUT_SHORT


@given(st.binary(max_size=300))
def test_bytes_are_not_called_text(data: bytes) -> None:
    refuse_mistaken(b"\x80\x81\xff" + data, "given")
