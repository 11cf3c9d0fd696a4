"""Predictions compared with boots of machines that have one thing wrong (tests/predict/broken/*.jsonl).

The prediction is made for what each guest had: the intact devicetree with the mutation, the modules it could
load, its arguments. Counted are, by machine and kind of change:

- of the mutations after which something that worked did not: whether the first broken link that is predicted
  for the device hit leads to what was mutated (`named`; `?` of them with an answer `unknown`), leads
  elsewhere (`other`), and whether it was answered `works`. The device hit is the one that has the mutated
  property, or refers to the disabled node, or is driven by the missing module; where that one still works,
  the first that does not. Of a guest that did not get to stating its devices it is any that was not answered
  works. `all works` says that every device that broke was answered works: the machine's verdict would be
  wrong.
- the same for every device that broke (of guests that got to stating their devices); devices that were not
  answered works in the intact machine either are left out where others are there.
- of the mutations after which everything worked as before: how many have a device that is answered `no` all
  the same and was not before (`alarms`), or `unknown` (`doubts`).

A link leads to the mutation where it, or the links of what it waits for, one after another, name it: the
mutated node and property, the disabled node, the module, or the argument.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from attrs import define, evolve, field, frozen

from bootwright.formats.devicetree.fdt import parse_fdt
from bootwright.formats.modules.module_index import ModuleIndex, read_module_tree
from bootwright.foundation.progress import Silent
from bootwright.kernels.model import Kernel
from bootwright.lab.mutation.mutations import Change, Mutation, apply
from bootwright.lab.mutation.recording import Broken, Recorded, load
from bootwright.predict.api import facts_of, predict
from bootwright.predict.given.inputs import kernel_at
from bootwright.predict.model import Answer, Link, NodePrediction, first_broken
from bootwright.predict.start.arguments import Arguments

# What a broken property may be named by: the one that cannot be read without it.
_ALSO: Mapping[str, tuple[str, ...]] = {
    "clock-names": ("clocks",),
    "reset-names": ("resets",),
    "power-domain-names": ("power-domains",),
    "interrupt-parent": ("interrupts",),
    "ranges": ("reg",),
}
_VERDICTS = ("named", "named?", "other", "other?", "works")
_MEANT_HARMLESS = "meant harmless"
_MOST_STEPS = 64


@frozen
class Judged:
    """How one mutated machine was predicted."""

    machine: str
    mutation: Mutation
    booted: bool
    lost: Mapping[str, str]
    """Device that broke → `named`, `named?` (answered unknown), `other`, `other?` or `works`."""
    hit: str
    """The device hit; empty where nothing broke."""
    alarms: tuple[str, ...]
    doubts: tuple[str, ...]
    said: Mapping[str, str]
    """Device → what was predicted, in words, of those not named."""

    @property
    def broke(self) -> bool:
        return bool(self.lost)

    @property
    def verdict(self) -> str:
        """The device hit's."""
        return self.lost[self.hit]

    @property
    def all_work(self) -> bool:
        """Whether every device that broke was answered works."""
        return self.broke and all(verdict == "works" for verdict in self.lost.values())


@define
class Counts:
    """Of one machine and kind of change, or of several."""

    boots: int = 0
    broke: int = 0
    hit: Counter[str] = field(factory=Counter)
    all_work: int = 0
    devices: Counter[str] = field(factory=Counter)
    harmless: int = 0
    alarms: int = 0
    doubts: int = 0

    def add(self, case: Judged) -> None:
        """Count one in."""
        self.boots += 1
        if not case.broke:
            self.harmless += 1
            self.alarms += bool(case.alarms)
            self.doubts += bool(case.doubts) and not case.alarms
            return
        self.broke += 1
        self.hit[case.verdict] += 1
        self.all_work += case.all_work
        if case.booted:
            self.devices.update(case.lost.values())

    @property
    def named(self) -> float:
        """The share of broken machines whose broken link was named first."""
        return (self.hit["named"] + self.hit["named?"]) / max(1, self.broke)

    @property
    def works(self) -> float:
        """The share of broken machines whose device hit was answered works."""
        return self.hit["works"] / max(1, self.broke)

    @property
    def devices_work(self) -> float:
        """The share of broken devices that were answered works."""
        return self.devices["works"] / max(1, self.devices.total())


