"""Which release for a board, and what is known of each: the one place that every command asks.

What is known is of the release's versions alone: the table of releases with its reports, when a driver came
into Linux, and the hazards that versions decide. A release is advised where none of that speaks against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from attrs import evolve, frozen

from bootwright.boards.model import Board
from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.kernels.releases import OverlayTrees, Release, Releases
from bootwright.predict.by_release.by_version import OwnKernel, on_board
from bootwright.predict.by_release.remark import Remark
from bootwright.predict.rules.knowledge import knowledge


class Offered(Protocol):
    """A board's overlay, as somebody offers images with it."""

    @property
    def name(self) -> str:
        """`rpi_5`."""

    @property
    def source(self) -> str:
        """How it is known."""

    @property
    def since(self) -> Version | None:
        """The first version of the system that has it; None for all."""


@frozen
class Subject:
    """The image that is asked for, but for its version."""

    title: str
    """The system's."""
    board: Board
    stepping: str | None
    """None where any may be meant."""
    image: str
    """The overlay's, such as `sbc-raspberrypi`."""
    overlays: Sequence[Offered]
    """What is known of the schematic's overlay for the board."""
    known: Releases
    at_hand: bool
    """Whether the image's own kernel and devicetrees are: then these say what else there is to say."""


@frozen
class Advice:
    """Which releases to ask for: those that nothing known speaks against."""

    releases: tuple[Release, ...]
    """They, in their order; none where each has something against it."""
    but: tuple[Version, ...]
    """Those between the first and the newest of them that have."""

    @property
    def words(self) -> str:
        """`1.12.8 or newer, but not 1.13.0, 1.13.1, 1.13.2`; empty without any."""
        if not self.releases:
            return ""
        but = f", but not {', '.join(map(str, self.but))}" if self.but else ""
        return f"{self.releases[0].version} or newer{but}"


def advised(subject: Subject, *, after: Version | None = None) -> Advice:
    """The releases to ask for, of those that came after one.

    Where each has something against it, those that have a mere hazard.
    """
    advice = _without(subject, after, hazards=False)
    return advice if advice.releases else _without(subject, after, hazards=True)


def by_versions(subject: Subject, version: Version) -> Iterator[Remark]:
    """What is known of a release by its versions, with the release to ask for instead."""
    yield from _with_release(_remarks(subject, version), advised(subject, after=version))


def hazards_by_versions(subject: Subject, version: Version) -> Iterator[Remark]:
    """What may happen to a goal of the board with a release, with the release to ask for instead."""
    yield from _with_release(_hazards(subject, version), _without(subject, version, hazards=False))


def _with_release(remarks: Iterator[Remark], advice: Advice) -> Iterator[Remark]:
    instead = f"ask for {advice.words}" if advice.releases else "no newer release without it is known here"
    for remark in remarks:
        yield evolve(remark, remedy=instead) if _speaks_against(remark) else remark


def _without(subject: Subject, after: Version | None, *, hazards: bool) -> Advice:
    """The releases without anything against them; with `hazards` those may be there."""
    asked = evolve(subject, at_hand=False)
    newer = [release for release in subject.known.releases if after is None or after < release.version]
    good = [
        release
        for release in newer
        if not any(map(_speaks_against, _remarks(asked, release.version)))
        and (hazards or not any(_hazards(asked, release.version)))
    ]
    bad = [release.version for release in newer if release not in good]
    return Advice(tuple(good), tuple(version for version in bad if good and good[0].version < version))


def _speaks_against(remark: Remark) -> bool:
    """Whether another release is the way out."""
    return remark.verdict is not Verdict.WORKS and not remark.remedy


def _hazards(subject: Subject, version: Version) -> Iterator[Remark]:
    release = subject.known.of(version)
    if release is None or subject.at_hand:
        return
    own = OwnKernel(release, (subject.known.id,), subject.known.uname(release))
    for rule in on_board(own, subject.board):
        yield Remark(
            rule.effect, f"{rule.title}: {rule.reason}", source="; ".join(rule.sources), goals=rule.goals
        )


def _remarks(subject: Subject, version: Version) -> Iterator[Remark]:
    """Those that another release may be without have no remedy."""
    for overlay in subject.overlays:
        if overlay.since is not None and version < overlay.since:
            yield Remark(
                Verdict.FAILS,
                f"the factory has the overlay {overlay.name} for {subject.board.name} from {subject.title} "
                f"{overlay.since} on",
                source=overlay.source,
            )
    release = subject.known.of(version)
    if release is None or subject.at_hand:
        return
    trees = subject.known.trees_in(release, subject.image, subject.board.steppings[0].dtb)
    yield from _of_the_table(subject, release, trees)
    yield from _without_drivers(subject, release)


def _of_the_table(subject: Subject, release: Release, trees: OverlayTrees | None) -> Iterator[Remark]:
    for known in subject.known.known_of(release, subject.board.id, trees):
        if known.overlay not in {"", subject.image}:
            continue
        which = ", ".join(known.steppings)
        if known.steppings and subject.stepping is not None and subject.stepping not in known.steppings:
            continue
        sure = not known.steppings or subject.stepping is not None
        goals = "" if "*" in known.goals else f"{', '.join(known.goals)}: "
        on = "" if sure else f"on a board of stepping {which} (--revision CODE says which yours is): "
        yield Remark(
            known.verdict if sure else Verdict.UNKNOWN,
            f"{on}{goals}{known.text}",
            known.remedy,
            known.source,
            # What was only reported explains no goal that fails.
            known.goals if known.verdict is Verdict.FAILS else (),
            known.steppings,
        )


def _without_drivers(subject: Subject, release: Release) -> Iterator[Remark]:
    """Goals whose device no mainline kernel of that age has a driver for."""
    if subject.known.kernel_tree != "mainline":
        return
    for goal in subject.board.goals:
        compatible = next((find.compatible for find in goal.find if find.compatible), None)
        driver = knowledge().arrival((compatible,)) if compatible else None
        if driver is not None and driver.since is not None and driver.is_new_to(release.kernel):
            yield Remark(
                Verdict.FAILS,
                f"{goal.name}: Linux has a driver for {compatible} from {driver.since} on, and this release "
                f"has {release.kernel}",
                source=driver.source,
                goals=(goal.name,),
            )
