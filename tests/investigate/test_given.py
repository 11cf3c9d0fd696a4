"""An answer for what a person has: given factors, on plans that are about nobody's board in particular.

The boots are MADE UP (kits/made_up.py) by a rule that each test states; what is tested is which runs are
chosen and what is concluded. Real kernels and boards: test_given_boards.py, test_investigate_command.py.
"""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from made_up import MadeUpLab, candidates, made_up_with_boards

from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.progress import Silent
from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.investigate.analysis.observations import Observation, Source
from bootwright.investigate.decision.decide import Decision, decide
from bootwright.investigate.decision.given import Answer
from bootwright.investigate.plans.given import Given, asked, given_values
from bootwright.investigate.plans.plan import Plan
from bootwright.investigate.plans.plan_file import structure_plan
from bootwright.investigate.running.investigation import Investigation
from bootwright.investigate.running.loop import Limits, Loop
from bootwright.report.story import Story, tell

WORKS, FAILS, UNKNOWN = Verdict
LARGE = 1 << 40
CARDS = {"intel": "classic-bind", "realtek": "attach-first", "broken": "talos-1.11-etc-hosts"}
"""Network card → the made-up test that stands for its driver."""


def document(cards: tuple[str, ...] = ("intel", "realtek", "broken")) -> dict[str, Any]:
    """A server with one of several network cards, in one of two slots."""
    slots = ("front", "rear")
    return {
        "schema": "bootwright/plan/1",
        "name": "cards",
        "title": "A network card",
        "question": "?",
        "wanted": {"service": "new"},
        "factor": {
            "kernel": {"levels": ["6.12.107"], "fact": "version"},
            "pages": {"fact": "page_size"},
            "card": {"levels": [*CARDS, "stand-in"], "given": list(cards)},
            "slot": {"levels": [*slots, "none"], "given": list(slots)},
            "service": {"levels": ["old", "new"]},
        },
        "outcome": {"net": {"goal": True}},
        "report": [
            {"id": "r1", "factors": {"kernel": "6.12.107", "card": "realtek"}, "outcomes": {"net": "fails"}}
        ],
        "experiment": [
            {
                "name": "lab",
                "source": "emulated",
                "kernels": "debian",
                "probe": ["mounts"],
                "yields": [
                    {
                        "outcome": "net",
                        "tests": [f"mounts/{CARDS[card]}"],
                        "set": {"card": card, "slot": slot, "service": "new"},
                    }
                    for card in cards
                    for slot in slots
                ],
            },
            {
                "name": "rack",
                "source": "bench",
                "hours": 1.0,
                "outcomes": ["net"],
                "how": "Put it into the rack.",
                "levels": {
                    "kernel": ["6.12.107"],
                    "pages": ["4K", "16K"],
                    "card": list(cards),
                    "slot": list(slots),
                    "service": ["new"],
                },
                "dearer": [{"factors": {"pages": "16K"}, "hours": 4.0, "because": "it has to be built"}],
            },
        ],
    }


def rule(test: str, version: Version, page_size: int) -> str:
    """The driver of `realtek` came with 6.15; that of `broken` never works; `intel` needs 4K pages."""
    since = Version.parse("6.15")
    assert since is not None
    fails = {
        CARDS["intel"]: page_size > 4096,
        CARDS["realtek"]: version < since,
        CARDS["broken"]: True,
    }
    return "EINVAL" if fails.get(test) else ""


def a_plan(**changed: Any) -> Plan:  # noqa: ANN401 - as TOML has it
    return structure_plan("cards.toml", document() | changed)


def perform(
    plan: Plan, given: tuple[Given, ...] | None = None, download: int = LARGE
) -> tuple[Investigation, Decision]:
    with patch("bootwright.investigate.running.loop.runnable", lambda runs: (list(runs), [])):
        loop = Loop(plan, [], candidates(), given)
    investigation = loop.perform(MadeUpLab(rule), Silent(), Limits(jobs=1, download=download))  # type: ignore[arg-type]
    return investigation, decide(investigation)


