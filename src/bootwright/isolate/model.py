"""What isolating is about: elements that differ between two images, questions about mixtures, answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from attrs import field, frozen

from bootwright.foundation.verdict import Verdict


@frozen
class Element:
    """Something in which two images differ, and that can be taken from either."""

    name: str
    """As the user reads it: `kernel`, `config.txt`, `config.txt: [pi5] enable_uart=0`."""
    kind: str
    """The part it belongs to: `kernel`, `dtb`, `overlay`, `config.txt`, `command line`, `initramfs`, …"""
    group: str | None = None
    """Elements of one group travel together: a kernel and its modules."""
    needs: frozenset[str] = frozenset()
    """Names of elements that have to come from the same image when this one comes from the bad one."""


class Source(StrEnum):
    """How an answer was obtained. A later kind outweighs an earlier one."""

    PREDICTED = "predicted"
    GIVEN = "given"
    """What the user said by naming an image the good or the bad one; nobody booted it for this."""
    EMULATED = "emulated"
    REPORTED = "reported"
    BENCH = "bench"

    @property
    def was_booted(self) -> bool:
        """Whether a boot stands behind it."""
        return self not in {Source.PREDICTED, Source.GIVEN}


@frozen
class Answer:
    """What became of one mixture."""

    verdict: Verdict
    """Of the goal. `unknown` where the mixture could not be made, or did not show either."""
    source: Source
    reason: str = ""
    image: str = ""
    """The mixture's file, or the image itself; empty where none was made."""


@frozen
class Step:
    """One question asked on the way, and its answer."""

    from_bad: frozenset[str]
    answer: Answer

    def as_json(self) -> dict[str, Any]:
        """As docs/schemas/isolate.schema.json has it."""
        return {
            "image": self.answer.image,
            "parts_from_bad": sorted(self.from_bad),
            "outcome": self.answer.verdict.value,
            "source": self.answer.source.value,
            "reason": self.answer.reason,
        }


class Hybrids(Protocol):
    """Mixtures of a good and a bad image."""

    def elements(self) -> Sequence[Element]:
        """What differs, at the coarsest. Raises a `BootwrightError`."""
        ...

    def inside(self, element: Element) -> Sequence[Element]:
        """What differs inside one element; empty, or itself alone, where it cannot be split."""
        ...

    def build(self, from_bad: frozenset[str], out: Path) -> None:
        """Write the good image with these elements of the bad one to `out`.

        Raises `Refused` for a mixture that makes no sense (a kernel that takes none of the modules).
        """
        ...

    def mend(self, culprit: frozenset[str]) -> str:
        """A command that gives the bad image the good one's form of these elements."""
        ...


class Lab(Protocol):
    """Where a mixture is tried."""

    def answer(self, from_bad: frozenset[str]) -> Answer:
        """Try a mixture, or tell what is known of it. Raises `Waiting` where a person has to."""
        ...


class Predictor(Protocol):
    """What can be said of a mixture without trying it."""

    def suspicion(self, element: Element) -> float:
        """How likely this element is to blame, compared with others; 1 where nothing is known."""
        ...

    def predict(self, from_bad: frozenset[str]) -> Answer | None:
        """A prediction that is certain enough to save a boot, or None."""
        ...


class NoPrediction:
    """Nothing is known beforehand."""

    def suspicion(self, element: Element) -> float:  # noqa: ARG002
        """See `Predictor`."""
        return 1.0

    def predict(self, from_bad: frozenset[str]) -> Answer | None:  # noqa: ARG002
        """See `Predictor`."""
        return None


class Waiting(Exception):
    """A mixture has to be tried by a person before it can go on; the image is there."""

    def __init__(self, image: Path, from_bad: frozenset[str]) -> None:
        super().__init__(str(image))
        self.image = image
        self.from_bad = from_bad


@frozen
class Isolated:
    """The end of an isolation."""

    culprits: tuple[frozenset[str], ...]
    """Each a smallest set of elements that makes the good image fail. Usually one."""
    steps: tuple[Step, ...]
    boots: int
    """Mixtures that were really tried, the two images included where they were."""
    mended: Verdict
    """Of the bad image with the culprits taken from the good one."""
    mended_source: Source
    """How that is known."""
    proofs: tuple[tuple[Step, tuple[Step, ...]], ...]
    """For each culprit: the mixture with just it, which fails; those with one element less, which do not."""
    notes: tuple[str, ...] = ()

    @property
    def culprit(self) -> frozenset[str]:
        """All elements to blame."""
        return frozenset().union(*self.culprits)


@frozen
class Universe:
    """Elements with what travels together, as units that can be chosen freely."""

    units: tuple[frozenset[str], ...]
    needs: Mapping[str, frozenset[str]] = field(factory=dict)

    @classmethod
    def of(cls, elements: Iterable[Element]) -> Universe:
        """Elements of one group are one unit; needs outside these elements are left out."""
        listed = list(elements)
        names = {element.name for element in listed}
        groups: dict[str, list[str]] = {}
        for element in listed:
            groups.setdefault(element.group or f"\0{element.name}", []).append(element.name)
        needs = {element.name: element.needs & names for element in listed if element.needs & names}
        return cls(tuple(frozenset(group) for group in groups.values()), needs)

    @property
    def names(self) -> frozenset[str]:
        """All elements."""
        return frozenset().union(*self.units)

    def closed(self, chosen: frozenset[str]) -> frozenset[str]:
        """`chosen` with all that has to come along: groups whole, needs met."""
        result = set(chosen)
        while True:
            before = len(result)
            for unit in self.units:
                if unit & result:
                    result |= unit
            for name in tuple(result):
                result |= self.needs.get(name, frozenset())
            if len(result) == before:
                return frozenset(result)

    def dependents(self, chosen: frozenset[str]) -> frozenset[str]:
        """`chosen` with all that cannot stay bad without it."""
        left = set(self.names - chosen)
        while True:
            out = {name for name in left if not self.closed(frozenset({name})) <= left}
            if not out:
                return self.names - left
            left -= out
