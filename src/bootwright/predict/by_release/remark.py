"""One thing that is said about an image before it is made."""

from __future__ import annotations

from attrs import frozen

from bootwright.foundation.verdict import Verdict


@frozen
class Remark:
    """Something about the image that follows from the schematic and the version."""

    verdict: Verdict
    """`fails` where the image will not do, `unknown` where it may not, `works` for what is only said."""
    text: str
    remedy: str = ""
    source: str = ""
    goals: tuple[str, ...] = ()
    """The goals of the board whose failing it explains, `*` for all."""
    steppings: tuple[str, ...] = ()
    """Of these steppings; none for all."""
    comes_first: bool = False
    """Before it is mended there is nothing to fetch: the image would not start."""

    def is_about(self, goal: str, stepping: str) -> bool:
        """Whether it says why a goal fails on a stepping."""
        return not {goal, "*"}.isdisjoint(self.goals) and (not self.steppings or stepping in self.steppings)

    def as_json(self) -> dict[str, str]:
        """Part of docs/schemas/talos.schema.json."""
        return {
            "verdict": self.verdict.value,
            "text": self.text,
            "remedy": self.remedy,
            "source": self.source,
        }
