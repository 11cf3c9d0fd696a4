"""What bootwright keeps and cannot read is an error with exit status 2, never taken for nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from command_kit import in_process

from bootwright.foundation.documents import list_kept, read_kept
from bootwright.foundation.errors import Missing

PLAN = Path(__file__).parents[1] / "bench" / "cards.toml"


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return in_process(*map(str, words))


def test_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    assert read_kept(tmp_path / "no", most=4) is None
    assert list_kept(tmp_path / "no") == []
    (tmp_path / "b.json").write_bytes(b"123456")
    (tmp_path / "a.txt").touch()
    assert read_kept(tmp_path / "b.json", most=4) == b"12345"
    assert list_kept(tmp_path, ".json") == [tmp_path / "b.json"]


def test_a_folder_in_place_of_a_file_and_the_other_way_round(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Missing, match=r"cannot read .*: Is a directory"):
        read_kept(tmp_path, most=4)
    for read in (lambda path: read_kept(path, most=4), list_kept):
        with pytest.raises(Missing, match=r"cannot read .*: Not a directory"):
            read(tmp_path / "file" / "below")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_no_permission(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o000)
    (tmp_path / "folder").mkdir(0o000)
    try:
        with pytest.raises(Missing, match="Permission denied"):
            read_kept(tmp_path / "file", most=4)
        for place in ("folder", "folder/below"):
            with pytest.raises(Missing, match="Permission denied"):
                list_kept(tmp_path / place)
    finally:
        (tmp_path / "folder").chmod(0o700)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("upstream.json", ("upstream", "watch", PLAN, "--run", "RUN", "--offline", "--upstream", "talos")),
        ("further.json", ("upstream", "watch", PLAN, "--run", "RUN", "--offline", "--upstream", "talos")),
        ("further.json", ("investigate", PLAN, "--out", "RUN", "--offline", "--quiet")),
        ("told/0123456789ab.json", ("investigate", PLAN, "--out", "RUN", "--offline", "--quiet")),
        ("status.json", ("upstream", "watch", PLAN, "--run", "RUN", "--offline", "--upstream", "talos")),
        ("result.json", ("upstream", "draft", "linux", PLAN, "--run", "RUN")),
    ],
)
def test_a_run_whose_files_cannot_be_read(tmp_path: Path, name: str, words: tuple[object, ...]) -> None:
    (tmp_path / name).mkdir(parents=True)
    done = run(*[tmp_path if word == "RUN" else word for word in words])
    assert done.returncode == 2
    assert f"bootwright: cannot read {tmp_path / name}: Is a directory" in done.stderr
    assert "hint:" in done.stderr
