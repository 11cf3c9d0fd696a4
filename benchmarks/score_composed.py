"""How often a failing excerpt behind a healthy beginning is still told for what it is (composed.py).

python benchmarks/score_composed.py                       # of the golden logs
python benchmarks/score_composed.py --show FOLDER...      # of sets, as score_diagnose.py takes them
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

from bootwright.diagnose.engine import diagnose_bytes
from composed import composed, excerpts, hosts
from diagnose_figures import share
from relations import first_finding
from score_relations import KNOWLEDGE, cause, labelled_logs, own_logs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sets", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", action="store_true", help="each log that is told for something else")
    given = parser.parse_args()
    cases = [case for folder in given.sets for case in labelled_logs(folder)] or list(own_logs())
    chance = random.Random(given.seed)
    logs = failed = same = 0
    for excerpt in excerpts(cases):
        for entry in composed(excerpt, hosts(cases), chance):
            after = diagnose_bytes(entry.data, "log", KNOWLEDGE)
            logs += 1
            failed += after.outcome is excerpt.before.outcome
            is_same = cause(after) == cause(excerpt.before)
            same += is_same
            if given.show and not (is_same and after.outcome is excerpt.before.outcome):
                print(f"{excerpt.name} behind {entry.host}: {after.outcome}, {first_finding(after)}")
                print(f"    alone: {first_finding(excerpt.before)}")
    print(f"still failed         {share(failed, logs)}")
    print(f"for the same reason  {share(same, logs)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