def by_value(decision: Decision) -> dict[tuple[str, ...], Answer]:
    return {tuple(answer.given.values()): answer for answer in decision.answers}


@pytest.fixture(scope="module")
def whole() -> tuple[Investigation, Decision, Story]:
    investigation, decision = perform(a_plan())
    return investigation, decision, tell(investigation, decision)


def test_every_combination_of_given_levels_has_an_answer(
    whole: tuple[Investigation, Decision, Story],
) -> None:
    _, decision, _ = whole
    answers = by_value(decision)
    assert set(answers) == {(card, slot) for card in CARDS for slot in ("front", "rear")}
    assert {value: answer.verdict for value, answer in answers.items()} == {
        (card, slot): FAILS if card == "broken" else WORKS for card in CARDS for slot in ("front", "rear")
    }
    assert decision.verdict is FAILS


def test_what_is_advised_is_free_and_keeps_what_is_given_and_wanted(
    whole: tuple[Investigation, Decision, Story],
) -> None:
    _, decision, _ = whole
    for (card, slot), answer in by_value(decision).items():
        for configuration in answer.works:
            assert configuration.factors["card"] == card
            assert configuration.factors["slot"] == slot
            assert configuration.factors["service"] == "new"
            assert configuration.source == "emulated"
        assert not {change.factor for change in answer.changes} & {"card", "slot"}
    assert not {"card", "slot"} & set(decision.configuration)
    for goal in decision.goals:
        assert not {"card", "slot"} & set(goal.needs)


def test_each_answer_is_the_one_that_fits_its_card(whole: tuple[Investigation, Decision, Story]) -> None:
    _, decision, _ = whole
    answers = by_value(decision)
    for slot in ("front", "rear"):
        intel, realtek = answers["intel", slot].best, answers["realtek", slot].best
        assert intel is not None
        assert realtek is not None
        assert intel.factors["pages"] == "4K"
        assert realtek.factors["kernel"] in {"6.16.3", "6.18.5"}
        assert (intel.hours, realtek.hours) == (1.0, 1.0), "of equals the one that costs least"
        assert answers["realtek", slot].next is not None


def released(**release: str) -> Story:
    """With one release, and four hours more for what no release has."""
    changed = document(("realtek",))
    changed["release"] = [{"name": "Two", "factors": {"pages": "4K", "service": "new", **release}}]
    changed["experiment"][1]["dearer"] = [{"unreleased": True, "hours": 4.0, "because": "it has to be built"}]
    return tell(*perform(structure_plan("cards.toml", changed)))


def test_what_is_ready_made_is_named_and_costs_less() -> None:
    for answer in released(kernel="6.18.5").what_to_do:
        assert dict(answer.use)["kernel"] == "6.18.5"
        assert answer.ready == "Ready made, in its own build: Two."
        assert answer.cost == "About 60 min."
    for answer in released(kernel="6.12.107").what_to_do:
        assert not answer.ready
        assert answer.cost == "About 5 h: it has to be built."


def test_a_release_has_levels_of_the_plan() -> None:
    bad = document(("realtek",)) | {"release": [{"name": "Two", "factors": {"service": "nwe"}}]}
    with pytest.raises(BootwrightError, match="release Two: factor service has no level 'nwe'") as caught:
        structure_plan("cards.toml", bad)
    assert "did you mean new?" in (caught.value.hint or "")


def test_something_else_to_have_is_named_only_where_everything_free_was_exhausted(
    whole: tuple[Investigation, Decision, Story],
) -> None:
    _, decision, story = whole
    for (card, _), answer in by_value(decision).items():
        assert answer.exhausted is (card == "broken")
        assert bool(answer.instead) is (card == "broken")
    says = {answer.name: answer.says for answer in story.what_to_do}
    exhausted = says["card broken, slot front"]
    assert "Everything that can be chosen was exhausted" in exhausted
    assert "it works with card intel, slot front" in exhausted
    assert all("Only something else" not in text for name, text in says.items() if "broken" not in name)


