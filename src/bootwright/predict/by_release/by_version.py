"""What conditions of knowledge files say of a release's own kernel by versions alone, without its bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import evolve, frozen

from bootwright.boards.model import Board
from bootwright.kernels.releases import Release
from bootwright.predict.model import Answer
from bootwright.predict.rules.conditions import Condition
from bootwright.predict.rules.knowledge import HAZARDS, HazardRule, knowledge
from bootwright.predict.rules.predicates import in_range, is_release


@frozen
class OwnKernel:
    """A release with the kernel that it comes with."""

    release: Release
    systems: Sequence[str]
    """The system's names, as `os` of a condition has them."""
    uname: str
    """The kernel's release (`uname -r`)."""


def answer(when: Condition, own: OwnKernel) -> Answer:
    """Whether a condition holds for it; unknown where more than versions decide."""
    return min(_answers(when, own), default=Answer.YES)


def certain(own: OwnKernel) -> Iterator[HazardRule]:
    """The hazards that are there whatever else is in the image."""
    yield from (rule for rule in HAZARDS.all().values() if answer(rule.when, own) is Answer.YES)


def on_board(own: OwnKernel, board: Board) -> Iterator[HazardRule]:
    """The hazards of a board's goals that versions alone decide there, and that lie in the kernel.

    That the goals' own devices are on the board, and that a kernel which has their drivers drives them, is
    taken for granted: without them the goal fails anyway.
    """
    devices = {find.compatible for goal in board.goals for find in goal.find if find.compatible}
    for rule in HAZARDS.all().values():
        if not any(part.compatible in devices for part in rule.when.parts()):
            continue
        there = _granted(rule.when, devices)
        if answer(there, own) is Answer.YES and not _lacks_driver(rule.when, own):
            yield rule


def _granted(when: Condition, devices: set[str]) -> Condition:
    """The condition without what a board and its kernel have."""
    return evolve(
        when,
        compatible=None if when.compatible in devices else when.compatible,
        driver=None if when.driver in devices else when.driver,
    )


def _lacks_driver(when: Condition, own: OwnKernel) -> bool:
    driver = knowledge().arrival((when.driver,)) if when.driver else None
    return driver is not None and driver.since is not None and driver.is_new_to(own.release.kernel)


def excluded(hazard: str, own: OwnKernel) -> bool:
    """Whether a hazard that a kernel in its place has is none of its own."""
    return hazard in HAZARDS.names() and answer(HAZARDS.get(hazard).when, own) is Answer.NO


def _answers(when: Condition, own: OwnKernel) -> Iterator[Answer]:
    kernel = own.release.kernel
    yield in_range(kernel, when.kernel_since, when.kernel_before)
    if when.kernel_release is not None:
        yield is_release(own.uname, when.kernel_release)
    if when.os is not None:
        if set(own.systems).isdisjoint(when.os.names):
            yield Answer.NO
        else:
            yield in_range(own.release.version, when.os.since, when.os.before)
    if when.absent is not None:
        yield Answer(2 - answer(when.absent, own))
    if when.any_of is not None:
        yield max((answer(inner, own) for inner in when.any_of), default=Answer.NO)
    rest = evolve(
        when,
        kernel_since=None,
        kernel_before=None,
        kernel_release=None,
        os=None,
        absent=None,
        any_of=None,
    )
    if not rest.is_empty:
        yield Answer.UNKNOWN
