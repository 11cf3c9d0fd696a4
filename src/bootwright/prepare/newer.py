"""A newer release of an image's system whose own kernel has what the image lacks, by the public history."""

from __future__ import annotations

import shlex

from attrs import frozen

from bootwright.foundation.errors import Refused
from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.kernels.changes import CHANGES, Change
from bootwright.kernels.releases import RELEASES, Release, Releases
from bootwright.predict.model import GoalVerdict
from bootwright.prepare.board_image import Target
from bootwright.prepare.factory.known import Subject, by_versions
from bootwright.prepare.knowledge import Preparation
from bootwright.prepare.model import Judged
from bootwright.prepare.published import published

_FACTOR = "kernel"
"""Of changes that went into the kernel."""


@frozen
class Newer:
    """The first such release."""

    title: str
    """`Talos 1.12.8`."""
    kernel: Version
    changes: tuple[Change, ...]
    command: tuple[str, ...]
    """What prepares it for the board."""

    def as_json(self) -> dict[str, object]:
        """As docs/schemas/prepare.schema.json has it."""
        return {
            "title": self.title,
            "kernel": str(self.kernel),
            "changes": [change.what for change in self.changes],
            "command": list(self.command),
        }


def newer_release(
    preparation: Preparation, version: str, kernel: Version | None, judged: Judged, target: Target
) -> Newer | None:
    """The first release after `version` that has an image for the board and the changes that are lacking.

    One of the image's own series comes first. None where a failure is explained by no change that is known,
    and where no release is known to have them.
    """
    system, own = RELEASES.all().get(preparation.id), Version.parse(version)
    if preparation.images is None or system is None or own is None or kernel is None:
        return None
    lacking = _lacking(judged, kernel)
    later = [release for release in system.releases if release.version > own]
    later.sort(key=lambda release: release.version.series() != own.series())
    for release in later if lacking else ():
        if all(change.is_in(release.kernel) for change in lacking) and _is_for(
            preparation, target, system, release
        ):
            number = str(release.version)
            words = ("bootwright", "prepare", preparation.id, "--version", number, *target.words)
            return Newer(f"{system.title.removesuffix(' Linux')} {number}", release.kernel, lacking, words)
    return None


def command_of(newer: Newer) -> str:
    """The command as a person types it."""
    return shlex.join(newer.command)


def _lacking(judged: Judged, kernel: Version) -> tuple[Change, ...]:
    """The changes that explain everything that fails and are not in a kernel; nothing where some is not."""
    lacking: dict[str, Change] = {}
    for goal in judged.goals.values():
        if goal.verdict is not Verdict.FAILS:
            continue
        change = _explaining(goal, kernel)
        if change is None:
            return ()
        lacking[change.what] = change
    return tuple(lacking.values())


def _explaining(goal: GoalVerdict, kernel: Version) -> Change | None:
    struck = {hazard.name for hazard in goal.hazards if hazard.effect is Verdict.FAILS}
    for change in CHANGES.all().values():
        if change.factor == _FACTOR and change.symptom.get("hazard") in struck and not change.is_in(kernel):
            return change
    return None


def _is_for(preparation: Preparation, target: Target, system: Releases, release: Release) -> bool:
    """Whether a release has an image for the board, of which nothing is known to fail by its versions."""
    try:
        overlay = published(preparation, target.board, str(release.version)).overlay
    except Refused:
        return False
    image = overlay.image.rpartition("/")[2]
    subject = Subject(system.title, target.board, target.stepping, image, (overlay,), system, at_hand=False)
    return all(remark.verdict is not Verdict.FAILS for remark in by_versions(subject, release.version))
