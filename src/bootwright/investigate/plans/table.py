"""Tables of observations that a user brings: CSV or TOML.

CSV: a row an observation; columns `factor:NAME` and `outcome:NAME`, optional `id`, `source`, `note`,
`repeat`. An outcome is `works`, `fails` or `unknown` (empty is unknown); an empty factor is not known,
and `a|b` is one of the two. `source` is `reported` (the default), `predicted`, `emulated` or `bench`;
anything else there is kept as the place the report was found at. TOML: the same as `[[observation]]`
with tables `factors` and `outcomes`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from bootwright.foundation.choices import hint_for, near
from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.foundation.knowledge import parse_toml
from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.factors import MAX_FACTORS, Factor, make_factor
from bootwright.investigate.analysis.observations import Observation, Source, outcome_names

MAX_BYTES = 16 << 20
MAX_ROWS = 20_000
_KINDS = {source.word: source for source in Source}
_SLIP = 0.8
"""difflib's ratio from which a source is a slip of the pen, and no place that a report was found at."""
_COLUMNS = ("id", "source", "note", "repeat")


@frozen
class Table:
    """Observations and the factors and outcomes they speak of."""

    factors: tuple[Factor, ...]
    outcomes: tuple[str, ...]
    observations: tuple[Observation, ...]


def read_table(path: Path) -> Table:
    """Read a user's table; raises `Malformed` with the row, `Refused` for rows that contradict."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Missing(
            f"cannot read {path}: {error.strerror}", hint="check the name and permissions"
        ) from error
    return parse_table(data, path)


def parse_table(data: bytes, path: Path) -> Table:
    """Read a table's bytes; `path` names them, and its suffix tells TOML from CSV. Raises as `read_table`."""
    if len(data) > MAX_BYTES:
        raise Malformed(str(path), MAX_BYTES, "a table of at most 16 MiB", "more")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(str(path), error.start, "UTF-8 text", f"byte {data[error.start]:#04x}") from error
    rows = _toml_rows(path, text) if path.suffix == ".toml" else _csv_rows(path, text)
    observations = tuple(_observation(where, row, number) for number, (where, row) in enumerate(rows, 1))
    return make_table(str(path), observations)


def make_table(where: str, observations: Sequence[Observation]) -> Table:
    """Collect the factors and outcomes of observations, and check that these agree with themselves."""
    if not observations:
        raise Malformed(where, None, "at least one observation", "none", hint="add a row for each thing seen")
    levels: dict[str, list[str]] = {}
    for seen in observations:
        for name, possible in seen.values.items():
            levels.setdefault(name, []).extend(possible)
    outcomes = outcome_names(observations)
    if not levels:
        raise Malformed(where, None, "a column factor:NAME", "none", hint="name what differed: factor:kernel")
    if not outcomes:
        raise Malformed(
            where, None, "a column outcome:NAME", "none", hint="name what was seen: outcome:ethernet"
        )
    if len(levels) > MAX_FACTORS:
        raise Refused(f"{where}: {len(levels)} factors, more than {MAX_FACTORS}", hint="leave some out")
    check_agreement(where, observations)
    return Table(
        tuple(make_factor(name, factor_levels) for name, factor_levels in levels.items()),
        outcomes,
        tuple(observations),
    )


def check_agreement(where: str, observations: Sequence[Observation]) -> None:
    """Raise `Refused` when one cell has opposite outcomes and nothing tells the observations apart."""
    ids: dict[str, Observation] = {}
    first: dict[tuple[object, ...], Observation] = {}
    for seen in observations:
        if seen.id in ids:
            raise Refused(f"{where}: two observations are called {seen.id}", hint="give each its own id")
        ids[seen.id] = seen
        for outcome, verdict in seen.outcomes.items():
            if verdict is Verdict.UNKNOWN:
                continue
            earlier = first.setdefault((outcome, seen.cell, seen.source, seen.repeat), seen)
            if earlier.outcomes[outcome] is not verdict:
                raise Refused(
                    f"{where}: {earlier.id} and {seen.id} contradict each other on {outcome}: "
                    "the same levels, opposite outcomes",
                    hint="add the factor that differed; if one set-up did both, number them in repeat",
                )


def _csv_rows(path: Path, text: str) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise Malformed(str(path), None, "CSV", str(error)) from error
    header = [name.strip() for name in lines[0]] if lines else []
    _check_header(path, header)
    rows: list[tuple[str, Mapping[str, Any]]] = []
    for number, line in enumerate(lines[1:], 2):
        where = f"{path} row {number}"
        if not any(value.strip() for value in line):
            continue
        if len(line) != len(header):
            raise Malformed(where, None, f"{len(header)} columns as in the header", f"{len(line)}")
        if len(rows) >= MAX_ROWS:
            raise Malformed(where, None, f"at most {MAX_ROWS:,} rows", "more")
        values = {name: value.strip() for name, value in zip(header, line, strict=True)}
        row: dict[str, Any] = {name: values[name] for name in _COLUMNS if values.get(name)}
        for kind in ("factor", "outcome"):
            prefix = f"{kind}:"
            row[f"{kind}s"] = {
                name.removeprefix(prefix): value
                for name, value in values.items()
                if name.startswith(prefix) and value
            }
        if isinstance(row.get("repeat"), str):
            if not row["repeat"].isdecimal():
                raise Malformed(where, None, "a whole number in column repeat", repr(row["repeat"]))
            row["repeat"] = int(row["repeat"][:9])
        for name in header:
            if name.startswith("outcome:"):
                row["outcomes"].setdefault(name.removeprefix("outcome:"), "unknown")
        rows.append((where, row))
    return rows


