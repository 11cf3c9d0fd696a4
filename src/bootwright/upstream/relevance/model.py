"""What is said of a commit."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from bootwright.workshop.patches.commits import Commit


class Kind(StrEnum):
    """By what a commit touches a question."""

    CODE = "code"
    DEVICETREE = "devicetree"
    OPTION = "option"
    PATCH = "patch"
    VERSION = "version"
    BOARD_FILES = "board files"
    PATH = "path"
    MENTION = "mention"
    FIX = "fix"


@frozen
class Touch:
    """One place in which a commit touches a question."""

    outcome: str
    kind: Kind
    path: str
    what: str
    """A driver, a node, an option with its values, …"""

    def __str__(self) -> str:
        return f"{self.kind}: {self.path}: {self.what}" if self.path else f"{self.kind}: {self.what}"


@frozen
class Judged:
    """A commit that touches something."""

    commit: Commit
    touches: tuple[Touch, ...]
    sweeping: bool = False
    """It makes the same change in files that have nothing to do with any question, too."""

    @property
    def outcomes(self) -> tuple[str, ...]:
        """The questions that it touches."""
        return tuple(dict.fromkeys(touch.outcome for touch in self.touches))
