"""What one tree has and another lacks, over real repositories with histories of their own."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from command_kit import in_process
from history_kit import History, numbered

from bootwright import api
from bootwright.foundation.errors import Refused
from bootwright.workshop.patches.series import Fit

SCHEMA = Path(__file__).parents[2] / "docs/schemas/kernel-patches.schema.json"


@pytest.fixture
def history(tmp_path: Path) -> History:
    """A tree with two drivers and a topic branch."""
    made = History.start(
        tmp_path / "tree",
        {"drivers/net/macb.c": numbered(60), "drivers/pci/pcie.c": numbered(40), "README": "x\n"},
    )
    made.checkout("base", new="topic")
    return made


def fits(series: api.PatchSeries) -> dict[str, Fit]:
    return {placed.commit.subject: placed.fit for placed in series.series.placed}


def apply_files(history: History, series: api.PatchSeries, start: str) -> str:
    """The tree that the files give with `git am`, in a work tree of its own."""
    place = history.folder.parent / "am"
    history.git("worktree", "add", "-q", "--detach", str(place), start)
    tree = History(place)
    for path in series.written:
        tree.git("am", "-q", str(path))
    return tree.git("rev-parse", "HEAD^{tree}").strip()


def test_commits_of_the_paths_in_order_with_needs(history: History, tmp_path: Path) -> None:
    first = history.commit("net: macb: rename", {"drivers/net/macb.c": numbered(60, changes={10: "ten"})})
    history.commit("pci: other", {"drivers/pci/pcie.c": numbered(40, changes={3: "three"})})
    history.commit("net: macb: far", {"drivers/net/macb.c": numbered(60, changes={10: "ten", 50: "fifty"})})
    history.commit(
        "net: macb: on top",
        {"drivers/net/macb.c": numbered(60, changes={10: "ten", 11: "eleven", 50: "fifty"})},
    )
    series = api.kernel_patches(
        "base..topic", repository=history.folder, paths="drivers/net", out=tmp_path / "series"
    )
    assert [placed.commit.subject for placed in series.series.placed] == [
        "net: macb: rename",
        "net: macb: far",
        "net: macb: on top",
    ]
    assert set(fits(series).values()) == {Fit.APPLIES}
    needs = {
        placed.commit.subject: series.series.needs[placed.commit.name] for placed in series.series.placed
    }
    assert needs == {"net: macb: rename": (), "net: macb: far": (), "net: macb: on top": (first,)}
    assert series.verdict is api.Verdict.WORKS
    assert apply_files(history, series, "base") == series.series.tree
    assert series.written[0].read_text().startswith(f"From {first} ")


def test_back_ports_are_known_by_patch_by_name_and_by_subject(history: History) -> None:
    picked = history.commit("net: picked", {"drivers/net/macb.c": numbered(60, changes={5: "five"})})
    named = history.commit(
        "net: named", {"drivers/net/macb.c": numbered(60, changes={5: "five", 20: "twenty"})}
    )
    history.commit(
        "net: wanted", {"drivers/net/macb.c": numbered(60, changes={5: "five", 20: "20", 40: "forty"})}
    )
    history.checkout("base", new="stable")
    history.git("cherry-pick", picked)
    history.commit(
        f"net: other words\n\ncommit {named} upstream.\n\nAda.",
        {"drivers/net/macb.c": numbered(60, changes={5: "five", 20: "twenty, here"})},
    )
    series = api.kernel_patches("stable..topic", repository=history.folder, paths="drivers/net")
    present = {backport.commit.subject: backport for backport in series.difference.present}
    assert present["net: picked"].same
    assert not present["net: named"].same
    assert "twenty, here" in present["net: named"].range_diff
    assert fits(series) == {"net: wanted": Fit.CONFLICT}


def test_a_fix_elsewhere_comes_along(history: History) -> None:
    broken = history.commit("net: add", {"drivers/net/macb.c": numbered(60, changes={5: "five"})})
    fix = history.commit(
        f'lib: mend\n\nFixes: {broken[:12]} ("net: add")\n', {"lib/helper.c": numbered(5, "helper")}
    )
    made_for = history.commit(f"lib: prepare\n\nStable-dep-of: {fix[:12]}\n", {"lib/other.c": "1\n"})
    series = api.kernel_patches("base..topic", repository=history.folder, paths="drivers/net")
    reasons = {placed.commit.name: placed.chosen.reason for placed in series.series.placed}
    assert reasons[fix] == f'fixes {broken[:12]} ("net: add")'
    assert reasons[made_for] == f'made for {fix[:12]} ("lib: mend")'
    assert broken in series.series.needs[fix]
    without = api.kernel_patches("base..topic", repository=history.folder, paths="drivers/net", fixes=False)
    assert [placed.commit.name for placed in without.series.placed] == [broken]


def test_a_conflict_names_the_commit_that_resolves_it(history: History, tmp_path: Path) -> None:
    """The first commit touches other paths too, and is the only one that brings the lines."""
    text = numbered(60, changes={30: "thirty"})
    needed = history.commit("tree: prepare", {"drivers/net/macb.c": text, "drivers/pci/pcie.c": numbered(41)})
    history.commit("pci: noise", {"drivers/pci/pcie.c": numbered(42)})
    wanted = history.commit(
        "net: use it",
        {"drivers/net/macb.c": text.replace("thirty\n", "thirty and more\n"), "drivers/net/macb.h": "h\n"},
    )
    series = api.kernel_patches(
        "base..topic", repository=history.folder, paths="drivers/net/macb.h", out=tmp_path / "none"
    )
    (placed,) = series.series.placed
    assert placed.fit is Fit.CONFLICT
    assert placed.resolution is not None
    assert placed.resolution.enough
    assert [commit.name for commit in placed.resolution.commits] == [needed]
    assert series.verdict is api.Verdict.FAILS
    resolved = api.kernel_patches(
        "base..topic",
        repository=history.folder,
        paths="drivers/net/macb.h",
        resolve=True,
        out=tmp_path / "series",
    )
    assert [placed.commit.name for placed in resolved.series.placed] == [needed, wanted]
    assert resolved.series.needs[wanted] == (needed,)
    assert apply_files(history, resolved, "base") == resolved.series.tree


def test_what_waits_for_a_conflict_says_so(history: History) -> None:
    text = numbered(60, changes={30: "thirty"})
    history.commit("tree: prepare", {"drivers/net/macb.c": text})
    more = text.replace("thirty\n", "thirty and more\n")
    wanted = history.commit("net: use it", {"drivers/net/macb.c": more, "drivers/net/macb.h": "h\n"})
    history.commit(
        "net: go on",
        {"drivers/net/macb.c": more.replace("more\n", "more!\n"), "drivers/net/macb.h": "h\nh\n"},
    )
    series = api.kernel_patches("base..topic", repository=history.folder, paths="drivers/net/macb.h")
    resolution = series.series.placed[1].resolution
    assert resolution is not None
    assert resolution.left_out
    assert [commit.name for commit in resolution.commits] == [wanted]


def test_a_commit_that_took_lines_away_resolves_too(history: History) -> None:
    lines = numbered(60).splitlines(keepends=True)
    shorter = "".join(lines[:29] + lines[34:])
    needed = history.commit("tree: remove", {"drivers/net/macb.c": shorter})
    wanted = history.commit(
        "net: join",
        {"drivers/net/macb.c": shorter.replace("line 29\nline 35\n", "line 29 and 35\n"), "new.h": "h\n"},
    )
    series = api.kernel_patches("base..topic", repository=history.folder, paths="new.h")
    (placed,) = series.series.placed
    assert placed.commit.name == wanted
    assert placed.fit is Fit.CONFLICT
    assert placed.resolution is not None
    assert [commit.name for commit in placed.resolution.commits] == [needed]


def test_surroundings_that_differ_are_merged_and_the_files_apply_without_merging(
    history: History, tmp_path: Path
) -> None:
    wanted = numbered(60, changes={20: "twenty"})
    history.commit("net: wanted", {"drivers/net/macb.c": wanted})
    history.checkout("base", new="stable")
    history.commit("stable: near", {"drivers/net/macb.c": numbered(60, changes={23: "twenty-three"})})
    series = api.kernel_patches("stable..topic", repository=history.folder, out=tmp_path / "series")
    (placed,) = series.series.placed
    assert placed.fit is Fit.MERGED
    assert "twenty-three" in series.merged[placed.commit.name]
    assert apply_files(history, series, "stable") == series.series.tree


def test_names_that_need_quoting_new_files_and_binary_ones(history: History, tmp_path: Path) -> None:
    made = history.commit("add", {'dir with space/na\tme "é".c': "1\n2\n3\n", "logo.bin": bytes(range(256))})
    history.commit("change", {'dir with space/na\tme "é".c': "1\n2\n4\n", "logo.bin": bytes(range(255))})
    series = api.kernel_patches("base..topic", repository=history.folder, out=tmp_path / "series")
    assert set(fits(series).values()) == {Fit.APPLIES}
    assert series.series.needs[series.series.placed[1].commit.name] == (made,)
    assert apply_files(history, series, "base") == series.series.tree


def test_the_repository_is_left_as_it_was(history: History) -> None:
    history.commit("net", {"drivers/net/macb.c": numbered(60, changes={10: "ten"})})
    before = contents(history.folder)
    api.kernel_patches("base..topic", repository=history.folder)
    assert contents(history.folder) == before


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("span", "paths", "said", "hint"),
    [
        ("base..topick", "", "no commit 'topick'", "did you mean topic?"),
        ("base", "", "is not a range", "v6.12..v6.18"),
        ("base...topic", "", "is not a range", "v6.12..v6.18"),
        ("topic..base", "", "has no commits", "the other way round"),
        ("base..topic", "drivers/gpu", "touches drivers/gpu", "relative to the top"),
        ("-p..topic", "", "no commit '-p'", ""),
    ],
)
def test_bad_input(history: History, span: str, paths: str, said: str, hint: str) -> None:
    history.commit("net", {"drivers/net/macb.c": numbered(60, changes={10: "ten"})})
    with pytest.raises(Refused) as caught:
        api.kernel_patches(span, repository=history.folder, paths=[paths] if paths else [])
    assert said in caught.value.message
    assert hint in (caught.value.hint or "")


def test_the_command(history: History, tmp_path: Path) -> None:
    broken = history.commit("net: add", {"drivers/net/macb.c": numbered(60, changes={5: "five"})})
    history.commit(
        f"net: mend\n\nFixes: {broken[:12]}\n", {"drivers/net/macb.c": numbered(60, changes={5: "5!"})}
    )
    base = ["kernel", "patches", "base..topic", "--repository"]
    out = tmp_path / "series"
    done = in_process(*base, str(history.folder), "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "2 of 2 commits apply to base" in done.stdout
    assert "needs 1" in done.stdout
    assert sorted(path.name for path in out.iterdir()) == ["0001-net-add.patch", "0002-net-mend.patch"]
    again = in_process(*base, str(history.folder), "--out", str(out))
    assert again.returncode == 2
    assert "is not empty" in again.stderr
    printed = in_process(*base, str(history.folder), "--json")
    document = json.loads(printed.stdout)
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    assert [patch["fit"] for patch in document["patches"]] == ["applies", "applies"]
    nowhere = in_process(*base, str(tmp_path))
    assert nowhere.returncode == 2
    assert "is not a git repository" in nowhere.stderr
