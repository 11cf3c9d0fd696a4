"""What the guest reported: KTAP version 1 out of a console that carries other things too.

KTAP as in Documentation/dev-tools/ktap.rst (Linux 6.12). The guest's lines carry the mark of their boot,
a random word given on the kernel command line; every other line of the console is the kernel's, whatever
it says, and is never a result.
"""

from __future__ import annotations

import re

from attrs import frozen

from bootwright.lab.machines.recorded import Recording

_MARK = re.compile(r"(?:^|\s)bootwright\.mark=([A-Za-z0-9]{1,32})(?:\s|$)")
_RESULT = re.compile(r"(not ok|ok) (\d{1,6}) (?:- )?([^\s#]{1,100})(?: # (.{0,300}))?\s*\Z")
_PLAN = re.compile(r"1\.\.(\d{1,6})\Z")
_FACT = re.compile(r"# bootwright: (\w{1,40})(?: (.{0,300}))?\Z")
_SUBTEST = re.compile(r"# Subtest: (\S{1,100})\Z")
_CALL = re.compile(r"([\w-]{1,40}): (E[A-Z0-9]{1,20}|\d{1,6}|done)\Z")
_SKIP = re.compile(r"SKIP\b[:\s]*(.*)\Z", re.IGNORECASE)
_MOST_TESTS = 10_000


@frozen
class ProbeTest:
    """One test of a probe."""

    group: str
    """The probe it belongs to: `mounts`, …"""
    name: str
    ok: bool | None
    """None: skipped, and `detail` says what was missing."""
    call: str | None
    """The system call that failed, or that was refused as it has to be."""
    errno: str | None
    """Its errno's name (`EINVAL`), or number where it has no name."""
    detail: str
    """What else the guest said: why it was skipped, the kernel's own words."""


@frozen
class ProbeResult:
    """Everything a boot's probes reported."""

    release: str | None
    """`uname -r` in the guest."""
    page_size: int | None
    """Bytes, from the auxiliary vector's AT_PAGESZ."""
    tests: tuple[ProbeTest, ...]
    complete: bool
    """Every planned group and test reported, and the guest said that it ended."""
    diagnostics: tuple[str, ...]
    """Lines of the guest that belong to no test."""


def read(recording: Recording) -> ProbeResult:
    """The results in a recording, identified by the mark its kernel was given."""
    match = _MARK.search(recording.kernel_arguments)
    return parse(recording.console, match[1] if match else "bootwright")


def parse(console: bytes, mark: str) -> ProbeResult:
    """The results in `console`: a pure function, for any bytes."""
    release: str | None = None
    page_size: int | None = None
    ended = False
    groups_planned: int | None = None
    groups_done: list[str] = []
    planned: dict[str, int] = {}
    tests: list[ProbeTest] = []
    notes: list[str] = []
    loose: list[str] = []
    group = ""
    for text in _lines(console, mark):
        line = text.strip()
        nested = text.startswith("  ")
        if fact := _FACT.match(line):
            key, value = fact[1], fact[2] or ""
            if key == "release" and release is None:
                release = value
            elif key == "page_size" and page_size is None and value.isascii() and value.isdigit():
                page_size = int(value)
            elif key == "end":
                ended = True
        elif match := _SUBTEST.match(line):
            group, notes = match[1], []
        elif plan := _PLAN.match(line):
            if nested:
                planned.setdefault(group, int(plan[1]))
            elif groups_planned is None:
                groups_planned = int(plan[1])
        elif result := _RESULT.match(line):
            if nested:
                if len(tests) < _MOST_TESTS:
                    tests.append(_test(group, result, notes))
                notes = []
            else:
                groups_done.append(result[3])
                group = ""
        elif line.startswith("#"):
            (notes if group else loose).append(line.lstrip("# "))
    seen = {name: sum(test.group == name for test in tests) for name in planned}
    complete = (
        ended
        and groups_planned == len(groups_done)
        and set(groups_done) == set(planned)
        and all(seen[name] == count for name, count in planned.items())
    )
    return ProbeResult(release, page_size, tuple(tests), complete, tuple(loose))


def _lines(console: bytes, mark: str) -> list[str]:
    """What follows `MARK: ` on each line that has it, without control characters."""
    label = f"{mark}: ".encode()
    lines = []
    for raw in re.split(rb"[\r\n]+", console):
        _, separator, rest = raw.partition(label)
        if separator:
            text = rest.decode(errors="replace")
            lines.append("".join(char if char.isprintable() else "�" for char in text).rstrip())
    return lines


def _test(group: str, result: re.Match[str], notes: list[str]) -> ProbeTest:
    remark = result[4] or ""
    remarks = "; ".join(note for note in notes if note)[:600]
    if skip := _SKIP.match(remark):
        return ProbeTest(group, result[3], None, None, None, skip[1] or "skipped")
    call = _CALL.match(remark)
    errno = call[2] if call and call[2] != "done" else None
    detail = remarks if call else "; ".join(part for part in (remark, remarks) if part)
    return ProbeTest(group, result[3], result[1] == "ok", call[1] if call else None, errno, detail)
