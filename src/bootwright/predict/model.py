"""What a prediction is: links, folded into verdicts. Nothing else may produce a verdict."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from attrs import field, frozen

from bootwright.foundation.verdict import Verdict


class Answer(IntEnum):
    """Yes, no, or not to be known from the bytes. Ordered: the least of several is theirs together."""

    NO = 0
    UNKNOWN = 1
    YES = 2

    @property
    def word(self) -> str:
        """`yes`, `no` or `unknown`, as in JSON."""
        return self.name.lower()

    @property
    def verdict(self) -> Verdict:
        """The same as a verdict."""
        return (Verdict.FAILS, Verdict.UNKNOWN, Verdict.WORKS)[self]


@frozen
class Evidence:
    """Where a link's verdict was read, and by which rule."""

    where: str
    """File and offset, path in the devicetree, or kernel and driver."""
    rule: str
    """The kernel's rule, with its source file."""

    def __str__(self) -> str:
        return f"{self.where} ({self.rule})"


@frozen
class Link:
    """One thing a node needs."""

    node: str
    """Devicetree path."""
    needs: str
    """`device`, `driver`, `supplier: clocks → /path`, …"""
    answer: Answer
    because: Evidence
    reason: str = ""
    """One sentence for the user where the answer is not yes."""
    waits_for: str | None = None
    """The node whose being bound decides this link."""
    remedy: str = ""
    lacks: tuple[str, ...] = ()
    """The compatibles that the kernel has no driver for, where that is what is wrong."""

    @property
    def verdict(self) -> Verdict:
        """The answer as a verdict."""
        return self.answer.verdict


def fold(links: Iterable[Link]) -> Answer:
    """The least answer of all links; yes when there are none."""
    return min((link.answer for link in links), default=Answer.YES)


def first_broken(links: Iterable[Link]) -> Link | None:
    """The first link that is not yes; a certain no comes before a doubt that stands earlier.

    Of devices that wait for each other in a circle the one counts that lacks something else.
    """
    listed = list(links)
    for wanted in (Answer.NO, Answer.UNKNOWN):
        broken = [link for link in listed if link.answer is wanted]
        nodes = {link.node for link in broken}
        if broken:
            return next((link for link in broken if link.waits_for not in nodes), broken[0])
    return None


@frozen
class NodePrediction:
    """What becomes of one devicetree node."""

    path: str
    device: Answer
    bound: Answer
    bus: str | None
    driver: str | None
    where: str | None
    """`built-in`, `initramfs: NAME`, `module: NAME`, or None without a driver."""
    reason: str
    waits_for: tuple[str, ...]
    links: tuple[Link, ...] = field(repr=False)

    def as_json(self) -> dict[str, object]:
        """The node of docs/schemas/predict.schema.json."""
        return {
            "path": self.path,
            "device": self.device.word,
            "bound": self.bound.word,
            "bus": self.bus,
            "driver": self.driver,
            "where": self.where,
            "reason": self.reason,
            "waits_for": list(self.waits_for),
        }


@frozen
class Hazard:
    """Something that may fail, or that fails in a way the chain of bindings does not show."""

    name: str
    effect: Verdict
    """`fails` breaks the goal; `unknown` says that it may."""
    title: str
    reason: str
    remedy: str
    sources: tuple[str, ...]
    node: str | None = None
    where: str = ""
    """Container path of the file system it is about, where it is about one."""
    decides: bool = False
    """Whether its effect would be `fails` if it were known that its condition holds. Not of one that depends
    on a stepping which nobody told: a devicetree is judged for the boards that it is for."""


@frozen
class GoalVerdict:
    """Whether one goal of a board is reached."""

    goal: str
    verdict: Verdict
    node: str | None
    """Path of the goal's device; None where the devicetree has none."""
    chain: tuple[Link, ...]
    first_broken: Link | None
    hazards: tuple[Hazard, ...]
    not_checked: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """The goal of docs/schemas/check.schema.json."""
        broken = self.first_broken
        return {
            "verdict": self.verdict.value,
            "node": self.node,
            "chain": [
                {
                    "node": link.node,
                    "link": link.needs,
                    "verdict": link.verdict.value,
                    "evidence": str(link.because),
                    **({"reason": link.reason} if link.reason else {}),
                }
                for link in self.chain
            ],
            "first_broken": None
            if broken is None
            else {
                "node": broken.node,
                "link": broken.needs,
                "reason": broken.reason,
                "remedy": broken.remedy,
            },
            "hazards": [
                {
                    "name": hazard.name,
                    "effect": hazard.effect.value,
                    "title": hazard.title,
                    "reason": hazard.reason,
                    "remedy": hazard.remedy,
                    "node": hazard.node,
                    "sources": list(hazard.sources),
                }
                for hazard in self.hazards
            ],
            "not_checked": list(self.not_checked),
        }
