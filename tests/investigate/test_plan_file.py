import contextlib
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.cli.main import main
from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused
from bootwright.foundation.places import data_files
from bootwright.investigate.plans.plan_file import PLANS, load_plan, structure_plan
from bootwright.investigate.plans.table import read_table
from bootwright.investigate.plans.tasks import words
from bootwright.investigate.plans.values import check_observations

Document = dict[str, Any]
SHIPPED = data_files("plans")


def minimal() -> Document:
    return {
        "schema": "bootwright/plan/1",
        "name": "small",
        "title": "Small",
        "question": "?",
        "wanted": {},
        "factor": {"pages": {"levels": ["4K", "16K"]}, "tree": {"levels": ["a", "b"]}},
        "outcome": {"boots": {"goal": True}},
        "report": [
            {"id": "r1", "factors": {"pages": "4K", "tree": "a"}, "outcomes": {"boots": "works"}},
            {"id": "r2", "factors": {"pages": "16K", "tree": "b"}, "outcomes": {"boots": "fails"}},
        ],
        "experiment": [
            {
                "name": "bench",
                "source": "bench",
                "levels": {"pages": ["4K", "16K"], "tree": ["a", "b"]},
                "outcomes": ["boots"],
            }
        ],
    }


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_plan_is_read_by_its_name(path: Path) -> None:
    plan = load_plan(path.stem)
    assert plan.name == path.stem
    assert plan.goals
    assert path.stem in PLANS.names()


def test_a_plan_by_path(tmp_path: Path) -> None:
    copy = tmp_path / "mine.toml"
    copy.write_bytes(SHIPPED[0].read_bytes())
    assert load_plan(str(copy)) == load_plan(SHIPPED[0].stem)


def test_an_unknown_plan_is_answered_with_the_nearest() -> None:
    with pytest.raises(Missing, match="no plan 'talos-rpi'") as caught:
        load_plan("talos-rpi")
    assert caught.value.hint == "did you mean talos-rpi5?"


def change(edit: Callable[[Document], object]) -> Document:
    document = minimal()
    edit(document)
    return document


WORKS: Document = {"by": "works", "outcome": "boots", "cells": {"pages": "4K"}}
TASK: Document = {
    "id": "1",
    "priority": "P0",
    "title": "Try it",
    "hypothesis": "It boots.",
    "success": "it boots",
    "hours": 0.5,
    "needs": ["board"],
    "steps": ["bootwright kernels list"],
    "criterion": [WORKS],
}
POINT: Document = {
    "id": "go-on",
    "when": [{"priority": "P0", "its": "fails"}],
    "then": "Go on.",
    "opens": ["1"],
}


def test_a_plan_with_tasks_is_good() -> None:
    plan = structure_plan("plan.toml", change(lambda d: d.update(task=[TASK], decision=[POINT])))
    assert plan.task[0].criterion[0].cells == {"pages": "4K"}
    assert plan.decision[0].when[0].priority == "P0"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_steps_of_shipped_plans_are_commands_with_options_that_exist(path: Path) -> None:
    for task in load_plan(str(path)).task:
        for step in task.steps:
            parts, command = words(step), main
            context = click.Context(main, info_name="bootwright")
            while isinstance(command, click.Group):
                subcommand = command.get_command(context, parts.pop(0))
                assert subcommand is not None, step
                command = subcommand
                context = click.Context(command, parent=context)
            command.parse_args(context, [*parts])