def test_no_sentence_advises_to_change_what_is_given(whole: tuple[Investigation, Decision, Story]) -> None:
    _, _, story = whole
    texts = [*story.changes, *(text for report in story.reports for text in report.says)]
    assert not [text for text in texts if "hanging card" in text or "hanging slot" in text]
    rows = {row.factor: row for row in story.configuration}
    assert {row.state for name, row in rows.items() if name in {"Card", "Slot"}} == {"given"}


def test_what_can_be_reached_for_nothing_is_told_as_missing_with_what_it_needs() -> None:
    investigation, decision = perform(a_plan(), download=0)
    assert not investigation.steps
    answer = by_value(decision)["realtek", "rear"]
    assert answer.verdict is UNKNOWN
    assert "lab/debian-" in answer.why
    assert "--max-download 50" in answer.why
    assert decision.verdict is UNKNOWN
    assert any("card=realtek, slot=rear" in text for text in decision.unknown)


def test_every_value_gets_its_answer_before_the_budget_goes_to_causes() -> None:
    """Two kernels' worth of budget: enough for an answer each, if nothing else is bought first."""
    plan = structure_plan("cards.toml", document(("intel", "realtek")))
    weight = candidates()[0].weight(modules=False)
    investigation, decision = perform(plan, download=2 * weight)
    assert len(investigation.steps) <= 2
    assert [step.purpose.split()[0] for step in investigation.steps[:1]] == ["answer"]
    assert {answer.verdict for answer in decision.answers} == {WORKS}


def test_one_given_value_is_answered_alone() -> None:
    plan = a_plan()
    values = asked(plan, ["card=realtek", "slot=rear"])
    assert values == ({"card": "realtek", "slot": "rear"},)
    investigation, decision = perform(plan, values)
    assert [dict(answer.given) for answer in decision.answers] == [{"card": "realtek", "slot": "rear"}]
    assert decision.verdict is WORKS
    purposes = {step.purpose for step in investigation.steps if step.purpose.startswith("answer")}
    assert purposes == {"answer card=realtek, slot=rear"}


def test_part_of_what_somebody_has_leaves_the_rest_open() -> None:
    assert len(asked(a_plan(), ["card=intel"])) == 2
    assert asked(a_plan()) == given_values(a_plan())


@pytest.mark.parametrize(
    ("have", "says", "hint"),
    [
        (["card=intl"], "nobody has card 'intl'", "did you mean intel?"),
        (["card=stand-in"], "nobody has card 'stand-in'", "it may be: intel, realtek, broken"),
        (["crad=intel"], "no factor 'crad'", "did you mean card?"),
        (["kernel=6.18.5"], "factor kernel of plan cards is free", "its given factors: card, slot"),
        (["intel"], "'intel' is no factor and level", "it looks like card=intel"),
        (["card="], "'card=' is no factor and level", "it looks like card=intel"),
        (["card=intel", "card=broken"], "card cannot be intel and broken at once", "one at a time"),
    ],
)
def test_what_the_plan_does_not_know_is_one_line_with_a_hint(have: list[str], says: str, hint: str) -> None:
    with pytest.raises(BootwrightError, match=says) as caught:
        asked(a_plan(), have)
    assert hint in (caught.value.hint or "")


@given(
    st.lists(st.text(max_size=20) | st.sampled_from(["card=intel", "slot=rear", "card=broken"]), max_size=4)
)
def test_any_text_is_answered_or_refused_with_a_hint(have: list[str]) -> None:
    plan = a_plan()
    hint: str | None = ""
    values: tuple[Given, ...] = ()
    try:
        values = asked(plan, have)
    except BootwrightError as error:
        hint = error.hint
    assert bool(values) != bool(hint)
    assert set(map(str, values)) <= set(map(str, given_values(plan)))


