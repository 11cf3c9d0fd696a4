"""What a run has seen, from its `result.json`, as a report needs it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from bootwright.foundation.documents import read_kept
from bootwright.foundation.errors import Malformed, Missing
from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version

NAME = "result.json"
_SCHEMA = "bootwright/result/2"
_MOST_BYTES = 64 << 20
_WEIGHT = ("reported", "predicted", "emulated", "bench")


@frozen
class Cell:
    """One observation."""

    id: str
    factors: Mapping[str, str]
    """Factor → level, where it is known exactly."""
    source: str
    verdict: Verdict
    """Of the outcome that the report is about."""
    evidence: Mapping[str, Any]

    @property
    def weight(self) -> int:
        """How much it counts: reported, predicted, emulated, bench."""
        return _WEIGHT.index(self.source) if self.source in _WEIGHT else 0

    @property
    def devicetree_source(self) -> str | None:
        """`kernel`, or whose devicetree a prediction is made with; empty where nobody can have it, None where
        there is none, or it is not told.
        """
        source = self.evidence.get("devicetree_source")
        return str(source) if source is not None else None

    @property
    def is_own(self) -> bool:
        """Whether nothing but the kernel's own is in it: another devicetree is not the kernel's to mend."""
        source = self.devicetree_source
        return source == "kernel" or (source is None and not self.evidence.get("devicetree"))

    @property
    def failed_tests(self) -> tuple[Mapping[str, Any], ...]:
        """The steps of probes that were not ok, of a boot."""
        return tuple(test for test in self.evidence.get("tests", ()) if test.get("ok") is False)

    def goal(self, outcome: str) -> Mapping[str, Any]:
        """What a prediction says of an outcome; empty where it is none."""
        goal: Mapping[str, Any] = self.evidence.get("goals", {}).get(outcome, {})
        return goal

    def differs_in(self, other: Cell) -> tuple[str, ...]:
        """The factors in which another one has another level, or one that is not known."""
        names = self.factors.keys() | other.factors.keys()
        return tuple(sorted(name for name in names if self.factors.get(name) != other.factors.get(name)))


@frozen
class Refuted:
    """A factor that is not to blame, and how that is known."""

    what: str
    by: tuple[str, ...]
    reason: str


@frozen
class Bracket:
    """Two levels of a factor between which it turns."""

    factor: str
    fails: str
    works: str

    @property
    def is_regression(self) -> bool:
        """Whether the newer one fails."""
        fails, works = Version.parse(self.fails), Version.parse(self.works)
        return fails is not None and works is not None and fails > works

    @property
    def words(self) -> str:
        """Both ends."""
        return f"works with {self.works}, fails with {self.fails}"


@frozen
class RunFacts:
    """A run, as far as one outcome is concerned."""

    title: str
    outcome: str
    labels: Mapping[str, str]
    """Factor → its name for people."""
    cells: tuple[Cell, ...]
    brackets: tuple[Bracket, ...]
    refuted: tuple[Refuted, ...]
    settled: bool
    changes: tuple[Mapping[str, Any], ...]
    """Known changes upstream that corroborate it (`data/changes/`)."""
    mends: Mapping[str, bool]
    """Outcome that would mend it → whether it works where the other fails."""
    version_factors: tuple[str, ...]

    def failing(self) -> tuple[Cell, ...]:
        """Cells in which it was seen, or is predicted, to fail."""
        return tuple(cell for cell in self.cells if cell.verdict is Verdict.FAILS and cell.weight)

    def working(self) -> tuple[Cell, ...]:
        """Cells in which it works."""
        return tuple(cell for cell in self.cells if cell.verdict is Verdict.WORKS and cell.weight)

    def pair(self) -> tuple[Cell, Cell | None] | None:
        """The failing cell to report, and the working one that differs from it least; None where none fails.

        Stronger kinds come first, then failures with the kernel's own devicetree, pairs that differ in fewer
        factors, and newer kernels.
        """
        pairs = [(bad, good) for bad in self.failing() for good in self.working()]
        if not pairs:
            return max(
                ((bad, None) for bad in self.failing()),
                key=lambda pair: (pair[0].is_own, self._rank(pair[0])),
                default=None,
            )
        return max(
            pairs,
            key=lambda pair: (
                min(pair[0].weight, pair[1].weight),
                pair[0].is_own,
                -len(pair[0].differs_in(pair[1])),
                self._rank(pair[0]),
                self._rank(pair[1]),
                pair[0].id,
            ),
        )

    def _rank(self, cell: Cell) -> tuple[object, ...]:
        versions = [Version.parse(cell.factors.get(name, "")) for name in self.version_factors]
        return tuple(version.key for version in versions if version is not None)

    def newest(self) -> str:
        """The newest version that was tried at all; empty where none is known."""
        names = [
            cell.factors[name] for cell in self.cells for name in self.version_factors if name in cell.factors
        ]
        versions = [version for name in names if (version := Version.parse(name)) is not None]
        return str(max(versions)) if versions else ""


def read_run(
    folder: Path, outcome: str, *, version_factors: tuple[str, ...], mending: Mapping[str, str]
) -> RunFacts:
    """The facts of a run's folder about an outcome; `mending` is outcome → the goal it would mend.

    Raises `Missing` where there is no result or it cannot be read, `Malformed` for a damaged one.
    """
    path = folder / NAME
    data = read_kept(path, most=_MOST_BYTES)
    if data is None:
        raise Missing(
            f"there is no result in {folder}",
            hint="bootwright investigate PLAN writes it; --run names its folder",
        )
    return parse_run(data, str(path), outcome, version_factors=version_factors, mending=mending)


def parse_run(
    data: bytes, where: str, outcome: str, *, version_factors: tuple[str, ...], mending: Mapping[str, str]
) -> RunFacts:
    """Read the bytes of a `result.json`; raises `Malformed`."""
    hint = "bootwright investigate PLAN writes it anew"
    if len(data) > _MOST_BYTES:
        raise Malformed(where, _MOST_BYTES, "at most 64 MiB", "more", hint=hint)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Malformed(where, None, "JSON", str(error)[:200], hint=hint) from error
    if not isinstance(document, dict) or document.get("schema") != _SCHEMA:
        schema = document.get("schema") if isinstance(document, dict) else document
        raise Malformed(where, None, f"schema {_SCHEMA}", repr(schema)[:80], hint=hint)
    try:
        return _facts(document, outcome, version_factors, mending)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise Malformed(
            where, None, "the parts of a result", f"{type(error).__name__} {error}"[:200], hint=hint
        ) from error


def _facts(
    document: Mapping[str, Any], outcome: str, version_factors: tuple[str, ...], mending: Mapping[str, str]
) -> RunFacts:
    judged = document["outcomes"].get(outcome, {})
    cells = tuple(
        Cell(
            str(cell["id"]),
            {name: level for name, level in cell["factors"].items() if isinstance(level, str)},
            str(cell["source"]),
            Verdict(cell["outcomes"][outcome]),
            dict(cell["evidence"]),
        )
        for cell in document["cells"]
        if outcome in cell["outcomes"]
    )
    goals = {goal["outcome"]: goal for goal in document["decision"]["goals"]}
    mends: dict[str, bool] = {}
    for name, goal in mending.items():
        if goal == outcome:
            seen = [
                Verdict(cell["outcomes"][name]) is Verdict.WORKS
                for cell in document["cells"]
                if name in cell["outcomes"] and cell["outcomes"].get(outcome) == Verdict.FAILS.value
            ]
            if seen:
                mends[name] = all(seen)
    return RunFacts(
        title=str(document["title"]),
        outcome=outcome,
        labels={name: str(factor["label"]) for name, factor in document["factors"].items()},
        cells=cells,
        brackets=tuple(
            Bracket(bracket["factor"], bracket["fails"], bracket["works"])
            for bracket in judged.get("brackets", ())
            if bracket["fails"] and bracket["works"]
        ),
        refuted=tuple(
            Refuted(refuted["factor"], tuple(refuted["by"]), str(refuted["reason"]))
            for refuted in judged.get("refuted", ())
        ),
        settled=bool(judged.get("settled")),
        changes=tuple(goals.get(outcome, {}).get("corroboration", ())),
        mends=mends,
        version_factors=version_factors,
    )
