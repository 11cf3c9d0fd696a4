"""What a person calls the things of an investigation: factors, outcomes, causes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bootwright.investigate.analysis.causes import Cause, spoken
from bootwright.investigate.analysis.judge import Judgement
from bootwright.investigate.running.investigation import Investigation
from bootwright.report.words import bound, clean


class Names:
    """Labels by name, made harmless once."""

    def __init__(self, investigation: Investigation) -> None:
        self._factors = {factor.name: clean(factor.title, 80) for factor in investigation.factors}
        self._known = {factor.name: factor for factor in investigation.factors}
        self._plan = plan = investigation.plan
        self._outcomes = {
            name: clean((plan.outcome[name].label if plan and name in plan.outcome else "") or name, 120)
            for name in investigation.outcomes
        }

    def factor(self, name: str) -> str:
        """`kernel version`."""
        return self._factors.get(name) or clean(name, 80)

    def factors(self, names: Iterable[str]) -> list[str]:
        """The labels of several, in the order given."""
        return [self.factor(name) for name in names]

    def level(self, factor: str, level: str) -> str:
        """A level as a person is told to use it."""
        return clean(self._plan.word(factor, level) if self._plan else level, 120)

    def outcome(self, name: str) -> str:
        """`Ethernet comes up`, or the name where the plan gives no label."""
        return self._outcomes.get(name) or clean(name, 120)

    def condition(self, factor: str, text: str) -> str:
        """`kernel version before 6.16.3`, `page size 16K`."""
        return f"{self.factor(factor)} {bound(clean(text, 120))}"

    def conditions(self, wanted: Mapping[str, str]) -> str:
        """Several of them, spoken."""
        return " and ".join(self.condition(factor, text) for factor, text in wanted.items())

    def cause(self, cause: Cause, judgement: Judgement) -> str:
        """A cause, spoken, its thresholds by what was seen on both sides.

        `kernel version is too old (fails with 6.12.117, works with 6.16.3) and page size is 16K`.
        """
        return spoken(
            cause,
            judgement.kept,
            judgement.outcome,
            self._known,
            label=self.factor,
            shown=lambda text: clean(text, 160),
        )


def cell_words(cell: Iterable[tuple[str, str]]) -> str:
    """`kernel version 7.3.4; page size 4K`, of the labels and levels of a cell."""
    return "; ".join(f"{factor} {level}" for factor, level in cell)


def value(given: Mapping[str, str], names: Names) -> str:
    """A given value in words."""
    if len(given) == 1:
        return clean(next(iter(given.values())), 120)
    return ", ".join(f"{names.factor(name)} {clean(level, 120)}" for name, level in given.items())
