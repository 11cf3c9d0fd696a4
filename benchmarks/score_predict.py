"""How good predictions are: node by node against recorded truth (tests/predict/truth/*.json).

    python benchmarks/score_predict.py [--verbose] [--only intact|broken] [FILE ...] [--kernel NAME=FOLDER
    ...]

FILE is a recording (.json) or a file of mutated machines (.jsonl); by default all that are kept.

A node counts as bound where a device of it had a driver in the guest. Precision is the share of nodes
predicted bound that were; recall the share of nodes bound that were predicted so. Both are over the nodes
that got yes or no; how many got `unknown` stands beside, and `unk. missed` is the recall when those count as
missed. Failures that are the emulator's, each masked in data/truth/MACHINE.toml with its errno and cause, are
left out and counted; the figures with and without the masks stand side by side. Then come machines with one
thing made wrong (tests/predict/broken/*.jsonl, see broken_scores.py).

A reason is right where an unbound device is predicted unbound for what really holds it back: no driver, a
driver that refuses, or a supplier that is not there either, which must be the one that the kernel names where
it names one (/sys/kernel/debug/devices_deferred).
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from bootwright.foundation.errors import BootwrightError
from bootwright.lab.truth.machines import truth_machine
from bootwright.lab.truth.outcomes import Became
from bootwright.lab.truth.recording import from_json
from broken_scores import report, score_file
from node_scores import COLUMNS, Score, compare, predicted_nodes, score

__all__ = ["Score", "compare", "score"]

FIXTURES = Path(__file__).parents[1] / "tests" / "predict" / "truth"
BROKEN = FIXTURES.with_name("broken")


def _line(name: str, score: Score) -> str:
    unknown = score.unknown_bound + score.unknown_other
    return (
        f"{name:48} {score.precision:9.3f} {score.recall:7.3f} {score.recall_with_unknown:13.3f} "
        f"{score.bound:6} {score.nodes:6} {score.masked:6} {unknown:7}  "
        f"{score.reasons_right}/{score.reasons_right + len(score.reasons_wrong)}"
    )


_HEAD = (
    f"{'':48} {'precision':>9} {'recall':>7} {'(unk. missed)':>13} {'bound':>6} {'nodes':>6} {'masked':>6} "
    f"{'unknown':>7}  reasons"
)


def _verbose(score: Score) -> None:
    for title, entries in (
        ("predicted bound, was not", score.wrongly_bound),
        ("was bound, predicted not", score.missed),
        ("was bound, predicted unknown", score.doubted),
        ("device or none", score.devices_wrong),
        ("reason", score.reasons_wrong),
        ("network", score.network_wrong),
    ):
        for node, why in entries:
            print(f"    {title}: {node}  {why}")


def _totals(total: Score, without: Score, machines: Mapping[str, Score]) -> None:
    print(f"\nper machine, all kernels{_HEAD[24:]}")
    for name, row in sorted(machines.items()):
        print(_line(name, row))
    print(_line("all, masks on", total))
    print(_line("all, masks off", without))
    print(f"\n{'became':12}" + "".join(f"{column:>14}" for column in COLUMNS) + "   predicted bound")
    for real in Became:
        print(f"{real.value:12}" + "".join(f"{total.confusion[real, column]:14}" for column in COLUMNS))
    for title, row in (("masks on", total), ("masks off", without)):
        unknown = row.unknown_bound + row.unknown_other
        print(
            f"\n{title}: bound or not: precision {row.precision:.3f}, recall {row.recall:.3f} over yes "
            f"and no; {len(row.wrongly_bound)} predicted bound were not; {row.masked} masked; "
            f"{unknown} of {row.nodes} nodes ({unknown / max(1, row.nodes):.1%}) unknown, "
            f"{row.unknown_bound} of them bound (recall {row.recall_with_unknown:.3f} with those missed)"
        )
    reasons = total.reasons_right + len(total.reasons_wrong)
    network = total.network_bound + total.network_missing
    print(f"\ndevice or none: right for {total.nodes - len(total.devices_wrong)} of {total.nodes} nodes")
    print(f"reasons of devices that did not bind: {total.reasons_right} of {reasons} right")
    print(
        f"network devices: {network - len(total.network_wrong)} of {network} right "
        f"({total.network_bound} bound; {total.network_missing} deferred or missing, first broken link "
        f"compared), {total.network_unknown} unknown; {total.leases} DHCP leases in the recordings"
    )


def _intact(paths: Iterable[Path], elsewhere: Mapping[str, str], *, verbose: bool) -> None:
    """Print how recordings of machines as they are compare."""
    total, without = Score(), Score()
    machines: defaultdict[str, Score] = defaultdict(Score)
    print(_HEAD)
    for path in paths:
        truth = from_json(path.read_text(), str(path))
        nodes = predicted_nodes(truth, elsewhere.get(truth.kernel, truth.kernel))
        machine = truth_machine(truth.machine)
        score = compare(truth, nodes, machine)
        without.add(compare(truth, nodes, machine, masks=False))
        print(_line(path.stem, score))
        if verbose:
            _verbose(score)
        machines[truth.machine].add(score)
        total.add(score)
    _totals(total, without, machines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--kernel", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--only", choices=("intact", "broken"))
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    elsewhere = dict(assignment.partition("=")[::2] for assignment in options.kernel)
    files = options.files or [*sorted(FIXTURES.glob("*.json")), *sorted(BROKEN.glob("*.jsonl"))]
    intact = [path for path in files if path.suffix != ".jsonl" and options.only != "broken"]
    broken = [path for path in files if path.suffix == ".jsonl" and options.only != "intact"]
    try:
        if intact:
            _intact(intact, elsewhere, verbose=options.verbose)
        if broken:
            print("\nmachines with one thing made wrong")
            print(report([score_file(path, elsewhere) for path in broken], verbose=options.verbose))
    except (BootwrightError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
