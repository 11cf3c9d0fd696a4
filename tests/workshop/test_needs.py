"""What patches need of one another: any subset with all its needs applies, whatever the series."""

from __future__ import annotations

from pathlib import Path

import pytest
from history_kit import History
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootwright.foundation.errors import Malformed
from bootwright.workshop.minimise.series import series_on
from bootwright.workshop.patches.unified import read_changes
from bootwright.workshop.trees.series import Patch

# An edit: where (a share of the file), how many lines are taken away, how many put in.
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=5)


def write_series(folder: Path, edits: list[tuple[float, int, int]]) -> tuple[Path, list[Patch]]:
    """(the base, a patch for each edit of its one file)."""
    lines = [f"base {number}\n" for number in range(30)]
    history = History.start(folder / "tree", {"f": "".join(lines)})
    patches = []
    for number, (where, removed, added) in enumerate(edits):
        at = int(where * len(lines))
        new = [*lines[:at], *(f"patch {number} {line}\n" for line in range(added)), *lines[at + removed :]]
        if new != lines:
            history.commit(str(number), {"f": "".join(new)})
            patches.append(Patch(str(number), history.git("format-patch", "-1", "--stdout").encode()))
        lines = new
    history.git("checkout", "-q", "base")
    return history.folder, patches


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EDITS, st.integers(0, 31))
def test_a_subset_with_its_needs_applies(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[float, int, int]], chosen: int
) -> None:
    base, patches = write_series(tmp_path_factory.mktemp("series"), edits)
    with series_on(base, patches) as on_base:
        subset: set[int] = set()
        for number in range(len(patches)):
            if chosen >> number & 1:
                subset |= {number} | on_base.needs[number]
        on_base.tree(frozenset(subset))


def test_what_does_not_touch_is_not_needed(tmp_path: Path) -> None:
    """Edits far apart, in any number, leave each other alone."""
    base, patches = write_series(tmp_path, [(number / 10, 1, 1) for number in range(10)])
    with series_on(base, patches) as on_base:
        assert on_base.needs == (frozenset(),) * 10


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        (b"--- a/x\n+++ b/x\n@@ -1,2 +1 @@\n-a", "2 more lines of the hunk"),
        (b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n?a\n", "a line of the hunk"),
        (b"--- a/x\n+++ b/x\nnothing\n", "a hunk that begins with @@"),
        (b"--- /dev/null\n+++ /dev/null\n@@ -1 +1 @@\n", "the path of a file"),
        (b"diff --git a/x b/y\nindex 1..2\n", "the names of the file"),
    ],
)
def test_damaged_patches_are_told_where(patch: bytes, expected: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_changes(patch, "0001.patch")
    assert expected in caught.value.expected
    assert caught.value.where == "0001.patch"
    assert 0 < (caught.value.offset or 0) <= len(patch)