def score_file(path: Path, elsewhere: Mapping[str, str]) -> list[Judged]:
    """Judge every mutated machine of a file; raises what reading it or its kernel raises."""
    recorded = load(path)
    name = recorded.machine.kernel
    kernel = kernel_at(elsewhere.get(name, name), Silent())
    with tempfile.TemporaryDirectory(prefix="bootwright-") as folder:
        return list(_judge_all(recorded, kernel, Path(folder)))


def _judge_all(recorded: Recorded, kernel: Kernel, folder: Path) -> Iterator[Judged]:
    machine = recorded.machine
    assert kernel.modules is not None
    index = read_module_tree(kernel.modules)
    whole = _with_modules(kernel, index, machine.modules, folder / "whole")
    before = _predicted(whole, machine.fdt, machine.arguments)
    homes = _homes(index, machine.loaded, machine.bound())
    for number, boot in enumerate(recorded.boots):
        mutation = boot.mutation
        given, arguments = whole, machine.arguments
        if mutation.change is Change.MODULE:
            left = [module for module in machine.modules if module != mutation.value]
            given = _with_modules(kernel, index, left, folder / str(number))
        elif mutation.change is Change.ARGUMENT:
            arguments = (*arguments, mutation.value)
        after = _predicted(given, apply(machine.fdt, mutation), arguments)
        yield _judge(machine.machine, boot, before=before, after=after, bound=machine.bound(), homes=homes)


def _predicted(kernel: Kernel, fdt: bytes, arguments: Iterable[str]) -> dict[str, NodePrediction]:
    facts = facts_of(kernel, arguments=Arguments(" ".join(arguments), "the boot"))
    return {node.path: node for node in predict(facts, parse_fdt(fdt, "mutated.dtb")).nodes}


def _with_modules(kernel: Kernel, index: ModuleIndex, names: Iterable[str], folder: Path) -> Kernel:
    """The kernel with those of its modules that the guest could load: a tree of links to their files."""
    assert kernel.modules is not None
    tree = folder / "lib" / "modules" / kernel.release
    tree.mkdir(parents=True)
    for entry in kernel.modules.iterdir():
        if entry.is_file():
            (tree / entry.name).symlink_to(entry)
    for name in names:
        path = tree / index.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(kernel.modules / index.path(name))
    return evolve(kernel, modules=tree)


