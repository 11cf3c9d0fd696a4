"""Planted causes found again: how often exactly, and with how many cells against two references.

References: one factor at a time from the failing report, and cells drawn at random. Ratios are per
trial; their medians are printed. Usage: bench_planted.py [TRIALS]
"""

from __future__ import annotations

import statistics
import sys
import time

from planted import at_random, by_choice, one_factor_at_a_time, plant


def main(trials: int) -> int:
    started = time.process_time()
    exact = 0
    ours, ratio_one, ratio_random = [], [], []
    for seed in range(trials):
        planted = plant(seed)
        left, cells = by_choice(planted)
        exact += left == planted.bit
        ours.append(cells)
        ratio_one.append(cells / max(1, one_factor_at_a_time(planted)))
        ratio_random.append(cells / max(1, at_random(planted, seed)))
    print(f"trials                      {trials}")
    print(f"exactly the planted cause   {exact} ({100 * exact / trials:.1f} %)")
    print(f"cells, median               {statistics.median(ours):g} (at most {max(ours)})")
    print(f"ratio to one factor at a time, median  {statistics.median(ratio_one):.2f}")
    print(f"ratio to random cells, median          {statistics.median(ratio_random):.2f}")
    print(f"CPU                         {time.process_time() - started:.1f} s")
    return 0 if exact >= 0.99 * trials else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 500))