def _check_header(path: Path, header: Sequence[str]) -> None:
    hint = "columns are factor:NAME, outcome:NAME, id, source, note, repeat"
    for name in header:
        kind, _, rest = name.partition(":")
        if name not in _COLUMNS and (kind not in {"factor", "outcome"} or not rest):
            named = _meant(name[:80])
            meant = f"did you mean {named}? {hint}" if named else hint
            raise Malformed(f"{path} row 1", None, "a known column", repr(name[:80]), hint=meant)
        if header.count(name) > 1:
            raise Malformed(f"{path} row 1", None, "each column once", f"{name} twice", hint=hint)
    if not header:
        raise Malformed(f"{path} row 1", None, "a header", "nothing", hint=hint)


def _meant(name: str) -> str:
    """What a column of that name was probably to be called; a name alone is what differed or was seen."""
    kind, _, rest = name.partition(":")
    prefix = near(kind, ("factor", "outcome"), most=1)
    if prefix:
        return f"{prefix[0]}:{rest or 'NAME'}"
    known = near(name, _COLUMNS, most=1)
    if known or not name or ":" in name:
        return next(iter(known), "")
    return f"factor:{name} (what differed) or outcome:{name} (what was seen)"


def _toml_rows(path: Path, text: str) -> list[tuple[str, Mapping[str, Any]]]:
    document = parse_toml(text, str(path))
    rows = document.pop("observation", [])
    if document or not isinstance(rows, list):
        tables = ", ".join(document) or "observation of another type"
        raise Malformed(str(path), None, "only [[observation]] tables", tables[:200])
    if len(rows) > MAX_ROWS:
        raise Malformed(str(path), None, f"at most {MAX_ROWS:,} observations", "more")
    found_rows: list[tuple[str, Mapping[str, Any]]] = []
    for number, row in enumerate(rows, 1):
        where = f"{path} observation {number}"
        if not isinstance(row, dict):
            raise Malformed(where, None, "a table", type(row).__name__)
        unknown = set(row) - {*_COLUMNS, "factors", "outcomes"}
        if unknown:
            hint = hint_for(min(unknown), (*_COLUMNS, "factors", "outcomes"), kind="keys")
            raise Malformed(where, None, "a known key", ", ".join(sorted(unknown))[:200], hint=hint)
        found_rows.append((where, row))
    return found_rows


def _observation(where: str, row: Mapping[str, Any], number: int) -> Observation:
    values = row_values(where, row.get("factors", {}))
    outcomes = row_outcomes(where, row.get("outcomes", {}))
    source_text = str(row.get("source", "reported"))
    kind = _KINDS.get(source_text, Source.REPORTED)
    if source_text not in _KINDS and (meant := near(source_text, _KINDS, most=1, alike=_SLIP)):
        raise Malformed(where, None, "a source", repr(source_text), hint=f"did you mean {meant[0]}?")
    evidence = {key: str(row[key]) for key in ("note",) if row.get(key)}
    if source_text not in _KINDS:
        evidence["found-at"] = source_text
    repeat = row.get("repeat", 0)
    if not isinstance(repeat, int) or isinstance(repeat, bool) or repeat < 0:
        raise Malformed(where, None, "a whole number as repeat", repr(repeat)[:80])
    return Observation(
        id=str(row.get("id") or f"row-{number}"),
        values=values,
        outcomes=outcomes,
        source=kind,
        evidence=evidence,
        repeat=repeat,
    )


def row_values(where: str, given: object) -> dict[str, tuple[str, ...]]:
    """Factor → possible levels, from a table of strings or lists of strings."""
    if not isinstance(given, Mapping):
        raise Malformed(where, None, "a table of factors", type(given).__name__)
    values: dict[str, tuple[str, ...]] = {}
    for name, value in given.items():
        parts = value.split("|") if isinstance(value, str) else value
        if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
            raise Malformed(where, None, f"text as level of factor {name}", repr(value)[:80])
        levels = tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
        if levels:
            values[str(name)] = levels
    return values


def row_outcomes(where: str, given: object) -> dict[str, Verdict]:
    """Outcome → verdict, from a table of strings."""
    if not isinstance(given, Mapping):
        raise Malformed(where, None, "a table of outcomes", type(given).__name__)
    outcomes: dict[str, Verdict] = {}
    for name, value in given.items():
        try:
            outcomes[str(name)] = Verdict(str(value).strip().lower())
        except ValueError:
            meant = near(str(value), [verdict.value for verdict in Verdict], most=1)
            raise Malformed(
                where,
                None,
                "works, fails or unknown",
                repr(str(value)[:80]),
                hint=f"it is the outcome {name}" + (f"; did you mean {meant[0]}?" if meant else ""),
            ) from None
    return outcomes
