"""A diagnosis as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import click

from bootwright.diagnose.model import SERIOUS, Boot, Diagnosis, Evidence, Finding, Outcome, Severity, Stance
from bootwright.foundation.screen import line_width

_COLOURS = {
    Severity.FATAL: "red",
    Severity.DEGRADING: "yellow",
    Severity.INFO: "cyan",
    Severity.HARMLESS: "green",
    Outcome.FAILED: "red",
    Outcome.DEGRADED: "yellow",
    Outcome.BOOT_OK: "green",
    Outcome.UNKNOWN: "cyan",
}
_MARKS = {Stance.CONFIRMS: "yes:", Stance.REFUTES: "but:", Stance.TELLS: "note:"}
_SHOWN_BOOTS = 12
_SHOWN_LINES = 8


def as_text(diagnosis: Diagnosis, *, every: bool = False) -> str:
    """The report, with terminal colours (the caller strips them where there is no terminal).

    `every` shows sources and limits of harmless findings too, and all boots.
    """
    out = [_coloured(f"{diagnosis.outcome}: {diagnosis.sentence}", diagnosis.outcome)]
    boots = list(enumerate(diagnosis.boots, 1))
    if not every and len(boots) > _SHOWN_BOOTS:
        hidden = len(boots) - _SHOWN_BOOTS
        boots = boots[-_SHOWN_BOOTS:]
        out.append(f"{hidden + diagnosis.boots_left_out} earlier boots are not shown (--all shows them)")
    elif diagnosis.boots_left_out:
        out.append(f"{diagnosis.boots_left_out} boots in the middle of the file are left out")
    several = len(diagnosis.boots) > 1 or len({boot.source for boot in diagnosis.boots}) > 1
    blamed = diagnosis.blamed if several else None
    if blamed is not None:
        finding = blamed.finding
        line = f", line {finding.lines[0].number}" if finding.lines else ""
        lead = "worth knowing" if finding.severity is Severity.INFO else "to blame"
        out.append(f"{lead}: {finding.title} (boot {blamed.boot + 1}{line})")
    if diagnosis.if_silent is not None:
        finding = diagnosis.if_silent
        line = f" (line {finding.lines[-1].number})" if finding.lines else ""
        says = f"it failed: {finding.title}{line}; then ask again with --watched"
        out += _wrapped(f"if nothing came after its last line although you waited, {says}", "")
    for number, boot in boots:
        out.append("")
        out.extend(_boot(boot, number if several else None, every=every))
    return "\n".join(out)


def finding_lines(finding: Finding, *, source: str = "") -> list[str]:
    """One finding as `--follow` prints it."""
    return list(_finding(finding, None, source=source))


def _boot(boot: Boot, number: int | None, *, every: bool) -> Iterator[str]:
    name = f"{boot.source}: " if number is None else f"{boot.source}, boot {number}: "
    where = f"lines {boot.first_line}–{boot.last_line}, " if boot.last_line else ""
    ending = ", then it restarted" if boot.restarted else ""
    yield click.style(f"{name}{where}{boot.outcome}, got as far as {boot.stage}{ending}", bold=True)
    for evidence in boot.evidence:
        yield from _evidence(evidence, "  ")
    if boot.stages:
        yield from _wrapped(" → ".join(_stage(boot, index) for index in _telling(boot)), "  reached: ")
    main = [candidate for candidate in boot.findings if candidate.severity in SERIOUS]
    shown = 0
    for finding in main:
        if finding.caused_by is None:
            shown += 1
            yield ""
            yield from _finding(finding, shown)
            consequences = [consequence for consequence in main if consequence.caused_by is not None]
            yield from _consequences(finding, consequences)
    notes = [candidate for candidate in boot.findings if candidate not in main]
    if notes:
        yield ""
        yield from _notes(notes, every=every)
    for gap in boot.gaps:
        yield ""
        yield from _wrapped(gap.missing, "  the log cannot say: ")
        yield from _wrapped(gap.get_it, "    to know: ")


def _telling(boot: Boot) -> list[int]:
    """The first milestone of each stage and the last of all."""
    first_of_stage: dict[str, int] = {}
    for index, stage in enumerate(boot.stages):
        first_of_stage.setdefault(stage.name, index)
    return sorted({*first_of_stage.values(), len(boot.stages) - 1})


def _stage(boot: Boot, index: int) -> str:
    stage = boot.stages[index]
    time = "" if stage.time is None else f", {stage.time:.2f} s"
    return f"{stage.label} (line {stage.line}{time})"


def _finding(finding: Finding, number: int | None, *, source: str = "") -> Iterator[str]:
    lead = f"{number}. " if number is not None else ""
    place = f"{source}: " if source else ""
    yield _coloured(f"{lead}{place}{finding.severity}: {finding.title}", finding.severity)
    yield from _wrapped(finding.cause, "   ")
    for line in finding.lines[:_SHOWN_LINES]:
        yield f"   {line.number:>7} | {line.text[:200]}"
    if finding.count > len(finding.lines):
        yield f"           {finding.count} lines say so"
    for evidence in finding.evidence:
        yield from _evidence(evidence, "   ")
    if finding.breaks:
        yield from _wrapped(finding.breaks, "   breaks: ")
    yield from _wrapped(finding.remedy, "   next:   ")
    if finding.kernel_arguments:
        yield from _wrapped(finding.kernel_arguments, "   to see more, boot with: ")
    yield from _wrapped("; ".join(finding.sources), "   see:    ")
    if finding.limits and finding.limits != "None known.":
        yield from _wrapped(finding.limits, "   limits: ")


def _evidence(evidence: Evidence, indent: str) -> Iterator[str]:
    yield from _wrapped(f"{_MARKS[evidence.stance]} {evidence.says} [{evidence.where}]", f"{indent}image:  ")


def _consequences(finding: Finding, consequences: list[Finding]) -> Iterator[str]:
    # Of two devices that fail alike, each has its own cause.
    above = {finding.signature, *finding.explains}
    named = [
        consequence
        for consequence in consequences
        if consequence.signature in finding.explains and consequence.caused_by in above
    ]
    if named:
        titles = [
            f"{consequence.title} (line {consequence.lines[0].number})"
            if consequence.lines
            else consequence.title
            for consequence in named
        ]
        yield from _wrapped("; ".join(titles), "   led to: ")


def _notes(notes: list[Finding], *, every: bool) -> Iterator[str]:
    for severity in (Severity.INFO, Severity.HARMLESS):
        group = [candidate for candidate in notes if candidate.severity is severity]
        if not group:
            continue
        yield _coloured("worth knowing:" if severity is Severity.INFO else "harmless:", severity)
        for finding in group:
            yield from _wrapped(f"{_place(finding)}{finding.cause}", "   ")
            if every:
                yield from (f"{line.number:>9} | {line.text[:200]}" for line in finding.lines[:_SHOWN_LINES])
                yield from _wrapped(finding.remedy, "     next: ")


def _place(finding: Finding) -> str:
    """Where a finding begins and ends, and how often it was seen."""
    if not finding.lines:
        return ""
    first, last = finding.lines[0].number, max(line.number for line in finding.lines)
    if first == last:
        return f"line {first}: "
    times = f" ({finding.count} times)" if finding.count > 1 else ""
    return f"lines {first}–{last}{times}: "


def _wrapped(text: str, lead: str) -> list[str]:
    return textwrap.wrap(
        text,
        line_width(),
        initial_indent=lead,
        subsequent_indent=" " * len(lead),
        break_long_words=False,
        break_on_hyphens=False,
    ) or [lead.rstrip()]


def _coloured(text: str, value: Severity | Outcome) -> str:
    return click.style(text, fg=_COLOURS[value], bold=True)
