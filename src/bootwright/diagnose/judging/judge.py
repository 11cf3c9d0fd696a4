"""From what a boot has shown to findings, root cause first, and an outcome."""

from __future__ import annotations

from collections.abc import Set
from functools import lru_cache
from math import inf

from attrs import evolve, frozen

from bootwright.diagnose.judging.causes import ordered
from bootwright.diagnose.judging.device_roles import is_apart, keeps_no_root_away
from bootwright.diagnose.judging.errors.errnos import parse_errno
from bootwright.diagnose.judging.gaps import gaps_of
from bootwright.diagnose.judging.order.details import OF_LOADERS, sentence_of, shown, way_of, with_complaints
from bootwright.diagnose.judging.order.joining import MOST_LINES
from bootwright.diagnose.judging.order.kept_lines import KeptLines
from bootwright.diagnose.judging.order.own_words import with_own_words
from bootwright.diagnose.judging.order.roots import disk_lines, disk_names
from bootwright.diagnose.judging.rules import Held, facts_match, hold
from bootwright.diagnose.judging.state import BootState
from bootwright.diagnose.messages.speaker import kernel_modules
from bootwright.diagnose.model import STAGES, Boot, Finding, Line, Outcome, Severity
from bootwright.diagnose.reading.capture.reasons import in_one_sentence
from bootwright.diagnose.reading.voice import KERNEL, PROGRAM
from bootwright.diagnose.signatures.model import BESIDE, Case, Knowledge, Signature
from bootwright.diagnose.signatures.sentences import filled

_KERNEL = STAGES.index("kernel")
_INIT = STAGES.index("init")
_MOST_SHAPES = 2000
_ROOT_USER = "0"
LOADS_DRIVERS = frozenset({"systemd-udevd", "(udev-worker)", "udevd", "mdev", "modprobe", "insmod", "kmod"})
"""Programs, by whose tasks it shows that some ran."""
_MOST_APART = 8
"""Devices that have a finding by themselves; further ones share one with others of their driver."""
_NAMED = 6
"""Devices named in one sentence before `and N more`."""


@frozen
class _Group:
    """What one signature says alike of some devices."""

    severity: Severity
    case: Case | None
    held: tuple[Held, ...]


class Judge:
    """Holds the signatures by the events they start from."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._by_event: dict[str, list[Signature]] = {}
        self._outcomes: dict[tuple[object, ...], Outcome] = {}
        self._open_ends = frozenset(entry.name for entry in knowledge.signatures if entry.open_end)
        self._of_systems = frozenset(
            pattern.name
            for signature in knowledge.signatures
            for pattern in signature.patterns
            if pattern.speakers and pattern.speakers <= {KERNEL, PROGRAM}
        )
        """Events that only a kernel or a program says."""
        self._unknown_before = {
            name: STAGES.index(component.unknown_before)
            for name, component in knowledge.components.items()
            if component.unknown_before
        }
        self._of_reports = frozenset(
            name for signature in knowledge.signatures if signature.report for name in signature.rule.triggers
        )
        self._facts = tuple(pattern.name for pattern in knowledge.facts)
        for signature in knowledge.signatures:
            for name in signature.rule.triggers:
                self._by_event.setdefault(name, []).append(signature)

    def findings(self, boot: BootState) -> tuple[Finding, ...]:
        """Root causes first, worst first; consequences after them, each naming its cause."""
        signatures = {
            signature.name: signature for name in boot.tallies for signature in self._by_event.get(name, ())
        }
        signature_findings: list[tuple[Signature, Finding]] = []
        for name in sorted(signatures, key=lambda name: (bool(signatures[name].unless_told_by), name)):
            signature = signatures[name]
            better = signature.unless_told_by
            known = {
                line.number
                for other, finding in (signature_findings if better else ())
                if other.name in better
                for line in finding.lines
            }
            signature_findings.extend(
                (signature, finding) for finding in _findings_of(signature, boot, known)
            )
        signature_findings = _untold(signature_findings)
        crashes = {
            signature.name
            for signature, finding in signature_findings
            if signature.report or signature.crash or (signature.fallback and finding.area in OF_LOADERS)
        }
        units = {signature.name: signature.unit_in for signature, _ in signature_findings}
        return tuple(
            with_complaints(finding, boot)
            if finding.signature in crashes
            else with_own_words(finding, units[finding.signature], boot.kept)
            for finding in ordered(signature_findings, disks=disk_lines(boot))
        )

    def outcome(self, state: BootState) -> Outcome:
        """The outcome alone, remembered for boots of the same shape unless their text tells more."""
        if state.kept is not None:
            return self._outcome(state)
        shape = state.shape()
        remembered = self._outcomes.get(shape)
        if remembered is None:
            if len(self._outcomes) >= _MOST_SHAPES:
                self._outcomes.clear()
            remembered = self._outcomes[shape] = self._outcome(state)
        return remembered

    def sees_report(self, state: BootState) -> bool:
        """Whether there is a kernel's report, whose severity the lines around it may tell."""
        return not self._of_reports.isdisjoint(state.tallies)

    def _outcome(self, state: BootState) -> Outcome:
        findings = self.findings(state)
        return outcome_of(findings, recognised=not self._undecided(state, findings))

    def boot(self, state: BootState, source: str, *, restarted: bool, recognised: bool) -> Boot:
        """The boot as it is known now."""
        findings = self.findings(state)
        known = (recognised or not state.tallies.keys() <= BESIDE) and not state.cut
        is_certain = known and not self._undecided(state, findings)
        return Boot(
            source=source,
            first_line=state.first_line,
            last_line=state.last_line,
            outcome=outcome_of(findings, recognised=is_certain),
            stage=state.stage,
            stages=tuple(state.stages),
            findings=findings,
            gaps=gaps_of(state, findings),
            restarted=restarted,
            told=self._machine_facts(state),
        )

    def _undecided(self, state: BootState, findings: tuple[Finding, ...]) -> bool:
        """Whether nothing shows that a system ever ran, or the log ends while something is waited for."""
        speaks = state.logged or not self._of_systems.isdisjoint(state.tallies)
        nothing_ran = state.rank < _KERNEL and not (state.rank < 0 and speaks)
        too_early = any(state.rank < self._unknown_before.get(name, -1) for name in state.shown)
        return (
            nothing_ran
            or too_early
            or any(
                finding.signature in self._open_ends and finding.severity is Severity.INFO
                for finding in findings
            )
        )

    def _machine_facts(self, state: BootState) -> tuple[tuple[str, str], ...]:
        """What the log says of the machine; where it says several things, the first counts."""
        facts: dict[str, tuple[int, str]] = {}
        for name in self._facts:
            for tally in state.tallies.get(name, {}).values():
                line = tally.first[0].line
                for key, value in tally.facts.items():
                    if key not in facts or line < facts[key][0]:
                        facts[key] = (line, value)
        return tuple((key, value) for key, (_, value) in sorted(facts.items()))


