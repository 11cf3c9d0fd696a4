"""The program's own name in a command for root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bootwright.foundation.processes import program

ROOT = Path(__file__).resolve().parents[2]


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the folders that sudo searches."""
    monkeypatch.setattr(program, "_ROOTS_PATH", str(tmp_path / "usr"))
    return tmp_path / "usr"


def test_an_environments_program_has_its_path_after_sudo(
    tmp_path: Path, of_the_system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = executable(tmp_path / "venv/bin/bootwright")
    monkeypatch.chdir(called.parent.parent)
    monkeypatch.setattr(sys, "argv", ["bin/bootwright", "prepare"])
    assert program.as_root() == ("sudo", str(called))
    executable(of_the_system / "bootwright")
    assert program.as_root() == ("sudo", "bootwright")


@pytest.mark.usefixtures("of_the_system")
def test_called_as_a_module_it_is_the_one_beside_the_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/bootwright/__main__.py"])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv/bin/python"))
    assert program.as_root() == ("sudo", "bootwright")
    beside = executable(tmp_path / "venv/bin/bootwright")
    assert program.as_root() == ("sudo", str(beside))
    monkeypatch.setattr(sys, "executable", "")
    assert program.as_root() == ("sudo", "bootwright")


def test_the_end_of_make_says_lines_that_reach_it(tmp_path: Path) -> None:
    folder = tmp_path / "a b/.venv/bin"
    executable(folder / "bootwright").write_text("#!/bin/sh\necho it runs\n")
    (folder / "activate").write_text(f"PATH='{folder}':$PATH\n")
    home = tmp_path / "home"
    home.mkdir()

    def run(*command: str, path: str = "/usr/bin:/bin") -> str:
        env = {**os.environ, "HOME": str(home), "PATH": path}
        return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout

    script = str(ROOT / "tools/say-where")
    said = run(script, str(folder))
    ways = [line.strip() for line in said.splitlines() if line.startswith("  ") and "(" not in line]
    assert len(ways) == 2
    by_home = f"{home}/.local/bin:/usr/bin:/bin"
    for way, path in zip(ways, ("/usr/bin:/bin", by_home), strict=True):
        assert run("bash", "-c", f"{way}; bootwright", path=path) == "it runs\n"
    for path in (f"{folder}:/usr/bin:/bin", by_home):  # reached already: nothing to say
        assert run(script, str(folder), path=path) == ""
