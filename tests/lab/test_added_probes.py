"""A package's own probe runs in the guest beside bootwright's: a C file, named by an entry point."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
#include "guest.h"

static void answer(struct outcome *outcome, const char *argument)
{
	(void)argument;
	passed(outcome);
}

static int prepare(struct test *tests, int room)
{
	(void)room;
	tests[0] = (struct test){ "the-answer", answer, 0 };
	return 1;
}

static void clean(void) {}

PROBE answers = { "answers", prepare, clean, 50 };
"""
CODE = (
    "import sys; sys.path.insert(0, sys.argv[1]); from bootwright.cli.main import run;"
    "sys.argv = ['bootwright', 'boot', *sys.argv[2:]]; run()"
)


def boot(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CODE, str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def package(folder: Path, value: str) -> None:
    (folder / "answers.c").write_text(PROBE)
    (folder / "answers.py").write_text(
        "from pathlib import Path\n"
        "from bootwright.lab.probes.added import AddedProbe\n"
        "ANSWERS = AddedProbe(Path(__file__).with_name('answers.c'))\n"
        "LOST = AddedProbe(Path(__file__).with_name('lost.c'))\n"
    )
    info = folder / "answers-1.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: answers\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[bootwright.probes]\nanswers = {value}\n")


@pytest.mark.boot
@pytest.mark.download
def test_a_probe_of_a_package_runs_in_the_guest(tmp_path: Path) -> None:
    package(tmp_path, "answers:ANSWERS")
    done = boot(tmp_path, "debian-6.12-4k", "--probe", "answers,mounts", "--json")
    assert done.returncode in {0, 1}, done.stderr
    tests = json.loads(done.stdout)["tests"]
    assert {"name": "the-answer", "group": "answers", "ok": True} in [
        {key: test[key] for key in ("name", "group", "ok")} for test in tests
    ]
    assert any(test["group"] == "mounts" for test in tests)


@pytest.mark.parametrize(
    ("value", "message"), [("answers:Path", "is not an AddedProbe"), ("answers:LOST", "there is no source")]
)
def test_what_is_no_probe_is_one_line(tmp_path: Path, value: str, message: str) -> None:
    package(tmp_path, value)
    done = boot(tmp_path, "debian-6.12-4k", "--probe", "answers")
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
