"""The tab that needs no file: a board, its system and version, and what its lights do."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bootwright.browser.asked import asked_text, board_meant, revision_or_stepping
from bootwright.foundation.errors import Refused
from bootwright.foundation.progress import Progress
from bootwright.foundation.verdict import Verdict

if TYPE_CHECKING:
    from bootwright.boards.model import Board
    from bootwright.foundation.versions import Version
    from bootwright.prepare.knowledge import Preparation
    from bootwright.report.story.given import Command

RUNS = Path(__file__).parent / "runs"
"""Results of runs that the site was made with: PLAN.json, as `investigate` writes result.json."""
_SYSTEM = "talos"


def answer(request: Mapping[str, Any], files: Sequence[Path], progress: Progress) -> dict[str, Any]:  # noqa: ARG001
    """What is known without a file: of the lights, of a system's version on the board, and by plans.

    `request` has `board` (id or name) or `revision` (a revision code; with a board also a stepping's name),
    and may have `system` (`talos` or nothing), its `version`, `led` (`off`, `steady`, `activity`, or a code
    such as `4+3`), `lights` (of the Ethernet socket: `on`, `off`) and `address` (`none`, or the address).

    Returns `seen` (what `observe` says), `image` (what `talos` says) and `plans` (what a recorded run
    decides for the board), each null or empty where it was not asked for or nothing is known, and
    `not_known`: what would have to be known to say more. Raises `Refused` for an unknown board or answer.
    """
    from bootwright.api.asked import asked_boards

    name = board_meant(asked_text(request, "board"))
    revision, stepping = revision_or_stepping(name, asked_text(request, "revision"))
    if not (name or revision):
        raise Refused("a board is needed", hint="choose one")
    (board,), of_stepping = asked_boards((name,) if name else (), revision=revision, stepping=stepping)
    system, version = asked_text(request, "system"), asked_text(request, "version")
    if system not in {"", _SYSTEM}:
        raise Refused(f"nothing is known of {system!r} without its image", hint="check the image")
    if version and not system:
        raise Refused(f"{version} is the version of a system", hint="choose which system, or leave it empty")
    not_known: list[str] = []
    with progress.step("looking it up"):
        seen = _seen(board, request, system)
        image = _image(board, of_stepping, version, not_known) if system else None
        plans = _plans(board, of_stepping, _version(system, version), not_known)
    if not system:
        not_known.append("which system it is to run")
    return {
        "board": board.name,
        "stepping": of_stepping,
        "seen": seen,
        "image": image,
        "plans": plans,
        "not_known": not_known,
    }


def _version(system: str, text: str) -> Version | None:
    """The version that is asked about, the newest known without one; None without a system."""
    from bootwright.kernels.releases import RELEASES, version_of

    if not system:
        return None
    known = RELEASES.get(system)
    return version_of(text, known) if text else known.newest


def _seen(board: Board, request: Mapping[str, Any], system: str) -> dict[str, Any] | None:
    """What the lights and the router's list mean, and the next step; None where nothing was told."""
    from bootwright.api.cards.observing import observe
    from bootwright.report.observe_text import headline

    led, lights, address = (asked_text(request, name) or None for name in ("led", "lights", "address"))
    if not (led or lights or address):
        return None
    observed = observe(
        board=board.id, led=led, lights=lights, address=address, system=system or None, keep=False
    ).observed
    return {
        "verdict": observed.verdict.value,
        "headline": headline(observed),
        "outcomes": {name: verdict.value for name, verdict in observed.seen.outcomes.items()},
        "says": list(observed.seen.says),
        "next": observed.seen.next,
    }


def _image(board: Board, stepping: str | None, version: str, not_known: list[str]) -> dict[str, Any] | None:
    """What is known of the system's own image for the board, of that version [the newest known]."""
    from bootwright.api.nodes.factory import talos
    from bootwright.prepare.knowledge import PREPARATIONS

    text = _schematic(PREPARATIONS.get(_SYSTEM), board)
    if text is None:
        not_known.append(f"how Talos's image factory makes an image for {board.name}")
        return None
    # No process is killed here but with the whole page.
    with tempfile.TemporaryDirectory() as folder:  # noqa: TID251
        path = Path(folder) / "schematic.yaml"
        path.write_text(text, encoding="utf-8")
        foretold = talos(path, version=version or None, board=board.id, stepping=stepping)
    # No address is given of what fails, or of a version that may not exist.
    can_be_made = foretold.verdict is not Verdict.FAILS and foretold.foretold.release is not None
    return {"schematic": text, "can_be_made": can_be_made, "talos": foretold.as_json()}


def _in_a_sentence(command: Command) -> str:
    """A command as the page's words take it up."""
    return f"{command.lead or 'Get it:'} `{command.command}`. {command.says}".strip()


def _schematic(preparation: Preparation, board: Board) -> str | None:
    """The schematic of an image with the board's overlay; None where none is known."""
    overlays = preparation.images.overlays if preparation.images is not None else ()
    for overlay in overlays:
        if overlay.board == board.id:
            return f"overlay:\n  image: {overlay.image}\n  name: {overlay.name}\n"
    return None


def _plans(
    board: Board, stepping: str | None, version: Version | None, not_known: list[str]
) -> list[dict[str, Any]]:
    """What each plan's recorded run decides for the board, and says of the system's version."""
    from bootwright.api.investigation import decide_recorded
    from bootwright.investigate.plans.plan_file import PLANS
    from bootwright.report.story import tell
    from bootwright.report.story.asked.releases import asked_release

    decided = []
    for name, plan in PLANS.all().items():
        if board.id not in {tree.board for experiment in plan.experiment for tree in experiment.devicetree}:
            continue
        result = RUNS / f"{name}.json"
        if not result.is_file():
            not_known.append(f"what the runs of the plan {name} showed: this page was made without them")
            continue
        decision = decide_recorded(name, result, board=board.id, stepping=stepping)
        story = tell(decision.investigation, decision.decision)
        releases, outside = (
            asked_release(decision.investigation, decision.decision, _SYSTEM, version)
            if version is not None
            else ((), "")
        )
        several = len(story.what_to_do) > 1
        decided.append(
            {
                "plan": name,
                "title": plan.title,
                "question": plan.question,
                "verdict": decision.verdict.value,
                "headline": story.headline,
                "outside": outside,
                "releases": [
                    {
                        "name": f"{release.name} on {release.given}" if several else release.name,
                        "verdict": release.verdict,
                        "says": list(release.says),
                    }
                    for release in releases
                ],
                "answers": [
                    {
                        "name": to_do.name,
                        "what": to_do.what,
                        "verdict": to_do.verdict,
                        "source": to_do.source,
                        "use": [list(pair) for pair in to_do.use],
                        "try": [] if to_do.use else [list(pair) for pair in to_do.cell],
                        "says": " ".join(filter(None, (to_do.ready, to_do.says, to_do.todo, to_do.cost))),
                        "ways": [_in_a_sentence(command) for command in to_do.commands],
                        "why": [*to_do.why, *to_do.history],
                    }
                    for to_do in story.what_to_do
                ],
            }
        )
    return decided
