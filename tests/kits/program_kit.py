"""A program in place of a kernel: patched, compiled and run for real, in milliseconds.

A boot stands behind no answer here: what is tested is the search, its journal and its patches. Real kernels
are tried by tests/workshop/test_minimise_kernels.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from history_kit import History, numbered

from bootwright.foundation.progress import Silent
from bootwright.foundation.run_folder import Store
from bootwright.foundation.verdict import Verdict
from bootwright.workshop.minimise.minimise import Minimised, minimise
from bootwright.workshop.minimise.series import series_on
from bootwright.workshop.trees.series import Patch, read_patches
from bootwright.workshop.trials.noise import Noise
from bootwright.workshop.trials.trials import Observation, Trials, Unbuildable

MAIN = """\
import first
import second
import third

print("goal" if first.ready() and second.ready() and third.FLAG else "nothing")
"""


def make_program(folder: Path) -> tuple[Path, Path]:
    """(the base, a folder of twelve patches): 3, 6 and 10 are needed, 6 changes what 3 brought."""
    history = History.start(
        folder / "program",
        {
            "main.py": MAIN,
            "first.py": "def ready():\n    return False\n",
            "second.py": "def ready():\n    return True\n",
            "third.py": "FLAG = False\n",
            "text": numbered(100),
        },
    )
    lines: dict[int, str] = {}

    def decoy(line: int) -> None:
        lines[line] = f"decoy {line}"
        history.commit(f"decoy {line}", {"text": numbered(100, changes=lines)})

    decoy(5)
    decoy(20)
    history.commit(
        "first: prepare",
        {"first.py": "def state():\n    return 0\n\n\ndef ready():\n    return state() == 1\n"},
    )
    decoy(35)
    decoy(36)
    history.commit(
        "first: on", {"first.py": "def state():\n    return 1\n\n\ndef ready():\n    return state() == 1\n"}
    )
    decoy(50)
    history.commit("fourth", {"fourth.py": "VALUE = 1\n"})
    history.commit(
        "use the fourth", {"second.py": "import fourth\n\n\ndef ready():\n    return fourth.VALUE == 1\n"}
    )
    history.commit("third: on", {"third.py": "FLAG = True\n"})
    decoy(80)
    decoy(95)
    series = folder / "series"
    history.git("format-patch", "-q", "-o", str(series), "base")
    history.checkout("base")
    return history.folder, series


class Program:
    """Builds and runs the program with some patches; notes each run in a file."""

    def __init__(self, base: Path, runs: Path, seconds: float = 0.0) -> None:
        self.base = base
        self.runs = runs
        self.seconds = seconds

    def build(self, patches: Sequence[Patch]) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="program-", dir=self.runs.parent))
        for path in self.base.iterdir():
            if path.is_file():
                (folder / path.name).write_bytes(path.read_bytes())
        for patch in patches:
            command = ["git", "apply", "-"]
            environment = {"PATH": "/usr/bin:/bin", "GIT_DIR": str(folder / "none")}
            subprocess.run(
                command, cwd=folder, input=patch.data, check=True, env=environment, capture_output=True
            )
        probe = "import main, second"
        done = subprocess.run([sys.executable, "-c", probe], cwd=folder, capture_output=True, check=False)
        if done.returncode:
            raise Unbuildable("it does not import", done.stderr)
        return folder

    def boot(self, kernel: object) -> Observation:
        assert isinstance(kernel, Path)
        time.sleep(self.seconds)
        done = subprocess.run([sys.executable, "main.py"], cwd=kernel, capture_output=True, check=True)
        with self.runs.open("a") as log:
            log.write(f"{kernel.name}\n")
        verdict = Verdict.WORKS if done.stdout == b"goal\n" else Verdict.FAILS
        return Observation(verdict, done.stdout.decode().strip(), done.stdout)


def run(base: Path, series: Path, out: Path, *, seconds: float = 0.0) -> tuple[Minimised, Trials]:
    program = Program(base, out.parent / "runs", seconds)
    patches = read_patches([series], None)
    with Store(out) as store, series_on(base, patches) as on_base:
        trials = Trials(store, program.boot, Noise(), Silent())  # type: ignore[arg-type]
        return minimise(on_base, program.build, trials, Silent()), trials  # type: ignore[arg-type]


if __name__ == "__main__":
    minimised, used = run(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), seconds=0.05)
    print(json.dumps({"kept": minimised.fewest.kept, "boots": used.boots, "kept_boots": used.kept_boots}))
