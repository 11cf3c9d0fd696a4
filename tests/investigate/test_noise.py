"""Outcomes that lie: the posterior, what a run tells, and when lies are no lies."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.foundation.errors import Refused
from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.causes import CauseSpace
from bootwright.investigate.analysis.choose import Beliefs, Chooser, Trial
from bootwright.investigate.analysis.factors import make_factor
from bootwright.investigate.analysis.judge import judge
from bootwright.investigate.analysis.noise import NoisyBeliefs, check_noise, doubt
from bootwright.investigate.analysis.observations import Observation, Source
from noisy import METHODS, search
from planted import OUTCOME, plant

FACTORS = [make_factor("kernel", ["6.12", "6.16", "6.18"]), make_factor("pages", ["4K", "16K"])]


def seen(number: int, kernel: str, pages: str, verdict: str, source: Source = Source.EMULATED) -> Observation:
    return Observation(
        f"cell-{number}",
        {"kernel": (kernel,), "pages": (pages,)},
        {"boots": Verdict(verdict)},
        source,
        repeat=number,
    )


ROWS = st.lists(
    st.tuples(st.sampled_from(["6.12", "6.16", "6.18"]), st.sampled_from(["4K", "16K"]), st.booleans()),
    max_size=12,
)


@given(rows=ROWS, noise=st.sampled_from([0.01, 0.05, 0.2]))
def test_the_classes_weigh_as_bayes_says_cause_by_cause(
    rows: list[tuple[str, str, bool]], noise: float
) -> None:
    space = CauseSpace(FACTORS)
    beliefs = NoisyBeliefs(space, noise)
    prior = Beliefs(space, space.everything)
    weights = [prior.mass(1 << index) for index in range(len(space.causes))]
    for number, (kernel, pages, works) in enumerate(rows):
        observation = seen(number, kernel, pages, "works" if works else "fails")
        beliefs.see(observation, "boots")
        agreeing = space.agreeing(observation.values, observation.outcomes["boots"])
        weights = [
            weight * (1 - noise if agreeing >> index & 1 else noise) for index, weight in enumerate(weights)
        ]
    whole, mass = sum(weights), beliefs.mass(space.everything)
    for index, weight in enumerate(weights):
        assert beliefs.mass(1 << index) / mass == pytest.approx(
            weight / whole, abs=1e-6
        )  # classes too light to win are merged


def test_what_a_run_tells_is_less_where_outcomes_lie_and_never_negative() -> None:
    space = CauseSpace(FACTORS)
    trial = Trial("a", (("boots", {"kernel": ("6.12",), "pages": ("4K",)}),), 1.0)
    chooser = Chooser(space, [trial])
    patterns = chooser.patterns(trial, "boots", space.everything)
    worth = [NoisyBeliefs(space, noise).worth(patterns) for noise in (0.0, 0.05, 0.2, 0.4)]
    assert worth[0] == pytest.approx(Beliefs(space, space.everything).worth(patterns))
    assert all(more > less > 0 for more, less in itertools.pairwise(worth))
    masses = [Beliefs(space, space.everything).mass(group) for group in patterns.values()]
    share = masses[0] / sum(masses) * 0.95 + masses[1] / sum(masses) * 0.05
    entropy = [-part * math.log2(part) - (1 - part) * math.log2(1 - part) for part in (share, 0.05)]
    assert worth[1] == pytest.approx(entropy[0] - entropy[1])


TRUE = [("6.12", "4K", "fails"), ("6.12", "16K", "fails"), ("6.16", "4K", "works"), ("6.18", "16K", "works")]


def test_one_lie_among_repetitions_is_set_aside_and_the_cause_is_found() -> None:
    rows = [row for row in TRUE for _ in range(4)]
    observations = [seen(number, *row) for number, row in enumerate(rows)]
    observations.append(seen(99, "6.16", "4K", "fails"))
    exact = judge(CauseSpace(FACTORS), observations, "boots")
    assert exact.flaky
    noisy = judge(CauseSpace(FACTORS, 0.05), observations, "boots")
    assert not noisy.flaky
    assert noisy.set_aside == ("cell-99",)
    assert noisy.cause is not None
    assert noisy.cause.factors == {"kernel": "<6.16"}


def test_two_boards_against_one_count_and_one_against_one_do_not() -> None:
    cell = ("6.18", "4K")
    reports = [seen(1, *cell, "works", Source.BENCH), seen(2, *cell, "fails", Source.BENCH)]
    rest = [seen(10 + number, *row) for number, row in enumerate(TRUE)]
    space = CauseSpace(FACTORS, 0.05)
    assert doubt(space, [*rest, *reports, seen(3, *cell, "works", Source.BENCH)], "boots", 0.05).lies == (
        reports[1],
    )


def test_so_many_lies_are_none() -> None:
    observations = [seen(number, "6.18", "4K", "fails" if number % 2 else "works") for number in range(20)]
    assert not doubt(CauseSpace(FACTORS, 0.05), observations, "boots", 0.05).plausible
    assert judge(CauseSpace(FACTORS, 0.05), observations, "boots").flaky


def test_a_prediction_does_not_lie_by_chance() -> None:
    rows = [*TRUE, *TRUE, *TRUE]
    observations = [seen(number, *row) for number, row in enumerate(rows)]
    observations.append(seen(99, "6.18", "4K", "fails", Source.PREDICTED))
    assert not doubt(CauseSpace(FACTORS, 0.05), observations, "boots", 0.05).plausible


@pytest.mark.parametrize("noise", [-0.1, 0.41, 1.0, float("nan")])
def test_a_share_that_is_none_is_refused(noise: float) -> None:
    with pytest.raises(Refused, match="share of wrong outcomes"):
        check_noise(noise)


def test_planted_causes_are_found_with_fewer_cells_than_at_random() -> None:
    trials = range(30)
    ended = {
        name: [search(plant(seed), 0.05, seed, METHODS[name](plant(seed), seed)) for seed in trials]
        for name in ("information", "random cells")
    }
    exact = sum(trial.exact for trial in ended["information"])
    assert exact >= 26
    cells = {name: sorted(trial.cells for trial in row)[15] for name, row in ended.items()}
    assert cells["information"] < cells["random cells"]
    assert OUTCOME == "boots"
