"""Every test of every boot, and what its results go with."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from attrs import frozen

from bootwright.foundation.versions import Version
from bootwright.investigate.plans.runs import page_size_level
from bootwright.investigate.running.execute import Done, release_version
from bootwright.lab.probes.ktap import ProbeTest
from bootwright.report.words import clean

MOST_BOOTS = 40


@frozen
class Result:
    """One test in one boot."""

    state: str
    """`ok`, `not-ok`, `skipped`, or `` where the boot did not run it."""
    text: str
    detail: str


@frozen
class TestRow:
    """One test in every boot."""

    name: str
    results: tuple[Result, ...]
    goes_with: str
    """What its results go with: `page size`, `kernel version`, … ; `` where all are the same."""


@frozen
class Column:
    """One boot."""

    run: str
    pages: str
    machine: str


@frozen
class Table:
    """The tests of one probe against the boots that ran it."""

    probe: str
    columns: tuple[Column, ...]
    rows: tuple[TestRow, ...]


def tables(boots: Sequence[Done]) -> tuple[Table, ...]:
    """A table a probe; boots by kernel version, then page size, at most 40 of them."""
    boots = sorted(boots[:MOST_BOOTS], key=_order)
    probes = dict.fromkeys(test.group for done_run in boots for test in done_run.result.tests)
    return tuple(_table(probe, boots) for probe in probes)


def _table(probe: str, boots: Sequence[Done]) -> Table:
    ran = [done_run for done_run in boots if any(test.group == probe for test in done_run.result.tests)]
    by_boot = [{test.name: test for test in done_run.result.tests if test.group == probe} for done_run in ran]
    rows = []
    for name in dict.fromkeys(name for tests in by_boot for name in tests):
        results = [tests.get(name) for tests in by_boot]
        rows.append(TestRow(clean(name, 100), tuple(map(_result, results)), _goes_with(ran, results)))
    columns = tuple(
        Column(
            run=clean(done_run.kernel.get("name", done_run.run.id), 80),
            pages=page_size_level(done_run.result.page_size) if done_run.result.page_size else "unknown",
            machine=clean(done_run.recording.machine, 40),
        )
        for done_run in ran
    )
    return Table(clean(probe, 40), columns, tuple(rows))


def _order(done: Done) -> tuple[object, ...]:
    version = Version.parse(release_version(done.result.release or "") or "0")
    return (version.key if version else (), done.result.page_size or 0, done.run.id, done.repeat)


def _result(test: ProbeTest | None) -> Result:
    if test is None:
        return Result("", "not run", "")
    call, errno, detail = (clean(text or "", 200) for text in (test.call, test.errno, test.detail))
    if test.ok is None:
        return Result("skipped", "skipped", detail)
    if test.ok:
        # An errno on a test that is ok is the refusal that it wanted to see.
        return Result("ok", f"ok ({errno})" if errno else "ok", "")
    return Result("not-ok", errno or "failed", " ".join(text for text in (call, detail) if text))


def _goes_with(boots: Sequence[Done], tests: Sequence[ProbeTest | None]) -> str:
    """Whether page size, kernel version or machine alone orders the results of a test."""
    outcomes = [
        (done_run, (test.ok, test.errno))
        for done_run, test in zip(boots, tests, strict=True)
        if test is not None and test.ok is not None
    ]
    if len({outcome for _, outcome in outcomes}) < 2:
        return ""
    fitting = [
        label
        for label, levels in (
            ("page size", [str(done_run.result.page_size) for done_run, _ in outcomes]),
            ("machine", [done_run.recording.machine for done_run, _ in outcomes]),
        )
        if len(set(levels)) > 1 and _function(levels, [outcome for _, outcome in outcomes])
    ]
    versions = [release_version(done_run.result.release or "") or "" for done_run, _ in outcomes]
    # Boots are in version order: a threshold is one change between neighbouring versions.
    changes = sum(a != b for (_, a), (_, b) in pairwise(outcomes))
    if changes == 1 and _function(versions, [outcome for _, outcome in outcomes]):
        fitting.append("kernel version")
    if not fitting:
        return "more than one thing"
    return " or ".join(fitting)


def _function(levels: Sequence[str], results: Sequence[object]) -> bool:
    """Whether the level alone tells the result."""
    result_of: dict[str, object] = {}
    return all(
        result_of.setdefault(level, result) == result for level, result in zip(levels, results, strict=True)
    )
