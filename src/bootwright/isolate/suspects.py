"""What the check of the boot chain finds in the bad image and not in the good one: looked at first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attrs import define, field

from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.verdict import Verdict
from bootwright.images.opened import open_image
from bootwright.images.verify.verify_boot import boot_checks
from bootwright.images.verify.verify_model import Check, fails
from bootwright.isolate.images import ImageHybrids
from bootwright.isolate.model import Answer, Element, Predictor

_SUSPECT = 8.0
"""How much likelier what is named there is to blame than what is not."""


@define
class Suspects:
    """See `isolate_model.Predictor`: a predictor's own, and what the checks name."""

    hybrids: ImageHybrids
    beside: Predictor
    found: tuple[Check, ...] = field(factory=tuple)

    @classmethod
    def of(cls, hybrids: ImageHybrids, beside: Predictor) -> Suspects:
        """Check both images; one that cannot be checked names nothing."""
        known = {(check.name, check.where, check.detail) for check in _failing(hybrids.good)}
        new = [
            check for check in _failing(hybrids.bad) if (check.name, check.where, check.detail) not in known
        ]
        return cls(hybrids, beside, tuple(new))

    def notes(self) -> list[str]:
        """What was found, in words."""
        return [f"suspected: {check.name}: {check.detail}" for check in self.found]

    def suspicion(self, element: Element) -> float:
        """See `Predictor.suspicion`."""
        places = self.hybrids.places(element.name)
        named = any(_names(check, place) for check in self.found for place in places)
        return max(_SUSPECT if named else 1.0, self.beside.suspicion(element))

    def predict(self, from_bad: frozenset[str]) -> Answer | None:
        """See `Predictor.predict`."""
        return self.beside.predict(from_bad)


def _names(check: Check, place: str) -> bool:
    where = check.where or ""
    return where == place or where.startswith(f"{place}:") or place.partition(":")[2] in check.detail


def _failing(image: Path) -> Iterator[Check]:
    try:
        for check in boot_checks(open_image(image)):
            if check.verdict is Verdict.FAILS:
                yield check
    except BootwrightError as error:
        yield fails("boot chain", error.message)
