"""A campaign killed with SIGKILL at random moments: nothing recorded is lost, and no cell counts twice.

The first walk boots for real. In the killed ones **boots are stubs** that hand out what the first recorded,
so that a walk takes seconds; predictions, the store, what people tell, and the assessment are the real ones.
Between kills somebody tells what a board did. Usage: bench_killed_campaign.py [KILLS]
"""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLAN = "talos-rpi5"
_CHILD = """
import sys
from pathlib import Path
from bootwright import api
from bootwright.foundation.run_folder import Store
from bootwright.investigate.running import execute
from bootwright.lab.workers.boot import perform
from bootwright.lab.workers.engine import Answer, Ended
from bootwright.lab.workers.processes import Processes

with Store(Path(sys.argv[1])) as store:
    kept = {boot.key.split("#")[0]: Answer(boot.facts["recording"], store.console(boot))
            for boot in store.boots() if "recording" in boot.facts}

class Stubs(Processes):
    def start(self, cell):
        answer = kept.get(cell.name.split("#")[0])
        if answer is None:
            super().start(cell)  # what people tell may ask for another cell
        else:
            self._ended.append(Ended(cell.name, "stub", answer))

execute.engine_for = lambda cluster, jobs: Stubs(perform, jobs)
api.investigate("talos-rpi5", out=sys.argv[2], offline=True)
"""


def recorded(folder: Path) -> dict[str, str]:
    """Key → console of every boot that is recorded, and the name of every file that was told."""
    kept = {path.name: "" for path in (folder / "told").glob("*.json")}
    if not (folder / "run.sqlite").exists():
        return kept
    with sqlite3.connect(folder / "run.sqlite") as database:
        try:
            rows = database.execute("SELECT key, console FROM boot").fetchall()
        except sqlite3.OperationalError:  # killed before the tables were made
            rows = []
    return kept | dict(rows)


def tell(folder: Path, cell: str, number: int) -> None:
    command = [sys.executable, "-m", "bootwright", "observe", cell, "--run", str(folder), "--quiet"]
    command += ["--outcome", "ethernet=works", "--outcome", "talos-mounts=works", "--by", f"board {number}"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def decided(folder: Path) -> tuple[object, object]:
    """What the result counts, without the times and names of what was told."""
    document = json.loads((folder / "status.json").read_text(encoding="utf-8"))
    return document["decision"], [(task["id"], task["state"], task["verdict"]) for task in document["tasks"]]


def main(kills: int) -> int:
    rng = random.Random(1)
    with tempfile.TemporaryDirectory(prefix="bootwright-") as place:
        base, killed, whole = (Path(place) / name for name in ("base", "killed", "whole"))
        investigate = [sys.executable, "-m", "bootwright", "investigate", PLAN, "--offline", "--quiet"]
        subprocess.run([*investigate, "--out", str(base)], stdout=subprocess.DEVNULL, check=True)
        walk = [sys.executable, "-c", _CHILD, str(base)]
        started = time.monotonic()
        subprocess.run([*walk, str(whole)], stderr=subprocess.DEVNULL, check=True)
        takes = time.monotonic() - started
        # What is told agrees with what is predicted, so that no kernel is asked for that is not here.
        names = [row["name"] for row in json.loads((whole / "status.json").read_text("utf-8"))["cells"][:2]]
        lost = doubled = ended = answers = most = 0
        before: dict[str, str] = {}
        for number in range(kills):
            running = subprocess.Popen([*walk, str(killed)], stderr=subprocess.DEVNULL)
            time.sleep(rng.uniform(0.1, takes))
            at_its_end = running.poll() is not None
            ended += at_its_end
            running.send_signal(signal.SIGKILL)
            running.wait()
            now = recorded(killed)
            most = max(most, sum("#" in key for key in now))
            lost += sum(now.get(key) != console for key, console in before.items())
            if (killed / "status.json").exists() and number % 10 == 9:
                tell(killed, rng.choice(names), number)
                tell(whole, json.loads(_newest(killed))["cell"], number)
                answers += 1
            before = recorded(killed)
            if at_its_end:  # start over, or all later kills would meet a walk that has everything
                for path in (*killed.glob("run.sqlite*"), *(killed / "blobs").glob("*/*")):
                    path.unlink(missing_ok=True)
                before = recorded(killed)
        for folder in (killed, whole):
            subprocess.run([*walk, str(folder)], stderr=subprocess.DEVNULL, check=True)
        boots = [key.rsplit("-", 1)[0] for key in recorded(killed) if "#" in key]
        doubled += len(boots) - len(set(boots))
        same = decided(killed) == decided(whole)
        print(
            f"killed                           {kills} times ({ended} had ended), a walk takes {takes:.1f} s"
        )
        print(f"told, and kept                   {answers}, {len(list((killed / 'told').glob('*.json')))}")
        print(f"recorded and lost                {lost} (up to {most} boots at a kill)")
        print(f"boots recorded twice             {doubled} of {len(boots)}")
        print(f"decides as one that was not      {'yes' if same else 'no'}")
    return 0 if same and not lost and not doubled else 1


def _newest(folder: Path) -> str:
    path = max((folder / "told").glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
    return path.read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
