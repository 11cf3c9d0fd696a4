"""The mark of watching: of labelled histories at least 95 % of what matters is named, at most 10 % noise.

All were made before what judges them was written. The first try named 67 of 67, and one that does not matter.
"""

import tomllib
from pathlib import Path

import pytest
from history_kit import History
from upstream_kit import HISTORIES, SUBJECTS, histories, make

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


def test_a_devicetree_and_a_driver_that_come_new(tmp_path: Path) -> None:
    folder = "arch/arm64/boot/dts/broadcom"
    head = "/*\n * Who wrote it.\n */\n"
    history = History.start(
        tmp_path / "linux", {f"{folder}/bcm2712-rpi-5-b.dts": '/dts-v1/;\n/ { model = "old"; };\n'}
    )
    history.commit("a board", {f"{folder}/bcm2712-d-rpi-5-b.dts": '#include "bcm2712-rpi-5-b.dts"\n'})
    history.commit("another board", {f"{folder}/bcm2712-rpi-500.dts": '#include "bcm2712-rpi-5-b.dts"\n'})
    driver = "int macb_probe(void)\n{\n\treturn 0;\n}\n"
    history.commit("a driver", {"drivers/net/ethernet/cadence/macb.c": head + driver})
    repository = open_repository(history.folder)
    ends = [repository.commit("base"), repository.commit("HEAD")]
    subjects = [SUBJECTS["ethernet-rp1"]]
    looked = Judge(repository, UPSTREAMS.get("linux"), subjects, ends).look("base..HEAD")
    whats = {judged.commit.subject: [touch.what for touch in judged.touches] for judged in looked.judged}
    assert whats == {"a board": ["the board's devicetree comes"], "a driver": ["macb"]}


def test_the_histories_hold_more_that_does_not_matter() -> None:
    tables = [tomllib.loads(path.read_text()) for path in sorted(HISTORIES.glob("*.toml"))]
    labels = [commit.get("matters", "") for table in tables for commit in table["commit"]]
    assert len(labels) > 150
    assert sum(not label for label in labels) > len(labels) / 2
