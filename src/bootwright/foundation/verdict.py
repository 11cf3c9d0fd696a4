"""The three values every question is answered with."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """`unknown` always comes with what is missing; it is never a guess."""

    WORKS = "works"
    FAILS = "fails"
    UNKNOWN = "unknown"

    @property
    def exit_status(self) -> int:
        """0 works, 1 fails, 3 unknown (2 is bad input)."""
        return {Verdict.WORKS: 0, Verdict.FAILS: 1, Verdict.UNKNOWN: 3}[self]


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Of several questions' answers: `fails` where one does, else `unknown` where one is, else `works`."""
    present = set(verdicts)
    return next(
        (verdict for verdict in (Verdict.FAILS, Verdict.UNKNOWN) if verdict in present), Verdict.WORKS
    )
