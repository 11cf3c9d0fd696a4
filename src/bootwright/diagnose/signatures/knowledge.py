"""Reads signatures and stage markers: knowledge in TOML, one folder or file each, found by walking.

docs/signatures.md tells the form. Whatever is wrong in one is `Malformed`, naming file and field.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from attrs import evolve

from bootwright.diagnose.model import STAGES, Severity
from bootwright.diagnose.reading.literals import SHORTEST, required
from bootwright.diagnose.reading.patterns import Pattern
from bootwright.diagnose.signatures.model import AREAS, Case, Knowledge, Marker, Rule, Signature
from bootwright.foundation.errors import Malformed
from bootwright.foundation.places import DATA


@cache
def load(root: Path = DATA) -> Knowledge:
    """Read `signatures/*/signature.toml` and `stages/*.toml` under `root`, once."""
    markers: dict[str, Marker] = {}
    facts: list[Pattern] = []
    for path in sorted((root / "stages").glob("*.toml")):
        here, told = _read_stages(path)
        markers |= {marker.name: marker for marker in here}
        facts += told
    signatures = tuple(
        _read_signature(path) for path in sorted((root / "signatures").glob("*/signature.toml"))
    )
    known = {pattern.name for signature in signatures for pattern in signature.patterns} | set(markers)
    names = {signature.name for signature in signatures}
    for signature in signatures:
        _check_references(signature, known)
        if strangers := (set(signature.explains) | set(signature.explains_only)) - names:
            raise Malformed(
                f"signatures/{signature.name}", None, "names of signatures in `explains`", min(strangers)
            )
    return Knowledge(signatures, markers, tuple(facts))


def _check_references(signature: Signature, known: set[str]) -> None:
    where = f"signatures/{signature.name}"
    for rule in (signature.rule, *(case.rule for case in signature.cases)):
        for name in (*rule.triggers, *rule.also, *rule.without, *rule.without_later, *rule.without_earlier):
            if name in known or name in {"@restart", "@loop"}:
                continue
            if name.startswith("@stage:") and name[7:] in STAGES:
                continue
            raise Malformed(where, None, "the name of an event", name)


class _Table:
    """A TOML table whose every field is taken once, with its type; what is left over is a mistake."""

    def __init__(self, where: str, values: object) -> None:
        if not isinstance(values, dict):
            raise Malformed(where, None, "a table", type(values).__name__)
        self.where = where
        self._left = dict(values)

    def text(self, name: str, default: str | None = None) -> str:
        value = self._left.pop(name, default)
        if not isinstance(value, str):
            raise Malformed(self.where, None, f"text in `{name}`", repr(value)[:60])
        return " ".join(value.split())

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._left.pop(name, [])
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise Malformed(self.where, None, f"a list of texts in `{name}`", repr(value)[:60])
        return tuple(value)

    def choice(self, name: str, choices: Sequence[str], default: str | None = None) -> str:
        value = self.text(name, default)
        if value not in choices and value != default:
            raise Malformed(self.where, None, f"one of {', '.join(choices)} in `{name}`", value)
        return value

    def mapping(self, name: str) -> dict[str, Any]:
        value = self._left.pop(name, {})
        if not isinstance(value, dict):
            raise Malformed(self.where, None, f"a table in `{name}`", repr(value)[:60])
        return value

    def tables(self, name: str) -> list[_Table]:
        value = self._left.pop(name, [])
        if not isinstance(value, list):
            raise Malformed(self.where, None, f"tables in `{name}`", repr(value)[:60])
        return [_Table(f"{self.where}: {name}", item) for item in value]

    def take(self, name: str) -> object:
        return self._left.pop(name, None)

    def done(self) -> None:
        if self._left:
            raise Malformed(self.where, None, "known fields only", f"`{next(iter(self._left))}`")


def _read(path: Path) -> _Table:
    where = f"{path.parent.name}/{path.name}"
    try:
        return _Table(where, tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Malformed(where, None, "TOML", str(error)) from error


def _pattern(where: str, name: str, expression: object) -> Pattern:
    if not isinstance(expression, str):
        raise Malformed(where, None, "a regular expression", repr(expression)[:60])
    try:
        literals = required(expression)
    except re.error as error:
        raise Malformed(where, None, "a regular expression", f"{expression!r} ({error})") from error
    if not literals:
        raise Malformed(where, None, f"a pattern with {SHORTEST} literal bytes in a row", expression)
    return Pattern(name, expression, literals)


def _severity(table: _Table, name: str, default: str | None = None) -> Severity | None:
    value = table.choice(name, [entry.value for entry in Severity], default)
    return Severity(value) if value else None


def _rule(table: _Table, signature: str) -> Rule:
    def names(field_name: str) -> tuple[str, ...]:
        return tuple(_event_name(item, signature) for item in table.texts(field_name))

    at_least = table.mapping("at_least")
    if not all(isinstance(count, int) for count in at_least.values()):
        raise Malformed(table.where, None, "numbers in `at_least`", repr(at_least)[:60])
    facts = table.mapping("facts")
    for expression in facts.values():
        try:
            re.compile(expression)
        except (re.error, TypeError) as error:
            raise Malformed(table.where, None, "regular expressions in `facts`", str(error)) from error
    last_word = table.take("last_word")
    if last_word is not None and not isinstance(last_word, int):
        raise Malformed(table.where, None, "a number of lines in `last_word`", repr(last_word)[:60])
    stages = table.texts("stages")
    if unknown := set(stages) - set(STAGES):
        raise Malformed(table.where, None, f"stages among {', '.join(STAGES)}", ", ".join(unknown))
    return Rule(
        seen=names("seen"),
        any_of=names("any_of"),
        sequence=names("sequence"),
        at_least={_event_name(name, signature): count for name, count in at_least.items()},
        also=names("also"),
        without=names("without"),
        without_later=names("without_later"),
        without_earlier=names("without_earlier"),
        stages=stages,
        reached=table.choice("reached", STAGES, ""),
        not_reached=table.choice("not_reached", STAGES, ""),
        last_word=last_word,
        together=table.texts("together"),
        facts=facts,
    )


def _explains_only(table: _Table) -> dict[str, dict[str, str]]:
    only = table.mapping("explains_only")
    for name, facts in only.items():
        if not isinstance(facts, dict) or not all(isinstance(value, str) for value in facts.values()):
            raise Malformed(
                table.where, None, f"a table of facts in `explains_only.{name}`", repr(facts)[:60]
            )
    return only


def _event_name(name: str, signature: str) -> str:
    return name if name.startswith("@") or "/" in name else f"{signature}/{name}"


def _read_signature(path: Path) -> Signature:
    table = _read(path)
    name = path.parent.name
    patterns = tuple(
        _pattern(f"{table.where}: {event}", f"{name}/{event}", expression)
        for event, expression in table.mapping("events").items()
    )
    severity = _severity(table, "severity")
    assert severity is not None  # noqa: S101 - choice() without a default has refused anything else
    when = _Table(f"{table.where}: when", table.take("when"))
    rule = _rule(when, name)
    when.done()
    if not rule.triggers:
        raise Malformed(when.where, None, "an event to start from (`seen`, `any_of`, …)", "none")
    cases = []
    for entry in table.tables("case"):
        cases.append(
            Case(
                severity=_severity(entry, "severity", ""),
                once_ready=_severity(entry, "once_ready", ""),
                cause=entry.text("cause", ""),
                remedy=entry.text("remedy", ""),
                breaks=entry.text("breaks", ""),
                rule=_rule(entry, name),
            )
        )
        entry.done()
    signature = Signature(
        name=name,
        title=table.text("title"),
        area=table.choice("area", AREAS),
        severity=severity,
        once_ready=_severity(table, "once_ready", ""),
        cause=table.text("cause"),
        breaks=table.text("breaks", ""),
        remedy=table.text("remedy"),
        limits=table.text("limits"),
        sources=table.texts("sources"),
        explains=table.texts("explains"),
        explains_only=_explains_only(table),
        kernel_arguments=table.text("kernel_arguments", ""),
        patterns=patterns,
        rule=rule,
        cases=tuple(cases),
    )
    table.done()
    return signature


def _read_stages(path: Path) -> tuple[list[Marker], list[Pattern]]:
    table = _read(path)
    component = path.stem
    markers = []
    for entry in table.tables("marker"):
        name = f"@{component}/{entry.text('name')}"
        stage = entry.choice("stage", STAGES)
        begins = bool(entry.take("begins"))
        pattern = _pattern(entry.where, name, entry.take("pattern"))
        markers.append(
            Marker(
                name=name,
                stage=stage,
                label=entry.text("label"),
                component=component,
                begins=begins,
                # Whether it came up after something went wrong is asked of `ready` alone.
                pattern=evolve(pattern, once=not begins and stage != "ready", begins=begins),
            )
        )
        entry.done()
    facts = []
    for entry in table.tables("fact"):
        name = f"@{component}/{entry.text('name')}"
        facts.append(_pattern(entry.where, name, entry.take("pattern")))
        entry.done()
    table.text("source")
    table.done()
    return markers, facts
