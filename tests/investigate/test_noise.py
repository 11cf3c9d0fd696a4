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
from bootwright.investigate.analysis.known import known_at
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


TWO_CAUSES = [
    *((kernel, "4K", board, "works") for kernel in ("6.18",) for board in ("b", "c")),
    ("6.12", "4K", "a", "fails"),
    ("6.18", "16K", "b", "fails"),
    ("6.18", "16K", "c", "fails"),
    ("6.12", "4K", "b", "works"),
]


@pytest.mark.parametrize("predicted", [False, True])
@pytest.mark.parametrize(
    ("verdicts", "noise", "counts"),
    [
        ("works fails", 0.05, ""),
        ("works works fails", 0.0, ""),
        ("works works fails", 0.05, "works"),
        ("works works fails", 0.1, ""),
        ("works works works fails", 0.1, "works"),
        ("works fails fails", 0.05, "fails"),
    ],
)
def test_boards_of_one_cell_are_weighed_also_where_several_causes_act(
    verdicts: str, noise: float, counts: str, *, predicted: bool
) -> None:
    """Then no one cause fits, and the number of boards decides, as far as `noise` lets it."""
    factors = [*FACTORS, make_factor("board", ["a", "b", "c"])]
    source = Source.PREDICTED if predicted else Source.EMULATED
    rest = [
        Observation(
            f"cell-{number}",
            {"kernel": (kernel,), "pages": (pages,), "board": (board,)},
            {"boots": Verdict(verdict)},
            source,
        )
        for number, (kernel, pages, board, verdict) in enumerate(TWO_CAUSES)
    ]
    values = {"kernel": ("6.18",), "pages": ("4K",), "board": ("a",)}
    boards = [
        Observation(f"told-{number}", values, {"boots": Verdict(verdict)}, Source.BENCH)
        for number, verdict in enumerate(verdicts.split())
    ]
    space = CauseSpace(factors, noise)
    judgement = judge(space, [*rest, *boards], "boots")
    kept = [observation for observation in judgement.kept if observation.values == values]
    assert [str(observation.outcomes["boots"]) for observation in kept] == ([counts] if counts else [])
    assert bool(judgement.disputed) is not bool(counts)
    assert str(known_at(space, judgement, values).verdict) == (counts or "unknown")


def test_one_board_against_one_settles_nothing_however_sure_the_cause_is() -> None:
    cell = ("6.16", "16K")
    boards = [seen(1, *cell, "works", Source.BENCH), seen(2, *cell, "fails", Source.BENCH)]
    space = CauseSpace(FACTORS, 0.05)
    many = [seen(10 + number, *row) for number, row in enumerate(row for row in TRUE for _ in range(6))]
    many += [seen(50 + number, "6.16", "16K", "works") for number in range(6)]
    assert judge(space, [*many, *boards], "boots").disputed
    third = seen(3, *cell, "works", Source.BENCH)
    assert not judge(space, [*many, *boards, third], "boots").disputed
    against = seen(3, *cell, "fails", Source.BENCH)
    assert judge(space, [*many, *boards, against], "boots").disputed


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
