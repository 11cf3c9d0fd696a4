"""Logs through the command line's code and through the page in a real browser: the answers must be the same.

usage: benchmarks/agree_in_browser.py [FOLDER...]

Without folders: every recorded log that comes with the product (signatures, gallery). Exit status 1 where any
answer differs; docs/site.md has the last result.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "kits"), str(ROOT / "tools")]

from site_kit import READY, ask, chromium, made, served, wait_for  # noqa: E402

from bootwright.browser.run import run  # noqa: E402
from bootwright.foundation.places import DATA  # noqa: E402

SHIPPED = (DATA / "signatures", DATA / "gallery")


def main(folders: list[Path]) -> int:
    logs = sorted({path for folder in folders for path in folder.rglob("*.log")})
    if not logs:
        print("no logs there")
        return 2
    differing = 0
    seconds: list[float] = []
    with (
        tempfile.TemporaryDirectory() as temporary,
        served(made(Path(temporary) / "site")) as address,
        chromium(Path(temporary) / "profile") as browser,
    ):
        browser.get(address)
        wait_for(browser, READY, seconds=300)
        for log in logs:
            data = log.read_bytes()
            started = time.perf_counter()
            there = ask(browser, "diagnose", {}, {log.name: data})
            seconds.append(time.perf_counter() - started)
            here = _here(log)
            if there != here:
                differing += 1
                print(f"{log}: {next(_differences(here, there, ''))}")
    seconds.sort()
    middle, most = seconds[len(seconds) // 2], seconds[-1]
    print(f"{len(logs)} logs, {differing} answered differently")
    print(f"in the browser: {middle:.2f} s in the median, {most:.2f} s the first, which starts Python")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    return 1 if differing else 0


def _here(log: Path) -> dict[str, Any]:
    os.chdir(log.parent)
    answered: dict[str, Any] = json.loads(run("diagnose", "{}", [f"./{log.name}"], lambda _: None))
    if "error" in answered:
        answered["error"].pop("trace")
    return answered


def _differences(here: Any, there: Any, place: str) -> Iterator[str]:  # noqa: ANN401 - JSON
    if isinstance(here, Mapping) and isinstance(there, Mapping):
        for key in sorted({*here, *there}):
            yield from _differences(here.get(key), there.get(key), f"{place}.{key}")
    elif isinstance(here, list) and isinstance(there, list) and len(here) == len(there):
        for index, (ours, theirs) in enumerate(zip(here, there, strict=True)):
            yield from _differences(ours, theirs, f"{place}[{index}]")
    elif here != there:
        yield f"{place}: {here!r:.200} here, {there!r:.200} there"


if __name__ == "__main__":
    sys.exit(main([Path(name).resolve() for name in sys.argv[1:]] or list(SHIPPED)))
