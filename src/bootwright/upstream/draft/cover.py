"""The cover letter of a series of patches: what it is for, by evidence, and what is in it.

The form: Documentation/process/submitting-patches.rst (Linux 6.18) and git-format-patch(1), --cover-letter.
"""

from __future__ import annotations

import re
from email import policy
from email.parser import BytesParser
from pathlib import Path

from attrs import frozen

from bootwright.foundation.documents import list_kept
from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.upstream.draft.mail import mail
from bootwright.upstream.draft.report import Report
from bootwright.workshop.patches.unified import read_changes

_MARK = re.compile(r"^\s*(?:\[[^\]]*\]\s*)+")
_MOST_BYTES = 16 << 20


@frozen
class Patch:
    """One patch of a series."""

    author: str
    subject: str
    added: dict[str, int]
    """File → lines put in."""
    removed: dict[str, int]


def read_series(folder: Path) -> list[Patch]:
    """The patches of a folder, in the order of their names.

    Raises `Missing` where there is no folder, `Refused` where there is no patch in it, `Malformed` for a
    damaged one.
    """
    if not folder.is_dir():
        raise Missing(
            f"there is no folder {folder}", hint="bootwright kernel patches --out FOLDER writes one"
        )
    files = [path for path in list_kept(folder, ".patch") if not path.name.startswith("0000-")]
    if not files:
        raise Refused(
            f"{folder} has no patch", hint="its files end in .patch, as git format-patch writes them"
        )
    return [_read(path) for path in files]


def _read(path: Path) -> Patch:
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise Malformed(str(path), _MOST_BYTES, "a patch of at most 16 MiB", "more")
    message = BytesParser(policy=policy.compat32).parsebytes(data.partition(b"\n\n")[0] + b"\n\n")
    subject = " ".join(str(message.get("Subject", "")).split())
    if not subject:
        raise Malformed(str(path), 0, "a mail with a subject, as git format-patch writes", "none")
    added: dict[str, int] = {}
    removed: dict[str, int] = {}
    for change in read_changes(data, str(path)):
        for name in change.paths:
            lines = [line[:1] for hunk in change.hunks for line in hunk.lines]
            added[name] = added.get(name, 0) + lines.count(b"+")
            removed[name] = removed.get(name, 0) + lines.count(b"-")
    return Patch(str(message.get("From", "")), _MARK.sub("", subject), added, removed)


def cover(report: Report, series: list[Patch], base: str) -> str:
    """The letter: a report's text in front of the list of patches and what they change."""
    head, _, body = mail(report).partition("\n\n")
    subject = f"Subject: [PATCH 0/{len(series)}] {_topic(series)}"
    head = "\n".join(subject if line.startswith("Subject: ") else line for line in head.split("\n"))
    authors: dict[str, list[str]] = {}
    for patch in series:
        authors.setdefault(patch.author.partition(" <")[0] or "unknown", []).append(patch.subject)
    lines = [
        line
        for author, subjects in authors.items()
        for line in (f"{author} ({len(subjects)}):", *(f"  {subject}" for subject in subjects), "")
    ]
    files = sorted({name for patch in series for name in patch.added})
    width = max((len(name) for name in files), default=0)
    stat = [
        f" {name:{width}} | +{sum(patch.added.get(name, 0) for patch in series)}"
        f" -{sum(patch.removed.get(name, 0) for patch in series)}"
        for name in files
    ]
    inserted = sum(count for patch in series for count in patch.added.values())
    deleted = sum(count for patch in series for count in patch.removed.values())
    stat.append(f" {len(files)} files changed, {inserted} insertions(+), {deleted} deletions(-)")
    tail = [*lines, *stat, "", *([f"base-commit: {base}"] if base else [])]
    return f"{head}\n\n{body.rstrip()}\n\n---\n\n" + "\n".join(tail).rstrip() + "\n"


def _topic(series: list[Patch]) -> str:
    """What the subjects begin with alike, and the first one's rest."""
    prefixes = [patch.subject.rpartition(": ")[0] for patch in series]
    first = series[0].subject
    if len(series) > 1 and len(set(prefixes)) == 1 and prefixes[0]:
        return f"{prefixes[0]}: {len(series)} changes, from {first.rpartition(': ')[2]!r} on"
    return first
