"""The cache: parts by name, held below their limits, listed and cleared by commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from command_kit import in_process

from bootwright.foundation.cache import ALL_PARTS, Part
from bootwright.foundation.errors import Missing
from bootwright.foundation.progress import Silent


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path))
    return tmp_path


def test_made_once_then_kept_and_the_oldest_use_goes_first(cache: Path) -> None:
    part = Part("things", "things", 25_000)
    made: list[str] = []

    def make(name: str) -> bytes:
        made.append(name)
        return bytes([1]) * 10_000

    for number, name in enumerate("ab"):
        path = part.kept(name, lambda name=name: make(name))  # type: ignore[misc]
        os.utime(path, (number, number))
    part.kept("a", lambda: make("again"))
    assert made == ["a", "b"]
    part.kept("c", lambda: make("c"))
    assert sorted(path.name for path in (cache / "things").iterdir()) == ["a", "c"]  # b was used before a


def test_a_folder_is_one_entry(cache: Path) -> None:
    part = Part("things", "things", 15_000)
    for number, name in enumerate("ab"):
        (cache / "things" / name).mkdir(parents=True)
        (cache / "things" / name / "inside").write_bytes(bytes([1]) * 10_000)
        os.utime(cache / "things" / name, (number, number))
    part.evict(keep=cache / "things" / "b" / "inside")
    assert [path.name for path in (cache / "things").iterdir()] == ["b"]
    Part("things", "things", None).evict(keep=cache)
    assert (cache / "things" / "b" / "inside").is_file()


def test_a_file_in_a_folder_is_used_and_evicted_with_it(cache: Path) -> None:
    part = Part("given/things", "things", 25_000)
    for number, name in enumerate("ab"):
        part.kept(f"{name}/file", lambda: bytes([1]) * 10_000)
        os.utime(cache / "given/things" / name, (number, number))
    part.kept("a/file", lambda: b"never made again")
    part.kept("c/file", lambda: bytes([1]) * 10_000)
    assert sorted(path.name for path in (cache / "given/things").iterdir()) == ["a", "c"]


def test_a_folder_appears_whole_or_not_at_all(cache: Path) -> None:
    part = Part("things", "things", 15_000)

    def fill(work: Path) -> None:
        (work / "inside").write_bytes(bytes([1]) * 10_000)

    def fail(work: Path) -> None:
        fill(work)
        raise Missing("the rest")

    with pytest.raises(Missing):
        part.kept_folder("a", fail)
    assert list((cache / "things").iterdir()) == []
    assert (part.kept_folder("a", fill) / "inside").stat().st_size == 10_000
    assert part.kept_folder("a", fail) == cache / "things" / "a"  # not made again
    os.utime(cache / "things" / "a", (0, 0))
    part.kept_folder("b", fill)
    assert [path.name for path in (cache / "things").iterdir()] == ["b"]


@pytest.mark.parametrize("by", ["the next folder", "a listing"])
def test_what_a_killed_process_left_is_removed(cache: Path, by: str) -> None:
    part = Part("things", "things", 15_000)
    script = (
        "import sys; from bootwright.foundation.cache import Part\n"
        "def fill(work):\n"
        "    (work / 'inside').write_bytes(bytes(5))\n"
        "    print('made', flush=True); sys.stdin.read()\n"
        "Part('things', 'things', 15_000).kept_folder(sys.argv[1], fill)"
    )
    killed, living = (
        subprocess.Popen(
            [sys.executable, "-c", script, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in ("a", "b")
    )
    for process in (killed, living):
        assert process.stdout is not None
        assert process.stdout.readline() == "made\n"
    killed.kill()
    killed.wait()
    assert len(list((cache / "things").iterdir())) == 2
    if by == "a listing":
        part.sweep_unfinished()
    else:
        part.kept_folder("c", lambda work: None)
    # The folder of the one that lives stays, and gets its name.
    assert len(list((cache / "things").glob(".*/files/inside"))) == 1
    living.communicate("")
    assert living.returncode == 0
    assert sorted(path.name for path in (cache / "things").iterdir() if path.name != "c") == ["b"]


def test_no_part_is_inside_another(cache: Path) -> None:
    folders = [part.folder() for part in ALL_PARTS]
    assert not [(a, b) for a in folders for b in folders if a in b.parents]
    assert len(set(folders)) == len(folders)


def cache_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return in_process("cache", *arguments)


def test_list_and_clear(cache: Path) -> None:
    for name in ("kernels", "expanded"):
        (cache / name).mkdir()
        (cache / name / "x").write_bytes(bytes([1]) * 100_000)
    listed = json.loads(cache_command("list", "--json").stdout)
    sizes = {part["name"]: part["bytes"] for part in listed["parts"]}
    assert sizes["expanded"] >= 100_000
    assert set(sizes) == {part.name for part in ALL_PARTS}
    assert "expanded" in cache_command("list").stdout
    wrong = cache_command("clear", "expandde")
    assert wrong.returncode == 2
    assert "did you mean expanded?" in wrong.stderr
    assert cache_command("clear").stdout == "expanded: 0.1 MB removed\n"
    assert (cache / "kernels" / "x").is_file()
    assert "kernels: 0.1 MB removed" in cache_command("clear", "--all").stdout
    assert not (cache / "kernels" / "x").exists()


def test_two_folders_of_one_download_are_not_filled_at_once(cache: Path) -> None:
    part = Part("things", "things", None)
    at_work: list[str] = []
    made: list[str] = []

    def fill(work: Path) -> None:
        at_work.append(work.name)
        assert len(at_work) == 1, "another one is at it"
        time.sleep(0.1)
        (work / "inside").write_bytes(b"x")
        made.append(at_work.pop())

    with ThreadPoolExecutor() as pool:
        names = ["a", "b", "a"]
        asked = [pool.submit(part.fetched_folder, name, fill, "4711", Silent()) for name in names]
        assert [future.result().name for future in asked] == names
    assert len(made) == 2
