"""What the lights of a board say: one file for each family in `data/lights/`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import field, frozen

from bootwright.boards.model import Board
from bootwright.foundation.choices import no_such
from bootwright.foundation.errors import Refused
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import key

LED = ("off", "steady", "activity")
"""What the status LED may do beside blinking a code."""
_CODE = re.compile(r"(\d{1,2})\s*\+\s*(\d{1,2})")


@frozen
class Blink:
    """A pattern of the status LED that a board's firmware repeats."""

    long: int
    short: int
    means: str
    next: str
    fails: bool = True
    """Whether the boot has failed; False where a system that was shut down shows it as well."""
    only: str = ""
    """The group of the family whose boards blink it with this meaning; empty for all of them."""

    @property
    def code(self) -> str:
        """`2+1`: two long, one short."""
        return f"{self.long}+{self.short}"


@frozen
class Lights:
    """The lights of a family of boards."""

    boards: tuple[str, ...]
    source: str
    led: Mapping[str, str]
    """Board → its status LED in words, `*` for the others of the family."""
    ethernet: str = ""
    """The lights of the Ethernet socket."""
    group: Mapping[str, tuple[str, ...]] = field(factory=dict)
    """Boards of the family with a part that the others have not, by a name for it."""
    blinks: tuple[Blink, ...] = field(default=(), metadata=key("blink"))

    def __attrs_post_init__(self) -> None:
        for members in self.group.values():
            if not set(members) <= set(self.boards):
                raise ValueError("groups of the family's own boards", ", ".join(members))
        for blink in self.blinks:
            if blink.only and blink.only not in self.group:
                raise ValueError("a group of the family as `only`", blink.only)

    def blinks_of(self, board: str) -> tuple[Blink, ...]:
        """The codes that the firmware of one of the boards has; no code is there twice."""
        return tuple(blink for blink in self.blinks if not blink.only or board in self.group[blink.only])

    def blink_of(self, board: str, code: str) -> Blink | None:
        """What a code (`2+1`) means on one of the boards; None where it has no such code."""
        return next((blink for blink in self.blinks_of(board) if blink.code == code), None)

    def led_of(self, board: str) -> str:
        """The status LED of a board, in words."""
        return self.led.get(board, self.led.get("*", ""))


LIGHTS = Kind("lights", "a family's lights", Lights)


def lights_of(board: str) -> Lights | None:
    """The lights of a board's family; None where nothing is known of them."""
    return next((lights for lights in LIGHTS.all().values() if board in lights.boards), None)


def led_answer(board: Board | None, text: str, *, option: str) -> str:
    """What was seen of the status LED, as `LED` has it or as a code `2+1` that the board's firmware knows.

    `option` is how it was given, for the message. Raises `Refused` for anything else.
    """
    match = _CODE.fullmatch(text.strip())
    if match is None:
        if text in LED:
            return text
        forms = "off, steady, activity, or the long and short flashes of one round: 0+7"
        raise no_such(f"there is no answer {text!r} to {option}", text, LED, kind="answers", otherwise=forms)
    code = f"{int(match[1])}+{int(match[2])}"
    if board is None:
        raise Refused("the codes of the LED differ between boards", hint="name the board with --board")
    known = lights_of(board.id)
    if known is None:
        raise Refused(f"no codes of the LED are known of {board.name}", hint="say activity, steady or off")
    if known.blink_of(board.id, code) is None:
        codes = ", ".join(blink.code for blink in known.blinks_of(board.id))
        hint = f"count the long and the short flashes of one round again; its codes: {codes}"
        raise Refused(f"{board.name} has no code {code} of its LED", hint=hint)
    return code
