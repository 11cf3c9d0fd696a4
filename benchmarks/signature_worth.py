"""What each signature carries alone: it is taken out singly, and every log that shows it is diagnosed again.

A signature is worth its place where an outcome, the cause or the first finding is another one without it, on
any log but its own golden ones. Of the rest, those without which their own golden logs keep their outcome are
said by something general too. Patterns stay, because other signatures may ask for them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from attrs import evolve, field, frozen

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Diagnosis, Outcome, Severity
from bootwright.diagnose.signatures.knowledge import load
from bootwright.diagnose.signatures.model import Knowledge, Rule
from bootwright.foundation.places import DATA
from diagnose_figures import Label, answer, read_labels

_SERIOUS = frozenset({Severity.FATAL, Severity.DEGRADING})
_MOST_BYTES = 3_000_000


@frozen(eq=False)
class Log:
    """One log, with its label where there is one."""

    name: str
    data: bytes = field(repr=False)
    label: Label | None = None
    golden_of: str = ""
    """The signature whose golden log it is."""


@frozen
class Verdict:
    """What is compared."""

    outcome: Outcome
    first: tuple[str, ...]
    """Signature and proof of the first serious finding."""
    right: tuple[bool, bool]
    """Outcome and cause, by the label."""


@frozen
class Worth:
    """What one signature carries alone."""

    logs: int
    """That show it."""
    changed: tuple[str, ...]
    """Logs, not its own golden ones, on which something is another without it."""
    needed_by_golden: bool
    """Whether one of its golden logs has another outcome without it."""


def known_logs(sets: Iterable[Path], loose: Iterable[Path]) -> Iterator[Log]:
    """Golden logs, gallery, labelled sets, and files without labels."""
    for path in sorted(DATA.glob("signatures/*/golden/*/console.log")) + sorted(
        DATA.glob("gallery/golden/*/console.log")
    ):
        owner = path.parts[-4]
        yield Log(f"{owner}/{path.parts[-2]}", path.read_bytes(), golden_of=owner)
    for folder in sets:
        for label in read_labels(folder):
            yield Log(f"{folder.name}/{label.id}", label.data, label)
    for folder in loose:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix in {".log", ".txt", ""} and path.stat().st_size < _MOST_BYTES:
                yield Log(str(path.relative_to(folder.parent)), path.read_bytes())


def worth_of_all(logs: Iterable[Log]) -> dict[str, Worth]:
    """By the signature's name."""
    knowledge = load()
    before: dict[Log, Verdict] = {}
    showing: dict[str, list[Log]] = defaultdict(list)
    for log in logs:
        diagnosis, before[log] = _answer(log, knowledge)
        for name in {finding.signature for boot in diagnosis.boots for finding in boot.findings}:
            showing[name].append(log)
        # One that is shown under another's name is looked at too.
        if log not in showing[log.golden_of]:
            showing[log.golden_of].append(log)
    return {
        entry.name: _worth(entry.name, showing.get(entry.name, ()), before, _muted(knowledge, entry.name))
        for entry in knowledge.signatures
    }


def _worth(name: str, showing: Iterable[Log], before: Mapping[Log, Verdict], muted: Knowledge) -> Worth:
    logs = list(showing)
    changed: list[str] = []
    needed = False
    for log in logs:
        _, after = _answer(log, muted)
        if log.golden_of == name:
            needed |= after.outcome is not before[log].outcome
        elif after != before[log]:
            changed.append(log.name)
    return Worth(len(logs), tuple(changed), needed)


def _answer(log: Log, knowledge: Knowledge) -> tuple[Diagnosis, Verdict]:
    if log.label is not None:
        judged = answer(log.label, knowledge)
        diagnosis, right = judged.diagnosis, (judged.outcome_right, judged.cause_right)
    else:
        diagnosis, right = diagnose_bytes(log.data, "log", knowledge), (True, True)
    first = next(
        (finding for boot in diagnosis.boots for finding in boot.findings if finding.severity in _SERIOUS),
        None,
    )
    proof = () if first is None else (first.signature, *(line.text for line in first.lines[:1]))
    return diagnosis, Verdict(diagnosis.outcome, proof, right)


def _muted(knowledge: Knowledge, name: str) -> Knowledge:
    signatures = tuple(
        evolve(entry, rule=Rule(seen=("@never",)), cases=()) if entry.name == name else entry
        for entry in knowledge.signatures
    )
    return Knowledge(signatures, knowledge.markers, knowledge.facts, knowledge.components, knowledge.ends)