def _homes(index: ModuleIndex, loaded: Iterable[str], bound: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """Device → the modules that its driver needs: the one it is in, and what that depends on."""
    by_driver: defaultdict[str, set[str]] = defaultdict(set)
    for name in loaded:
        if name in index:
            for driver in index.modules[name].drivers:
                by_driver[driver.name] |= {name, *index.closure(name)}
    return {node: frozenset(by_driver.get(driver, ())) for node, driver in bound.items()}


def _judge(
    machine: str,
    boot: Broken,
    *,
    before: Mapping[str, NodePrediction],
    after: Mapping[str, NodePrediction],
    bound: Mapping[str, str],
    homes: Mapping[str, frozenset[str]],
) -> Judged:
    mutation = boot.mutation
    gone = [fate.node for fate in boot.lost()] if boot.booted else sorted(bound)
    # What was not answered works in the intact machine either says nothing about the mutation.
    gone = [node for node in gone if node in before and before[node].bound is Answer.YES] or gone
    lost = {node: _answer(node, mutation, after, homes) for node in gone}
    if boot.booted:
        hit = min(gone, key=lambda node: _distance(node, mutation, homes), default="")
    else:  # nothing is known of single devices: whatever is predicted for any of them counts
        hit = min(gone, key=lambda node: _VERDICTS.index(lost[node]), default="")
    steady = [node for node in bound if node not in lost and node in after and node in before]
    return Judged(
        machine=machine,
        mutation=mutation,
        booted=boot.booted,
        lost=lost,
        hit=hit,
        alarms=tuple(
            node for node in steady if after[node].bound is Answer.NO and before[node].bound is not Answer.NO
        ),
        doubts=tuple(
            node
            for node in steady
            if after[node].bound is Answer.UNKNOWN and before[node].bound is Answer.YES
        ),
        said={node: _words(after.get(node)) for node in (*lost, *steady)},
    )


def _distance(node: str, mutation: Mutation, homes: Mapping[str, frozenset[str]]) -> int:
    """0 for the device that the mutation is about, more for others."""
    if mutation.change in {Change.MODULE, Change.ARGUMENT}:
        return 0 if mutation.value.rpartition("=")[2] in homes.get(node, ()) else 1
    about = mutation.consumer or mutation.node
    if _holds(node, about):
        return 0
    return 1 if _holds(about, node) or _holds(mutation.node, node) or node == mutation.node else 2


def _holds(outer: str, inner: str) -> bool:
    """Whether a node is another one or stands above it."""
    return outer == inner or inner.startswith(f"{outer.rstrip('/')}/")


def _answer(
    node: str,
    mutation: Mutation,
    after: Mapping[str, NodePrediction],
    homes: Mapping[str, frozenset[str]],
) -> str:
    predicted = after.get(node)
    if predicted is None:  # the mutation may not take nodes away; a prediction that does answers nothing
        return "other"
    if predicted.bound is Answer.YES:
        return "works"
    doubt = "?" if predicted.bound is Answer.UNKNOWN else ""
    names = any(_names(mutation, traced, link, homes) for traced, link in _trace(predicted, after))
    return ("named" if names else "other") + doubt


def _trace(
    predicted: NodePrediction, after: Mapping[str, NodePrediction]
) -> Iterator[tuple[NodePrediction, Link | None]]:
    """The first broken link, then that of what it waits for, and so on; None for a node without links."""
    seen: set[str] = set()
    current: NodePrediction | None = predicted
    while current is not None and current.path not in seen and len(seen) < _MOST_STEPS:
        seen.add(current.path)
        link = first_broken(current.links)
        yield current, link
        path = link.waits_for if link is not None else None
        while path and path not in after:
            path = path.rpartition("/")[0]
        current = after.get(path) if path else None


def _names(
    mutation: Mutation, predicted: NodePrediction, link: Link | None, homes: Mapping[str, frozenset[str]]
) -> bool:
    """Whether a broken link, or the reason why a node has no device, is the mutation."""
    said = f"{link.needs} {link.reason}" if link is not None else predicted.reason
    if mutation.change is Change.MODULE:
        lacks_driver = link is not None and link.needs.startswith("driver")
        return _says(said, mutation.value) or (
            lacks_driver and mutation.value in homes.get(predicted.path, ())
        )
    if mutation.change is Change.ARGUMENT:
        name, _, value = mutation.value.partition("=")
        return _says(said, value or name) or _says(said, name)
    if mutation.change is Change.DISABLE:
        waits = link.waits_for if link is not None else None
        return (
            _holds(mutation.node, predicted.path)
            or (waits is not None and (_holds(mutation.node, waits) or _holds(waits, mutation.node)))
            or _says(said, mutation.node)
        )
    carries = _holds(predicted.path, mutation.node) or (
        mutation.prop in {"ranges", "interrupt-parent"} and _holds(mutation.node, predicted.path)
    )
    return carries and any(_says(said, prop) for prop in (mutation.prop, *_ALSO.get(mutation.prop, ())))


def _says(text: str, word: str) -> bool:
    """Whether a text has a word; in names of modules `-` and `_` are the same."""
    plain = re.escape(word.replace("_", "-"))
    return re.search(rf"(?<![\w,/-]){plain}(?![\w-])", text.replace("_", "-")) is not None


def _words(predicted: NodePrediction | None) -> str:
    if predicted is None:
        return "nothing"
    link = first_broken(predicted.links)
    return f"{predicted.bound.word}: {link.needs + ': ' if link is not None else ''}{predicted.reason}"


_HEAD = (
    f"{'':34} {'boots':>5} {'broke':>5} {'named':>5} {'(?)':>4} {'other':>5} {'works':>5} {'all works':>9}"
    f"   {'devices':>7} {'named':>5} {'(?)':>4} {'other':>5} {'works':>5}   {'harmless':>8} {'alarms':>6} "
    f"{'doubts':>6}"
)


def _line(name: str, sums: Counts) -> str:
    hit, devices = sums.hit, sums.devices
    return (
        f"{name:34} {sums.boots:5} {sums.broke:5} {hit['named'] + hit['named?']:5} {hit['named?']:4} "
        f"{hit['other'] + hit['other?']:5} {hit['works']:5} {sums.all_work:9}   {devices.total():7} "
        f"{devices['named'] + devices['named?']:5} {devices['named?']:4} "
        f"{devices['other'] + devices['other?']:5} {devices['works']:5}   {sums.harmless:8} {sums.alarms:6} "
        f"{sums.doubts:6}"
    )


def totals(judged: Iterable[Judged]) -> Counts:
    """Everything together."""
    counts = Counts()
    for case in judged:
        counts.add(case)
    return counts


def report(files: Iterable[list[Judged]], *, verbose: bool) -> str:
    """The tables, and with `verbose` every mutation that was not named, or alarmed."""
    files = list(files)
    lines = [_HEAD]
    by_change: defaultdict[str, Counts] = defaultdict(Counts)
    by_stratum: defaultdict[str, Counts] = defaultdict(Counts)
    for judged in files:
        own: defaultdict[str, Counts] = defaultdict(Counts)
        for case in judged:
            for table, key in (
                (own, _change(case)),
                (by_change, _change(case)),
                (by_stratum, _stratum(case)),
            ):
                table[key].add(case)
            lines += _told(case) if verbose else ()
        name = judged[0].machine if judged else "-"
        lines += [_line(f"{name}: {key}", counts) for key, counts in sorted(own.items())]
        lines.append(_line(f"{name}: all", totals(judged)))
    lines += ["", "all machines, by change and by what was mutated"]
    lines += [_line(key, counts) for key, counts in sorted(by_change.items())]
    lines += [_line(f"  {key}", counts) for key, counts in sorted(by_stratum.items())]
    whole = totals(case for judged in files for case in judged)
    lines += [
        _line("all", whole),
        "",
        f"{whole.boots} boots, {whole.broke} broken: broken link named first {whole.named:.1%}, answered "
        f"works though broken {whole.works:.1%} (hit), {whole.all_work / max(1, whole.broke):.1%} (whole "
        f"machine), {whole.devices_work:.1%} of {whole.devices.total()} devices that broke; false alarms on "
        f"{whole.alarms} of {whole.harmless} that broke nothing, doubts on {whole.doubts}",
    ]
    return "\n".join(lines)


def _change(case: Judged) -> str:
    return _MEANT_HARMLESS if case.mutation.stratum.startswith("harmless") else case.mutation.change.value


def _stratum(case: Judged) -> str:
    return _MEANT_HARMLESS if case.mutation.stratum.startswith("harmless") else case.mutation.stratum


def _told(case: Judged) -> list[str]:
    lines = []
    for node, verdict in case.lost.items():
        if verdict not in {"named", "named?"} and (case.booted or node == case.hit):
            mark = " (hit)" if node == case.hit else ""
            lines.append(
                f"    {verdict}{mark}: {case.mutation.name} breaks {node}; predicted {case.said[node]}"
            )
    lines.extend(
        f"    false alarm: {case.mutation.name} leaves {node}; predicted {case.said[node]}"
        for node in case.alarms
    )
    lines.extend(
        f"    doubt: {case.mutation.name} leaves {node}; predicted {case.said[node]}" for node in case.doubts
    )
    return lines