BAD: list[tuple[str, Callable[[Document], object], type[BootwrightError], str]] = [
    ("unknown key", lambda d: d.update(colour="red"), Malformed, "colour"),
    ("unknown nested key", lambda d: d["report"][0].update(who="me"), Malformed, "who"),
    ("wrong type", lambda d: d.update(title=3), Malformed, "expected text"),
    ("missing key", lambda d: d.pop("title"), Malformed, "title"),
    ("schema of another time", lambda d: d.update(schema="bootwright/plan/9"), Malformed, "schema"),
    ("one level", lambda d: d["factor"]["tree"].update(levels=["a"]), Refused, "one level"),
    ("no goal", lambda d: d["outcome"]["boots"].update(goal=False), Refused, "goal"),
    ("unknown level", lambda d: d["report"][0]["factors"].update(pages="64K"), Refused, "no level '64K'"),
    ("unknown factor", lambda d: d["report"][0]["factors"].update(colour="red"), Refused, "colour"),
    ("unknown outcome", lambda d: d["report"][0]["outcomes"].update(net="works"), Refused, "net"),
    ("not a verdict", lambda d: d["report"][0]["outcomes"].update(boots="maybe"), Refused, "maybe"),
    (
        "impossible cell",
        lambda d: d.update(
            impossible=[{"factors": {"pages": "4K", "tree": "a"}, "because": "no such build"}]
        ),
        Refused,
        "cannot exist: no such build",
    ),
    (
        "contradictory reports",
        lambda d: d["report"].append(
            {"id": "r3", "factors": {"pages": "4K", "tree": "a"}, "outcomes": {"boots": "fails"}}
        ),
        Refused,
        "r1 and r3 contradict",
    ),
    ("two of one name", lambda d: d["report"][1].update(id="r1"), Refused, "r1"),
    ("bench without levels", lambda d: d["experiment"][0].pop("levels"), Refused, "levels"),
    (
        "task without a criterion",
        lambda d: d.update(task=[TASK | {"criterion": []}]),
        Refused,
        "task 1 has no",
    ),
    ("two tasks of one name", lambda d: d.update(task=[TASK, TASK]), Refused, "two tasks are called 1"),
    (
        "a step of another program",
        lambda d: d.update(task=[TASK | {"steps": ["rm -rf /"]}]),
        Refused,
        "rm -rf",
    ),
    ("a need that is none", lambda d: d.update(task=[TASK | {"needs": ["luck"]}]), Malformed, "luck"),
    (
        "a criterion's level",
        lambda d: d.update(task=[TASK | {"criterion": [WORKS | {"cells": {"pages": "8K"}}]}]),
        Refused,
        "task 1: factor pages has no level '8K'",
    ),
    (
        "a criterion without its outcome",
        lambda d: d.update(task=[TASK | {"criterion": [{"by": "link"}]}]),
        Refused,
        "by link has no outcome",
    ),
    (
        "a decision on a task that is none",
        lambda d: d.update(task=[TASK], decision=[POINT | {"when": [{"its": "works", "task": "2"}]}]),
        Refused,
        "names task 2",
    ),
    (
        "a decision on two things at once",
        lambda d: d.update(
            task=[TASK], decision=[POINT | {"when": [{"its": "works", "task": "1", "priority": "P0"}]}]
        ),
        Refused,
        "on a priority or on a task",
    ),
    (
        "a decision that opens nothing",
        lambda d: d.update(task=[TASK], decision=[POINT | {"opens": []}]),
        Refused,
        "opens nothing",
    ),
]


