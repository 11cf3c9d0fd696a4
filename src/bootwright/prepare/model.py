"""What preparing is about: an image as the predictor sees it, one change to it, and what became of that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from attrs import evolve, field, frozen

from bootwright.foundation.verdict import Verdict, worst
from bootwright.images.change.changes import Changes
from bootwright.predict.given.gathered import Gathered
from bootwright.predict.model import GoalVerdict, Link
from bootwright.predict.verdicts import BoardVerdicts


class MendKind(StrEnum):
    """What a change is of; the smaller one comes first."""

    CONFIG_TXT = "config.txt"
    ARGUMENTS = "command line"
    DEVICETREE = "devicetree"
    MODULES = "modules"
    KERNEL = "kernel"


@frozen
class Setup:
    """An image as the predictor sees it, and the text of its config.txt, which changes are written in."""

    gathered: Gathered
    config_txt: bytes | None = None


@frozen
class Mend:
    """One change of an image that may make it work."""

    kind: MendKind
    title: str
    """`devicetree bcm2712-rpi-5-b.dtb of debian-6.18.15-4k`."""
    because: str
    """What proposes it."""
    cost: float
    """Of two that work, the one that costs less is made; the scale is `candidates.COSTS`."""
    changes: Callable[[], Changes] = field(eq=False, repr=False)
    """What `swap` is asked for; it may take a prediction to know, and is asked for once it was tried."""
    apply: Callable[[Setup], Setup] = field(eq=False, repr=False)
    """The image with it, as the predictor sees it."""
    kernel: str = ""
    """The kernel of the catalogue that it takes something from; empty where it takes nothing."""

    def as_json(self) -> dict[str, object]:
        """As docs/schemas/prepare.schema.json has it."""
        return {"kind": self.kind.value, "title": self.title, "because": self.because}


@frozen
class Judged:
    """What is predicted of a board with an image: of each stepping that was asked for."""

    boards: tuple[BoardVerdicts, ...]
    wanted: tuple[str, ...]
    """The goals that decide."""

    @property
    def goals(self) -> Mapping[tuple[str, str], GoalVerdict]:
        """(stepping, goal) → verdict, of the goals that decide."""
        return {
            (board_verdicts.stepping, name): board_verdicts.goals[name]
            for board_verdicts in self.boards
            for name in self.wanted
            if name in board_verdicts.goals
        }

    @property
    def verdict(self) -> Verdict:
        """`works` where every goal that decides works on every stepping that was asked for."""
        return worst(goal.verdict for goal in self.goals.values())

    @property
    def fails(self) -> bool:
        """Whether a goal that decides fails for certain, on any of the steppings."""
        return any(goal.verdict is Verdict.FAILS for goal in self.goals.values())

    @property
    def first(self) -> tuple[str, str, Link] | None:
        """(stepping, goal, first broken link) of what fails first; None where nothing does."""
        for wanted in (Verdict.FAILS, Verdict.UNKNOWN):
            for (stepping, name), goal in self.goals.items():
                if goal.verdict is wanted and goal.first_broken is not None:
                    return stepping, name, goal.first_broken
        return None

    def all_goals(self) -> Mapping[tuple[str, str], Verdict]:
        """(stepping, goal) → verdict, of everything that was judged."""
        return {
            (board_verdicts.stepping, name): goal.verdict
            for board_verdicts in self.boards
            for name, goal in board_verdicts.goals.items()
        }


@frozen
class Trial:
    """One or several changes, and what was predicted, or seen, of the image with them."""

    mends: tuple[Mend, ...]
    judged: Judged | None
    """None where it could not be judged."""
    rejected: str = ""
    """Why it is not the answer; empty where it is."""

    @property
    def title(self) -> str:
        """The changes in words."""
        return " and ".join(mend.title for mend in self.mends)

    def as_json(self) -> dict[str, object]:
        """As docs/schemas/prepare.schema.json has it."""
        verdict = self.judged.verdict.value if self.judged is not None else Verdict.UNKNOWN.value
        return {
            "changes": [mend.as_json() for mend in self.mends],
            "verdict": verdict,
            "rejected": self.rejected or None,
        }


def together(first: Changes, second: Changes) -> Changes:
    """Both changes; where only one can be (a kernel), the second."""
    return evolve(
        second,
        kernel=second.kernel or first.kernel,
        modules=second.modules or first.modules,
        added_modules=tuple(dict.fromkeys((*first.added_modules, *second.added_modules))),
        trees=(*first.trees, *second.trees),
        arguments=(*first.arguments, *second.arguments),
        config=(*first.config, *second.config),
        files=(*first.files, *second.files),
    )
