"""How often a goal that lies now and then has to be tried: Wald's sequential test.

A. Wald, "Sequential Tests of Statistical Hypotheses", Annals of Mathematical Statistics 16(2), 1945: outcomes
are taken one after the other, and the ratio of their probabilities under both hypotheses decides once it
passes a bound that holds the error below what is allowed.
"""

from __future__ import annotations

import math
import re

from attrs import frozen

from bootwright.foundation.errors import Refused
from bootwright.foundation.verdict import Verdict

ERROR = 0.002
"""How often a decision may be wrong: of the some twenty that a search takes, all hold in 96 of 100."""
_MOST = 0.4
"""A goal that lies more often says next to nothing."""


@frozen
class Noise:
    """How often a boot's outcome is wrong."""

    false_fail: float = 0.0
    """Of a kernel that reaches the goal, the share of boots that do not show it."""
    false_pass: float = 0.0
    """Of one that does not, the share of boots that show it all the same."""

    @property
    def some(self) -> bool:
        """Whether one boot may be wrong."""
        return self.false_fail > 0 or self.false_pass > 0

    def decide(self, passes: int, fails: int, *, error: float = ERROR) -> Verdict | None:
        """What so many outcomes say; None: boot once more."""
        if not passes and not fails:
            return None
        if not self.some:
            return Verdict.WORKS if passes else Verdict.FAILS
        evidence = self.weight(passes, fails)
        bound = math.log((1 - error) / error)
        if abs(evidence) < bound:
            return None
        return Verdict.WORKS if evidence > 0 else Verdict.FAILS

    def weight(self, passes: int, fails: int) -> float:
        """Log of how much more probable these outcomes are of a kernel that reaches the goal."""
        return passes * _log_ratio(1 - self.false_fail, self.false_pass) + fails * _log_ratio(
            self.false_fail, 1 - self.false_pass
        )


def _log_ratio(first: float, second: float) -> float:
    if first <= 0:
        return -math.inf
    return math.inf if second <= 0 else math.log(first / second)


def parse_noise(text: str) -> Noise:
    """`0.1`: one boot in ten is wrong, either way; `0.2,0`: one good in five fails, no bad one passes."""
    match = re.fullmatch(r"([0-9.]{1,12})(?:,([0-9.]{1,12}))?", text.strip())
    try:
        shares = [float(part) for part in match.groups() if part is not None] if match else []
    except ValueError:
        shares = []
    if not shares or not all(0 <= share <= _MOST for share in shares):
        raise Refused(
            f"{text!r} is no share of wrong boots",
            hint=f"0.1, or 0.2,0 for boots that fail and that pass by accident; at most {_MOST}",
        )
    return Noise(shares[0], shares[-1])
