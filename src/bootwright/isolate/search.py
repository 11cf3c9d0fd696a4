"""Which elements of a bad image make a good one fail: delta debugging.

Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 28(2), 2002: `ddmin`. A
configuration is a set of elements taken from the bad image; the empty one works, the full one fails, and a
smallest one that fails is looked for. Three things are added:

- Elements that travel together, or need one another, are kept so (`Universe.closed`).
- While one cause is enough to explain what was seen, the other half of a half that works is taken to fail
  without trying it, and so is what a prediction says; what was found so is tried at the end. Where that
  contradicts, nothing is assumed any more and plain ddmin goes on with the answers it has.
- The two parts of a split have equal suspicion rather than equal size, the more suspect one first.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, field

from bootwright.foundation.errors import Refused
from bootwright.foundation.verdict import Verdict
from bootwright.isolate.model import (
    Answer,
    Element,
    Hybrids,
    Isolated,
    Lab,
    NoPrediction,
    Predictor,
    Source,
    Step,
    Universe,
)

_MOST_CULPRITS = 8
"""Independent causes looked for one after the other."""

Unit = frozenset[str]
Config = tuple[Unit, ...]


def isolate(hybrids: Hybrids, lab: Lab, predictor: Predictor | None = None) -> Isolated:
    """Find what to blame, as finely as the images can be taken apart.

    Raises `Refused` when the good image fails, or the bad one works, or nothing differs; `Waiting` when a
    person has to try something first: the same call goes on from there, given the same answers.
    """
    search = _Search(lab, predictor or NoPrediction())
    elements = list(hybrids.elements())
    if not elements:
        raise Refused("the two images do not differ", hint="give a good and a bad image")
    search.add(elements)
    nothing, everything = frozenset[str](), frozenset(element.name for element in elements)
    good = search.ask(nothing, sure=True)
    if good.verdict is not Verdict.WORKS:
        raise Refused(
            f"the good image does not reach the goal ({good.verdict}{_because(good)})",
            hint="choose a goal that it reaches, or a longer --timeout",
        )
    bad = search.ask(everything, sure=True)
    if bad.verdict is not Verdict.FAILS:
        raise Refused(
            f"the bad image does not fail ({bad.verdict}{_because(bad)})",
            hint="choose a goal that it does not reach; where only a board shows it, --on bench",
        )
    culprits: list[frozenset[str]] = []
    while len(culprits) < _MOST_CULPRITS:
        culprit = search.smallest(everything)
        fine = _split(hybrids, search, culprit)
        everything, culprit = everything - culprit | fine.all, fine.culprit
        culprits.append(culprit)
        blamed = search.universe.dependents(frozenset().union(*culprits)) & everything
        rest = search.universe.closed(everything - blamed)
        if not rest or rest & frozenset().union(*culprits):
            mended = Verdict.WORKS if not rest else Verdict.UNKNOWN
            source = good.source if not rest else Source.PREDICTED
            break
        answer = search.ask(rest, sure=True)
        mended, source = answer.verdict, answer.source
        if mended is not Verdict.FAILS:
            break
        # Something else makes it fail as well: look for it in what is left.
        everything = rest
    return Isolated(
        culprits=tuple(culprits),
        steps=tuple(search.steps.values()),
        boots=sum(step.answer.source.was_booted for step in search.steps.values()),
        mended=mended,
        mended_source=source,
        proofs=tuple(search.proof(culprit) for culprit in culprits),
        notes=tuple(search.notes),
    )


@define
class _Fine:
    culprit: frozenset[str]
    all: frozenset[str]
    """What stands for the coarse culprit now: every element inside it."""


def _split(hybrids: Hybrids, search: _Search, culprit: frozenset[str]) -> _Fine:
    """Look inside the elements to blame, one after the other, until nothing can be split.

    What has been found to be needed together with the one that is opened stays in every mixture.
    """
    whole = culprit
    waiting = sorted(culprit)
    while waiting:
        name = waiting.pop(0)
        if name not in culprit:
            continue
        parts = list(hybrids.inside(search.elements[name]))
        if len(parts) < 2 and all(part.name == name for part in parts):
            continue
        inner = frozenset(part.name for part in parts)
        search.stands_for(name, inner)
        search.add(parts)
        whole = whole - {name} | inner
        rest = culprit - {name}
        needed = search.smallest(inner, rest)
        culprit = rest | needed
        waiting += sorted(needed)
    return _Fine(culprit, whole)


def _because(answer: Answer) -> str:
    return f": {answer.reason}" if answer.reason else ""


@define
class _Search:
    """Questions asked so far, and the search for a smallest set."""

    lab: Lab
    predictor: Predictor
    elements: dict[str, Element] = field(factory=dict)
    steps: dict[frozenset[str], Step] = field(factory=dict)
    notes: list[str] = field(factory=list)
    trust: bool = True
    """Whether predictions may save boots."""
    _inside: dict[frozenset[str], str] = field(factory=dict)
    _base: Unit = frozenset()
    """What is in every mixture of the search that is under way."""

    @property
    def universe(self) -> Universe:
        return Universe.of(self.elements.values())

    def add(self, elements: Iterable[Element]) -> None:
        self.elements.update({element.name: element for element in elements})

    def stands_for(self, name: str, parts: frozenset[str]) -> None:
        """All `parts` together are the element `name`: a question about them is one about it."""
        self._inside[parts] = name
        self.elements.pop(name, None)

    def ask(self, config: frozenset[str], *, sure: bool) -> Answer:
        """What becomes of the good image with these elements of the bad one; predicted only if not `sure`."""
        config = self._coarse(config)
        known = self.steps.get(config)
        if known is not None and not (sure and known.answer.source is Source.PREDICTED):
            return known.answer
        if not sure and self.trust:
            predicted = self.predictor.predict(config)
            if predicted is not None and predicted.verdict is not Verdict.UNKNOWN:
                self.steps[config] = Step(config, predicted)
                return predicted
        answer = self.lab.answer(config)
        self.steps[config] = Step(config, answer)
        return answer

    def _coarse(self, config: frozenset[str]) -> frozenset[str]:
        """Complete again where all inner elements are there, so that nothing is asked twice."""
        changed = True
        while changed:
            changed = False
            for parts, name in self._inside.items():
                if parts <= config:
                    config = config - parts | {name}
                    changed = True
        return config

    def smallest(self, failing: frozenset[str], beside: frozenset[str] = frozenset()) -> frozenset[str]:
        """A smallest set within `failing` that still fails, together with all of `beside`."""
        universe = Universe.of(
            element for element in self.elements.values() if element.name in failing | beside
        )
        self._base = universe.closed(beside)
        # What `beside` brings along may be enough.
        if self._base and self.ask(self._base, sure=True).verdict is Verdict.FAILS:
            return self._base - beside
        free = tuple(unit for unit in universe.units if not unit <= self._base)
        failing_set = self._ddmin(universe, free, assume=True)
        if self.ask(failing_set, sure=True).verdict is not Verdict.FAILS:
            self.notes.append(
                "one cause alone did not explain what was seen, or a prediction was wrong: "
                "the search went on without assuming either"
            )
            self.trust = False
            several = self._explain(universe, (), self._ordered(free), known=True)
            failing_set = self._closed(universe, several)
            if failing_set == self._base or self.ask(failing_set, sure=True).verdict is not Verdict.FAILS:
                failing_set = self._ddmin(universe, free, assume=False)
        return self._shrunk(universe, free, failing_set) - beside

    def _closed(self, universe: Universe, units: Iterable[Unit]) -> frozenset[str]:
        return universe.closed(self._base.union(*units))

    def _explain(self, universe: Universe, background: Config, config: Config, *, known: bool) -> Config:
        """What of `config` has to join `background` for a failure: QuickXplain (Junker, AAAI 2004).

        Several parts that fail only together take about 2·log2 of the parts for each of them, where ddmin
        takes the square. It supposes that more of the bad image never makes it work again; what it finds is
        tried, and ddmin goes on where that was wrong. `known`: that the background alone does not fail.
        """
        if not known and self._fails(universe, background).verdict is Verdict.FAILS:
            return ()
        if len(config) == 1:
            return config
        half = len(config) // 2
        first, second = config[:half], config[half:]
        right = self._explain(universe, (*background, *first), second, known=False)
        left = self._explain(universe, (*background, *right), first, known=not right)
        return (*left, *right)

    def _ordered(self, config: Iterable[Unit]) -> Config:
        """The most suspect first."""
        return tuple(sorted(config, key=self._suspicion, reverse=True))

    def proof(self, culprit: frozenset[str]) -> tuple[Step, tuple[Step, ...]]:
        """The mixture with just the culprit, and those with one unit less, as they were tried."""
        with_it = self.steps[self._coarse(culprit)]
        universe = Universe.of(element for element in self.elements.values() if element.name in culprit)
        less = [
            self.steps[config]
            for unit in universe.units
            if (config := self._coarse(culprit - universe.dependents(unit))) in self.steps
        ]
        return with_it, tuple(less)

    def _fails(self, universe: Universe, units: Iterable[Unit]) -> Answer:
        return self.ask(self._closed(universe, units), sure=not self.trust)

    def _ddmin(self, universe: Universe, config: Config, *, assume: bool) -> frozenset[str]:
        granularity = 2
        while len(config) > 1:
            chunks = self._chunks(config, min(granularity, len(config)))
            reduced = self._reduce(universe, config, chunks, assume=assume)
            if reduced is not None:
                config, granularity = reduced
                continue
            if granularity >= len(config):
                break
            granularity = min(2 * granularity, len(config))
        return self._closed(universe, config)

    def _reduce(
        self, universe: Universe, config: Config, chunks: list[Config], *, assume: bool
    ) -> tuple[Config, int] | None:
        last = chunks[-1]
        every_other_works = True
        for chunk in chunks:
            if chunk is last and assume and len(chunks) == 2 and every_other_works:
                return chunk, 2
            verdict = self._fails(universe, chunk).verdict
            if verdict is Verdict.FAILS:
                return chunk, 2
            every_other_works &= verdict is Verdict.WORKS
        if len(chunks) > 2:
            for chunk in chunks:
                rest = tuple(unit for unit in config if unit not in chunk)
                if self._fails(universe, rest).verdict is Verdict.FAILS:
                    return rest, max(len(chunks) - 1, 2)
        return None

    def _chunks(self, config: Config, count: int) -> list[Config]:
        """`count` parts of about equal suspicion, none empty, the most suspect first."""
        ordered = sorted(config, key=self._suspicion, reverse=True)
        parts: list[list[Unit]] = [[] for _ in range(count)]
        weights = [0.0] * count
        for position, unit in enumerate(ordered):
            left = len(ordered) - position
            empty = [index for index in range(count) if not parts[index]]
            index = empty[0] if len(empty) >= left else weights.index(min(weights))
            parts[index].append(unit)
            weights[index] += self._suspicion(unit)
        order = sorted(range(count), key=lambda index: (-weights[index] / len(parts[index]), index))
        return [tuple(parts[index]) for index in order]

    def _suspicion(self, unit: Unit) -> float:
        return sum(max(0.001, self.predictor.suspicion(self.elements[name])) for name in unit)

    def _shrunk(self, universe: Universe, free: Config, failing: frozenset[str]) -> frozenset[str]:
        """Without any of the `free` units that it fails without: tried, not assumed.

        What needs a unit goes with it; so does what came along only because something needed it.
        """
        smaller = True
        while smaller:
            smaller = False
            for unit in free:
                less = failing - universe.dependents(unit)
                if (
                    less
                    and self._base <= less < failing
                    and self.ask(less, sure=True).verdict is Verdict.FAILS
                ):
                    failing, smaller = less, True
                    break
        return failing
