"""The mark of watching: of labelled histories at least 95 % of what matters is named, at most 10 % noise.

All were made before what judges them was written. The first try named 67 of 67, and one that does not matter.
"""

import tomllib
from pathlib import Path

import pytest
from upstream_kit import HISTORIES, histories, make

from bootwright.upstream.presets import UPSTREAMS
from bootwright.upstream.relevance.judge import Judge
from bootwright.workshop.patches.commits import read_commit
from bootwright.workshop.repository import open_repository


@pytest.mark.parametrize("name", histories())
def test_a_history(name: str, tmp_path: Path) -> None:
    labelled = make(name, tmp_path / "repository")
    repository = open_repository(labelled.folder)
    ends = [repository.commit("base"), repository.commit("HEAD")]
    looked = Judge(repository, UPSTREAMS.get(labelled.upstream), [labelled.subject], ends).look("base..HEAD")
    assert looked.count == len(labelled.matters)
    named = {judged.commit.name: judged for judged in looked.judged if not judged.sweeping}
    wanted = {commit for commit, outcome in labelled.matters.items() if outcome}
    subjects = {commit: read_commit(repository, commit).subject for commit in {*named, *wanted}}
    missed = [subjects[commit] for commit in wanted - named.keys()]
    noise = [(subjects[commit], named[commit].touches) for commit in named.keys() - wanted]
    assert len(missed) <= 0.05 * len(wanted), missed
    assert len(noise) <= 0.1 * len(named), noise
    for commit in wanted & named.keys():
        assert labelled.matters[commit] in named[commit].outcomes


def test_the_histories_hold_more_that_does_not_matter() -> None:
    tables = [tomllib.loads(path.read_text()) for path in sorted(HISTORIES.glob("*.toml"))]
    labels = [commit.get("matters", "") for table in tables for commit in table["commit"]]
    assert len(labels) > 150
    assert sum(not label for label in labels) > len(labels) / 2
