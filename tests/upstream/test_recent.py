"""A repository that is too large to be fetched whole: its newest commits, from a real server on loopback."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import git_server
import jsonschema
import pytest
from click.testing import CliRunner, Result
from history_kit import History

from bootwright.cli.main import main
from bootwright.foundation.cache import UPSTREAMS
from bootwright.upstream import recent
from bootwright.upstream.recent import cut_off
from bootwright.workshop.repository import Repository

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/upstream-watch.schema.json").read_text())
PLAN = """\
schema = "bootwright/plan/1"
name = "small"
title = "Mounts"
question = "Do they work?"

[wanted]

[factor.os]
levels = ["1.0", "1.1"]

[outcome.mounts]
goal = true

[[touches]]
outcome = "mounts"
calls = ["open_tree"]
"""
DAY = 86400


def code(value: int, other: int = 0) -> str:
    return (
        f"SYSCALL_DEFINE1(open_tree, int, fd)\n{{\n\treturn {value};\n}}\n\n"
        f"SYSCALL_DEFINE1(umount, int, fd)\n{{\n\treturn {other};\n}}\n"
    )


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    """A year of history, a commit every fourth week, each with half a megabyte that no other has."""
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(PLAN)
    history = History.start(tmp_path / "big", {"fs/namespace.c": code(0)})
    chance = random.Random(3)
    for week in range(0, 52, 4):
        history._clock += 28 * DAY
        history.commit(f"week {week}", {"firmware.bin": chance.randbytes(1 << 19)})
    return history


@pytest.fixture
def server(history: History, tmp_path: Path) -> Iterator[git_server.Served]:
    with git_server.serve(history.folder) as served:
        folder = tmp_path / "config/bootwright/upstreams"
        folder.mkdir(parents=True)
        text = f'title = "A large one"\nrepository = "{served.url}"\nbranches = ["main"]\nlarge = true\n'
        (folder / "big.toml").write_text(text)
        yield served


def watch(*arguments: str) -> Result:
    words = ["upstream", "watch", "small.toml", "--upstream", "big", "--archive", "http://127.0.0.1:9/none"]
    result = CliRunner().invoke(main, [*words, *arguments], standalone_mode=False)
    assert result.exception is None, result.exception
    return result


def subjects(result: Result) -> list[str]:
    document = json.loads(result.stdout)
    jsonschema.validate(document, SCHEMA)
    (look,) = document["upstreams"]
    return [commit["subject"] for branch in look["branches"] for commit in branch["touching"]]


def mirror() -> Repository:
    (folder,) = UPSTREAMS.folder().glob("*.git")
    return Repository(folder)


def test_its_newest_commits_alone(history: History, server: git_server.Served) -> None:
    # Unasked, nothing is fetched, and it is said how it could be.
    nothing = watch("--json")
    assert json.loads(nothing.stdout)["upstreams"] == []
    assert "--fetch big fetches its newest commits, 1000 MB at most" in nothing.stderr
    assert f"git clone --bare {server.url} FOLDER" in nothing.stderr
    assert server.requests == []
    first = watch("--fetch", "big", "--json")
    assert subjects(first) == []
    whole = sum(
        path.stat().st_size for path in (history.folder / ".git/objects").rglob("*") if path.is_file()
    )
    assert server.sent < whole / 10  # one tree, not a year
    assert len(mirror().lines("rev-list", "--all")) == 1

    # What was committed on a branch before the last look, and is merged after it, is new.
    history.checkout("HEAD~2", new="topic")
    history.commit("fs: open_tree: from a topic", {"fs/namespace.c": code(1)})
    history.commit("fs: umount", {"fs/namespace.c": code(1, 2)})
    history.checkout("main")
    history._clock += DAY
    history.git("merge", "-q", "--no-ff", "-m", "Merge topic", "topic")
    history.commit("fs: open_tree: on main", {"fs/namespace.c": code(3, 2)})
    second = watch("--json")  # once fetched, each later look does
    assert subjects(second) == ["fs: open_tree: from a topic", "fs: open_tree: on main"]
    assert server.sent < whole / 2
    commits = mirror().lines("rev-list", "--all")
    assert len(commits) < len(Repository(history.folder).lines("rev-list", "--all")) / 2
    assert set(cut_off(mirror())) & set(commits)  # what stands there is nobody's change
    assert subjects(watch("--json")) == []
    assert subjects(watch("--json", "--offline")) == []


@pytest.mark.parametrize("seconds", [0.01, 60.0], ids=["while it comes", "at once"])
def test_more_than_is_allowed(
    history: History, server: git_server.Served, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "_POLL", seconds)
    history.commit("large", {"large.bin": random.Random(5).randbytes(16 << 20)})
    refused = watch("--fetch", "big", "--max-fetch", "1")
    assert refused.return_value == 3
    assert "take more than 1 MB" in refused.stderr
    assert not list(UPSTREAMS.folder().glob("*.git/objects/pack/tmp_*"))
    assert mirror().lines("for-each-ref") == []
    (mirror().folder / "shallow.lock").touch()  # as a git leaves it that is killed
    assert subjects(watch("--fetch", "big", "--json")) == []


def test_a_last_look_that_is_out_of_reach(history: History, server: git_server.Served) -> None:
    """Another plan's looks have moved the edge past it: that is said, and nothing is called new."""
    watch("--fetch", "big")
    old = Path("out/small/upstream.json").read_text()
    history._clock += 200 * DAY
    history.commit("fs: open_tree: long after", {"fs/namespace.c": code(1)})
    watch()
    history._clock += 200 * DAY
    history.commit("fs: umount: longer after", {"fs/namespace.c": code(1, 1)})
    watch()
    Path("out/small/upstream.json").write_text(old)
    looked = watch()
    assert "main: what was there at the last look is gone" in looked.stdout
