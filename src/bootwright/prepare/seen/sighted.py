"""What was seen on a board outweighs what is predicted of the very same set-up on it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from attrs import evolve

from bootwright.foundation.verdict import Verdict
from bootwright.predict.given.gathered import Gathered
from bootwright.predict.model import Answer, Evidence, GoalVerdict, Link
from bootwright.predict.verdicts import BoardVerdicts
from bootwright.prepare.model import Judged
from bootwright.prepare.seen.record import Sighting


def setup_sha256(gathered: Gathered) -> str:
    """A hash of what boots, devicetree apart: kernel, arguments, modules in the initramfs, config.txt.

    Another address of a file in the image, or another image around the same, gives the same.
    """
    config = gathered.config_txt
    settings = (
        [[setting.key, setting.value, setting.condition] for setting in config.settings]
        if config is not None
        else []
    )
    parts = [
        gathered.kernel.image_sha256 if gathered.kernel is not None else "",
        gathered.arguments or "",
        sorted(gathered.initramfs_modules or ()),
        settings,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def with_sightings(judged: Judged, gathered: Gathered, seen: Sequence[Sighting]) -> Judged:
    """The prediction, with what was seen of the very same set-up in its place."""
    if not seen:
        return judged
    setup = setup_sha256(gathered)
    boards = tuple(_board(verdicts, setup, seen) for verdicts in judged.boards)
    return evolve(judged, boards=boards)


def _board(verdicts: BoardVerdicts, setup: str, seen: Sequence[Sighting]) -> BoardVerdicts:
    if verdicts.dtb is None:
        return verdicts
    tree = file_sha256(verdicts.dtb)
    fitting = [
        sighting
        for sighting in seen
        if (sighting.board, sighting.stepping, sighting.setup_sha256, sighting.devicetree_sha256)
        == (verdicts.board.id, verdicts.stepping, setup, tree)
    ]
    goals = {name: _goal(goal, fitting) for name, goal in verdicts.goals.items()}
    return evolve(verdicts, goals=goals)


def _goal(goal: GoalVerdict, seen: Sequence[Sighting]) -> GoalVerdict:
    """A goal that was seen to work and to fail is not known; what was seen later adds no weight."""
    sightings = [
        sighting
        for sighting in seen
        if sighting.observation.outcomes.get(goal.goal, Verdict.UNKNOWN) is not Verdict.UNKNOWN
    ]
    if not sightings:
        return goal
    verdicts = {sighting.observation.outcomes[goal.goal] for sighting in sightings}
    last = sightings[-1]
    days = ", ".join(dict.fromkeys(sighting.observation.taken_at[:10] for sighting in sightings))
    if len(verdicts) > 1:
        answer, says = Answer.UNKNOWN, f"seen to work and to fail on the board ({days})"
    else:
        answer = Answer.YES if verdicts == {Verdict.WORKS} else Answer.NO
        says = f"seen on the board on {days}: it {'works' if answer is Answer.YES else 'fails'}"
    link = Link(
        goal.node or "/",
        "seen on the board",
        answer,
        Evidence(last.record, "what a board shows outweighs a prediction"),
        says if answer is not Answer.YES else "",
        remedy=last.observation.next if answer is not Answer.YES else "",
    )
    broken = None if answer is Answer.YES else link
    return evolve(goal, verdict=answer.verdict, chain=(link,), first_broken=broken)


def file_sha256(path: Path) -> str:
    """SHA-256 of a small file, such as a devicetree."""
    state = path.stat()
    return _sha256(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=256)
def _sha256(path: Path, size: int, changed: int) -> str:  # noqa: ARG001 - the file's state
    return hashlib.sha256(path.read_bytes()).hexdigest()
