"""Predictions compared with recorded truth, node by node: what `score_predict.py` counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from attrs import define, field

from bootwright.formats.devicetree.fdt import parse_fdt
from bootwright.foundation.progress import Silent
from bootwright.lab.truth.dangling import dangling
from bootwright.lab.truth.machines import TruthMachine, truth_machine
from bootwright.lab.truth.masks import masked
from bootwright.lab.truth.outcomes import Became, Outcome, outcomes
from bootwright.lab.truth.recording import Truth
from bootwright.predict.api import facts_of, predict
from bootwright.predict.given.inputs import kernel_at
from bootwright.predict.model import Answer, NodePrediction, first_broken

_NO_DEVICE = Outcome(Became.NO_DEVICE)
# Generic names of network devices: devicetree specification 0.4, 2.2.2, and the bindings of bindings/net.
_NETWORK = frozenset({"ethernet", "can", "wifi", "wireless", "bluetooth", "ethernet-switch", "switch"})
COLUMNS = ("yes", "unknown", "no: supplier", "no: driver", "no: device")


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


def predicted_nodes(truth: Truth, kernel: str) -> list[NodePrediction]:
    """The prediction for the devicetree that the recording's guest had."""
    facts = facts_of(kernel_at(kernel, Silent()))
    return list(predict(facts, parse_fdt(truth.fdt, f"{truth.machine}.dtb")).nodes)


def score(truth: Truth, kernel: str, machine: TruthMachine | None = None, *, masks: bool = True) -> Score:
    """Compare one recording with the prediction for the devicetree that its guest had."""
    machine = machine or truth_machine(truth.machine)
    return compare(truth, predicted_nodes(truth, kernel), machine, masks=masks)


def compare(
    truth: Truth, nodes: Iterable[NodePrediction], machine: TruthMachine, *, masks: bool = True
) -> Score:
    """Count one recording, node by node; without `masks`, the emulator's failures too.

    Raises `Malformed` for a mask that does not fit the recording (`lab/truth/masks.py`).
    """
    result = Score(leases=sum(interface.leased for interface in truth.interfaces))
    became = outcomes(truth)
    nodes = list(nodes)
    hidden = _hidden(nodes, became, _masked(truth, became, machine)) if masks else set()
    served = {interface.node for interface in truth.interfaces}
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


def _masked(truth: Truth, became: Mapping[str, Outcome], machine: TruthMachine) -> dict[str, bool]:
    """Node → whether a reference of it points to no node: neither masked nor hidden with those that are."""
    if not machine.masks:
        return {}
    tree = parse_fdt(truth.fdt, f"{truth.machine}.dtb")
    masks = masked(machine.masks, tree, became, machine=truth.machine, kernel=truth.kernel)
    return {
        node.path: node.path in masks for node in tree.nodes if node.path in masks or dangling(tree, node)
    }


def _hidden(
    nodes: Iterable[NodePrediction], became: Mapping[str, Outcome], marked: Mapping[str, bool]
) -> set[str]:
    """Nodes that are not scored: masked, below a masked one, or deferred for want of one.

    Never hidden is what bound, what waits for a supplier that is not masked, and what has a dangling
    reference of its own: its failure can be predicted.
    """
    shown = {node for node, is_masked in marked.items() if not is_masked}
    hidden = {node for node, is_masked in marked.items() if is_masked}
    while True:
        more = {
            node.path
            for node in nodes
            if node.path not in hidden
            and node.path not in shown
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
        return any(_covers(mask, real.supplier) for mask in hidden)
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
        return any(_covers(supplier, real.supplier) for supplier in node.waits_for)
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
