"""The kernel that has all that a goal's chain lacks, not only what stands first on it."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from bootwright.foundation.versions import Version
from bootwright.predict.model import Answer, Link
from bootwright.predict.rules.knowledge import Knowledge


def reaching(
    chain: Sequence[Link],
    first: Link | None,
    goal: Sequence[str],
    version: Version | None,
    known: Knowledge,
) -> tuple[tuple[Link, ...], Link | None]:
    """The chain and its first broken link, whose remedy names a kernel that has all of the goal's drivers.

    `goal` are the compatibles of the goal's own device, of which none is made as long as what is above it is
    not there.
    """
    if first is None or not first.lacks or first.answer is not Answer.NO:
        return tuple(chain), first
    own = known.arrival(first.lacks)
    if own is None or first.remedy != own.words(version):
        return tuple(chain), first
    lacking = [link.lacks for link in chain if link.lacks and link.answer is Answer.NO]
    newest = own.since
    for compatibles in (*lacking, tuple(goal)):
        driver = known.arrival(compatibles)
        if driver is not None and driver.is_new_to(version) and _is_newer(driver.since, newest):
            newest = driver.since
    if newest is None or newest == own.since:
        return tuple(chain), first
    mended = evolve(first, remedy=evolve(own, since=newest).words(version))
    return tuple(mended if link is first else link for link in chain), mended


def _is_newer(since: str | None, than: str | None) -> bool:
    ours, theirs = (Version.parse(text or "") for text in (since, than))
    return ours is not None and (theirs is None or ours > theirs)
