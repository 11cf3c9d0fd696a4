"""What preparing is asked for, and what it answers."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from pathlib import Path

from attrs import field, frozen

from bootwright.foundation.verdict import Verdict
from bootwright.kernels.model import Kernel
from bootwright.prepare.board_image import Target
from bootwright.prepare.knowledge import Preparation
from bootwright.prepare.mends.kernel_changes import Catalogue
from bootwright.prepare.model import Judged, Trial
from bootwright.prepare.newer import Newer
from bootwright.prepare.seen.record import Record
from bootwright.prepare.write import made_by


class Outcome(StrEnum):
    """What became of it."""

    WORKS = "works"
    """As it is."""
    MENDED = "mended"
    FAILS = "fails"
    UNKNOWN = "unknown"

    @property
    def verdict(self) -> Verdict:
        """Of the image that is to be flashed."""
        return Verdict.WORKS if self is Outcome.MENDED else Verdict(self.value)


@frozen
class Request:
    """What is asked for."""

    image: str
    """A path or an address."""
    target: Target
    output: Path
    preparation: Preparation | None = None
    """The system that the user named; None: the image says."""
    goals: tuple[str, ...] = ()
    """The goals that decide; empty for those that the system cannot do without."""
    catalogue: Catalogue = field(factory=Catalogue)
    change: bool = True
    """Whether a new image may be made."""
    force: bool = False

    def digest(self, image_sha256: str) -> str:
        """A hash of what is asked for, the image's content included."""
        parts = (
            image_sha256,
            self.target.board.id,
            self.target.stepping or "",
            f"{self.target.code}",
            self.preparation.id if self.preparation is not None else "",
            ",".join(self.goals),
            ",".join(map(str, self.catalogue.named_trees)),
            self.catalogue.only_kernel or "",
        )
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@frozen
class Prepared:
    """What is to be flashed, or why nothing is."""

    outcome: Outcome
    preparation: Preparation
    target: Target
    image: Path | str
    """What is to be flashed; where nothing works, what was given."""
    record: Record
    """Also where nothing works; it is kept only beside an image that does."""
    record_path: Path | None
    kernel: Kernel | None
    """The kernel of the image that was given."""
    before: Judged
    """What was predicted of the image that was given."""
    after: Judged | None
    """What is predicted of the one that was made."""
    trials: tuple[Trial, ...]
    """What was tried, in its order; the last one that was not rejected is what was made."""
    answer: Trial | None
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    """What the user must know before the image is used."""
    condition: str = ""
    """What the board itself has to hold for this to start (`prepare.condition`)."""
    newer: Newer | None = None
    """A release of the image's system that has what the image lacks."""
    again: bool = False
    """Whether the same had been prepared before, and nothing was done."""

    @property
    def made_by(self) -> tuple[str, ...]:
        """The `image swap` command that makes the same image; nothing where none was made here."""
        if self.answer is None or not isinstance(self.image, Path):
            return ()
        return made_by(self.image, self.record.source, self.answer, self.target.board.id)


def cautions(prepared: Prepared) -> tuple[str, ...]:
    """What may go wrong with what is to be flashed, though it works: each hazard once, in words."""
    judged = prepared.after or prepared.before
    hazards = {hazard.name: hazard for goal in judged.goals.values() for hazard in goal.hazards}
    warnings = (f"{hazard.title}; {hazard.remedy}" for hazard in hazards.values())
    condition = (prepared.condition,) if prepared.condition else ()
    return (*condition, *prepared.cautions, *warnings)
