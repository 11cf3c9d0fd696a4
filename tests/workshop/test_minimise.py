"""The fewest patches of a series, over a small program that is really patched, compiled and run."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import program_kit
import pytest
from history_kit import History, numbered

from bootwright.foundation.errors import Malformed, Refused
from bootwright.foundation.progress import Silent
from bootwright.foundation.run_folder import Store
from bootwright.foundation.verdict import Verdict
from bootwright.workshop.minimise.minimise import minimise
from bootwright.workshop.minimise.series import series_on
from bootwright.workshop.trees.series import Patch, read_patches
from bootwright.workshop.trials.noise import Noise
from bootwright.workshop.trials.trials import Observation, Trials

NEEDED = (2, 5, 9)
KITS = Path(__file__).parents[1] / "kits"


def test_the_needed_patches_and_the_proof(tmp_path: Path) -> None:
    base, series = program_kit.make_program(tmp_path)
    needed, trials = program_kit.run(base, series, tmp_path / "run")
    assert needed.fewest.kept == NEEDED
    assert needed.fewest.proved
    assert trials.builds == len(needed.tests)
    tried = {kept: decision.verdict for kept, decision in needed.tests}
    for number in (5, 9):  # 2 is needed by 5
        assert tried[frozenset(NEEDED) - {number}] is Verdict.FAILS
    for kept in tried:
        assert 2 in kept or 5 not in kept, "never without what it needs"


def test_needs_by_lines_and_by_words(tmp_path: Path) -> None:
    history = History.start(tmp_path / "tree", {"a": numbered(40), "b": numbered(40)})
    history.commit("one", {"a": numbered(40, changes={10: "ten"})})
    history.commit("two", {"b": numbered(40, changes={30: "thirty"})})
    history.commit("three", {"a": numbered(40, changes={10: "ten", 11: "eleven"})})
    history.commit(
        'four\n\nFixes: 0123456789ab ("two")\n', {"b": numbered(40, changes={5: "five", 30: "thirty"})}
    )
    history.git("format-patch", "-q", "-o", str(tmp_path / "series"), "base")
    history.checkout("base")
    with series_on(history.folder, read_patches([tmp_path / "series"], None)) as on_base:
        assert on_base.needs == (frozenset(), frozenset(), frozenset({0}), frozenset({1}))
        assert on_base.tree(frozenset({0, 2})) != on_base.tree(frozenset({0}))
        assert on_base.tree(frozenset()) == on_base.base_tree


def test_neighbours_that_only_stand_near_are_merged(tmp_path: Path) -> None:
    """A decoy within the three lines around a change is not needed: the patch is merged without it."""
    history = History.start(tmp_path / "tree", {"a": numbered(40)})
    history.commit("decoy", {"a": numbered(40, changes={10: "ten"})})
    wanted = numbered(40, changes={10: "ten", 12: "twelve"})
    history.commit("wanted\n\nIts words.", {"a": wanted})
    history.git("format-patch", "-q", "-o", str(tmp_path / "series"), "base")
    history.checkout("base")
    with series_on(history.folder, read_patches([tmp_path / "series"], None)) as on_base:
        assert on_base.needs == (frozenset(), frozenset())
        (patch,) = on_base.chosen(frozenset({1}))
        assert on_base.chosen(frozenset({0, 1})) == on_base.patches
    assert b"Its words." in patch.data
    (tmp_path / "one.patch").write_bytes(patch.data)
    history.git("am", "-q", str(tmp_path / "one.patch"))
    assert (history.folder / "a").read_text() == numbered(40, changes={12: "twelve"})


def test_killed_at_any_point_nothing_is_lost(tmp_path: Path) -> None:
    """kill -9 again and again: what was recorded is not run again, and the answer is the same."""
    base, series = program_kit.make_program(tmp_path)
    command = [sys.executable, str(KITS / "program_kit.py"), str(base), str(series), str(tmp_path / "run")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(KITS)])}
    chance, kills = random.Random(7), 0
    while kills < 6:
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
            time.sleep(chance.uniform(0.4, 1.6))
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGKILL)
            kills += 1
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    document = json.loads(done.stdout)
    assert tuple(document["kept"]) == NEEDED
    runs = (tmp_path / "runs").read_text().splitlines()
    assert len(runs) <= document["boots"] + document["kept_boots"] + kills
    again = json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    assert again["boots"] == 0


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Verdict.WORKS, "the base reaches the goal without any patch"),
        (Verdict.FAILS, "do not reach the goal"),
    ],
)
def test_ends_that_are_not_as_they_have_to_be(answer: Verdict, said: str, tmp_path: Path) -> None:
    base, series = program_kit.make_program(tmp_path)
    patches = read_patches([series], None)
    with Store(tmp_path / "run") as store, series_on(base, patches) as on_base:
        trials = Trials(store, lambda _: Observation(answer, "planted"), Noise(), Silent())
        with pytest.raises(Refused) as caught:
            minimise(on_base, lambda _: None, trials, Silent())  # type: ignore[arg-type, return-value]
    assert said in caught.value.message


def test_series_that_cannot_be_used(tmp_path: Path) -> None:
    base, series = program_kit.make_program(tmp_path)
    patches = read_patches([series], None)
    with pytest.raises(Refused) as caught, series_on(base, patches[5:]):
        pass
    assert caught.value.message == "0006-first-on.patch does not apply to the base: patch failed: first.py:1"
    outside = Patch("evil.patch", b"--- a/../../x\n+++ b/../../x\n@@ -1 +1 @@\n-a\n+b\n")
    with pytest.raises(Malformed, match="names of files inside the source"), series_on(base, [outside]):
        pass
    with (
        pytest.raises(Refused, match="changes no file"),
        series_on(base, [Patch("words.patch", b"only words\n")]),
    ):
        pass
