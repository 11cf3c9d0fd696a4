from __future__ import annotations

import importlib.util
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.formats.archives import cpio
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import Malformed, Refused


def one_input(data: bytes) -> None:
    path = Path(__file__).parents[2] / "fuzz" / "fuzz_cpio.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.one_input(data)


MEMBERS = [
    cpio.folder("dev"),
    cpio.character_device("dev/console", 5, 1),
    cpio.Member("init", b"\x7fELF then some", stat.S_IFREG | 0o755),
    cpio.Member("empty"),
    cpio.Member("link", b"init", stat.S_IFLNK | 0o777),
]


def test_what_is_written_is_read_back() -> None:
    source = Bytes(cpio.write(MEMBERS), "made")
    entries = list(cpio.read(source))
    assert [entry.name for entry in entries] == ["dev", "dev/console", "init", "empty", "link"]
    assert entries[1].device == (5, 1)
    assert stat.S_ISCHR(entries[1].mode)
    assert not entries[1].is_file
    assert entries[2].is_file
    content = cpio.content(source, entries[2])
    assert content.read(0, content.size) == b"\x7fELF then some"


def test_the_same_members_give_the_same_bytes() -> None:
    assert cpio.write(MEMBERS) == cpio.write(list(MEMBERS))


def test_cpio_itself_lists_what_is_written() -> None:
    made = subprocess.run(
        ["cpio", "-itv", "--quiet"], input=cpio.write(MEMBERS), capture_output=True, check=True
    )
    lines = made.stdout.decode().splitlines()
    assert [line.split()[0] for line in lines] == [
        "drwxr-xr-x",
        "crw-------",
        "-rwxr-xr-x",
        "-rw-r--r--",
        "lrwxrwxrwx",
    ]
    assert lines[4].endswith("link -> init")


def test_an_archive_of_cpio_itself_is_read(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/file").write_bytes(b"x" * 5001)
    made = subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet"],
        input=b"sub\nsub/file\n",
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    entries = list(cpio.read(Bytes(made.stdout, "real")))
    assert [(entry.name, entry.size) for entry in entries] == [("sub", 0), ("sub/file", 5001)]


def test_several_archives_follow_one_another() -> None:
    first, second = cpio.write(MEMBERS[:1]), cpio.write(MEMBERS[2:3])
    entries = list(cpio.read(Bytes(first + bytes(508) + second + bytes(3), "two")))
    assert [entry.name for entry in entries] == ["dev", "init"]


@pytest.mark.parametrize("cut", [4, 50, 111, 130, 300])
def test_a_truncated_archive_is_malformed(cut: int) -> None:
    archive = cpio.write(MEMBERS)
    with pytest.raises(Malformed):
        list(cpio.read(Bytes(archive[:-cut], "cut")))


@pytest.mark.parametrize(
    ("at", "value"),
    [(0, b"070707"), (54, b"ffffffff"), (94, b"00000000"), (94, b"+0000001"), (6, b"        ")],
)
def test_a_bad_field_names_its_place(at: int, value: bytes) -> None:
    archive = bytearray(cpio.write(MEMBERS))
    archive[at : at + len(value)] = value
    with pytest.raises(Malformed, match="bad"):
        list(cpio.read(Bytes(bytes(archive), "bad")))


def test_a_name_that_does_not_fit_is_refused() -> None:
    with pytest.raises(Refused):
        cpio.write([cpio.Member("n" * 5000)])
    with pytest.raises(Refused):
        cpio.write([cpio.Member("a\0b")])


@given(st.binary(max_size=600))
def test_any_bytes(data: bytes) -> None:
    one_input(data)


@given(st.data())
def test_any_mutation(data: st.DataObject) -> None:
    archive = bytearray(cpio.write(MEMBERS))
    for _ in range(data.draw(st.integers(1, 6))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    one_input(bytes(archive[: data.draw(st.integers(0, len(archive)))]))
