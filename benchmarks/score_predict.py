"""How good predictions are: node by node against recorded truth (tests/predict/truth/*.json).

    python benchmarks/score_predict.py [--verbose] [TRUTH.json ...] [--kernel NAME=FOLDER ...]

A node counts as bound where a device of it had a driver in the guest. Precision is the share of nodes
predicted bound that were; recall the share of nodes bound that were predicted so. Both are over the nodes
that got yes or no; how many got `unknown` stands beside, and `unk. missed` is the recall when those count as
missed. Nodes masked in data/truth/MACHINE.toml (hardware that the emulator does not model) are left out, and
counted.

A reason is right where an unbound device is predicted unbound for what really holds it back: no driver, a
driver that refuses, or a supplier that is not there either, which must be the one that the kernel names where
it names one (/sys/kernel/debug/devices_deferred).
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import define, field

from bootwright.formats.devicetree.fdt import parse_fdt
from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.progress import Silent
from bootwright.lab.truth.machines import TruthMachine, truth_machine
from bootwright.lab.truth.outcomes import Became, Outcome, outcomes
from bootwright.lab.truth.recording import Truth, from_json
from bootwright.predict.api import facts_of, predict
from bootwright.predict.given.inputs import kernel_at
from bootwright.predict.model import Answer, NodePrediction, first_broken

FIXTURES = Path(__file__).parents[1] / "tests" / "predict" / "truth"
_NO_DEVICE = Outcome(Became.NO_DEVICE)
# Generic names of network devices: devicetree specification 0.4, 2.2.2, and the bindings of bindings/net.
_NETWORK = frozenset({"ethernet", "can", "wifi", "wireless", "bluetooth", "ethernet-switch", "switch"})
_COLUMNS = ("yes", "unknown", "no: supplier", "no: driver", "no: device")


@define
class Score:
    """Counts of one recording or of several."""

    right: int = 0
    nodes: int = 0
    masked: int = 0
    unknown_bound: int = 0
    unknown_other: int = 0
    wrongly_bound: list[tuple[str, str]] = field(factory=list)
    missed: list[tuple[str, str]] = field(factory=list)
    """Bound nodes predicted not to be; those answered `unknown` are in `doubted`."""
    doubted: list[tuple[str, str]] = field(factory=list)
    reasons_right: int = 0
    reasons_wrong: list[tuple[str, str]] = field(factory=list)
    devices_wrong: list[tuple[str, str]] = field(factory=list)
    """Nodes predicted to be devices that are none, or the other way round."""
    network_bound: int = 0
    network_missing: int = 0
    network_unknown: int = 0
    network_wrong: list[tuple[str, str]] = field(factory=list)
    confusion: Counter[tuple[str, str]] = field(factory=Counter)
    leases: int = 0

    @property
    def bound(self) -> int:
        return self.right + len(self.missed) + len(self.doubted)

    @property
    def precision(self) -> float:
        return self.right / max(1, self.right + len(self.wrongly_bound))

    @property
    def recall(self) -> float:
        return self.right / max(1, self.right + len(self.missed))

    @property
    def recall_with_unknown(self) -> float:
        return self.right / max(1, self.bound)

    def add(self, other: Score) -> None:
        """Count another's in."""
        for name in ("right", "nodes", "masked", "unknown_bound", "unknown_other", "reasons_right"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("network_bound", "network_missing", "network_unknown", "leases"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("wrongly_bound", "missed", "doubted", "devices_wrong", "reasons_wrong", "network_wrong"):
            getattr(self, name).extend(getattr(other, name))
        self.confusion.update(other.confusion)


def score(truth: Truth, kernel: str, machine: TruthMachine | None = None) -> Score:
    """Compare one recording with the prediction for the devicetree that its guest had."""
    facts = facts_of(kernel_at(kernel, Silent()))
    tree = parse_fdt(truth.fdt, f"{truth.machine}.dtb")
    return compare(truth, predict(facts, tree).nodes, machine or truth_machine(truth.machine))


def compare(truth: Truth, nodes: Iterable[NodePrediction], machine: TruthMachine) -> Score:
    """Count one recording, node by node."""
    result = Score(leases=sum(one.leased for one in truth.interfaces))
    became = outcomes(truth)
    nodes = list(nodes)
    hidden = _hidden(nodes, became, machine)
    served = {one.node for one in truth.interfaces}
    for node in nodes:
        if node.path in hidden:
            result.masked += 1
            continue
        real = became.get(node.path, _NO_DEVICE)
        result.nodes += 1
        result.confusion[real.became, _column(node)] += 1
        _count(result, node, real)
        if (node.device is Answer.NO) is not (real.became is Became.NO_DEVICE):
            result.devices_wrong.append((node.path, f"{_said(real)}; predicted {_predicted(node)}"))
        if real.became not in {Became.BOUND, Became.NO_DEVICE} and node.bound is not Answer.UNKNOWN:
            if _reason_fits(node, real, became):
                result.reasons_right += 1
            else:
                result.reasons_wrong.append((node.path, f"{_said(real)}; predicted {_predicted(node)}"))
        if node.path.rpartition("/")[2].partition("@")[0] in _NETWORK or node.path in served:
            _count_network(result, node, real, became)
    return result


def _hidden(
    nodes: Iterable[NodePrediction], became: Mapping[str, Outcome], machine: TruthMachine
) -> set[str]:
    """Nodes that are not scored: masked, below a masked one, or deferred for want of one.

    Where memory stands in for registers, whatever a driver gave up on is masked, and PHYs, as MDIO buses find
    none. Never masked is what bound,
    or waits for a supplier that is not masked: there the hardware was not even asked.
    """
    hidden: set[str] = set()
    for node in nodes:  # a node comes before those below it
        real = became.get(node.path, _NO_DEVICE)
        above = node.path.rpartition("/")[0]
        refused = machine.registers_are_memory and (
            real.became is Became.FAILED or (node.bus == "mdio" and real.became is not Became.WAITING)
        )
        if (machine.hides(node.path) and real.supplier is None) or above in hidden or refused:
            hidden.add(node.path)
    while True:
        more = {
            node.path
            for node in nodes
            if node.path not in hidden
            and (
                node.path.rpartition("/")[0] in hidden
                or _waits_for_one_of(hidden, node, became.get(node.path, _NO_DEVICE))
            )
        }
        if not more:
            return {path for path in hidden if became.get(path, _NO_DEVICE).became is not Became.BOUND}
        hidden |= more


def _waits_for_one_of(hidden: set[str], node: NodePrediction, real: Outcome) -> bool:
    """By the supplier that the kernel names; where it names none, by any that the devicetree gives."""
    if real.became is not Became.WAITING:
        return False
    if real.supplier is not None:
        return any(_covers(one, real.supplier) for one in hidden)
    return any(link.waits_for in hidden for link in node.links)


def _count(result: Score, node: NodePrediction, real: Outcome) -> None:
    bound = real.became is Became.BOUND
    if node.bound is Answer.UNKNOWN:
        result.unknown_bound += bound
        result.unknown_other += not bound
        if bound:
            result.doubted.append((node.path, node.reason))
    elif node.bound is Answer.YES and bound:
        result.right += 1
    elif node.bound is Answer.YES:
        result.wrongly_bound.append((node.path, f"{node.driver} ({node.where}); {_said(real)}"))
    elif bound:
        result.missed.append((node.path, f"{real.detail}: {node.reason}"))


def _count_network(result: Score, node: NodePrediction, real: Outcome, became: Mapping[str, Outcome]) -> None:
    """A network device that is not there must be predicted so, and for what is really missing."""
    if node.bound is Answer.UNKNOWN:
        result.network_unknown += 1
        return
    if real.became is Became.BOUND:
        result.network_bound += 1
        if node.bound is Answer.NO:
            result.network_wrong.append((node.path, f"bound; predicted {_predicted(node)}"))
        return
    result.network_missing += 1
    if node.bound is not Answer.NO or not _reason_fits(node, real, became):
        result.network_wrong.append((node.path, f"{_said(real)}; predicted {_predicted(node)}"))


def _column(node: NodePrediction) -> str:
    if node.bound is Answer.NO:
        return f"no: {_broken_at(node)}"
    return node.bound.word


def _broken_at(node: NodePrediction) -> str:
    """The kind of the first broken link: a node without a device has no links at all."""
    if node.device is Answer.NO:
        return "device"
    broken = first_broken(node.links)
    return "supplier" if broken is not None and broken.needs.startswith("supplier") else "driver"


def _reason_fits(node: NodePrediction, real: Outcome, became: Mapping[str, Outcome]) -> bool:
    """Whether the first broken link is one that the guest shows to be broken."""
    if node.bound is not Answer.NO:
        return False
    kind = _broken_at(node)
    if real.became is Became.NO_DEVICE:
        return kind == "device"
    if kind != "supplier":
        # The bus waits where it cannot even ask (an AMBA device that does not say what it is): no words.
        silent = real.supplier is None and not real.detail
        return kind == "driver" and (real.became is not Became.WAITING or silent)
    if real.supplier is not None:
        return any(_covers(one, real.supplier) for one in node.waits_for)
    if real.became is Became.UNBOUND:
        return False
    broken = first_broken(node.links)
    waited = became.get((broken.waits_for if broken else None) or "", _NO_DEVICE)
    # A supplier that binds and provides nothing is for the consumer's driver to notice, which says so.
    return waited.became is not Became.BOUND or (bool(real.detail) and bool(broken and broken.remedy))


def _covers(predicted: str, named: str) -> bool:
    """The kernel names the node that is referred to, or the device above it that provides it."""
    return predicted == named or named.startswith(f"{predicted}/") or predicted.startswith(f"{named}/")


def _said(real: Outcome) -> str:
    return f"{real.became.value} {real.detail}".strip()


def _predicted(node: NodePrediction) -> str:
    return f"{node.bound.word}: {node.reason or node.driver} {' '.join(node.waits_for)}".strip()


def _line(name: str, found: Score) -> str:
    unknown = found.unknown_bound + found.unknown_other
    return (
        f"{name:48} {found.precision:9.3f} {found.recall:7.3f} {found.recall_with_unknown:13.3f} "
        f"{found.bound:6} {found.nodes:6} {found.masked:6} {unknown:7}  "
        f"{found.reasons_right}/{found.reasons_right + len(found.reasons_wrong)}"
    )


_HEAD = (
    f"{'':48} {'precision':>9} {'recall':>7} {'(unk. missed)':>13} {'bound':>6} {'nodes':>6} {'masked':>6} "
    f"{'unknown':>7}  reasons"
)


def _verbose(found: Score) -> None:
    for title, entries in (
        ("predicted bound, was not", found.wrongly_bound),
        ("was bound, predicted not", found.missed),
        ("was bound, predicted unknown", found.doubted),
        ("device or none", found.devices_wrong),
        ("reason", found.reasons_wrong),
        ("network", found.network_wrong),
    ):
        for node, why in entries:
            print(f"    {title}: {node}  {why}")


def _totals(total: Score, machines: Mapping[str, Score]) -> None:
    print(f"\nper machine, all kernels{_HEAD[24:]}")
    for name, found in sorted(machines.items()):
        print(_line(name, found))
    print(_line("all", total))
    print(f"\n{'became':12}" + "".join(f"{one:>14}" for one in _COLUMNS) + "   predicted bound")
    for real in Became:
        print(f"{real.value:12}" + "".join(f"{total.confusion[real, one]:14}" for one in _COLUMNS))
    unknown = total.unknown_bound + total.unknown_other
    reasons = total.reasons_right + len(total.reasons_wrong)
    network = total.network_bound + total.network_missing
    print(
        f"\nbound or not: precision {total.precision:.3f}, recall {total.recall:.3f} over yes and no; "
        f"{unknown} of {total.nodes} nodes ({unknown / max(1, total.nodes):.1%}) unknown, "
        f"{total.unknown_bound} of them bound (recall {total.recall_with_unknown:.3f} with those missed)"
    )
    print(f"device or none: right for {total.nodes - len(total.devices_wrong)} of {total.nodes} nodes")
    print(f"reasons of devices that did not bind: {total.reasons_right} of {reasons} right")
    print(
        f"network devices: {network - len(total.network_wrong)} of {network} right "
        f"({total.network_bound} bound; {total.network_missing} deferred or missing, first broken link "
        f"compared), {total.network_unknown} unknown; {total.leases} DHCP leases in the recordings"
    )


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
    machines: defaultdict[str, Score] = defaultdict(Score)
    print(_HEAD)
    for path in options.truths or sorted(FIXTURES.glob("*.json")):
        try:
            truth = from_json(path.read_text(), str(path))
            found = score(truth, elsewhere.get(truth.kernel, truth.kernel))
        except BootwrightError as error:
            print(f"{path.name}: {error}", file=sys.stderr)
            return 2
        print(_line(path.stem, found))
        if options.verbose:
            _verbose(found)
        machines[truth.machine].add(found)
        total.add(found)
    _totals(total, machines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
