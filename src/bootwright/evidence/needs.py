"""What a finding makes suspect that a kernel must have: data in `data/suspicions/`, one file each.

    title = "the driver of NVMe drives"
    source = "drivers/nvme/host/Kconfig (6.12)"
    signatures = ["no-root", "waiting-for-root"]   # empty: any
    fact = "device"                                # or line = a pattern searched in the proof lines
    match = "(?:/dev/)?nvme.*"
    option = "CONFIG_BLK_DEV_NVME"
    module = "nvme"
    early = true                                   # needed before the root file system is there

`{name}` in `title`, `option` and `module` is a group of `match` or `line`; a pattern that captures in upper
or lower case is written accordingly.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from attrs import frozen

from bootwright.diagnose.model import Finding
from bootwright.foundation.errors import Malformed
from bootwright.foundation.places import data_files

_FIELDS = {"title", "source", "signatures", "fact", "match", "line", "option", "module", "early", "ask"}
_ASKS = ("driver", "page-size")


@frozen
class Suspicion:
    """One file."""

    name: str
    title: str
    source: str
    ask: str
    """`driver`: whether the kernel has it; `page-size`: the size of its pages."""
    signatures: frozenset[str]
    fact: str
    pattern: re.Pattern[str]
    option: str
    module: str
    early: bool


@frozen
class Need:
    """What to look for."""

    title: str
    ask: str
    option: str
    module: str
    early: bool
    source: str


@cache
def suspicions() -> tuple[Suspicion, ...]:
    """Every suspicion known; raises `Malformed`."""
    return tuple(load_suspicion(path) for path in data_files("suspicions"))


def load_suspicion(path: Path) -> Suspicion:
    """Read one file; raises `Malformed`."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        if unknown := set(table) - _FIELDS:
            raise ValueError(f"unknown field {min(unknown)}")
        ask = table.get("ask", "driver")
        if ask not in _ASKS or (ask == "driver" and not (table.get("option") or table.get("module"))):
            raise ValueError(f"ask is {ask!r}: one of {', '.join(_ASKS)}, a driver with option or module")
        return Suspicion(
            name=path.stem,
            title=table["title"],
            source=table["source"],
            ask=ask,
            signatures=frozenset(table.get("signatures", ())),
            fact=table.get("fact", ""),
            pattern=re.compile(table["match"] if "fact" in table else table.get("line", "")),
            option=table.get("option", ""),
            module=table.get("module", ""),
            early=bool(table.get("early", False)),
        )
    except (KeyError, TypeError, ValueError, re.error) as error:
        raise Malformed(f"suspicions/{path.name}", None, "a suspicion", str(error) or repr(error)) from error


def needs_of(finding: Finding) -> list[Need]:
    """What the finding makes suspect, each once."""
    found: list[Need] = []
    for suspicion in suspicions():
        if suspicion.signatures and finding.signature not in suspicion.signatures:
            continue
        for match in _matches(suspicion, finding):
            groups = {name: value or "" for name, value in match.groupdict().items()}
            need = Need(
                suspicion.title.format(**groups),
                suspicion.ask,
                suspicion.option.format(**{name: value.upper() for name, value in groups.items()}),
                suspicion.module.format(**groups).replace("-", "_"),
                suspicion.early,
                suspicion.source,
            )
            if need not in found:
                found.append(need)
    return found


def _matches(suspicion: Suspicion, finding: Finding) -> Iterator[re.Match[str]]:
    if suspicion.fact:
        for value in values_of(finding, suspicion.fact):
            match = suspicion.pattern.fullmatch(value)
            if match is not None:
                yield match
        return
    for line in finding.lines:
        match = suspicion.pattern.search(line.text)
        if match is not None:
            yield match


def values_of(finding: Finding, name: str) -> list[str]:
    """A fact's values: several devices stand in one text, separated by commas."""
    text = dict(finding.facts).get(name, "")
    return [value for value in re.sub(r" and \d+ more\Z", "", text).split(", ") if value]
