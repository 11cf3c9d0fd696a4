"""Upstream changes that are known (`data/changes/`), to corroborate what boots have shown.

They never decide anything: a change is named only when a threshold that boots found lies where the change
went in, and the calls that failed below it are the ones the change is about.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import cattrs
from attrs import field, frozen
from cattrs.errors import ClassValidationError

from bootwright.foundation.errors import Malformed
from bootwright.foundation.places import data_files
from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.investigate.judge import Judgement
from bootwright.investigate.observations import Observation


@frozen
class Commit:
    """An upstream commit."""

    id: str
    title: str


@frozen
class Reference:
    """Where it can be read."""

    title: str
    url: str


@frozen
class Change:
    """A change of behaviour between two versions of something."""

    what: str
    before: str
    first_in: str
    factor: str
    symptom: dict[str, str]
    """`call` and `errno` of what failed before it."""
    commit: list[Commit] = field(factory=list)
    source: list[Reference] = field(factory=list)


def load_changes() -> list[Change]:
    """Every change known; raises `Malformed` for a file that is not one."""
    return [read_change(path) for path in data_files("changes")]


def read_change(path: Path) -> Change:
    """Read one file of `data/changes/`."""
    converter = cattrs.Converter(forbid_extra_keys=True)
    try:
        return converter.structure(tomllib.loads(path.read_text(encoding="utf-8")), Change)
    except ClassValidationError as error:
        raise Malformed(str(path), None, "a change", cattrs.transform_error(error)[0]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Malformed(str(path), None, "TOML", str(error)) from error


def corroborating(judgement: Judgement, observations: Sequence[Observation]) -> list[Change]:
    """The changes that went in between the two levels a settled threshold lies between."""
    return [
        change
        for change in load_changes()
        if _seen(change.symptom, judgement.outcome, observations)
        and any(
            bracket.factor == change.factor and _between(bracket.fails, change.first_in, bracket.works)
            for bracket in judgement.brackets
        )
    ]


def _between(fails: str | None, first: str, works: str | None) -> bool:
    low, at, high = (Version.parse(text or "") for text in (fails, first, works))
    return low is not None and at is not None and high is not None and low < at <= high


def _seen(symptom: Mapping[str, str], outcome: str, observations: Sequence[Observation]) -> bool:
    for seen in observations:
        if seen.outcomes.get(outcome) is Verdict.FAILS:
            for test in seen.evidence.get("tests", ()):
                if test["ok"] is False and all(test.get(key) == value for key, value in symptom.items()):
                    return True
    return False
