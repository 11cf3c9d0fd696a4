"""The form of signature and stage files, as docs/signatures.md describes it: the classes are the schemas."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from attrs import field, frozen

from bootwright.diagnose.model import STAGES, Severity
from bootwright.diagnose.reading.kept_literals import check_expression, literals_of
from bootwright.diagnose.reading.literals import SHORTEST, Literal
from bootwright.diagnose.reading.voice import SPEAKERS
from bootwright.diagnose.signatures.model import AREAS, END_KINDS, ERROR_KINDS, ROLES
from bootwright.foundation.choices import hint_for
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import LONE, STEM, key, written


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _known(text: str, known: Iterable[str], kind: str) -> str:
    names = tuple(known)
    if text not in names:
        raise ValueError(f"one of {', '.join(names)}", text, hint_for(text, names, kind=kind))
    return text


def _stage(text: str) -> str:
    return _known(text, STAGES, "stages")


def _stages(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_stage(text) for text in texts)


def _speaker(text: str) -> str:
    return _known(text, SPEAKERS, "speakers")


def _speakers(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_speaker(text) for text in texts)


def _speakers_of(events: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    return {event: _speakers(texts) for event, texts in events.items()}


def _role(text: str) -> str:
    return _known(text, ROLES, "roles")


def _error_kind(text: str) -> str:
    return _known(text, ERROR_KINDS, "kinds of an error")


def _end_kind(text: str) -> str:
    return _known(text, END_KINDS, "kinds of an end")


def _expression(text: str) -> str:
    try:
        check_expression(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError("a regular expression", f"{text!r} ({error})") from error
    return text


def _area(text: str) -> str:
    return _known(text, AREAS, "areas")


def _expressions(texts: Mapping[str, str]) -> Mapping[str, str]:
    for name, text in texts.items():
        try:
            check_expression(text)
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"a regular expression for {name}", f"{text!r} ({error})") from error
    return texts


@frozen
class Expression:
    """A regular expression, and literals of which every match holds one."""

    text: str
    literals: frozenset[Literal]

    @classmethod
    def from_toml(cls, value: object) -> Expression:
        """Raises `ValueError` where it is none, or holds too few literal bytes to be searched for fast."""
        if not isinstance(value, str):
            raise ValueError("a regular expression", value)
        try:
            literals = literals_of(value)
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError("a regular expression", f"{value!r} ({error})") from error
        if not literals:
            raise ValueError(f"a pattern with {SHORTEST} literal bytes in a row", value)
        return cls(value, literals)


@frozen(kw_only=True)
class RuleTable:
    """The table `[when]`; `model.Rule` says what each key means."""

    seen: tuple[str, ...] = field(default=(), metadata=LONE)
    any_of: tuple[str, ...] = field(default=(), metadata=LONE)
    sequence: tuple[str, ...] = field(default=(), metadata=LONE)
    at_least: Mapping[str, int] = field(factory=dict)
    also: tuple[str, ...] = field(default=(), metadata=LONE)
    without: tuple[str, ...] = field(default=(), metadata=LONE)
    without_later: tuple[str, ...] = field(default=(), metadata=LONE)
    without_earlier: tuple[str, ...] = field(default=(), metadata=LONE)
    stages: tuple[str, ...] = field(default=(), metadata={**LONE, **written(tuple[str, ...], _stages)})
    excerpt: bool = False
    reached: str = field(default="", metadata=written(str, _stage))
    not_reached: str = field(default="", metadata=written(str, _stage))
    last_word: int | None = None
    lasts: float | None = None
    late: float | None = None
    together: tuple[str, ...] = field(default=(), metadata=LONE)
    different: int = 1
    grave: bool = False
    carries: str = field(default="", metadata=written(str, _role))
    error: str = field(default="", metadata=written(str, _error_kind))
    latest: bool = False
    last_facts: bool = False
    facts: Mapping[str, str] = field(factory=dict, metadata=written(Mapping[str, str], _expressions))


@frozen(kw_only=True)
class WhenTable(RuleTable):
    """A rule that has something to start from."""

    def __attrs_post_init__(self) -> None:
        """Raises `ValueError` for a rule that no event would ever start."""
        if not (self.seen or self.any_of or self.sequence or self.at_least):
            raise ValueError("an event to start from (`seen`, `any_of`, …)", "none")


@frozen(kw_only=True)
class CaseTable(RuleTable):
    """A table `[[case]]`: what differs, and the further conditions under which it does."""

    severity: Severity | None = None
    once_ready: Severity | None = None
    after_ready: Severity | None = None
    cause: str = field(default="", converter=_one_line)
    remedy: str = field(default="", converter=_one_line)
    breaks: str = field(default="", converter=_one_line)


@frozen(kw_only=True)
class SignatureFile:
    """`signatures/NAME/signature.toml`."""

    name: str = field(metadata=STEM)
    title: str = field(converter=_one_line)
    area: str = field(metadata=written(str, _area))
    severity: Severity
    once_ready: Severity | None = None
    after_ready: Severity | None = None
    cause: str = field(converter=_one_line)
    breaks: str = field(default="", converter=_one_line)
    remedy: str = field(converter=_one_line)
    limits: str = field(converter=_one_line)
    sources: tuple[str, ...] = field(default=(), metadata=LONE)
    explains: tuple[str, ...] = field(default=(), metadata=LONE)
    explains_only: Mapping[str, Mapping[str, str]] = field(factory=dict)
    explains_if: Mapping[str, Mapping[str, str]] = field(factory=dict)
    of_reports: Mapping[str, str] = field(factory=dict)
    speakers: tuple[str, ...] = field(default=(), metadata={**LONE, **written(tuple[str, ...], _speakers)})
    event_speakers: Mapping[str, tuple[str, ...]] = field(
        factory=dict, metadata=written(Mapping[str, tuple[str, ...]], _speakers_of)
    )
    needs: tuple[str, ...] = field(default=(), metadata=LONE)
    provoked_by: tuple[str, ...] = field(default=(), metadata=LONE)
    ends_boot: bool = False
    report: bool = False
    by_timer: bool = False
    crash: bool = False
    stuck: bool = False
    open_end: bool = False
    fallback: bool = False
    may_be_meant: bool = False
    lost: bool = False
    unless_told: bool = False
    unless_told_by: tuple[str, ...] = field(default=(), metadata=LONE)
    may_be_empty: bool = False
    unless_harmless: bool = False
    unless_serious: bool = False
    raises: bool = False
    apart: bool = False
    joins: bool = False
    says_no_why: bool = False
    unit_in: str = ""
    kernel_arguments: str = field(default="", converter=_one_line)
    events: Mapping[str, Expression] = field(factory=dict)
    when: WhenTable
    cases: tuple[CaseTable, ...] = field(default=(), metadata=key("case"))


@frozen
class MarkerTable:
    """A table `[[marker]]`: a line that shows how far a boot got."""

    name: str
    stage: str = field(metadata=written(str, _stage))
    label: str = field(converter=_one_line)
    pattern: Expression
    begins: bool = False
    hands_over: bool = False
    shell: bool = False
    stays: bool = False
    under_kernel: bool = False
    unnamed: bool = False
    unless: tuple[str, ...] = field(default=(), metadata=LONE)


@frozen(kw_only=True)
class EndTable:
    """A table `[[end]]`: how the last lines show how a component ended."""

    kind: str = field(metadata=written(str, _end_kind))
    pattern: str = field(metadata=written(str, _expression))


@frozen
class FactTable:
    """A table `[[fact]]`: a line that says what machine or kernel it is."""

    name: str
    pattern: Expression


@frozen(kw_only=True)
class StagesFile:
    """`stages/COMPONENT.toml`."""

    component: str = field(metadata=STEM)
    title: str = ""
    source: str = ""
    unknown_before: str = field(default="", metadata=written(str, _stage))
    unread: bool = False
    ends: tuple[EndTable, ...] = field(default=(), metadata=key("end"))
    markers: tuple[MarkerTable, ...] = field(default=(), metadata=key("marker"))
    facts: tuple[FactTable, ...] = field(default=(), metadata=key("fact"))


SIGNATURES = Kind("signatures", "a signature", SignatureFile, file="*/signature.toml")
STAGE_FILES = Kind("stages", "a component's stages", StagesFile)
