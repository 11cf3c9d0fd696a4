"""What a person sees after power-on, in its order: what to look for, and how far the board came by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import evolve, frozen

from bootwright.boards.lights import Blink, lights_of
from bootwright.boards.model import Board
from bootwright.foundation.verdict import Verdict
from bootwright.predict.api import OS_GOALS
from bootwright.prepare.knowledge import Look, Preparation, looks

ADDRESS = "ADDRESS"
"""What stands for the board's address where it is not known yet."""
_LED = "the board's status LED"
_ETHERNET = "the lights of the Ethernet socket"


@frozen
class Sign:
    """One thing to look for on a board, in words."""

    name: str
    see: str
    seconds: int
    means: str
    next: str
    asks: str = ""
    """How it is told: `lights`, of `--lights`."""

    def as_json(self) -> dict[str, object]:
        """As docs/schemas/prepare.schema.json has it."""
        return {
            "name": self.name,
            "see": self.see,
            "within_seconds": self.seconds,
            "otherwise": self.means,
            "then": self.next,
        }


@frozen
class Came:
    """How far a board came, by what a person saw."""

    reached: tuple[str, ...]
    """Names of what was there."""
    missed: Sign | None
    """The first thing that was not there; None where nothing that was asked about is missing."""
    outcomes: Mapping[str, Verdict]
    """Goal → what that shows of it."""
    blink: Blink | None = None
    notes: tuple[str, ...] = ()
    ahead: Sign | None = None
    """What comes next and was not asked about; None where something is missing, or nothing comes."""


def signs(preparation: Preparation, board: Board | None, address: str = ADDRESS) -> Iterator[Sign]:
    """What to look for on a board, in its order."""
    for look in looks(preparation):
        goals = [goal.name for goal in board.goals] if board is not None else []
        if board is None or not look.goal or look.goal in {*goals, *OS_GOALS}:
            yield _sign(look, board, address)


def _sign(look: Look, board: Board | None, address: str) -> Sign:
    lights = lights_of(board.id) if board is not None else None
    led = lights.led_of(board.id) if lights is not None and board is not None else ""
    ethernet = lights.ethernet if lights is not None else ""

    def filled(text: str) -> str:
        for place, word in (
            ("{led}", led or _LED), ("{ethernet}", ethernet or _ETHERNET), ("{address}", address)
        ):  # fmt: skip
            text = text.replace(place, word)
        return text

    return Sign(look.name, filled(look.see), look.seconds, filled(look.means), filled(look.next), look.asks)


def _as_asked(look: Look, preparation: Preparation, answers: Mapping[str, str]) -> Look:
    """It as it reads where something that comes before it for the same goal was not asked."""
    before: list[Look] = []
    for other in looks(preparation):
        if other.name == look.name:
            break
        if look.goal and other.goal == look.goal:
            before.append(other)
    if all(other.asks in answers for other in before):
        return look
    return evolve(look, means=look.means_alone or look.means, next=look.next_alone or look.next)


def came(
    preparation: Preparation, board: Board | None, answers: Mapping[str, str], address: str = ADDRESS
) -> Came:
    """How far the board came. `answers` maps what was asked (`led`, `lights`, `address`, `service`) to an
    answer; a code of the LED is `LONG+SHORT`.

    What comes later and is there outweighs what is missing before it: a lamp may be broken. A code with which
    the firmware says that it started no kernel is outweighed by what only a running system shows.
    """
    lights = lights_of(board.id) if board is not None else None
    blink = None
    if lights is not None and board is not None:
        blink = lights.blink_of(board.id, answers.get("led", ""))
    runs = any(
        answers.get(look.asks) in look.reached
        for look in looks(preparation)
        if look.asks != "led" and not look.without_kernel
    )
    no_kernel = blink is not None and blink.fails and not runs
    reached: list[str] = []
    missed: list[Look] = []
    ahead: Look | None = None
    notes: list[str] = []
    outcomes: dict[str, Verdict] = {}
    for look in looks(preparation):
        answer = answers.get(look.asks)
        word = "code" if answer is not None and "+" in answer and look.asks == "led" else answer
        if word is None:
            ahead = ahead or look
            continue
        ahead = None
        if word in look.reached and no_kernel and look.without_kernel:
            notes.append(
                f"{_sign(look, board, address).see}: beside that code it shows nothing; {look.without_kernel}"
            )
            if look.goal:
                outcomes[look.goal] = Verdict.UNKNOWN
        elif word in look.reached:
            notes += [
                f"not seen ({_sign(earlier, board, address).see}), though what comes after it is there"
                for earlier in missed
            ]
            missed.clear()
            reached.append(look.name)
            if look.goal and (look.is_reached is not Verdict.UNKNOWN or look.goal not in outcomes):
                outcomes[look.goal] = look.is_reached
        elif word in look.missed:
            # A board that never started shows nothing of its network.
            started = all(earlier.goal for earlier in missed)
            missed.append(look)
            if look.goal and outcomes.get(look.goal) not in {Verdict.WORKS, Verdict.FAILS}:
                outcomes[look.goal] = look.is_missed if started else Verdict.UNKNOWN
    first = _sign(_as_asked(missed[0], preparation, answers), board, address) if missed else None
    if first is not None and blink is not None and missed[0].asks == "led":
        first = evolve(first, means=f"{blink.code}: {blink.means}", next=blink.next)
    after = _sign(ahead, board, address) if ahead is not None and first is None else None
    return Came(tuple(reached), first, outcomes, blink, tuple(notes), after)
