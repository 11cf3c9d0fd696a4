"""What `make docs` writes is what is committed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import make_docs


def test_the_committed_reference_is_current() -> None:
    # In a process of its own: click keeps the help option that a command had when it was first run, and
    # tests run some commands without the options of the whole program (`-h`).
    done = subprocess.run(
        [sys.executable, make_docs.__file__, "--check"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_writing_again_changes_nothing_and_removes_what_is_left_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(make_docs, "DOCS", tmp_path)
    monkeypatch.setattr(make_docs, "FOLDER", tmp_path / "reference")
    assert make_docs.main([]) == 0
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "reference").iterdir()}
    assert {path.stem for path in written} == set(make_docs.PAGES)
    (tmp_path / "reference" / "boards.md").write_text("by hand")
    (tmp_path / "reference" / "gone.md").write_text("of a page that is no more")
    capsys.readouterr()
    assert make_docs.main(["--check"]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert make_docs.main([]) == 0
    assert capsys.readouterr().out.split() == [f"{tmp_path.name}/reference/boards.md"]
    assert set((tmp_path / "reference").iterdir()) == set(written)
    unchanged = [path for path in written if path.stem != "boards"]
    assert all(path.stat().st_mtime_ns == written[path] for path in unchanged)


def test_every_command_is_in_the_reference() -> None:
    text = "\n".join(make_docs.commands())
    for command in ("check", "lab truth", "image swap", "kernels list"):
        assert f" bootwright {command}\n" in text
    # No line is cut by somebody's terminal, and no default names this machine.
    assert str(Path.home()) not in text


@pytest.mark.parametrize("name", make_docs.PAGES)
def test_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\((\.\./[^)#]+)", "\n".join(make_docs.PAGES[name][1]())):
        assert (make_docs.FOLDER / target).exists(), target
