"""What a message is by its words alone, found out once: loops, copies and a file's boots say the same."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from bootwright.diagnose.closer.devices import DEVICE
from bootwright.diagnose.closer.excerpts.elisions import is_elision
from bootwright.diagnose.closer.links import may_tell_of_link
from bootwright.diagnose.closer.needs import attempted
from bootwright.diagnose.judging.boot_needs import BootNeed
from bootwright.diagnose.judging.device_roles import is_given_up, may_be_unanswered
from bootwright.diagnose.judging.shapes import looks_wrong

_REMEMBERED: Final = 1 << 14
"""Messages."""


class Noted(NamedTuple):
    """Of one message, without its stamps."""

    device: re.Match[bytes] | None
    """Whose driver speaks (`devices.DEVICE`); of a program's message this and the next two are left out."""
    wrong: bool
    """It looks wrong (`shapes.looks_wrong`), or its driver finds nothing to use in its device."""
    unanswered: bool
    """It may tell of a device that does not answer."""
    elision: bool
    """It stands for lines that were left out."""
    link: bool
    """It may tell of a network link."""
    needs: tuple[BootNeed, ...]
    """What an attempt failed at to get."""


@lru_cache(maxsize=_REMEMBERED)
def noted(text: bytes, *, by_program: bool) -> Noted:
    """What is noted of a message (`by_program`: a program says it)."""
    needs = attempted(text)
    if by_program:
        return Noted(None, False, False, is_elision(text), may_tell_of_link(text), needs)
    return Noted(
        DEVICE.match(text),
        looks_wrong(text) or is_given_up(text),
        may_be_unanswered(text),
        is_elision(text),
        may_tell_of_link(text),
        needs,
    )
