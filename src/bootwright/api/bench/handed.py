"""What another laboratory handed out of a cell: which outcomes of the plan it decides."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bootwright.foundation.errors import Missing, Refused
from bootwright.foundation.verdict import Verdict

if TYPE_CHECKING:
    from bootwright.investigate.campaign.told import Told
    from bootwright.investigate.plans.plan import Experiment, Plan
    from bootwright.lab.jobs.results import Handed
    from bootwright.lab.probes.ktap import ProbeResult


def read_file(path: Path) -> tuple[bytes, Handed]:
    """(the file's bytes, what it holds); raises `Missing`, `Malformed`."""
    from bootwright.lab.jobs.logs import MOST_BYTES
    from bootwright.lab.jobs.results import read_handed

    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Missing(f"cannot read {path}: {error.strerror}", hint="name a laboratory's log") from error
    return data, read_handed(data, str(path))


def outcomes_of_tests(
    plan: Plan, factors: Mapping[str, str], result: ProbeResult, where: str
) -> dict[str, Verdict]:
    """Outcome → what tests say of it in a cell; raises `Refused` where they say nothing.

    Tests of probes decide what the plan's experiments say they do; those of the group `cell` are named after
    outcomes.
    """
    from bootwright.investigate.running.execute import verdict_of
    from bootwright.lab.jobs.results import CELL

    verdicts: dict[str, Verdict] = {}
    for test in result.tests:
        if test.group == CELL and test.name in plan.outcome and test.ok is not None:
            verdicts[test.name] = Verdict.WORKS if test.ok else Verdict.FAILS
    for experiment in plan.experiment:
        for decided in experiment.yields:
            verdict = verdict_of(decided.tests, result)
            fits = all(factors.get(name, level) == level for name, level in decided.set.items())
            if fits and verdict is not Verdict.UNKNOWN:
                verdicts.setdefault(decided.outcome, verdict)
    if not verdicts:
        raise Refused(f"{where} holds no test that decides an outcome of the plan", hint="see its yields")
    return verdicts


def told_of_emulated(
    name: str, plan: Plan, emulated: tuple[Experiment, str], path: Path, *, by: str, note: str, minutes: float
) -> tuple[tuple[Told, ...], bytes]:
    """What a boot of an emulated cell elsewhere shows: an answer for each cell that its tests look at.

    `emulated` is its experiment and its kernel's name.
    The one for what the plan wants comes first. Raises `Refused` for another kernel's results and for tests
    that decide nothing.
    """
    from bootwright.investigate.analysis.observations import Source
    from bootwright.investigate.campaign.told import make_told
    from bootwright.investigate.running.execute import verdict_of

    data, handed = read_file(path)
    experiment, kernel = emulated
    result = handed.result
    if result is None:
        raise Refused(
            f"{path} holds no tests of probes", hint="the log of a job that `bootwright bench job` made"
        )
    facts = _facts(kernel, result, str(path))
    levels = dict(experiment.set) | {
        factor: facts[declared.fact] for factor, declared in plan.factor.items() if declared.fact in facts
    }
    cells: dict[tuple[tuple[str, str], ...], dict[str, Verdict]] = {}
    for decided in experiment.yields:
        verdict = verdict_of(decided.tests, result)
        cell = tuple(sorted((levels | decided.set).items()))
        cells.setdefault(cell, {})[decided.outcome] = verdict
    if all(verdict is Verdict.UNKNOWN for outcomes in cells.values() for verdict in outcomes.values()):
        raise Refused(f"{path} holds no test that decides an outcome of the plan", hint="see its yields")
    evidence = {"boot": name, "kernel": kernel, "machine": experiment.machine}
    evidence |= {"release": result.release} if result.release else {}
    answers = [
        make_told(
            name,
            dict(cell),
            outcomes,
            by=by,
            note=note,
            logs=(data,),
            minutes=minutes if number == 0 else 0.0,
            source=Source.EMULATED,
            evidence=evidence,
        )
        for number, (cell, outcomes) in enumerate(
            sorted(cells.items(), key=lambda pair: not plan.wanted.items() <= dict(pair[0]).items())
        )
    ]
    return tuple(answers), data


def _facts(kernel: str, result: ProbeResult, where: str) -> dict[str, str]:
    """What the guest said of its kernel, as levels; raises `Refused` where that is another one."""
    from bootwright.api.bench.of_cell import is_of_release
    from bootwright.investigate.plans.runs import page_size_level

    _, _, rest = kernel.partition("-")
    version_text, _, pages = rest.rpartition("-")
    size = page_size_level(result.page_size) if result.page_size else ""
    same = result.release is not None and is_of_release(result.release, version_text)
    if not same or size.lower() != pages:
        said_words = f"{result.release or 'an unknown release'}, {size or 'unknown'} pages"
        raise Refused(
            f"{where} is not of {kernel}: it says {said_words}", hint="name the cell that the job was of"
        )
    return {"version": version_text, "page_size": size}
