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
from collections.abc import Iterator
from typing import Literal

from attrs import field, frozen

from bootwright.diagnose.model import Finding
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import STEM

_ANYTHING = re.compile("")


@frozen
class Suspicion:
    """One file."""

    name: str = field(metadata=STEM)
    title: str
    source: str
    ask: Literal["driver", "page-size"] = "driver"
    """`driver`: whether the kernel has it; `page-size`: the size of its pages."""
    signatures: frozenset[str] = frozenset()
    fact: str = ""
    match: re.Pattern[str] | None = None
    """What the value of `fact` must match."""
    line: re.Pattern[str] | None = None
    """Without `fact`: what a line of the proof must match."""
    option: str = ""
    module: str = ""
    early: bool = False

    def __attrs_post_init__(self) -> None:
        """Raise `ValueError` for what cannot be asked."""
        if self.ask == "driver" and not (self.option or self.module):
            raise ValueError("an option or a module for a driver", "none")
        if bool(self.fact) != (self.match is not None):
            raise ValueError("`fact` and `match` together", "one of them")

    @property
    def pattern(self) -> re.Pattern[str]:
        """What is searched for, in the fact or in lines."""
        return self.match or self.line or _ANYTHING


@frozen
class Need:
    """What to look for."""

    title: str
    ask: str
    option: str
    module: str
    early: bool
    source: str


SUSPICIONS = Kind("suspicions", "a suspicion", Suspicion)


def needs_of(finding: Finding) -> list[Need]:
    """What the finding makes suspect, each once."""
    needs: list[Need] = []
    for suspicion in SUSPICIONS.all().values():
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
            if need not in needs:
                needs.append(need)
    return needs


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
