"""One thing that was checked in an image."""

from __future__ import annotations

from attrs import frozen

from bootwright.foundation.verdict import Verdict


@frozen
class Check:
    """What was looked at and what came of it."""

    name: str
    verdict: Verdict
    detail: str
    """What was found, or what is missing to know."""
    where: str | None = None
    hint: str | None = None

    def as_json(self) -> dict[str, object]:
        """The documented form."""
        return {
            "name": self.name,
            "verdict": str(self.verdict),
            "detail": self.detail,
            "where": self.where,
            "hint": self.hint,
        }


def works(name: str, detail: str, *, where: str | None = None) -> Check:
    """A check that passed."""
    return Check(name, Verdict.WORKS, detail, where)


def fails(name: str, detail: str, *, where: str | None = None, hint: str | None = None) -> Check:
    """A check that did not."""
    return Check(name, Verdict.FAILS, detail, where, hint)


def unknown(name: str, detail: str, *, where: str | None = None, hint: str | None = None) -> Check:
    """A check that could not be made."""
    return Check(name, Verdict.UNKNOWN, detail, where, hint)