@pytest.mark.parametrize(("edit", "kind", "says"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_plan_is_one_clear_error_with_a_hint(
    edit: Callable[[Document], object], kind: type[BootwrightError], says: str
) -> None:
    with pytest.raises(kind) as caught:
        structure_plan("plan.toml", change(edit))
    assert says in caught.value.message
    assert "plan.toml" in caught.value.message
    assert "\n" not in caught.value.message


def test_the_minimal_plan_is_good() -> None:
    assert structure_plan("plan.toml", minimal()).goals == ("boots",)


def _paths(node: object, at: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    paths = [at] if at else []
    if isinstance(node, dict):
        paths += [path for key, value in node.items() for path in _paths(value, (*at, key))]
    elif isinstance(node, list):
        paths += [path for key, value in enumerate(node) for path in _paths(value, (*at, key))]
    return paths


SHIPPED_DOCUMENT = tomllib.loads(SHIPPED[0].read_text(encoding="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@given(path=st.sampled_from(_paths(SHIPPED_DOCUMENT)), value=VALUES)
def test_any_slip_in_a_plan_is_read_or_refused(path: tuple[Any, ...], value: object) -> None:
    document = tomllib.loads(SHIPPED[0].read_text(encoding="utf-8"))
    node = document
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    with contextlib.suppress(BootwrightError):
        structure_plan("plan.toml", document)


@pytest.mark.parametrize(
    ("row", "says", "hint"),
    [
        ("4k,a,works", "factor pages of the plan has no level '4k'", "did you mean 4K?"),
        ("banana,a,works", "has no level 'banana'", "its levels: 4K, 16K"),
        ("4K,aa,works", "factor tree of the plan has no level 'aa'", "did you mean a?"),
    ],
)
def test_a_table_must_use_the_levels_of_the_plan(tmp_path: Path, row: str, says: str, hint: str) -> None:
    table = tmp_path / "seen.csv"
    table.write_text(f"factor:pages,factor:tree,outcome:boots\n{row}\n")
    plan = structure_plan("small", minimal())
    with pytest.raises(Refused) as caught:
        check_observations(plan, read_table(table).observations, str(table))
    assert says in caught.value.message
    assert caught.value.hint == hint


def test_a_table_must_use_the_factors_and_outcomes_of_the_plan(tmp_path: Path) -> None:
    plan = structure_plan("small", minimal())
    table = tmp_path / "seen.csv"
    for header, meant in (
        ("factor:pags,outcome:boots", "did you mean pages?"),
        ("factor:pages,outcome:boot", "did you mean boots?"),
    ):
        table.write_text(f"{header}\n4K,works\n")
        with pytest.raises(Refused) as caught:
            check_observations(plan, read_table(table).observations, str(table))
        assert caught.value.hint == meant
    table.write_text("factor:pages,factor:tree,outcome:boots\n4K,a,works\n16K|4K,b,\n")
    check_observations(plan, read_table(table).observations, str(table))


def test_only_a_version_is_any_version() -> None:
    document = minimal()
    document["factor"]["kernel"] = {"levels": ["6.12"], "fact": "version"}
    document["factor"]["pages"]["fact"] = "page_size"
    document["wanted"] = {"kernel": "6.19.3"}
    structure_plan("small", document)
    document["wanted"] = {"pages": "6.19.3"}
    with pytest.raises(Refused, match=r"no level '6\.19\.3'"):
        structure_plan("small", document)


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"machine": "vrt"}, "did you mean virt?"),
        ({"probe": ["mount"]}, "did you mean mounts?"),
        ({"kernels": "debain"}, "did you mean debian?"),
    ],
)
def test_an_experiment_must_use_what_there_is(change: Document, hint: str) -> None:
    document = minimal()
    emulated = {
        "name": "boots",
        "source": "emulated",
        "kernels": "debian",
        "probe": ["mounts"],
        "yields": [{"outcome": "boots", "tests": ["mounts/*"]}],
    }
    document["experiment"].append(emulated)
    structure_plan("small", document)
    emulated.update(change)
    with pytest.raises(Refused) as caught:
        structure_plan("small", document)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("tree", "goal", "hint"),
    [
        ({"board": "raspberrypi5", "stepping": "c0"}, "ethernet", "did you mean raspberrypi-5?"),
        ({"board": "raspberrypi-5", "stepping": "c"}, "ethernet", "did you mean c0?"),
        ({"board": "raspberrypi-5", "stepping": "c0"}, "ethernt", "did you mean ethernet?"),
        (
            {"board": "raspberrypi-5", "stepping": "c0", "file": "raspberrypi-5-vendor.dts"},
            "ethernet",
            "did you mean raspberrypi-5-vendor-style.dts?",
        ),
    ],
)
def test_a_prediction_must_be_of_a_board_that_there_is(tree: Document, goal: str, hint: str) -> None:
    document = minimal()
    document["experiment"].append(
        {
            "name": "chain",
            "source": "predicted",
            "kernels": "debian",
            "devicetree": [{**tree, "set": {"tree": "a"}}],
            "goals": {"boots": goal},
        }
    )
    with pytest.raises(Refused) as caught:
        structure_plan("small", document)
    assert caught.value.hint == hint


def test_a_rule_about_a_level_that_is_none_never_holds() -> None:
    document = minimal()
    document["impossible"] = [{"factors": {"pages": "64K"}, "because": "no such CPU"}]
    with pytest.raises(Refused, match="no level '64K'"):
        structure_plan("small", document)
