"""minimise and bisect as a user runs them: each kernel compiled, and booted in QEMU.

The kernel is a few lines of C behind an arm64 Image's header that print on the console and switch the machine
off. With Linux it is the same, and takes hours: tests/workshop/test_minimise_linux.py.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from history_kit import History
from kernel_tree_kit import kernel_tree

from bootwright.foundation.cache import KERNELS
from bootwright.kernels.store import Store

SCHEMAS = Path(__file__).parents[2] / "docs/schemas"
NEEDED = ("make", "bc", "aarch64-linux-gnu-gcc", "qemu-system-aarch64")
pytestmark = [
    pytest.mark.boot,
    pytest.mark.skipif(not all(map(shutil.which, NEEDED)), reason=f"{', '.join(NEEDED)} build and boot"),
]
START = """\
start_here:
	adr	x1, _head
	mov	sp, x1
	bl	kernel
	mov	w0, #8	/* PSCI SYSTEM_OFF (Arm DEN 0022) */
	movk	w0, #0x8400, lsl #16
	hvc	#0
	wfi
"""
# The PL011 of QEMU's virt is at 0x09000000 (hw/arm/virt.c).
PRINT = """\
int may_clone(int attached);
int may_move(int detached);
int ready(void);

void kernel(void)
{
	const char *text = may_clone(0) == 0 && may_move(1) == 0 ? "all is allowed\\n" : "refused\\n";

	while (*text)
		*(volatile unsigned int *)0x09000000 = *text++;
}
"""
CLONE = "\tif (!attached)\n\t\treturn -22;\n"
MOVE = "\tif (detached)\n\t\treturn -22;\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def history(tmp_path: Path) -> History:
    """A small kernel that refuses, in a git repository."""
    tree = kernel_tree(tmp_path / "files")
    head, version = (tree / "init/head.S").read_text(), (tree / "init/version.c").read_text()
    files = {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    start = head[: head.index("start_here:\n")] + START
    return History.start(
        tmp_path / "tree", {**files, "init/head.S": start, "init/version.c": version + PRINT}
    )


def bootwright(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bootwright", "kernel", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def replace(history: History, subject: str, name: str, old: str, new: str) -> str:
    text = (history.folder / name).read_text()
    assert old in text
    return history.commit(subject, {name: text.replace(old, new)})


def test_two_of_six_patches(history: History, tmp_path: Path) -> None:
    replace(history, "decoy: macb", "drivers/net/macb.c", "\n", "\n/* decoy */\n")
    replace(history, "fs: clone", "fs/namespace.c", CLONE, "")
    replace(history, "decoy: the end", "fs/namespace.c", "int may_move", "/* decoy */\nint may_move")
    history.commit("decoy: a file", {"fs/decoy.c": "int decoy;\n"})
    replace(history, "fs: move", "fs/namespace.c", MOVE, "")
    replace(history, "decoy: phy", "drivers/net/phy.c", "\n", "\n/* decoy */\n")
    history.git("format-patch", "-q", "-o", str(tmp_path / "series"), "base")
    history.checkout("base")
    given = ("--series", tmp_path / "series", "--base", history.folder, "--goal", "console:all is allowed")
    done = bootwright("minimise", *given, "--out", tmp_path / "run", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    jsonschema.validate(document, json.loads((SCHEMAS / "kernel-minimise.schema.json").read_text()))
    kept = [patch["name"] for patch in document["patches"] if patch["kept"]]
    assert kept == ["0002-fs-clone.patch", "0005-fs-move.patch"]
    assert {proof["verdict"] for proof in document["proof"]} == {"fails"}
    assert document["boots"] == document["builds"] <= 10
    written = sorted(path.name for path in (tmp_path / "run/minimal").iterdir())
    assert written == ["0001-fs-clone.patch", "0002-fs-move.patch"]
    assert not Store(KERNELS.folder()).names(), "what was only tried leaves the catalogue"
    again = bootwright("minimise", *given, "--out", tmp_path / "run")
    assert "2 of 6 patches are needed" in again.stdout
    assert ", 0 boots" in again.stdout
    other = bootwright("minimise", *given[:-1], "boot", "--out", tmp_path / "run")
    assert other.returncode == 2
    assert "another question: goal differ" in other.stderr
    without = bootwright("minimise", *given[:-1], "console:refused", "--out", tmp_path / "other")
    assert without.returncode == 2
    assert "all 6 patches together do not reach the goal" in without.stderr


def test_the_commit_that_allows_it(history: History, tmp_path: Path) -> None:
    replace(history, "fs: clone", "fs/namespace.c", CLONE, "")
    history.commit("broken", {"init/version.c": "#error it does not compile\n"})
    history.git("revert", "--no-edit", "HEAD")
    history.commit("decoy", {"fs/decoy.c": "int decoy;\n"})
    wanted = replace(history, "fs: move", "fs/namespace.c", MOVE, "")
    history.commit("decoy again", {"fs/decoy.c": "int decoy = 1;\n"})
    given = ("main..base", "--repository", history.folder, "--goal", "console:all is allowed")
    done = bootwright("bisect", *given, "--out", tmp_path / "run", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    jsonschema.validate(document, json.loads((SCHEMAS / "kernel-bisect.schema.json").read_text()))
    assert [(suspect["name"], suspect["subject"]) for suspect in document["suspects"]] == [
        (wanted, "fs: move")
    ]
    assert document["looked_for"] == "fix"
    swapped = bootwright("bisect", "base..main", *given[1:], "--out", tmp_path / "other")
    assert swapped.returncode == 2
    assert "does not reach the goal" in swapped.stderr
