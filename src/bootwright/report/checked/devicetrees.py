"""`bootwright check --all-devicetrees` for a person: a line for each devicetree, then what they come to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from bootwright.boards.role import roles
from bootwright.foundation.verdict import Verdict
from bootwright.predict.all_devicetrees import AllDevicetrees, JudgedDevicetree
from bootwright.report.words import count

_ORDER = (Verdict.FAILS, Verdict.UNKNOWN, Verdict.WORKS)
_MOST_REASONS = 12


def lines(everything: AllDevicetrees) -> Iterator[str]:
    """Every devicetree with its goals by verdict, the roles' figures, and what breaks most goals."""
    width = max(len(judged.dtb) for judged in everything.devicetrees)
    for judged in everything.devicetrees:
        yield f"{judged.dtb:{width}}  {_said(judged)}"
    yield ""
    yield from summary(everything)


def summary(everything: AllDevicetrees) -> Iterator[str]:
    """The figures alone."""
    goals = list(everything.goals)
    total = Counter(goal.verdict for goal in goals)
    figures = ", ".join(
        f"{total[verdict]} {verdict.value}{_share(total, verdict)}" for verdict in _ORDER[::-1]
    )
    trees = count(len(everything.devicetrees), "devicetree")
    yield f"{everything.kernel}: {trees}, {count(len(goals), 'goal')}: {figures}"
    counts = everything.counts
    order = {role.id: role.order for role in roles()}
    for role in sorted({goal.role for goal in goals}, key=lambda name: (order.get(name, len(goals)), name)):
        shown = ", ".join(f"{counts.get((role, verdict), 0)} {verdict.value}" for verdict in _ORDER[::-1])
        yield f"  {role:10}{shown}"
    without = [judged for judged in everything.devicetrees if not judged.goals and judged.problem]
    for judged in without:
        yield f"  no goals: {judged.dtb}: {judged.problem.rpartition(f'{judged.dtb}: ')[2]}"
    yield from _reasons(everything)


def _said(judged: JudgedDevicetree) -> str:
    parts = []
    for verdict in _ORDER:
        names = [goal.goal for goal in judged.goals if goal.verdict is verdict]
        if names:
            parts.append(f"{verdict.value}: {', '.join(names)}")
    return f"{judged.model or '?'}: {'; '.join(parts) or judged.problem or 'no such goal'}"


def _share(total: Counter[Verdict], verdict: Verdict) -> str:
    everything = sum(total.values())
    return f" ({100 * total[verdict] / everything:.1f} %)" if everything else ""


def _reasons(everything: AllDevicetrees) -> Iterator[str]:
    """Reasons that are the same words, by how many goals they break first."""
    broken: Counter[tuple[Verdict, str]] = Counter()
    trees: defaultdict[tuple[Verdict, str], set[str]] = defaultdict(set)
    for judged in everything.devicetrees:
        for goal in judged.goals:
            if goal.reason:
                key = (goal.verdict, goal.reason)
                broken[key] += 1
                trees[key].add(judged.dtb)
    if broken:
        yield "what stands first in the way of most goals:"
    for (verdict, reason), number in broken.most_common(_MOST_REASONS):
        where = count(len(trees[verdict, reason]), "devicetree")
        yield f"  {number} ({verdict.value}, {where}): {reason}"
