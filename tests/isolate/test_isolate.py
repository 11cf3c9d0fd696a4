"""Isolating planted causes: found, all of them, with few boots."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from bootwright.boards.model import board
from bootwright.foundation.errors import Missing, Refused
from bootwright.foundation.progress import Silent
from bootwright.foundation.verdict import Verdict
from bootwright.isolate.model import Answer, Element, Isolated, Source, Universe
from bootwright.isolate.predict import BoardPredictor
from bootwright.isolate.search import isolate
from bootwright.kernels.catalogue import open_library

PARTS = (
    "kernel",
    "initramfs",
    "dtb",
    "overlays",
    "config.txt",
    "command line",
    "boot loader",
    "firmware",
    "loader menu",
)
"""What two images can differ in at first sight."""


@define
class Planted:
    """Two images that differ in `tree`; the mixture fails when `fault` says so of its leaves."""

    tree: dict[str, list[str]]
    """Part → what differs inside it; empty where it cannot be split."""
    fault: Callable[[frozenset[str]], bool]
    odd: Callable[[frozenset[str]], bool] = lambda leaves: False
    """Mixtures that show neither."""
    groups: dict[str, str] = field(factory=dict)
    needs: dict[str, frozenset[str]] = field(factory=dict)
    tried: list[frozenset[str]] = field(factory=list)

    def element(self, name: str, kind: str) -> Element:
        return Element(name, kind, self.groups.get(name), self.needs.get(name, frozenset()))

    def elements(self) -> Sequence[Element]:
        return [self.element(name, name) for name in self.tree]

    def inside(self, element: Element) -> Sequence[Element]:
        return [self.element(name, element.kind) for name in self.tree.get(element.name, ())]

    def leaves(self, names: frozenset[str]) -> frozenset[str]:
        return frozenset(leaf for name in names for leaf in (self.tree.get(name) or [name]))

    def build(self, from_bad: frozenset[str], out: Path) -> None:
        raise AssertionError("nothing is built here")

    def mend(self, culprit: frozenset[str]) -> str:
        return ""

    def answer(self, from_bad: frozenset[str]) -> Answer:
        assert from_bad not in self.tried, "the same mixture twice"
        self.tried.append(from_bad)
        leaves = self.leaves(from_bad)
        if self.odd(leaves):
            return Answer(Verdict.UNKNOWN, Source.EMULATED)
        return Answer(Verdict.FAILS if self.fault(leaves) else Verdict.WORKS, Source.EMULATED)


def contains(*names: str) -> Callable[[frozenset[str]], bool]:
    return lambda leaves: frozenset(names) <= leaves


def flat(count: int) -> dict[str, list[str]]:
    return {f"part {number}": [] for number in range(count)}


def found(planted: Planted, predictor: object = None) -> Isolated:
    return isolate(planted, planted, predictor)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [2, 3, 5, 9, 16, 33])
def test_a_single_fault_is_found_wherever_it_is(count: int) -> None:
    for name in flat(count):
        planted = Planted(flat(count), contains(name))
        result = found(planted)
        assert result.culprit == {name}
        assert result.mended is Verdict.WORKS
        assert result.boots == len(planted.tried)
        assert result.boots <= 2 * math.ceil(math.log2(count)) + 3


def test_the_median_of_boots_is_within_the_bound() -> None:
    """2·log2(parts) + 3, over single faults at random places in trees of parts as images have them."""
    chance = random.Random(20251123)
    excess = []
    for _ in range(400):
        tree = {
            part: [f"{part} {number}" for number in range(chance.choice((0, 2, 3, 5, 8, 20)))]
            for part in chance.sample(PARTS, chance.randint(3, len(PARTS)))
        }
        leaves = sorted(leaf for part, inner in tree.items() for leaf in (inner or [part]))
        fault = chance.choice(leaves)
        result = found(Planted(tree, contains(fault)))
        assert result.culprit == {fault}
        excess.append(result.boots - (2 * math.log2(len(leaves)) + 3))
    assert statistics.median(excess) <= 0


@pytest.mark.parametrize("pair", list(itertools.combinations(PARTS, 2))[::5])
def test_a_pair_that_fails_only_together_is_found(pair: tuple[str, str]) -> None:
    planted = Planted({part: [] for part in PARTS}, contains(*pair))
    result = found(planted)
    assert result.culprits == (frozenset(pair),)
    assert result.mended is Verdict.WORKS
    (with_it, less) = result.proofs[0]
    assert with_it.answer.verdict is Verdict.FAILS
    assert {step.from_bad for step in less} == {frozenset({name}) for name in pair}
    assert all(step.answer.verdict is Verdict.WORKS for step in less)
    assert any("one cause alone" in note for note in result.notes)


def test_two_independent_faults_are_both_found() -> None:
    planted = Planted({part: [] for part in PARTS}, lambda leaves: bool(leaves & {"config.txt", "firmware"}))
    result = found(planted)
    assert set(result.culprits) == {frozenset({"config.txt"}), frozenset({"firmware"})}
    assert result.mended is Verdict.WORKS


def test_it_goes_inside_a_part() -> None:
    tree: dict[str, list[str]] = {part: [] for part in PARTS}
    tree["config.txt"] = [f"config.txt: line {number}" for number in range(12)]
    result = found(Planted(tree, contains("config.txt: line 7")))
    assert result.culprit == {"config.txt: line 7"}


def test_a_pair_across_two_parts_is_found_inside_both() -> None:
    tree: dict[str, list[str]] = {part: [] for part in PARTS}
    tree["config.txt"] = [f"config.txt: line {number}" for number in range(5)]
    tree["command line"] = [f"argument {number}" for number in range(6)]
    result = found(Planted(tree, contains("config.txt: line 3", "argument 5")))
    assert result.culprits == (frozenset({"config.txt: line 3", "argument 5"}),)


def test_what_travels_together_is_never_apart() -> None:
    planted = Planted(
        {part: [] for part in PARTS},
        contains("initramfs"),
        groups={"kernel": "build", "initramfs": "build"},
        needs={"overlays": frozenset({"dtb"})},
    )
    result = found(planted)
    assert result.culprit == {"kernel", "initramfs"}
    for mixture in planted.tried:
        assert ("kernel" in mixture) == ("initramfs" in mixture)
        assert "overlays" not in mixture or "dtb" in mixture


def test_a_dependent_is_mended_with_what_it_needs() -> None:
    """Without the bad DTB the bad overlay cannot stay: what is tried as mended has neither."""
    planted = Planted({part: [] for part in PARTS}, contains("dtb"), needs={"overlays": frozenset({"dtb"})})
    result = found(planted)
    assert result.culprit == {"dtb"}
    assert frozenset(PARTS) - {"dtb", "overlays"} in planted.tried
    assert result.mended is Verdict.WORKS


def test_mixtures_that_show_neither_are_worked_round() -> None:
    """Half of all mixtures cannot be judged; the answer is still right."""
    chance = random.Random(5)
    for _ in range(40):
        names = list(flat(8))
        fault = chance.choice(names)
        salt = chance.random()

        def odd(leaves: frozenset[str], salt: float = salt, fault: str = fault) -> bool:
            whole = len(leaves) in {0, 8} or leaves == {fault}
            return not whole and random.Random(f"{salt}{sorted(leaves)}").random() < 0.5

        result = found(Planted(flat(8), contains(fault), odd))
        assert fault in result.culprit
        assert result.proofs[0][0].answer.verdict is Verdict.FAILS


@define
class Guess:
    """A predictor that suspects one element and is sure of itself."""

    suspect: str
    sure: bool
    planted: Planted

    def suspicion(self, element: Element) -> float:
        return 50.0 if element.name == self.suspect else 1.0

    def predict(self, from_bad: frozenset[str]) -> Answer | None:
        if not self.sure:
            return None
        verdict = Verdict.FAILS if self.suspect in from_bad else Verdict.WORKS
        return Answer(verdict, Source.PREDICTED, "guessed")


@pytest.mark.parametrize("sure", [True, False])
def test_a_right_prediction_saves_boots(sure: bool) -> None:
    planted = Planted(flat(32), contains("part 21"))
    result = found(planted, Guess("part 21", sure, planted))
    assert result.culprit == {"part 21"}
    assert result.boots == 4  # both images, the suspect alone, and the mended image
    assert result.proofs[0][0].answer.source is Source.EMULATED


@pytest.mark.parametrize("sure", [True, False])
def test_a_wrong_prediction_does_not_decide(sure: bool) -> None:
    planted = Planted(flat(16), contains("part 3"))
    result = found(planted, Guess("part 11", sure, planted))
    assert result.culprit == {"part 3"}
    assert result.mended is Verdict.WORKS
    if sure:
        assert any("a prediction was wrong" in note for note in result.notes)


def test_images_that_are_not_good_and_bad_are_refused() -> None:
    with pytest.raises(Refused, match="good image does not reach"):
        found(Planted(flat(4), lambda leaves: True))
    with pytest.raises(Refused, match="bad image does not fail"):
        found(Planted(flat(4), lambda leaves: False))
    with pytest.raises(Refused, match="do not differ"):
        found(Planted({}, lambda leaves: False))


@given(
    count=st.integers(1, 14),
    causes=st.lists(st.frozensets(st.integers(0, 13), min_size=1, max_size=3), min_size=1, max_size=3),
    groups=st.dictionaries(st.integers(0, 13), st.integers(0, 2)),
    needs=st.dictionaries(st.integers(0, 13), st.integers(0, 13), max_size=4),
)
def test_whatever_is_planted_what_is_found_fails_and_is_smallest(
    count: int, causes: list[frozenset[int]], groups: dict[int, int], needs: dict[int, int]
) -> None:
    """Any monotone cause, grouped and with needs: 1-minimal, proved by what was really tried."""
    names = [f"part {number}" for number in range(count)]
    sets = [frozenset(names[number % count] for number in cause) for cause in causes]
    planted = Planted(
        {name: [] for name in names},
        lambda leaves: any(cause <= leaves for cause in sets),
        groups={names[key % count]: str(value) for key, value in groups.items()},
        needs={names[key % count]: frozenset({names[value % count]}) for key, value in needs.items()},
    )
    result = found(planted)
    universe = Universe.of(planted.elements())
    for culprit in result.culprits:
        assert universe.closed(culprit) == culprit
        assert any(cause <= culprit for cause in sets)
        for unit in universe.units:
            less = universe.closed(culprit - universe.dependents(unit))
            if unit <= culprit and less < culprit:
                assert not any(cause <= less for cause in sets)
    if result.mended is Verdict.WORKS:
        left = universe.names - universe.dependents(result.culprit)
        assert not any(cause <= left for cause in sets)


@pytest.mark.download
def test_without_a_stepping_only_what_holds_on_each_is_predicted(tmp_path: Path) -> None:
    try:
        new, old = (open_library().get(f"debian-{name}-4k", modules=True) for name in ("6.18.15", "6.12.107"))
    except (Missing, Refused) as error:
        pytest.skip(str(error))
    images = []
    for kernel in (new, old):
        folder = tmp_path / kernel.release
        (folder / "lib/modules").mkdir(parents=True)
        (folder / "vmlinuz").symlink_to(kernel.image)
        assert kernel.modules is not None
        (folder / "lib/modules" / kernel.release).symlink_to(kernel.modules)
        (folder / "dtbs").mkdir()
        for name in ("bcm2712-rpi-5-b.dtb", "bcm2712-d-rpi-5-b.dtb"):
            assert new.dtbs is not None
            (folder / "dtbs" / name).symlink_to(next(new.dtbs.rglob(name)))
        images.append(folder)
    whole = frozenset({"kernel", "dtb"})

    def predicted(stepping: str | None) -> tuple[Verdict | None, Verdict | None]:
        of = BoardPredictor.of(*images, board("raspberrypi-5"), "ethernet", stepping, progress=Silent())
        return of.verdicts.get(frozenset()), of.verdicts.get(whole)

    assert predicted("c0") == (Verdict.WORKS, Verdict.FAILS)
    # D0 fails with both: which of the two images works is not known of the board.
    assert predicted(None) == (Verdict.UNKNOWN, Verdict.FAILS)


def test_a_boards_prediction_points_at_its_devicetree_and_is_tried() -> None:
    predictor = BoardPredictor(
        verdicts={
            frozenset(): Verdict.WORKS,
            frozenset({"kernel"}): Verdict.WORKS,
            frozenset({"dtb"}): Verdict.FAILS,
            frozenset({"kernel", "dtb"}): Verdict.FAILS,
        },
        reasons={frozenset({"dtb"}): "/: no node"},
    )
    tree: dict[str, list[str]] = {part: [] for part in PARTS}
    tree["dtb"] = ["dtb: /: model", "dtb: /soc: reg"]
    planted = Planted(tree, contains("dtb: /soc: reg"))
    answer = predictor.predict(frozenset({"dtb", "firmware"}))
    assert answer is not None
    assert (answer.verdict, answer.source, answer.reason) == (Verdict.FAILS, Source.PREDICTED, "/: no node")
    assert predictor.predict(frozenset({"kernel", "firmware"})) is None, "that it works is never certain"
    assert predictor.predict(frozenset({"dtb: /soc: reg"})) is None, "half a devicetree is not predicted"
    result = found(planted, predictor)
    assert result.culprit == {"dtb: /soc: reg"}
    assert result.boots <= 6
    assert result.proofs[0][0].answer.source is Source.EMULATED