@lru_cache(maxsize=4)
def judge_of(knowledge: Knowledge) -> Judge:
    """The judge by that knowledge; what it remembers of boots helps with the next file too."""
    return Judge(knowledge)


def outcome_of(findings: tuple[Finding, ...], *, recognised: bool) -> Outcome:
    """The worst finding decides; without any, a log in which nothing was recognised stays unknown."""
    worst = min((finding.severity.rank for finding in findings), default=Severity.HARMLESS.rank)
    if worst == Severity.FATAL.rank:
        return Outcome.FAILED
    if worst == Severity.DEGRADING.rank:
        return Outcome.DEGRADED
    return Outcome.BOOT_OK if recognised else Outcome.UNKNOWN


def _untold(signature_findings: list[tuple[Signature, Finding]]) -> list[tuple[Signature, Finding]]:
    """Without the findings about lines of which another one tells (`Signature.unless_told`).

    Nor is told of what goes on for ever what known words call harmless (`Signature.unless_harmless`).
    """
    others = [
        entry
        for entry in signature_findings
        if not (entry[0].unless_told or entry[0].joins or entry[0].raises)
    ]
    lines_of_others = {line for _, finding in others for line in finding.lines}
    harmless = {
        line for _, finding in others if finding.severity is Severity.HARMLESS for line in finding.lines
    }
    return [
        (signature, finding)
        for signature, finding in signature_findings
        if not (signature.unless_told and lines_of_others.intersection(finding.lines))
        and not (signature.unless_harmless and harmless.intersection(finding.lines))
    ]


def _findings_of(signature: Signature, boot: BootState, known: Set[int]) -> list[Finding]:
    """What one signature says, but for what `known`, the lines of those that say it better, holds."""
    if signature.needs and not boot.shown.intersection(signature.needs):
        return []
    groups: dict[tuple[Severity, int, str], list[Held]] = {}
    cases: dict[tuple[Severity, int, str], Case | None] = {}
    provoked_from = _provoked_from(signature, boot)
    for place, held in enumerate(hold(signature.rule, boot)):
        if known and any(proof.line in known for proof in held.proof):
            continue
        case, number, condition = _case(signature, boot, held)
        if case is not None and condition is not None and case.rule.error:
            held = evolve(held, facts={**held.facts, **condition.facts})
        if signature.area == "root" and (disks := disk_names(boot, held.last_line)):
            held = evolve(held, facts={**held.facts, "disks": disks})
        severity = (case.severity if case else None) or signature.severity
        softened = (case.once_ready if case else None) or signature.once_ready
        after_ready = (case.after_ready if case else None) or signature.after_ready
        if softened is not None and boot.later_than(held.last_line, "ready"):
            severity = softened
        elif after_ready is not None and (
            boot.was_up(held.first_line)
            or (not signature.stuck and (boot.went_on(held.last_line) or _late_report(signature, boot, held)))
        ):
            severity = after_ready
        if signature.open_end and boot.watched and severity is Severity.INFO:
            severity = Severity.FATAL
        if held.first_line > provoked_from and severity.rank < Severity.INFO.rank:
            severity = Severity.INFO
        if severity.rank < signature.severity.rank:
            # What makes it worse belongs to its proof.
            proof = condition.proof if condition is not None else ()
            held = evolve(held, proof=(*held.proof, *proof))
        of_device = ""
        if signature.apart and severity is Severity.INFO:
            of_device = str(place) if place < _MOST_APART else held.facts.get("driver", "")
        groups.setdefault((severity, number, of_device), []).append(held)
        cases[severity, number, of_device] = case
    return [
        _finding(signature, _Group(key[0], cases[key], tuple(group)), boot.kept)
        for key, group in groups.items()
    ]


