"""Signatures and stage markers as the engine wants them: from the files that `schema` describes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from attrs import evolve

from bootwright.diagnose.model import RANKS, STAGES, Severity
from bootwright.diagnose.reading.kept_literals import keep
from bootwright.diagnose.reading.patterns import Pattern
from bootwright.diagnose.signatures.model import (
    PSEUDO_EVENTS,
    Case,
    Component,
    End,
    Knowledge,
    Marker,
    Rule,
    Signature,
)
from bootwright.diagnose.signatures.schema import (
    SIGNATURES,
    STAGE_FILES,
    Expression,
    RuleTable,
    SignatureFile,
    StagesFile,
)
from bootwright.foundation.choices import hint_for
from bootwright.foundation.errors import Malformed


@cache
def load(root: Path | None = None) -> Knowledge:
    """All signatures and stages, ours and the user's, or only those below `root`, read once.

    Raises `Malformed` naming file and key.
    """
    if root is None:
        made = make_knowledge(SIGNATURES.all(), STAGE_FILES.all(), SIGNATURES.files())
        keep()
        return made
    files = SIGNATURES.files_below(root)
    signatures = {name: SIGNATURES.load(path) for name, path in files.items()}
    stages = {name: STAGE_FILES.load(path) for name, path in STAGE_FILES.files_below(root).items()}
    return make_knowledge(signatures, stages, files)


def make_knowledge(
    signatures: Mapping[str, SignatureFile], stages: Mapping[str, StagesFile], files: Mapping[str, Path]
) -> Knowledge:
    """Put the files together; `files` name them in errors. Raises `Malformed` for a name of nothing."""
    markers = {marker.name: marker for file in stages.values() for marker in _markers(file)}
    facts = tuple(
        _pattern(f"@{file.component}/{fact.name}", fact.pattern)
        for file in stages.values()
        for fact in file.facts
    )
    made = tuple(_signature(file) for file in signatures.values())
    known = {pattern.name for signature in made for pattern in signature.patterns} | set(markers)
    for file in stages.values():
        for table in file.markers:
            _check_names(str(files.get(file.component, file.component)), table.unless, known)
    for signature in made:
        where = str(files.get(signature.name, signature.name))
        _check_events(where, signature, known)
        for name in (*signature.explains, *signature.explains_only):
            if name not in signatures:
                hint = hint_for(name, signatures, kind="signatures")
                raise Malformed(where, None, "names of signatures in `explains`", name, hint=hint)
        for name in signature.needs:
            if name not in stages:
                hint = hint_for(name, stages, kind="components")
                raise Malformed(where, None, "names of files in `stages/` in `needs`", name, hint=hint)
    components = {
        file.component: Component(
            file.component, file.title or file.component, file.unknown_before, file.unread
        )
        for file in stages.values()
    }
    ends = tuple(
        End(file.component, table.kind, table.pattern) for file in stages.values() for table in file.ends
    )
    return Knowledge(made, markers, facts, components, ends)


def _check_events(where: str, signature: Signature, known: Iterable[str]) -> None:
    wanted = list(signature.provoked_by)
    for rule in (signature.rule, *(case.rule for case in signature.cases)):
        wanted += (*rule.triggers, *rule.also, *rule.without, *rule.without_later, *rule.without_earlier)
    _check_names(where, wanted, (*known, *PSEUDO_EVENTS, *(f"@stage:{stage}" for stage in STAGES)))


def _check_names(where: str, wanted: Iterable[str], known: Iterable[str]) -> None:
    names = tuple(known)
    allowed = set(names)
    for name in wanted:
        if name not in allowed:
            hint = hint_for(name, names, kind="events")
            raise Malformed(where, None, "the name of an event", name, hint=hint)


def _pattern(name: str, expression: Expression, speakers: Iterable[str] = ()) -> Pattern:
    return Pattern(name, expression.text, expression.literals, speakers=frozenset(speakers))


def _rule(table: RuleTable, signature: str) -> Rule:
    def names(events: Iterable[str]) -> tuple[str, ...]:
        return tuple(_event_name(event, signature) for event in events)

    return Rule(
        seen=names(table.seen),
        any_of=names(table.any_of),
        sequence=names(table.sequence),
        at_least={_event_name(event, signature): count for event, count in table.at_least.items()},
        also=names(table.also),
        without=names(table.without),
        without_later=names(table.without_later),
        without_earlier=names(table.without_earlier),
        stages=table.stages,
        excerpt=table.excerpt,
        reached=table.reached,
        not_reached=table.not_reached,
        last_word=table.last_word,
        lasts=table.lasts,
        late=table.late,
        together=table.together,
        different=table.different,
        grave=table.grave,
        carries=table.carries,
        error=table.error,
        latest=table.latest,
        last_facts=table.last_facts,
        facts=table.facts,
    )


def _event_name(name: str, signature: str) -> str:
    return name if name.startswith("@") or "/" in name else f"{signature}/{name}"


def _no_worse(own: Severity | None, general: Severity | None, severity: Severity | None) -> Severity | None:
    """A case's severity at a later time: its own, or its severity as such where the signature's is worse.

    That a machine came up, or was up, makes nothing more serious than it is.
    """
    if own is not None or general is None or severity is None:
        return own
    return severity if general.rank < severity.rank else None


def _signature(file: SignatureFile) -> Signature:
    return Signature(
        name=file.name,
        title=file.title,
        area=file.area,
        severity=file.severity,
        once_ready=file.once_ready,
        after_ready=file.after_ready,
        cause=file.cause,
        breaks=file.breaks,
        remedy=file.remedy,
        limits=file.limits,
        sources=file.sources,
        explains=file.explains,
        explains_only=file.explains_only,
        explains_if=file.explains_if,
        of_reports=file.of_reports,
        needs=file.needs,
        provoked_by=tuple(_event_name(event, file.name) for event in file.provoked_by),
        ends_boot=file.ends_boot,
        report=file.report,
        by_timer=file.by_timer,
        crash=file.crash,
        stuck=file.stuck,
        open_end=file.open_end,
        fallback=file.fallback,
        may_be_meant=file.may_be_meant,
        lost=file.lost,
        unless_told=file.unless_told,
        unless_told_by=file.unless_told_by,
        may_be_empty=file.may_be_empty,
        unless_harmless=file.unless_harmless,
        unless_serious=file.unless_serious,
        raises=file.raises,
        apart=file.apart,
        joins=file.joins,
        says_no_why=file.says_no_why,
        unit_in=file.unit_in,
        kernel_arguments=file.kernel_arguments,
        patterns=tuple(
            _pattern(f"{file.name}/{event}", expression, file.event_speakers.get(event, file.speakers))
            for event, expression in file.events.items()
        ),
        rule=_rule(file.when, file.name),
        cases=tuple(
            Case(
                severity=case.severity,
                once_ready=_no_worse(case.once_ready, file.once_ready, case.severity),
                after_ready=_no_worse(case.after_ready, file.after_ready, case.severity),
                cause=case.cause,
                remedy=case.remedy,
                breaks=case.breaks,
                rule=_rule(case, file.name),
            )
            for case in file.cases
        ),
    )


def _markers(file: StagesFile) -> Iterable[Marker]:
    for table in file.markers:
        name = f"@{file.component}/{table.name}"
        # Whether it came up after something went wrong is asked of `ready` alone.
        before_kernel = RANKS[table.stage] < RANKS["kernel"] and not (
            table.unnamed or table.stays or table.under_kernel
        )
        once = not (table.begins or before_kernel) and table.stage != "ready"
        yield Marker(
            name=name,
            stage=table.stage,
            label=table.label,
            component=file.component,
            begins=table.begins,
            hands_over=table.hands_over,
            shell=table.shell,
            stays=table.stays,
            unnamed=table.unnamed,
            unless=table.unless,
            pattern=evolve(
                _pattern(name, table.pattern), once=once, begins=table.begins, before_kernel=before_kernel
            ),
        )
