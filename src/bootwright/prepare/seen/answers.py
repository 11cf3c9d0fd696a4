"""Answers that a person gives, checked before anything is done with them."""

from __future__ import annotations

from collections.abc import Mapping

from bootwright.boards.addresses import told_address
from bootwright.boards.lights import led_answer
from bootwright.boards.model import Board
from bootwright.foundation.choices import one_of
from bootwright.foundation.errors import Refused
from bootwright.foundation.verdict import Verdict
from bootwright.predict.api import OS_GOALS

LIGHTS = ("on", "off")
SERVICE = ("answers", "silent")


def given_answers(
    board: Board | None,
    *,
    led: str | None = None,
    lights: str | None = None,
    address: str | None = None,
    service: str | None = None,
) -> dict[str, str]:
    """What was asked → the answer, in the words of `data/preparations/`.

    Raises `Refused` for an answer that there is not, a code that the board's firmware does not blink, and
    what is no address.
    """
    answers: dict[str, str] = {}
    if led is not None:
        answers["led"] = led_answer(board, led, option="--led")
    if lights is not None:
        if "+" in lights:
            hint = f"flashes of the status LED are told with --led {lights}; --lights takes on or off"
            raise Refused(f"there is no answer {lights!r} to --lights: the Ethernet socket's", hint=hint)
        answers["lights"] = one_of(lights, LIGHTS, what="answer to --lights", kind="answers")
    if address is not None:
        answers["address"] = "none" if told_address(address) is None else "given"
    if service is not None:
        answers["service"] = one_of(service, SERVICE, what="answer to --service", kind="answers")
    return answers


def given_outcomes(board: Board | None, outcomes: Mapping[str, str]) -> dict[str, Verdict]:
    """Goal → verdict; raises `Refused` for a goal that the board has not, and for no verdict."""
    known = [*(goal.name for goal in board.goals), *OS_GOALS] if board is not None else None
    verdicts: dict[str, Verdict] = {}
    for goal, word in outcomes.items():
        if known is not None:
            one_of(goal, known, what="goal", kind="goals")
        chosen = one_of(word, [verdict.value for verdict in Verdict], what="outcome", kind="outcomes")
        verdicts[goal] = Verdict(chosen)
    return verdicts
