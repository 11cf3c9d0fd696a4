import pytest

from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.causes import CauseSpace
from bootwright.investigate.analysis.choose import Beliefs, Chooser, Trial, beliefs_from
from bootwright.investigate.analysis.factors import make_factor
from bootwright.investigate.analysis.observations import Observation, Source
from planted import FACTORS, by_choice, one_factor_at_a_time, plant

PAGES = make_factor("pages", ["4K", "16K"])
KERNEL = make_factor("kernel", ["6.12", "6.16", "6.18"])
SPACE = CauseSpace([PAGES, KERNEL])


def trial(name: str, pages: str, kernel: str, cost: float = 1.0) -> Trial:
    return Trial(name, (("boots", {"pages": (pages,), "kernel": (kernel,)}),), cost)


def report(name: str, outcome: Verdict, pages: str, kernel: str) -> Observation:
    values = {"pages": (pages,), "kernel": (kernel,)}
    return Observation(name, values, {"boots": outcome}, Source.REPORTED)


REPORTS = [report("r1", Verdict.FAILS, "16K", "6.12"), report("r2", Verdict.WORKS, "4K", "6.18")]


@pytest.mark.parametrize("seed", range(1000, 1040))
def test_the_planted_cause_is_the_only_one_left(seed: int) -> None:
    planted = plant(seed)
    left, cells = by_choice(planted)
    assert planted.space.members(left) == [planted.cause]
    assert cells <= 2 * FACTORS


def test_it_needs_fewer_cells_than_one_factor_at_a_time() -> None:
    trials = [plant(seed) for seed in range(2000, 2020)]
    ours = sum(by_choice(planted)[1] for planted in trials)
    assert ours < sum(one_factor_at_a_time(planted) for planted in trials)


def test_a_trial_that_every_cause_predicts_alike_is_not_offered() -> None:
    left = SPACE.consistent(REPORTS, "boots")
    chooser = Chooser(SPACE, [trial("again", "16K", "6.12"), trial("split", "4K", "6.12")])
    assert [choice.trial.id for choice in chooser.rank({"boots": Beliefs(SPACE, left)})] == ["split"]


def test_cost_decides_between_equals_and_can_outweigh() -> None:
    left = SPACE.consistent(REPORTS, "boots")
    dear, cheap = trial("dear", "4K", "6.12", 10.0), trial("cheap", "4K", "6.12", 1.0)
    ranked = Chooser(SPACE, [dear, cheap]).rank({"boots": Beliefs(SPACE, left)})
    assert [choice.trial.id for choice in ranked] == ["cheap", "dear"]


def test_bits_are_the_entropy_of_the_split() -> None:
    beliefs = Beliefs(SPACE, 0b11)
    assert beliefs.bits([0b01, 0b10]) == pytest.approx(1.0)
    assert beliefs.bits([0b11]) == pytest.approx(0.0)


def test_a_cause_against_a_report_is_doubted_and_one_against_a_boot_is_out() -> None:
    booted = Observation(
        "b1", {"pages": ("4K",), "kernel": ("6.12",)}, {"boots": Verdict.FAILS}, Source.EMULATED
    )
    beliefs = beliefs_from(SPACE, [*REPORTS, booted], "boots")
    names = {str(cause) for cause in SPACE.members(beliefs.left)}
    assert "pages = 16K" not in names
    assert "pages = 4K" in names
    doubted = next(1 << n for n, cause in enumerate(SPACE.causes) if str(cause) == "pages = 4K")
    fitting = next(1 << n for n, cause in enumerate(SPACE.causes) if str(cause) == "kernel before 6.16")
    assert beliefs.mass(doubted) < beliefs.mass(fitting)
