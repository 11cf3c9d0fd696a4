"""Finding the fewest patches: tests chosen to tell most, and at the end a proof that none can go.

Until the end it is supposed that more patches never take the goal away. What is returned does not rest on
that: the set was tried and reaches the goal, and so was each set with one patch less, which does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field, frozen

from bootwright.foundation.verdict import Verdict
from bootwright.workshop.minimise.belief import Belief, Set

Test = Callable[[Set], Verdict]
"""Tries the base with these patches: `unknown` where they make no kernel, or one that tells nothing."""


@frozen
class Proof:
    """What came of leaving one patch out of the answer."""

    left_out: int
    verdict: Verdict
    """`fails`; `unknown` where without it no kernel can be made or judged."""


@frozen
class Fewest:
    """The answer."""

    kept: tuple[int, ...]
    """Which patches, in their order; they were tried together and reach the goal."""
    proof: tuple[Proof, ...]
    """One for each patch that no other of them needs; one that others need cannot be left out alone."""
    contradicted: bool
    """Whether a set passed of which a part had failed to: patches work against each other, or a test lied."""

    @property
    def proved(self) -> bool:
        """Whether leaving out any one of them was seen to fail."""
        return all(proof.verdict is Verdict.FAILS for proof in self.proof)


def fewest(needs: Sequence[Set], test: Test) -> Fewest:
    """The fewest patches that `test` needs; that all of them pass, and none of them fails, is known.

    `needs` are for each patch all earlier ones that it cannot do without. `test` is asked only for sets with
    all they need, and never twice.
    """
    search = _Search(needs, test)
    search.narrow()
    return search.prove()


@define
class _Search:
    needs: Sequence[Set]
    test: Test
    belief: Belief = field(init=False)
    answers: dict[Set, Verdict] = field(factory=dict, init=False)
    contradicted: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        count = len(self.needs)
        above = [
            frozenset(other for other in range(count) if other == number or number in self.needs[other])
            for number in range(count)
        ]
        self.belief = Belief(count, above)
        everything = frozenset(range(count))
        self.answers = {everything: Verdict.WORKS, frozenset(): Verdict.FAILS}
        self.belief.failed_without(everything)

    def narrow(self) -> None:
        """Leave out what is superfluous, until tests of sets can tell nothing more."""
        while True:
            tried = (left_out for left_out, _ in self.belief.proposals() if not self._told(left_out))
            left_out = next(tried, None)
            if left_out is None:
                return
            verdict = self.ask(self.belief.kept - left_out)
            if verdict is Verdict.WORKS:
                if any(pool <= left_out for pool in self.belief.failing):
                    self.contradicted = True
                self.belief.passed_without(left_out)
            elif verdict is Verdict.FAILS:
                self.belief.failed_without(left_out)

    def _told(self, left_out: Set) -> bool:
        """Whether that set was tried, without a result that helps."""
        return self.answers.get(self.belief.kept - left_out) is Verdict.UNKNOWN

    def prove(self) -> Fewest:
        """Leave out one patch after the other; where that passes after all, go on from there."""
        while True:
            kept = self.belief.kept
            proof: list[Proof] = []
            for number in sorted(kept, reverse=True):
                if self.belief.above[number] & kept != {number}:
                    continue
                verdict = self.ask(kept - {number})
                if verdict is Verdict.WORKS:
                    self.contradicted = True
                    self.belief.passed_without(frozenset({number}))
                    self.narrow()
                    break
                if verdict is Verdict.FAILS:
                    self.belief.failed_without(frozenset({number}))
                proof.append(Proof(number, verdict))
            else:
                return Fewest(tuple(sorted(kept)), tuple(proof[::-1]), self.contradicted)

    def ask(self, kept: Set) -> Verdict:
        """Try a set, once."""
        if kept not in self.answers:
            self.answers[kept] = self.test(kept)
        return self.answers[kept]
