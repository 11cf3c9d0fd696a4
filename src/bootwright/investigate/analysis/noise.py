"""Outcomes that lie: how likely each cause is, when any observation may be wrong with a known share.

An observation that agrees with a cause multiplies its weight by `1 - noise`, one that contradicts it by
`noise` (Bayes); no cause is ever excluded. So a cell may be worth another look, and what a run tells is what
its result tells less what chance adds to it: the mutual information of causes and results over a binary
symmetric channel (D. J. C. MacKay, *Information Theory, Inference, and Learning Algorithms*, 2003, ch. 9).

Causes with the same prior and the same number of contradictions weigh the same and are kept as one bit set,
so that n observations cost n times the number of such classes, not of causes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping

from attrs import frozen

from bootwright.foundation.errors import Refused
from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.causes import CauseSpace
from bootwright.investigate.analysis.choose import REPORT_DOUBT, Beliefs
from bootwright.investigate.analysis.observations import (
    CONFIDENCE,
    Observation,
    Source,
    outvotes,
    weigh,
)

MOST_NOISE = 0.4
"""An outcome that lies more often says next to nothing."""
_TOO_RARE = 0.01
"""So many wrong outcomes, or more, at less than this chance are no lies: something else is going on."""
_FORGOTTEN = 1e-12
"""Classes whose weight is this small beside the heaviest are merged into one: they cannot win."""


def check_noise(noise: float) -> float:
    """`noise`, where it is a share that outcomes can be used with; raises `Refused`."""
    if not 0 <= noise <= MOST_NOISE:
        raise Refused(
            f"{noise:g} is no share of wrong outcomes", hint=f"0.05 is one in twenty; at most {MOST_NOISE}"
        )
    return noise


class NoisyBeliefs(Beliefs):
    """All causes of one outcome, weighed by what was seen."""

    def __init__(self, space: CauseSpace, noise: float, causes: int | None = None) -> None:
        """`noise` is the share of wrong outcomes; `causes` limits them [all]."""
        super().__init__(space, space.everything if causes is None else causes)
        self._space = space
        self.noise = noise

    def see(self, observation: Observation, outcome: str) -> None:
        """Weigh the causes by one observation; an unknown outcome says nothing.

        A report lies at least as often as `choose.REPORT_DOUBT` says; a prediction gives the same answer each
        time, so it does not lie by chance.
        """
        verdict = observation.outcomes.get(outcome, Verdict.UNKNOWN)
        if verdict is Verdict.UNKNOWN:
            return
        noise = {
            Source.REPORTED: max(self.noise, REPORT_DOUBT),
            Source.PREDICTED: 0.0,
        }.get(observation.source, self.noise)
        agreeing = self._space.agreeing(observation.values, verdict)
        merged: dict[float, int] = {}
        for members, weight in self._classes:
            for part, factor in ((members & agreeing, 1 - noise), (members & ~agreeing, noise)):
                if part:
                    # Rounded, so that the same product in another order is the same class.
                    key = float(f"{weight * factor:.12e}")
                    merged[key] = merged.get(key, 0) | part
        heaviest = max(merged, default=1.0)
        self._classes = []
        light = 0
        for weight, part in sorted(merged.items(), reverse=True):
            if weight < heaviest * _FORGOTTEN:
                light |= part
            else:
                self._classes.append((part, weight / heaviest))
        if light:
            self._classes.append((light, _FORGOTTEN))

    def worth(self, patterns: Mapping[tuple[bool, ...], int]) -> float:
        """The mutual information of causes and results, in bits; exact, for some ten views at most."""
        masses = {shown: mass for shown, group in patterns.items() if (mass := self.mass(group)) > 0}
        whole = sum(masses.values())
        if len(masses) < 2 or not whole:
            return 0.0
        views = len(next(iter(masses)))
        seen = [0.0] * (1 << views)
        for number, result in enumerate(itertools.product((False, True), repeat=views)):
            for shown, mass in masses.items():
                wrong = sum(own is not other for own, other in zip(shown, result, strict=True))
                chance = self.noise**wrong * (1 - self.noise) ** (views - wrong)
                seen[number] += mass / whole * chance
        return max(0.0, _entropy(seen) - views * _entropy((self.noise, 1 - self.noise)))

    def credible(self, share: float = CONFIDENCE) -> int:
        """The fewest causes, as a bit set, that together have `share` of the weight, the likeliest first."""
        whole = sum(members.bit_count() * weight for members, weight in self._classes)
        kept, mass = 0, 0.0
        for members, weight in sorted(self._classes, key=lambda row: -row[1]):
            for index in _bits(members):
                if mass >= share * whole:
                    return kept
                kept |= 1 << index
                mass += weight
        return kept

    @property
    def likeliest(self) -> int:
        """The first of the causes with the most weight, as a bit set."""
        members = max(self._classes, key=lambda row: row[1])[0]
        return members & -members


@frozen
class Doubted:
    """What remains of observations some of which lie."""

    causes: int
    """The credible causes, as a bit set."""
    lies: tuple[Observation, ...]
    """Observations that the likeliest cause contradicts."""
    plausible: bool
    """Whether so many of them may lie by chance; else no one cause explains what was seen."""
    disputed: frozenset[str]
    """Observations of cells about which boards contradict each other, unless enough more of them say what the
    likeliest cause says."""


def doubt(space: CauseSpace, observations: Iterable[Observation], outcome: str, noise: float) -> Doubted:
    """Weigh every observation, repetitions too."""
    beliefs = NoisyBeliefs(space, noise)
    relevant = [
        observation
        for observation in observations
        if observation.outcomes.get(outcome, Verdict.UNKNOWN) is not Verdict.UNKNOWN
    ]
    for observation in relevant:
        beliefs.see(observation, outcome)
    likeliest = beliefs.likeliest
    lies = tuple(
        observation
        for observation in relevant
        if not space.agreeing(observation.values, observation.outcomes[outcome]) & likeliest
    )
    by_chance = [observation for observation in relevant if observation.source > Source.PREDICTED]
    wrong = sum(observation in by_chance for observation in lies)
    plausible = _tail(len(by_chance), wrong, noise) >= _TOO_RARE
    foretold = any(observation.source is Source.PREDICTED for observation in lies)
    disputed = {
        identity
        for dispute in weigh(relevant, outcome).disputed
        for fails in [bool(space.failing(dispute.values)[0] & likeliest)]
        for agreeing, others in [(dispute.fails, dispute.works) if fails else (dispute.works, dispute.fails)]
        if not outvotes(agreeing, others, noise)
        for identity in dispute.ids
    }
    return Doubted(beliefs.credible(), lies, plausible and not foretold, frozenset(disputed))


def _tail(tried: int, wrong: int, noise: float) -> float:
    """The chance that `wrong` or more of `tried` lie."""
    return sum(
        math.comb(tried, count) * noise**count * (1 - noise) ** (tried - count)
        for count in range(wrong, tried + 1)
    )


def _entropy(shares: Iterable[float]) -> float:
    return -sum(share * math.log2(share) for share in shares if share > 0)


def _bits(mask: int) -> Iterable[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
