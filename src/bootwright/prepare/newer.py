"""Another release of an image's system, where what fails is known to be mended and releases have the mend."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from attrs import evolve, frozen

from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.kernels.changes import CHANGES, Change
from bootwright.kernels.releases import RELEASES, OverlayTrees, Release
from bootwright.predict.by_release.known import Subject, advised, by_versions
from bootwright.predict.model import GoalVerdict
from bootwright.prepare.board_image import Target
from bootwright.prepare.knowledge import Preparation
from bootwright.prepare.model import Judged
from bootwright.prepare.published import subject_of

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
    which: str
    """`Talos 1.12.8 or newer, but not 1.13.0`: all that nothing known speaks against."""
    because: str
    """Why it is without what fails."""
    known: tuple[str, ...] = ()
    """What is known of it on the board beside that: reports."""
    steppings: tuple[str, ...] = ()
    """Of which of the board's that is said; none for all that were asked about."""

    def as_json(self) -> dict[str, object]:
        """As docs/schemas/prepare.schema.json has it."""
        return {
            "title": self.title,
            "kernel": str(self.kernel),
            "changes": [change.what for change in self.changes],
            "command": list(self.command),
            "which": self.which,
            "because": self.because,
            "known": list(self.known),
            "steppings": list(self.steppings),
        }


def newer_release(
    preparation: Preparation, version: str, kernel: Version | None, judged: Judged, target: Target
) -> Newer | None:
    """A release after `version` that is without what fails, and that nothing known speaks against.

    The first of the image's own series, else the first. Of a board with several steppings it is said for
    those on which known changes explain everything that fails. None where they explain it on none.
    """
    system, own = RELEASES.all().get(preparation.id), Version.parse(version)
    if system is None or own is None or kernel is None:
        return None
    lacking: dict[str, Change] = {}
    steppings: list[str] = []
    for verdicts in judged.boards:
        changes = _lacking(Judged((verdicts,), judged.wanted), kernel)
        if changes:
            steppings.append(verdicts.stepping)
            lacking |= {change.what: change for change in changes}
    stepping = steppings[0] if len(steppings) == 1 else target.stepping
    subject = subject_of(preparation, target.board, stepping)
    if not lacking or subject is None:
        return None
    changes = tuple(lacking.values())
    later = advised(subject, after=own)
    fitting = [
        (release, why) for release in later.releases for why in [_why(subject, release, changes)] if why
    ]
    fitting.sort(key=lambda pair: pair[0].version.series() != own.series())
    for release, why in fitting[:1]:
        number = str(release.version)
        part = evolve(target, stepping=stepping) if target.code is None else target
        words = ("bootwright", "prepare", preparation.id, "--version", number, *part.words)
        short = system.title.removesuffix(" Linux")
        first = release is later.releases[0]
        return Newer(
            f"{short} {number}",
            release.kernel,
            changes,
            words,
            f"{short} {later.words if first else f'{number} or newer'}",
            why,
            tuple(_known(subject, release)),
            tuple(steppings) if len(steppings) < len(judged.boards) else (),
        )
    return None


def command_of(newer: Newer) -> str:
    """The command as a person types it."""
    return shlex.join(newer.command)


def _why(subject: Subject, release: Release, changes: Sequence[Change]) -> str:
    """Why a release is without what fails before these changes; empty where it has that too."""
    trees = subject.known.trees_in(release, subject.image, subject.board.steppings[0].dtb)
    others = [change for change in changes if _is_elsewhere(change, trees)]
    own = [change for change in changes if change not in others]
    if not all(change.is_in(release.kernel) for change in own):
        return ""
    reasons = [f"Linux {release.kernel} has the mend"] if own else []
    if others and trees is not None:
        reasons.append(f"its devicetrees are not the kernel's of before the mend, but {trees.text}")
    return "; ".join(reasons)


def _is_elsewhere(change: Change, trees: OverlayTrees | None) -> bool:
    """Whether the kernel does not decide it: it is of the kernel's devicetrees, and the image has others."""
    return change.in_devicetree and trees is not None and trees.of != "kernel"


def _known(subject: Subject, release: Release) -> Iterator[str]:
    """What is known of a release beside that."""
    for remark in by_versions(subject, release.version):
        yield f"{remark.text}; {remark.remedy}" if remark.remedy else remark.text


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
        if change.factor != _FACTOR or change.symptom.get("hazard") not in struck:
            continue
        # Of a devicetree: what was judged showed that it is not there, whatever the kernel's version.
        if change.in_devicetree or not change.is_in(kernel):
            return change
    return None
