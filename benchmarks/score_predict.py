"""How good predictions are: node by node against recorded truth (tests/predict/truth/*.json).

    python benchmarks/score_predict.py [--verbose] [TRUTH.json ...] [--kernel NAME=FOLDER ...]

A node counts as bound where a device of it had a driver in the guest. Precision is the share of nodes
predicted bound that were; recall the share of nodes bound that were predicted so; `unknown` is neither, and
counts against recall where the node was bound. Nodes masked in data/truth/MACHINE.toml (hardware that the
emulator does not model) are left out, and counted.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from bootwright.artifacts.fdt import parse_fdt
from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.progress import Silent
from bootwright.lab.truth import Truth, from_json
from bootwright.lab.truth_machines import truth_machine
from bootwright.predict.api import facts_of, predict
from bootwright.predict.inputs import kernel_at
from bootwright.predict.model import Answer

FIXTURES = Path(__file__).parents[1] / "tests" / "predict" / "truth"


class Score:
    """Counts of one recording."""

    def __init__(self) -> None:
        self.right = 0
        self.wrongly_bound: list[tuple[str, str]] = []
        self.missed: list[tuple[str, str]] = []
        self.unknown = Counter[str]()
        self.masked = 0
        self.nodes = 0

    @property
    def precision(self) -> float:
        return self.right / max(1, self.right + len(self.wrongly_bound))

    @property
    def recall(self) -> float:
        return self.right / max(1, self.right + len(self.missed))


def score(truth: Truth, kernel: str) -> Score:
    """Compare one recording with the prediction for the devicetree that its guest had."""
    facts = facts_of(kernel_at(kernel, Silent()))
    tree = parse_fdt(truth.fdt, f"{truth.machine}.dtb")
    bound = truth.bound()
    hidden = truth_machine(truth.machine).masked
    result = Score()
    for node in predict(facts, tree).nodes:
        if any(node.path == one or node.path.startswith(f"{one}/") for one in hidden):
            result.masked += 1
            continue
        result.nodes += 1
        really = node.path in bound
        if node.bound is Answer.UNKNOWN:
            result.unknown["bound" if really else "not bound"] += 1
            if really:
                result.missed.append((node.path, f"unknown: {node.reason}"))
        elif node.bound is Answer.YES and really:
            result.right += 1
        elif node.bound is Answer.YES:
            result.wrongly_bound.append((node.path, f"{node.driver} ({node.where})"))
        elif really:
            result.missed.append((node.path, f"{bound[node.path]}: {node.reason}"))
    return result


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("truths", nargs="*", type=Path)
    parser.add_argument("--kernel", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    elsewhere = dict(one.partition("=")[::2] for one in options.kernel)
    total = Score()
    for path in options.truths or sorted(FIXTURES.glob("*.json")):
        truth = from_json(path.read_text(), str(path))
        try:
            found = score(truth, elsewhere.get(truth.kernel, truth.kernel))
        except BootwrightError as error:
            print(f"{path.name}: {error}")
            return 2
        print(
            f"{path.stem:36} precision {found.precision:.3f}  recall {found.recall:.3f}  "
            f"bound {found.right + len(found.missed):4}  nodes {found.nodes:5}  masked {found.masked:4}  "
            f"unknown {dict(found.unknown)}"
        )
        if options.verbose:
            for node, why in found.wrongly_bound:
                print(f"    predicted bound, was not: {node}  {why}")
            for node, why in found.missed:
                print(f"    was bound, not predicted: {node}  {why}")
        total.right += found.right
        total.wrongly_bound += found.wrongly_bound
        total.missed += found.missed
    print(f"{'all':36} precision {total.precision:.3f}  recall {total.recall:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
