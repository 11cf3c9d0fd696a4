"""What people told of cells that they tried: one file each, in `told/` of the run's folder.

Told is taken in whenever it comes, also while a campaign works in the folder: a file appears whole or not at
all, and none is ever changed. Its id is a hash of what was told, so that the same log told twice counts once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import cattrs
from attrs import field, frozen

from bootwright.foundation import atomic
from bootwright.foundation.documents import list_kept, parse_document, read_kept
from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.observations import Observation, Source

SCHEMA = "bootwright/told/1"
_SOURCES = {source.word: source for source in (Source.BENCH, Source.EMULATED)}
FOLDER = "told"
_MOST_BYTES = 1 << 20


@frozen
class Told:
    """What one person, or one bench, saw in one cell."""

    id: str
    cell: str
    factors: dict[str, str]
    outcomes: dict[str, Verdict]
    told_at: str
    """UTC, ISO 8601."""
    by: str = ""
    """Who or which board, as told."""
    note: str = ""
    says: list[str] = field(factory=list)
    """What it means."""
    cause: str = ""
    """The root cause by the log."""
    logs: list[str] = field(factory=list)
    """SHA-256 of each, a file of the same folder."""
    minutes: float = 0.0
    """What it took, as told; 0 where nothing was said."""
    source: str = Source.BENCH.word
    """`bench`, or `emulated` for a boot of an emulated cell in somebody else's laboratory."""
    evidence: dict[str, str] = field(factory=dict)
    """What the results themselves said of it, such as the kernel's release."""
    schema: str = SCHEMA

    def __attrs_post_init__(self) -> None:
        """Raises `ValueError` for another source."""
        if self.source not in _SOURCES:
            raise ValueError(" or ".join(_SOURCES), self.source)


def make_told(
    cell: str,
    factors: Mapping[str, str],
    outcomes: Mapping[str, Verdict],
    *,
    by: str = "",
    note: str = "",
    says: Sequence[str] = (),
    cause: str = "",
    logs: Sequence[bytes] = (),
    minutes: float = 0.0,
    source: Source = Source.BENCH,
    evidence: Mapping[str, str] | None = None,
) -> Told:
    """What was told just now, with its id."""
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    digests = [hashlib.sha256(log).hexdigest() for log in logs]
    parts = [cell, by, *sorted(f"{name}={verdict}" for name, verdict in outcomes.items()), *digests]
    parts += [] if digests else [note, now]  # answers alone are as many as there were
    if source is not Source.BENCH:  # one boot is several cells: a level that no test depends on differs
        parts += [source.word, *(f"{name}={level}" for name, level in sorted(factors.items()))]
    return Told(
        id=hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12],
        cell=cell,
        factors=dict(factors),
        outcomes=dict(outcomes),
        told_at=now,
        by=by,
        note=note,
        says=list(says),
        cause=cause,
        logs=digests,
        minutes=minutes,
        source=source.word,
        evidence=dict(evidence or {}),
    )


def keep_told(folder: Path, answer: Told, logs: Sequence[bytes] = ()) -> bool:
    """Keep it in a run's folder; False where it is there already. Logs are on the disk before it."""
    place = folder / FOLDER
    path = place / f"{answer.id}.json"
    if is_told(folder, answer):
        return False
    place.mkdir(parents=True, exist_ok=True)
    for digest, log in zip(answer.logs, logs, strict=True):
        if not (place / f"{digest}.log").exists():
            atomic.write_bytes(place / f"{digest}.log", log)
    atomic.write_text(path, json.dumps(cattrs.unstructure(answer), indent=1) + "\n")
    return True


def is_told(folder: Path, answer: Told) -> bool:
    """Whether it is kept in a run's folder already."""
    return (folder / FOLDER / f"{answer.id}.json").exists()


def read_told(folder: Path) -> list[Told]:
    """Everything that was told, in its order; raises `Malformed` for a damaged file, `Missing` for an
    unreadable one.
    """
    answers = []
    for path in list_kept(folder / FOLDER, ".json"):
        data = read_kept(path, most=_MOST_BYTES)
        if data is not None:
            answers.append(parse_told(data, str(path)))
    return sorted(answers, key=lambda answer: (answer.told_at, answer.id))


def parse_told(data: bytes, where: str) -> Told:
    """Read the bytes of one; raises `Malformed`."""
    return parse_document(data, Told, where, schema=SCHEMA, most=_MOST_BYTES)


def observations_of(answers: Iterable[Told]) -> list[Observation]:
    """As observations; those of one cell are numbered, so that they may contradict."""
    counts: dict[tuple[str, ...], int] = {}
    observations = []
    for answer in answers:
        place = (answer.cell, *sorted(answer.factors.values()))
        number = counts[place] = counts.get(place, 0) + 1
        evidence = answer.evidence | {
            "note": answer.note or "; ".join(answer.says)[:200],
            "by": answer.by,
            "cause": answer.cause,
        }
        observations.append(
            Observation(
                id=f"told-{answer.id}",
                values={name: (level,) for name, level in answer.factors.items()},
                outcomes=dict(answer.outcomes),
                source=_SOURCES[answer.source],
                evidence={name: text for name, text in evidence.items() if text}
                | {"logs": list(answer.logs)},
                repeat=number,
            )
        )
    return observations
