"""Planted causes where 0, 5 and 10 % of outcomes lie: how often the cause is named, by how many cells.

Four ways to choose the cells, and BugDoc where it is installed (`pip install --no-deps bugdoc pyzmq future
pillow numpy six`: what it declares, Django 1.11 and nose among it, does not install any more), in one run.
Usage: bench_noise.py [TRIALS]
"""

from __future__ import annotations

import statistics
import sys
import time

from bugdoc_search import bugdoc, search_by_bugdoc
from noisy import METHODS, maker_of_arrays, search
from planted import plant

NOISE = (0.0, 0.05, 0.10)


def main(trials: int) -> int:
    started = time.process_time()
    print(f"{trials} planted causes a share of lies; covering arrays of {maker_of_arrays()}")
    has_bugdoc = _is_bugdoc_here()
    print(f"{'wrong':>6}  {'cells chosen by':<22}{'exact':>8}{'cells, median':>15}{'mean':>8}{'gave up':>9}")
    good = True
    for noise in NOISE:
        medians: dict[str, float] = {}
        for name, method in METHODS.items():
            ended = []
            for seed in range(trials):
                planted = plant(seed)
                ended.append(search(planted, noise, seed, method(planted, seed)))
            exact = sum(trial.exact for trial in ended) / trials
            cells = [trial.cells for trial in ended]
            medians[name] = statistics.median(cells)
            gave_up = sum(trial.gave_up for trial in ended)
            print(
                f"{100 * noise:5.0f}%  {name:<22}{100 * exact:7.1f}%{medians[name]:15g}"
                f"{statistics.mean(cells):8.1f}{gave_up:9}"
            )
            good &= name != "information" or exact >= 0.95 - 2 * (0.05 * 0.95 / trials) ** 0.5
        if has_bugdoc:
            ended = [search_by_bugdoc(plant(seed), noise, seed) for seed in range(trials)]
            exact = sum(trial.exact for trial in ended) / trials
            cells = [trial.cells for trial in ended]
            gave_up = sum(trial.gave_up for trial in ended)
            print(
                f"{100 * noise:5.0f}%  {'BugDoc':<22}{100 * exact:7.1f}%{statistics.median(cells):15g}"
                f"{statistics.mean(cells):8.1f}{gave_up:9}"
            )
        ours = medians.pop("information")
        for name, cells_of_other in medians.items():
            print(f"        ratio to {name}, medians: {ours / max(1, cells_of_other):.2f}")
    print(f"CPU {time.process_time() - started:.0f} s")
    return 0 if good else 1


def _is_bugdoc_here() -> bool:
    try:
        bugdoc()
    except ImportError as error:
        print(f"BugDoc is not compared: {error}")
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
