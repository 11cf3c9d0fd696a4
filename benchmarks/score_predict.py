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
        self.deferred_right = 0
        self.deferred_wrong: list[tuple[str, str]] = []

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
    solved = predict(facts, tree)
    for node in solved.nodes:
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
    compare_deferred(truth, {node.path: node.waits_for for node in solved.nodes}, result)
    return result


def compare_deferred(truth: Truth, waits_for: dict[str, tuple[str, ...]], result: Score) -> None:
    """Where the kernel names the supplier that a device waits for: is it among those predicted?"""
    node_of = {device.name: device.node for device in truth.devices}
    for device, reason in truth.deferred:
        _, _, waited = reason.partition("supplier ")
        supplier = waited.removesuffix(" not ready")
        supplier = supplier if supplier.startswith("/") else node_of.get(supplier, "")
        node = node_of.get(device)
        if node is None or not supplier:
            continue
        if supplier in waits_for.get(node, ()):
            result.deferred_right += 1
        else:
            result.deferred_wrong.append((node, f"waits for {supplier}, predicted {waits_for.get(node)}"))


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
            + (f"  deferred {found.deferred_right}/{found.deferred_right + len(found.deferred_wrong)}")
        )
        if options.verbose:
            for node, why in found.wrongly_bound:
                print(f"    predicted bound, was not: {node}  {why}")
            for node, why in found.missed:
                print(f"    was bound, not predicted: {node}  {why}")
            for node, why in found.deferred_wrong:
                print(f"    deferred: {node}  {why}")
        total.right += found.right
        total.deferred_right += found.deferred_right
        total.deferred_wrong += found.deferred_wrong
        total.wrongly_bound += found.wrongly_bound
        total.missed += found.missed
    print(
        f"{'all':36} precision {total.precision:.3f}  recall {total.recall:.3f}  suppliers that the kernel "
        f"names: {total.deferred_right} of {total.deferred_right + len(total.deferred_wrong)} predicted"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
