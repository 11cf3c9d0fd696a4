import itertools

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bootwright.foundation.errors import Refused
from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.investigate.analysis.aliases import find_aliases
from bootwright.investigate.analysis.causes import Cause, CauseSpace, Condition, bracket, spoken
from bootwright.investigate.analysis.factors import Factor, make_factor
from bootwright.investigate.analysis.observations import Observation, Source

PAGES = make_factor("pages", ["4K", "16K"])
KERNEL = make_factor("kernel", ["6.18.5", "6.12.107", "6.16.3", "6.9"])


def seen(name: str, outcome: Verdict, source: Source = Source.EMULATED, **levels: str) -> Observation:
    values = {factor: tuple(level.split("|")) for factor, level in levels.items()}
    return Observation(name, values, {"boots": outcome}, source)


def holds(condition: Condition, level: str) -> bool:
    """What a condition means, said again without the code under test."""
    if condition.relation == "is":
        return level == condition.level
    have, bound = Version.parse(level), Version.parse(condition.level)
    assert have is not None
    assert bound is not None
    return have < bound if condition.relation == "below" else have >= bound


def test_versions_are_ordered_and_names_are_not() -> None:
    assert KERNEL.levels == ("6.9", "6.12.107", "6.16.3", "6.18.5")
    assert KERNEL.ordered
    assert not PAGES.ordered


def test_one_version_in_two_spellings_is_refused() -> None:
    with pytest.raises(Refused, match=r"6\.18 and 6\.18\.0"):
        make_factor("kernel", ["6.18", "6.18.0"])


def test_a_level_and_a_threshold_that_say_the_same_are_one_cause() -> None:
    two = make_factor("kernel", ["6.12", "6.18"])
    assert {str(cause) for cause in CauseSpace([two]).causes} == {
        "kernel before 6.18",
        "kernel 6.18 or later",
    }


@given(
    sizes=st.lists(st.integers(2, 3), min_size=1, max_size=3),
    ordered=st.lists(st.booleans(), min_size=3, max_size=3),
    data=st.data(),
)
def test_consistent_causes_are_those_a_plain_reading_finds(
    sizes: list[int], ordered: list[bool], data: st.DataObject
) -> None:
    factors = [
        make_factor(f"f{index}", [f"{n + 1}.0" if ordered[index] else f"v{n}" for n in range(size)])
        for index, size in enumerate(sizes)
    ]
    space = CauseSpace(factors)
    cells = list(itertools.product(*(factor.levels for factor in factors)))
    chosen = data.draw(st.lists(st.tuples(st.sampled_from(cells), st.booleans()), max_size=5))
    observations = [
        seen(
            str(n),
            Verdict.FAILS if bad else Verdict.WORKS,
            **{f.name: v for f, v in zip(factors, cell, strict=True)},
        )
        for n, (cell, bad) in enumerate(chosen)
    ]
    expected = [
        cause
        for cause in space.causes
        if all(
            all(holds(part, observation.values[part.factor][0]) for part in cause.conditions)
            == (observation.outcomes["boots"] is Verdict.FAILS)
            for observation in observations
        )
    ]
    assert space.members(space.consistent(observations, "boots")) == expected


def test_no_two_causes_predict_the_same_everywhere() -> None:
    space = CauseSpace([PAGES, KERNEL, make_factor("tree", ["a", "b", "c"])])
    cells = [
        {f.name: (v,) for f, v in zip(space.factors, cell, strict=True)}
        for cell in itertools.product(*(f.levels for f in space.factors))
    ]
    masks = [space.failing(cell)[0] for cell in cells]
    signatures = {tuple(mask >> bit & 1 for mask in masks) for bit in range(len(space.causes))}
    assert len(signatures) == len(space.causes)


def test_a_level_that_is_not_known_neither_proves_nor_refutes() -> None:
    space = CauseSpace([PAGES, KERNEL])
    left = space.consistent([seen("a", Verdict.FAILS, kernel="6.12.107")], "boots")
    assert Cause((Condition("pages", "is", "16K"),)) in space.members(left)
    assert Cause((Condition("kernel", "at-least", "6.16.3"),)) not in space.members(left)


