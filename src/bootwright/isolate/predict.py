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
        dtb = board.stepping(stepping).dtb
        try:
            with progress.step(f"predict {goal} of {board.name}"):
                sides = [gather([str(path)], progress) for path in (good, bad)]
                for kernel, tree in itertools.product((0, 1), repeat=2):
                    key = frozenset(name for name, bad in (("kernel", kernel), ("dtb", tree)) if bad)
                    if (image := sides[kernel].kernel) is None or dtb not in sides[tree].dtbs:
                        predictor.verdicts[key] = Verdict.UNKNOWN
                        continue
                    said = predict_goal(
                        image,
                        sides[tree].dtbs[dtb],
                        board,
                        goal,
                        stepping=stepping,
                        initramfs_modules=sides[kernel].initramfs_modules(),
                    )
                    predictor.verdicts[key] = said.verdict
                    if said.first_broken is not None:
                        predictor.reasons[key] = f"{said.first_broken.node}: {said.first_broken.reason}"
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
