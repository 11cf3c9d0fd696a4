"""Planted faults isolated by real boots: what was found, and in how many boots.

Twelve faults and a pair on a Raspberry Pi 3's card (`planted_images.py`), each a `bootwright isolate` of its
own, as a user runs it. The bound for a single fault is 2·log2(parts)+3 boots, both images and the mended one
included, where parts are the finest differences between the two images. With --mend the command that it ends
with is run, and what comes of it is booted.
Usage: bench_isolate.py [--mend] [FAULT…]
"""

from __future__ import annotations

import json
import math
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from planted_images import FAULTS, GOAL, GOOD, PAIR, Fault, build, make_card

_COMMAND = (sys.executable, "-m", "bootwright")
_LIMITS = ("--timeout", "90")


def main(words: list[str]) -> int:
    mend = "--mend" in words
    wanted = [word for word in words if not word.startswith("--")]
    faults = [fault for fault in (*FAULTS, PAIR) if not wanted or fault.name in wanted]
    faults.sort(key=lambda fault: wanted.index(fault.name) if wanted else 0)
    print(
        f"{'fault':22} {'found':6} {'boots':>5} {'bound':>6} {'parts':>5} {'minutes':>7}  to blame",
        flush=True,
    )
    excess, failures = [], 0
    with tempfile.TemporaryDirectory(prefix="bench-isolate-") as folder:
        workdir = Path(folder)
        good = make_card(workdir / "good.img", build(GOOD, other=False))
        for fault in faults:
            over = _one(fault, good, workdir, mend=mend)
            failures += over is None
            if over is not None and fault is not PAIR:
                excess.append(over)
    if excess:
        print(f"boots beyond the bound, median of {len(excess)}: {statistics.median(excess):+.1f}")
    return 1 if failures or (excess and statistics.median(excess) > 0) else 0


def _one(fault: Fault, good: Path, workdir: Path, *, mend: bool) -> float | None:
    """Boots beyond the bound; None where something else was found, or nothing."""
    started = time.monotonic()
    bad = make_card(workdir / "bad.img", fault.plant(build(fault.kernel, other=True)))
    out = workdir / fault.name.replace(" ", "-").replace("<", "before")
    ran = subprocess.run(
        [
            *_COMMAND,
            "isolate",
            "--good",
            good,
            "--bad",
            bad,
            "--until",
            GOAL,
            "--out",
            out,
            *_LIMITS,
            "--json",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    minutes = (time.monotonic() - started) / 60
    if ran.returncode != 0:
        print(f"{fault.name:22} error {ran.stderr.strip().splitlines()[-1:]}", flush=True)
        return None
    answer = json.loads(ran.stdout)
    culprit = frozenset(answer["culprit"])
    right = fault.expected(culprit) and answer["mended"] == "works"
    bound = 2 * math.log2(answer["parts"]) + 3
    print(
        f"{fault.name:22} {'yes' if right else 'NO':6} {answer['boots']:5} {bound:6.1f} {answer['parts']:5} "
        f"{minutes:7.1f}  {'; '.join(sorted(culprit))}",
        flush=True,
    )
    if mend:
        print(f"{'':22} mended by its command: {_mended(answer['mend'], workdir)}", flush=True)
    return answer["boots"] - bound if right else None


def _mended(command: str, workdir: Path) -> str:
    words = shlex.split(command)
    mended = workdir / "mended.img"
    mended.unlink(missing_ok=True)
    subprocess.run([*_COMMAND, *words[1:-1], mended, "-q"], check=True, capture_output=True)
    ran = subprocess.run(
        [*_COMMAND, "image", "boot", mended, "--until", GOAL, *_LIMITS, "--json", "-q"],
        capture_output=True,
        text=True,
        check=False,
    )
    return str(json.loads(ran.stdout)["outcome"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
