"""`bootwright check --all-devicetrees` for a person: a line for each devicetree, then what they come to."""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator

from bootwright.boards.role import roles
from bootwright.foundation.verdict import Verdict
from bootwright.predict.all_devicetrees import AllDevicetrees, JudgedDevicetree
from bootwright.report.words import count

_ORDER = (Verdict.FAILS, Verdict.UNKNOWN, Verdict.WORKS)
_MOST_REASONS = 12


def lines(everything: AllDevicetrees, columns: int | None = None) -> Iterator[str]:
    """Every devicetree with its goals by verdict, the roles' figures, and what breaks most goals.

    No line has more than `columns`; None: a line for each devicetree, however long.
    """
    for judged in everything.devicetrees:
        yield from _fitting(f"{judged.dtb}: {_said(judged)}", columns)
    yield ""
    for line in summary(everything):
        yield from _fitting(line, columns)


def _fitting(line: str, columns: int | None) -> Iterator[str]:
    if columns is None or len(line) <= columns:
        yield line
        return
    indent = line[: len(line) - len(line.lstrip())]
    yield from textwrap.wrap(
        line.lstrip(),
        columns,
        initial_indent=indent,
        subsequent_indent=f"{indent}    ",
        break_on_hyphens=False,
    )


def summary(everything: AllDevicetrees) -> Iterator[str]:
    """The figures alone."""
    goals = list(everything.goals)
    total = Counter(goal.verdict for goal in goals)
    figures = ", ".join(
        f"{total[verdict]} {verdict.value}{_share(total, verdict)}" for verdict in _ORDER[::-1]
    )
    trees = count(len(everything.devicetrees), "devicetree")
    without = [judged for judged in everything.devicetrees if judged.problem]
    left_out = f" ({len(without)} not judged)" if without else ""
    yield f"{everything.kernel}: {trees}{left_out}, {count(len(goals), 'goal')}: {figures}"
    counts = everything.counts
    order = {role.id: role.order for role in roles()}
    for role in sorted({goal.role for goal in goals}, key=lambda name: (order.get(name, len(goals)), name)):
        shown = ", ".join(f"{counts.get((role, verdict), 0)} {verdict.value}" for verdict in _ORDER[::-1])
        yield f"  {role:10}{shown}"
    for judged in without:
        what, why = _left_out(judged)
        yield f"  {what}: {judged.dtb}: {why}"
    yield from _reasons(everything)


def _left_out(judged: JudgedDevicetree) -> tuple[str, str]:
    """(`damaged` or `not judged`, why) of a devicetree with a problem."""
    what = "damaged" if judged.damaged else "not judged"
    return what, judged.problem.rpartition(f"{judged.dtb}: ")[2]


def _said(judged: JudgedDevicetree) -> str:
    if judged.problem:
        return ": ".join(_left_out(judged))
    parts = []
    for verdict in _ORDER:
        names = [goal.goal for goal in judged.goals if goal.verdict is verdict]
        if names:
            parts.append(f"{verdict.value}: {', '.join(names)}")
    return f"{judged.model or '?'}: {'; '.join(parts) or 'no such goal'}"


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
