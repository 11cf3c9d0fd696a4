"""What a folder's files are: the same for the same, another for whatever differs, read once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bootwright.workshop.trees import contents


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    for name, text in (
        ("Makefile", "all:\n"),
        ("fs/open.c", "int f;\n"),
        ("fs/ext4/a.c", ""),
        (".git/HEAD", "x"),
    ):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    (tree / "fs/link").symlink_to("ext4")
    (tree / "dangling").symlink_to("nowhere")
    return tree


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: (tree / "fs/open.c").write_text("int g;\n"),
        lambda tree: (tree / "fs/open.c").chmod(0o755),
        lambda tree: (tree / "fs/open.c").rename(tree / "fs/close.c"),
        lambda tree: (tree / "fs/new.c").write_text(""),
        lambda tree: (tree / "fs/ext4/a.c").unlink(),
        lambda tree: ((tree / "fs/link").unlink(), (tree / "fs/link").symlink_to("ext2")),
        lambda tree: ((tree / "dangling").unlink(), (tree / "dangling").write_text("nowhere")),
    ],
)
def test_whatever_differs(folder: Path, change: Callable[[Path], object]) -> None:
    before = contents.content(folder)
    change(folder)
    assert contents.content(folder) != before


def test_the_same_elsewhere(folder: Path, tmp_path: Path) -> None:
    before = contents.content(folder)
    (folder / ".git/HEAD").write_text("another")
    assert contents.content(folder) == before
    copied = shutil.copytree(folder, tmp_path / "copy", symlinks=True)
    assert contents.content(copied) == before


def test_files_are_read_once_when_they_have_settled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    read = contents._digest
    monkeypatch.setattr(contents, "_digest", lambda files: reads.append(1) or read(files))
    before = contents.content(folder)
    assert contents.content(folder) == before
    assert len(reads) == 2  # they were changed just now, and may be again with the same times
    monkeypatch.setattr(contents, "_SETTLED", -60.0)
    assert [contents.content(folder) for _ in range(3)] == [before] * 3
    assert len(reads) == 3
    (folder / "Makefile").write_text("all:\n")
    assert contents.content(folder) == before
    assert len(reads) == 4
