"""What a board's definition predicts of mixtures: by kernel and devicetree, without booting."""

from __future__ import annotations

import itertools
from pathlib import Path

from attrs import define, field

from bootwright.boards.model import Board
from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.progress import Progress
from bootwright.foundation.verdict import Verdict
from bootwright.isolate.model import Answer, Element, Source
from bootwright.predict.api import predict_goal
from bootwright.predict.given.gather import gather
from bootwright.predict.given.gathered import Gathered
from bootwright.predict.verdicts import agreed

_SUSPECT = 8.0
"""How much likelier a part is to blame whose form in the bad image alone is predicted to fail."""


@define
class BoardPredictor:
    """See `isolate_model.Predictor`.

    A mixture is predicted when all that the prediction looks at (kernel with its modules, devicetree) comes
    whole from one image or the other, and only where the prediction tells the two images apart.
    """

    verdicts: dict[frozenset[str], Verdict] = field(factory=dict)
    """Which of `kernel` and `dtb` are the bad image's → the goal's verdict."""
    reasons: dict[frozenset[str], str] = field(factory=dict)

    @classmethod
    def of(
        cls, good: Path, bad: Path, board: Board, goal: str, stepping: str | None, *, progress: Progress
    ) -> BoardPredictor:
        """Predict the four mixtures of kernel and devicetree; nothing where the images cannot be read so."""
        predictor = cls()
        board.goal(goal)
        steppings = [board.stepping(stepping)] if stepping is not None else board.steppings
        try:
            with progress.step(f"predict {goal} of {board.name}"):
                sides = [gather([str(path)], progress) for path in (good, bad)]
                for kernel, tree in itertools.product((0, 1), repeat=2):
                    key = frozenset(name for name, bad in (("kernel", kernel), ("dtb", tree)) if bad)
                    judged = [
                        _goal(
                            sides[kernel],
                            sides[tree].dtbs.get(revision.dtb),
                            board,
                            goal,
                            revision.name,
                        )
                        for revision in steppings
                    ]
                    # Without a stepping only what holds on each of them is known of the board.
                    predictor.verdicts[key] = agreed(verdict for verdict, _ in judged)
                    if reason := next((reason for _, reason in judged if reason), ""):
                        predictor.reasons[key] = reason
        except BootwrightError as error:
            progress.note(f"nothing can be predicted: {error.message}")
            return cls()
        if predictor.verdicts[frozenset()] is predictor.verdicts[frozenset({"kernel", "dtb"})]:
            progress.note("the prediction is the same for both images: it does not help here")
            return cls()
        return predictor

    def suspicion(self, element: Element) -> float:
        """See `Predictor.suspicion`."""
        alone = self.verdicts.get(frozenset({element.kind}))
        return _SUSPECT if alone is Verdict.FAILS else 1.0

    def predict(self, from_bad: frozenset[str]) -> Answer | None:
        """See `Predictor.predict`: only that something breaks is certain; that all else is well is not."""
        if any(name.startswith(("kernel: ", "dtb: ")) for name in from_bad):
            return None
        key = from_bad & {"kernel", "dtb"}
        if self.verdicts.get(key) is not Verdict.FAILS:
            return None
        return Answer(Verdict.FAILS, Source.PREDICTED, self.reasons.get(key, ""))


def _goal(side: Gathered, dtb: Path | None, board: Board, goal: str, stepping: str) -> tuple[Verdict, str]:
    """The verdict on one stepping, and where its chain breaks; unknown without kernel or devicetree."""
    if side.kernel is None or dtb is None:
        return Verdict.UNKNOWN, ""
    prediction = predict_goal(
        side.kernel, dtb, board, goal, stepping=stepping, initramfs_modules=side.initramfs_modules
    )
    broken = prediction.first_broken
    return prediction.verdict, f"{broken.node}: {broken.reason}" if broken is not None else ""