def test_a_level_that_is_one_of_several_excludes_the_others() -> None:
    space = CauseSpace([make_factor("board", ["c0", "d0", "virt"]), PAGES])
    left = space.members(space.consistent([seen("a", Verdict.FAILS, board="c0|d0", pages="4K")], "boots"))
    assert Cause((Condition("board", "is", "c0"),)) in left
    assert Cause((Condition("board", "is", "virt"),)) not in left


def test_bracket_names_the_nearest_levels_on_either_side() -> None:
    space = CauseSpace([PAGES, KERNEL])
    cause = Cause((Condition("kernel", "below", "6.16.3"),))
    observations = [
        seen("a", Verdict.FAILS, kernel="6.9", pages="4K"),
        seen("b", Verdict.FAILS, kernel="6.12.107", pages="4K"),
        seen("c", Verdict.WORKS, kernel="6.18.5", pages="16K"),
        seen("d", Verdict.WORKS, kernel="6.16.3", pages="4K"),
    ]
    factors = {factor.name: factor for factor in space.factors}
    measured = bracket(cause, cause.conditions[0], observations, "boots", factors)
    assert (measured.fails, measured.works) == ("6.12.107", "6.16.3")
    assert measured.words == "too old (fails with 6.12.107, works with 6.16.3)"


def test_a_boundary_is_never_a_level_that_nobody_ran() -> None:
    """6.19.14 was on offer only; the threshold's own level is the next one known."""
    kernel = make_factor("kernel", ["6.12.107", "6.18.15", "6.19.14", "7.0.13", "7.3.4"])
    space = CauseSpace([kernel, PAGES])
    observations = [
        seen("a", Verdict.FAILS, kernel="6.12.107", pages="4K"),
        seen("b", Verdict.FAILS, Source.PREDICTED, kernel="6.18.15", pages="4K"),
        seen("c", Verdict.FAILS, Source.BENCH, kernel="6.18.15", pages="4K"),
        seen("d", Verdict.WORKS, Source.PREDICTED, kernel="7.0.13", pages="4K"),
        seen("e", Verdict.WORKS, kernel="7.0.13", pages="16K"),
    ]
    factors = {factor.name: factor for factor in space.factors}
    for cause in space.members(space.consistent(observations, "boots")):
        text = spoken(cause, observations, "boots", factors)
        assert "6.19.14" not in text
        assert "7.3.4" not in text
        if [part.relation for part in cause.conditions] == ["below"]:
            assert text == "kernel is too old (fails with 6.18.15, works with 7.0.13)"
    predicted = [observation for observation in observations if observation.id in "abd"]
    below = Cause((Condition("kernel", "below", "6.19.14"),))
    assert spoken(below, predicted, "boots", factors) == (
        "kernel is too old (predicted to fail with 6.18.15, predicted to work with 7.0.13)"
    )
    assert spoken(below, predicted[:1], "boots", factors) == (
        "kernel is too old (fails with 6.12.107, nothing seen to work beside it)"
    )
    newer = Cause((Condition("kernel", "at-least", "6.19.14"), Condition("pages", "is", "4K")))
    turned = [
        evolve(seen, outcomes={"boots": Verdict.WORKS if seen.id in "abc" else Verdict.FAILS})
        for seen in observations
    ]
    assert spoken(newer, turned, "boots", factors) == (
        "kernel is too new (predicted to fail with 7.0.13, works with 6.18.15) and pages is 4K"
    )


def test_a_space_too_large_is_refused_before_it_is_built() -> None:
    factors = [make_factor(f"f{n}", [f"{v}.{n}" for v in range(200)]) for n in range(4)]
    with pytest.raises(Refused, match="causes are possible"):
        CauseSpace(factors)


def test_factors_that_changed_together_are_aliased() -> None:
    factors: list[Factor] = [make_factor(name, ["1", "2"]) for name in ("a", "b", "c", "d", "e")]
    observations = [
        seen("x", Verdict.FAILS, a="1", b="2", c="1", d="1"),
        seen("y", Verdict.WORKS, a="2", b="1", c="1", d="2", e="1"),
        seen("z", Verdict.WORKS, a="2", b="1", c="1", d="1", e="2"),
    ]
    aliasing = find_aliases(factors, observations)
    assert aliasing.groups == (("a", "b"),)
    assert aliasing.never_varied == ("c",)
    assert aliasing.not_known == ("e",)