def test_what_was_seen_on_the_board_comes_before_what_was_emulated() -> None:
    """A row of the user's own table, for one of the values; the other keeps what was emulated."""
    plan = structure_plan("cards.toml", document(("intel", "realtek")))
    cell = {"kernel": "6.12.107", "pages": "16K", "card": "intel", "slot": "rear", "service": "new"}
    row = Observation("row-1", {name: (level,) for name, level in cell.items()}, {"net": WORKS}, Source.BENCH)
    with patch("bootwright.investigate.running.loop.runnable", lambda runs: (list(runs), [])):
        loop = Loop(plan, [row], candidates())
    investigation = loop.perform(MadeUpLab(rule), Silent(), Limits(jobs=1, download=LARGE))  # type: ignore[arg-type]
    answers = by_value(decide(investigation))
    best, other = answers["intel", "rear"].best, answers["intel", "front"].best
    assert best is not None
    assert other is not None
    assert (best.source, best.factors["pages"]) == ("bench", "16K")
    assert answers["intel", "rear"].next is None, "nothing is left to confirm"
    assert other.source == "emulated"
    story = tell(investigation, decide(investigation))
    assert story.headline.startswith("Seen to work for card intel, slot rear on a board; seen to work for")


def test_a_board_that_no_devicetree_of_the_plan_is_of() -> None:
    with pytest.raises(BootwrightError, match="plan cards has no board 'rock-5b'"):
        asked(a_plan(), board="rock-5b")


def without_given() -> Plan:
    plain = document(("intel", "realtek"))
    for factor in plain["factor"].values():
        factor.pop("given", None)
    return structure_plan("cards.toml", plain)


def test_a_plan_without_given_factors_has_one_answer_for_everybody() -> None:
    investigation, decision = perform(without_given())
    (answer,) = decision.answers
    assert dict(answer.given) == {}
    assert not answer.exhausted
    assert answer.best is not None
    assert not [step for step in investigation.steps if step.purpose.startswith("answer")]
    with pytest.raises(BootwrightError, match="plan cards has no given factors") as caught:
        asked(without_given(), ["card=intel"])
    assert "docs/plans.md" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["intel", "inetl"], "given: factor card has no level 'inetl'"),
        (["intel", "intel"], "given levels of factor card name intel twice"),
    ],
)
def test_given_levels_that_cannot_be_are_refused(given: list[str], says: str) -> None:
    bad = document(("intel", "realtek"))
    bad["factor"]["card"]["given"] = given
    with pytest.raises(BootwrightError, match=says):
        structure_plan("cards.toml", bad)


def test_what_is_given_cannot_be_wanted() -> None:
    with pytest.raises(BootwrightError, match="factor card is given, and") as caught:
        a_plan(wanted={"card": "intel"})
    assert caught.value.hint


def test_combinations_that_cannot_be_are_not_asked_about() -> None:
    plan = a_plan(
        impossible=[{"factors": {"card": "broken", "slot": "rear"}, "because": "it does not fit there"}]
    )
    assert {"card": "broken", "slot": "rear"} not in given_values(plan)
    assert len(given_values(plan)) == 5


def test_too_many_combinations_are_refused() -> None:
    many = document()
    levels = [f"c{number}" for number in range(40)]
    many["factor"]["card"] = {"levels": [*levels, *CARDS], "given": levels}
    with pytest.raises(BootwrightError, match="80 combinations, more than 64"):
        structure_plan("cards.toml", many)


def test_what_tells_most_is_tried_on_a_board_that_somebody_who_asks_has() -> None:
    """The owner of one board is not sent to another."""
    investigation, decision = made_up_with_boards()
    assert decision.next is not None
    for value in investigation.given:
        alone = decide(evolve(investigation, given=(value,)))
        steps = [step for step in (alone.next, *alone.next_after) if step is not None]
        assert bool(steps) is (decision.next.factors["board"] == value["board"])
        assert {step.factors["board"] for step in steps} <= {value["board"]}