def _provoked_from(signature: Signature, boot: BootState) -> float:
    """The line from which on the signature's events are provoked on purpose; infinite where nothing does."""
    lines = (
        tally.first[0].line
        for event in signature.provoked_by
        for tally in boot.tallies.get(event, {}).values()
    )
    return min(lines, default=inf)


def _late_report(signature: Signature, boot: BootState, held: Held) -> bool:
    """Whether a report is of a system that was up, or of a part of it alone.

    It was up where the task is of a session or of another user than root, or after the boot; a part is a
    driver of what no disk and no root depends on, in a task that is not the first process. Nor did such a
    task stop the boot where the programs of a system were at work after it.
    """
    if not signature.report or boot.kept is None:
        return False
    facts = boot.kept.around(held.first_line)
    if facts.get("uid", _ROOT_USER) != _ROOT_USER or "session" in facts:
        return True
    if boot.had_settled(held.first_line):
        return True
    module = facts.get("module", "").replace("-", "_")
    files = kernel_modules().get(module, ())
    apart = keeps_no_root_away(files) if files else bool(module) and is_apart(module.encode())
    programs = boot.rank >= _INIT or facts.get("task", "") in LOADS_DRIVERS
    of_another = facts.get("pid", "1") != "1"
    return of_another and ((programs and apart) or boot.acted_after(held.last_line))


def _case(signature: Signature, boot: BootState, held: Held) -> tuple[Case | None, int, Held | None]:
    """The case that fits, its number, and what shows that it does beyond what the signature asks for."""
    for number, case in enumerate(signature.cases):
        if not facts_match(case.rule.facts, held.facts):
            continue
        if case.severity is Severity.FATAL and case.rule.not_reached and boot.ran_before:
            continue  # what no stage is seen of ran long ago
        conditions = evolve(
            case.rule,
            together=signature.rule.together,
            facts={},
            # Conditions on the rest of the boot alone still need an event to start from.
            any_of=case.rule.any_of or (() if case.rule.triggers else signature.rule.triggers),
        )
        key = {name: held.facts[name] for name in signature.rule.together if name in held.facts}
        for condition_held in hold(conditions, boot):
            if all(condition_held.facts.get(name, value) == value for name, value in key.items()):
                return case, number, condition_held if case.rule.triggers or case.rule.error else None
    return None, -1, None


def _finding(signature: Signature, group: _Group, kept: KeptLines | None) -> Finding:
    facts, way = _merged(group.held), ""
    if kept is not None and signature.report:
        # The first report counts: later ones may be its consequences.
        report = kept.around(min(held.first_line for held in group.held))
        facts, way = {**report, **facts}, way_of(report)
    case = group.case
    occurrences = {place.line: place for held in group.held for place in held.proof}
    numbers = sorted(occurrences)
    if len(numbers) > MOST_LINES:
        numbers = [*numbers[: MOST_LINES - 2], *numbers[-2:]]
    return Finding(
        signature=signature.name,
        title=filled(signature.title, facts),
        severity=group.severity,
        area=signature.area,
        cause=sentence_of((case.cause if case else "") or signature.cause, facts, kept) + way,
        lines=tuple(Line(number, shown(occurrences[number].raw)) for number in numbers),
        count=sum(held.count for held in group.held),
        facts=tuple(sorted(facts.items())),
        explains=(),
        caused_by=None,
        breaks=filled((case.breaks if case else "") or signature.breaks, facts),
        remedy=filled((case.remedy if case else "") or signature.remedy, facts),
        kernel_arguments=filled(signature.kernel_arguments, facts),
        sources=signature.sources,
        limits=signature.limits,
        says_why=not signature.says_no_why,
    )


def _merged(held: tuple[Held, ...]) -> dict[str, str]:
    values: dict[str, list[str]] = {}
    for entry in held:
        for name, value in entry.facts.items():
            if name == "errno":
                error = parse_errno(value)
                value = str(error) if error else value
            value = in_one_sentence(value)
            known_values = values.setdefault(name, [])
            if value not in known_values:
                known_values.append(value)
    facts = {}
    for name, several in values.items():
        more = f" and {len(several) - _NAMED} more" if len(several) > _NAMED else ""
        facts[name] = ", ".join(several[:_NAMED]) + more
    return facts
