"""Bisecting git histories: real repositories with merges; what is built is a text in place of a kernel."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from history_kit import History, numbered

from bootwright.foundation.errors import Refused
from bootwright.foundation.progress import Silent
from bootwright.foundation.run_folder import Store
from bootwright.foundation.verdict import Verdict
from bootwright.workshop.bisect.commits import Commits, Revision, commits_between
from bootwright.workshop.bisect.search import Turn, find_turn
from bootwright.workshop.repository import Repository
from bootwright.workshop.trees.series import Patch
from bootwright.workshop.trials.noise import Noise
from bootwright.workshop.trials.trials import Observation, Trials, Unbuildable


@pytest.fixture
def merged(tmp_path: Path) -> tuple[History, str]:
    """A main line with two side branches, of which one brings the fault; (history, the commit at fault)."""
    history = History.start(tmp_path / "tree", {"a": numbered(60), "b": numbered(60), "state": "good\n"})
    side: dict[int, str] = {}
    main: dict[int, str] = {}
    for number in (3, 9):
        main[number] = f"main {number}"
        history.commit(f"main {number}", {"a": numbered(60, changes=main)})
    history.checkout("HEAD", new="side")
    for number in (5, 20, 35):
        side[number] = f"side {number}"
        history.commit(f"side {number}", {"b": numbered(60, changes=side)})
    fault = history.commit("break it", {"state": "bad\n"})
    history.commit("side 50", {"b": numbered(60, changes={**side, 50: "side 50"})})
    history.checkout("main")
    for number in (15, 30, 45):
        main[number] = f"main {number}"
        history.commit(f"main {number}", {"a": numbered(60, changes=main)})
    history.git("merge", "-q", "--no-ff", "-m", "merge side", "side")
    history.commit("last", {"a": numbered(60, changes={**main, 55: "last"})})
    return history, fault


class Built:
    """Builds a commit's text: the old end's files with the patch really applied."""

    def __init__(self, history: History, old: str, place: Path, broken: Sequence[str] = ()) -> None:
        self.history = history
        self.old = old
        self.place = place
        self.broken = broken
        self.count = 0

    def __call__(self, patches: Sequence[Patch]) -> str:
        self.count += 1
        folder = self.place / str(self.count)
        folder.mkdir(parents=True)
        for name in ("a", "b", "state"):
            (folder / name).write_text(self.history.git("show", f"{self.old}:{name}"))
        for patch in patches:
            if any(subject in patch.name for subject in self.broken):
                raise Unbuildable("it does not compile")
            subprocess.run(["git", "apply", "-"], cwd=folder, input=patch.data, check=True)
        return (folder / "state").read_text().strip()


def search(
    history: History,
    good: str,
    bad: str,
    place: Path,
    *,
    broken: Sequence[str] = (),
    paths: Sequence[str] = (),
) -> tuple[Commits, Turn, Built]:
    repository = Repository(history.folder)
    commits = commits_between(
        repository, repository.commit(good), repository.commit(bad), paths=paths, first_parents=False
    )
    built = Built(history, commits.old_end, place, broken)

    def oracle(kernel: object) -> Observation:
        return Observation(Verdict.WORKS if kernel == "good" else Verdict.FAILS, str(kernel))

    names = (*commits.names, commits.old_end)
    revisions = [Revision(repository, commits.old_end, name, built) for name in names]  # type: ignore[arg-type]
    with Store(place / "run") as store:
        trials = Trials(store, oracle, Noise(), Silent())  # type: ignore[arg-type]
        new = Verdict.WORKS if commits.fix_wanted else Verdict.FAILS
        return commits, find_turn(trials, revisions, commits.contains, new=new, cost=10.0), built


def test_a_fault_on_a_merged_branch(merged: tuple[History, str], tmp_path: Path) -> None:
    history, fault = merged
    commits, turn, built = search(history, "base", "main", tmp_path)
    assert turn.found is not None
    assert commits.names[turn.found] == fault
    assert built.count <= 5  # of 12, log2 is 3.6
    repository = Repository(history.folder)
    for number, name in enumerate(commits.names):
        for other, ancestor in enumerate(commits.names):
            held = bool(commits.contains[number] >> other & 1)
            assert held == bool(repository.try_lines("merge-base", name, ancestor) == [ancestor])


def test_the_commit_that_mends(merged: tuple[History, str], tmp_path: Path) -> None:
    history, _ = merged
    mend = history.commit("mend it", {"state": "good\n"})
    history.commit("more", {"b": numbered(61)})
    commits, turn, _ = search(history, "HEAD", "HEAD~2", tmp_path)
    assert commits.fix_wanted
    assert turn.found is not None
    assert commits.names[turn.found] == mend


def test_commits_that_do_not_build(merged: tuple[History, str], tmp_path: Path) -> None:
    history, fault = merged
    commits, turn, _ = search(history, "base", "main", tmp_path, broken=("side 20", "side 35"))
    assert turn.found is None or commits.names[turn.found] == fault
    assert fault in {commits.names[member] for member, _ in turn.suspects}
    alone, near, _ = search(history, "base", "main", tmp_path / "b", broken=("break it",))
    assert near.found is None
    subjects = {
        history.git("log", "-1", "--format=%s", alone.names[member]).strip() for member, _ in near.suspects
    }
    assert subjects == {"break it", "side 50"}


def test_only_commits_of_some_paths(merged: tuple[History, str], tmp_path: Path) -> None:
    history, fault = merged
    commits, turn, _ = search(history, "base", "main", tmp_path, paths=["state"])
    assert commits.names[0] == fault
    assert len(commits.names) == 2  # and the end itself
    assert turn.found == 0


def test_planted_anywhere_in_a_tangled_history(tmp_path: Path) -> None:
    chance = random.Random(3)
    history = History.start(tmp_path / "tree", {"a": "0\n", "b": "0\n", "state": "good\n"})
    for number in range(18):
        if number and chance.random() < 0.4:
            other = chance.randrange(min(number, 4)) + 1
            history.git("checkout", "-q", f"HEAD~{other}")
            history.commit(f"branch {number}", {f"file{number}": "x\n"})
            side = history.git("rev-parse", "HEAD").strip()
            history.git("checkout", "-q", "main")
            history.git("merge", "-q", "--no-ff", "-m", f"merge {number}", side)
        if number == 9:
            fault = history.commit("break it", {"state": "bad\n"})
        history.commit(f"main {number}", {"a": f"{number}\n"})
    commits, turn, _ = search(history, "base", "main", tmp_path / "s")
    assert turn.found is not None
    assert commits.names[turn.found] == fault


def test_ends_without_a_way_between(merged: tuple[History, str]) -> None:
    history, _ = merged
    repository = Repository(history.folder)
    side, before = repository.commit("side"), repository.commit("main~2")
    with pytest.raises(Refused) as caught:
        commits_between(repository, before, side, paths=(), first_parents=False)
    assert "is not in the history of" in caught.value.message
    assert "both come from" in (caught.value.hint or "")
    with pytest.raises(Refused, match="are the same"):
        commits_between(repository, side, side, paths=(), first_parents=False)
    with pytest.raises(Refused, match="touches nowhere"):
        commits_between(repository, repository.commit("base"), side, paths=("nowhere",), first_parents=False)
