"""What patches need of one another: any subset with all its needs applies, whatever the series."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootwright.foundation.errors import Malformed
from bootwright.workshop.patches.needs import closed, textual_needs
from bootwright.workshop.patches.unified import read_changes

# An edit: where (a share of the file), how many lines are taken away, how many put in.
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=5)


def difference(folder: Path, old: list[str], new: list[str]) -> bytes:
    (folder / "a").mkdir(exist_ok=True)
    (folder / "b").mkdir(exist_ok=True)
    (folder / "a/f").write_text("".join(old))
    (folder / "b/f").write_text("".join(new))
    command = ["git", "diff", "--no-index", "--no-color", "a/f", "b/f"]
    patch = subprocess.run(command, cwd=folder, capture_output=True, check=False).stdout
    return patch.replace(b"a/a/f", b"a/f").replace(b"b/b/f", b"b/f")


def applies(folder: Path, patch: bytes) -> bool:
    command = ["git", "apply", "-"]
    return not subprocess.run(
        command,
        cwd=folder,
        input=patch,
        capture_output=True,
        check=False,
        env={"GIT_DIR": "/nowhere", "PATH": "/usr/bin:/bin"},
    ).returncode


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EDITS, st.integers(0, 63))
def test_a_subset_with_its_needs_applies(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[float, int, int]], chosen: int
) -> None:
    folder = tmp_path_factory.mktemp("series")
    base = [f"base {number}\n" for number in range(30)]
    lines, patches = base, []
    for number, (where, removed, added) in enumerate(edits):
        at = int(where * len(lines))
        new = [*lines[:at], *(f"patch {number} {each}\n" for each in range(added)), *lines[at + removed :]]
        patches.append(difference(folder, lines, new))
        lines = new
    needs = closed(textual_needs([read_changes(patch, "test") for patch in patches]))
    subset: set[int] = set()
    for number in range(len(patches)):
        if chosen >> number & 1:
            subset |= {number} | needs[number]
    (folder / "f").write_text("".join(base))
    for number in sorted(subset):
        assert not patches[number] or applies(folder, patches[number]), (number, needs)


def test_what_does_not_touch_is_not_needed(tmp_path: Path) -> None:
    """Edits far apart, in any number, leave each other alone."""
    lines, patches = [f"{number}\n" for number in range(100)], []
    for number in range(10):
        new = [*lines[: number * 10 + 4], "x\n", *lines[number * 10 + 5 :]]
        patches.append(difference(tmp_path, lines, new))
        lines = new
    assert not any(textual_needs([read_changes(patch, "test") for patch in patches]))


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
