"""What versions alone say of a schematic's image on a board, and which release to ask for instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import evolve, frozen

from bootwright.boards.model import Board
from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.kernels.releases import OverlayTrees, Release, Releases
from bootwright.predict.rules.knowledge import knowledge
from bootwright.prepare.factory.remark import Remark
from bootwright.prepare.knowledge import Overlay


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
    overlays: Sequence[Overlay]
    """What is known of the schematic's overlay for the board."""
    known: Releases
    at_hand: bool
    """Whether the image's own kernel and devicetrees are: then these say what else there is to say."""


def by_versions(subject: Subject, version: Version) -> Iterator[Remark]:
    """What is known by the versions of system, kernel and overlay, with the release to ask for instead."""
    remarks = list(_remarks(subject, version))
    instead = _instead(subject, version)
    for remark in remarks:
        yield evolve(remark, remedy=instead) if _speaks_against(remark) else remark


def _speaks_against(remark: Remark) -> bool:
    """Whether another release is the way out."""
    return remark.verdict is not Verdict.WORKS and not remark.remedy


def _instead(subject: Subject, version: Version) -> str:
    newer = [release.version for release in subject.known.releases if version < release.version]
    bad = [other for other in newer if any(map(_speaks_against, _remarks(subject, other)))]
    first = next((other for other in newer if other not in bad), None)
    if first is None:
        return "no newer release without it is known here"
    but = [str(other) for other in bad if first < other]
    return f"ask for {first} or newer" + (f", but not {', '.join(but)}" if but else "")


def _remarks(subject: Subject, version: Version) -> Iterator[Remark]:
    """Those that another release may be without have no remedy."""
    for overlay in subject.overlays:
        if overlay.since is not None and version < overlay.since:
            yield Remark(
                Verdict.FAILS,
                f"the factory has the overlay {overlay.name} from {subject.title} {overlay.since} on",
                source=overlay.source,
            )
    release = subject.known.of(version)
    if release is None or subject.at_hand:
        return
    trees = subject.known.trees_of(
        subject.image, release.overlays.get(subject.image, ""), subject.board.steppings[0].dtb
    )
    yield from _of_the_table(subject, release, trees)
    yield from _without_drivers(subject, release)


def _of_the_table(subject: Subject, release: Release, trees: OverlayTrees | None) -> Iterator[Remark]:
    for known in subject.known.known:
        if not known.is_of(release, subject.board.id, trees):
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
