"""The record beside a prepared image: what it is, what was predicted of it, and what was seen since.

`NAME.prepared.json` lies beside the image; logs that were given lie in `NAME.observed/`, named by their
SHA-256. Both appear whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import asdict, evolve, field, frozen

from bootwright.foundation import atomic
from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.foundation.structure import structure
from bootwright.foundation.verdict import Verdict

SCHEMA = "bootwright/prepared/1"
ENDING = ".prepared.json"
_MOST = 16 << 20


@frozen
class SeenStepping:
    """What boots on one stepping of the board, by content."""

    stepping: str
    devicetree: str
    """File name of the devicetree that Linux gets."""
    devicetree_sha256: str


@frozen
class SeenOutcome:
    """What was seen of a prepared image on a board, once."""

    id: str
    taken_at: str
    """UTC, ISO 8601."""
    outcomes: Mapping[str, Verdict]
    """Goal → what was seen of it."""
    answers: Mapping[str, str] = field(factory=dict)
    """What a person was asked → what they answered."""
    logs: tuple[str, ...] = ()
    """SHA-256 of the logs that were given."""
    says: tuple[str, ...] = ()
    """What it means, in sentences."""
    next: str = ""
    note: str = ""
    counts: bool = True
    """Whether it is of this image: a log may show that the board booted something else."""
    stepping: str = ""
    """The board's stepping, where it is known."""


@frozen
class Record:
    """What is kept of one prepared image."""

    image: str
    """The image's file: a name beside the record, or the path of one that was good as it is."""
    size: int
    """Bytes of that file."""
    sha256: str
    """Of that file; empty for an image at an address that was never fetched as a whole."""
    source: str
    """What the user gave."""
    source_sha256: str
    board: str
    board_title: str
    revision: str
    """The revision code, or empty."""
    stepping: str
    """The stepping that it is for; empty: all of the board's."""
    system: str
    """The preparation's name: `talos`, `any`."""
    version: str
    """The operating system's version, as the image says; empty where it does not."""
    kernel: str
    """`uname -r`."""
    kernel_version: str
    setup_sha256: str
    """Of what boots beside the devicetree: see `sighted.setup_sha256`."""
    page_size: int
    steppings: tuple[SeenStepping, ...]
    verdicts: Mapping[str, Mapping[str, Verdict]]
    """Stepping → goal → what was predicted."""
    changes: tuple[str, ...] = ()
    """What was changed of the source, in words; none where it is the source itself."""
    wanted: tuple[str, ...] = ()
    """The goals that it was prepared for."""
    asked: str = ""
    """A hash of what was asked for: the same request finds its own answer again."""
    observations: tuple[SeenOutcome, ...] = ()
    schema: str = SCHEMA

    def text(self) -> str:
        """As it is kept."""
        document = asdict(self, value_serializer=lambda _, __, value: _plain(value))
        return json.dumps(document, indent=1, sort_keys=True) + "\n"

    def with_observation(self, seen: SeenOutcome) -> Record:
        """The record with one more; the same one again changes nothing."""
        if any(earlier.id == seen.id for earlier in self.observations):
            return self
        return evolve(self, observations=(*self.observations, seen))


def _plain(value: object) -> object:
    return value.value if isinstance(value, Verdict) else value


def beside(image: Path) -> Path:
    """The record's path, by its image's."""
    return image.with_name(image.name + ENDING)


def folder_of_logs(record: Path) -> Path:
    """Where the logs that were given for a record are."""
    return record.with_name(record.name.removesuffix(ENDING) + ".observed")


def read_record(path: Path) -> Record:
    """The record in a file; raises `Missing`, and `Malformed` for what is none."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST + 1)
    except OSError as error:
        raise Missing(
            f"cannot read {path}: {error.strerror}",
            hint=f"bootwright prepare writes IMAGE{ENDING} beside the image it prepared",
        ) from error
    return parse_record(data, str(path))


def parse_record(data: bytes, where: str) -> Record:
    """The record in the bytes of a file; raises `Malformed`."""
    if len(data) > _MOST:
        raise Malformed(where, _MOST, "a record of at most 16 MiB", "more")
    try:
        document: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Malformed(
            where, getattr(error, "pos", None), "the record of a prepared image (JSON)", str(error)[:120]
        ) from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        named = document.get("schema") if isinstance(document, dict) else type(document).__name__
        raise Malformed(
            where,
            None,
            f"the record of a prepared image ({SCHEMA})",
            repr(named)[:80],
            hint=f"bootwright prepare writes IMAGE{ENDING}",
        )
    return structure(document, Record, where)


def write_record(path: Path, record: Record) -> None:
    """Write it whole or not at all."""
    atomic.write_text(path, record.text())


def image_of(path: Path, record: Record) -> Path | None:
    """The image that a record is of, where it is here and still of that size; else None."""
    image = path.parent / record.image
    return image if image.is_file() and image.stat().st_size == record.size else None


def keep_record(path: Path, record: Record) -> None:
    """Write a new record; what was seen of an image that it replaces stays under another name.

    Of the same image, what was seen of it is kept in the record itself.
    """
    if path.is_file():
        try:
            earlier = read_record(path)
        except Malformed:
            earlier = None
        if earlier is not None and earlier.observations:
            if earlier.sha256 == record.sha256 and earlier.setup_sha256 == record.setup_sha256:
                record = evolve(record, observations=earlier.observations)
            else:
                name = path.name.removesuffix(ENDING)
                write_record(path.with_name(f"{name}.{earlier.sha256[:12] or 'earlier'}{ENDING}"), earlier)
    write_record(path, record)


def find_record(image: Path | None, prepared: Path | None) -> Path | None:
    """The record of an image, or the one that was named; raises `Missing` where the image has none."""
    if image is not None and prepared is not None:
        raise Refused("an image and a record are two names of the same thing", hint="leave one of them out")
    if image is None:
        return prepared
    path = beside(image)
    if not path.is_file():
        missing = f"there is no {image}" if not image.exists() else f"{image} has no record beside it"
        raise Missing(
            missing, hint=f"bootwright prepare writes {path.name}; or name the record with --prepared FILE"
        )
    return path


def records_in(folder: Path) -> Iterator[tuple[Path, Record]]:
    """The records in a folder; raises `Malformed` for one that is damaged."""
    for path in sorted(folder.glob(f"*{ENDING}")):
        yield path, read_record(path)


@frozen
class Sighting:
    """What was seen of one configuration on one stepping of a board."""

    record: str
    observation: SeenOutcome
    board: str
    stepping: str
    setup_sha256: str
    devicetree_sha256: str


def sightings(records: Iterable[tuple[Path, Record]]) -> Iterator[Sighting]:
    """Every observation of every record that counts, by what booted."""
    for path, record in records:
        for seen in record.observations:
            if not seen.counts:
                continue
            stepping = seen.stepping or record.stepping
            for held in record.steppings:
                # Where the stepping is not known, it was one of those that the image is for.
                if stepping in {held.stepping, ""} and (stepping or len(record.steppings) == 1):
                    yield Sighting(
                        str(path),
                        seen,
                        record.board,
                        held.stepping,
                        record.setup_sha256,
                        held.devicetree_sha256,
                    )
