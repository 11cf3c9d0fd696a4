"""What was seen of a prepared image, as observations of an investigation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bootwright.investigate.plans.plan import Plan
    from bootwright.investigate.plans.table import Table
    from bootwright.prepare.seen.record import Record, SeenOutcome


def read_seen(observations: str | Path | None, plan: str | Path | None) -> Table | None:
    """A user's table, or what was seen of a prepared image by its record; None where neither is given.

    Raises what `read_table` and `table_of_record` raise.
    """
    from bootwright.prepare.seen.record import ENDING

    if observations is None:
        return None
    path = Path(observations)
    if path.name.endswith(ENDING):
        from bootwright.investigate.plans.plan_file import load_plan

        return table_of_record(path, load_plan(str(plan)) if plan is not None else None)
    from bootwright.investigate.plans.table import read_table

    return read_table(path)


def table_of_record(path: Path, plan: Plan | None) -> Table:
    """The observations of a record that count, in the plan's words, or in plain ones without a plan.

    What the plan has no factor, level or outcome for is left open. Raises `Missing` and `Malformed` for the
    record, and `Refused` where nothing was seen that counts.
    """
    from bootwright.foundation.errors import Refused
    from bootwright.investigate.analysis.observations import Observation, Source
    from bootwright.investigate.plans.table import make_table
    from bootwright.prepare.seen.record import read_record

    record = read_record(path)
    names = _outcomes(plan)
    observations: list[Observation] = []
    for seen in record.observations:
        outcomes = {
            name: verdict
            for goal, verdict in seen.outcomes.items()
            for name in ((goal,) if names is None else names.get(goal, ()))
        }
        if not seen.counts or not outcomes:
            continue
        observations.append(
            Observation(
                id=f"{record.image}-{seen.id}",
                values={name: (level,) for name, level in _levels(record, seen, plan).items()},
                outcomes=outcomes,
                source=Source.BENCH,
                evidence={"note": seen.note or "; ".join(seen.says)[:200], "found-at": str(path)},
                repeat=len(observations),
            )
        )
    if not observations:
        raise Refused(
            f"{path}: nothing was seen of it that counts here", hint="bootwright observe adds what was seen"
        )
    return make_table(str(path), observations)


def _outcomes(plan: Plan | None) -> Mapping[str, tuple[str, ...]] | None:
    """Goal of a board → outcomes of the plan, by its experiments that predict; None without a plan."""
    if plan is None:
        return None
    names: dict[str, tuple[str, ...]] = {}
    for experiment in plan.experiment:
        for outcome, goal in experiment.goals.items():
            names[goal] = tuple(dict.fromkeys((*names.get(goal, ()), outcome)))
    return names


def _levels(record: Record, seen: SeenOutcome, plan: Plan | None) -> dict[str, str]:
    """Factor → level of the cell that was seen, as far as the plan has it."""
    from bootwright.investigate.plans.values import is_level

    pages = f"{record.page_size // 1024}K" if record.page_size else ""
    version = record.version.removeprefix("v")
    stepping = seen.stepping or record.stepping
    plain = {"kernel": record.kernel_version, "page_size": pages, record.system: version}
    if plan is None:
        plain |= {"board": record.board, "stepping": stepping}
        return {name: level for name, level in plain.items() if level}
    levels = {
        name: plain["page_size"] if factor.fact == "page_size" else record.kernel_version
        for name, factor in plan.factor.items()
        if factor.fact in {"page_size", "version"}
    }
    levels |= {name: level for name, level in plain.items() if name in plan.factor}
    # The board's level is what every devicetree of the plan that is for its stepping has in common.
    sets = [
        set(tree.set.items())
        for experiment in plan.experiment
        for tree in experiment.devicetree
        if tree.board == record.board and tree.stepping == stepping
    ]
    levels |= dict(set.intersection(*sets)) if sets else {}
    return {name: level for name, level in levels.items() if level and is_level(plan, name, level)}
