"""The Ask tab: what lights mean, what is known of a system's version, what a recorded run decides."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from disk_kit import fuzz_target
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright import api
from bootwright.browser import ask
from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.foundation.progress import Silent
from bootwright.foundation.verdict import Verdict
from site_parts.archive import recorded

BOARD = {"board": "rpi5-rev-1.0", "tree": "mainline", "page_size": "4K", "talos": "1.12.1"}


def cell(name: str, source: str, outcomes: dict[str, str], **factors: str) -> dict[str, Any]:
    return {"id": name, "source": source, "outcomes": outcomes, "factors": {**BOARD, **factors}}


def booted(name: str, mounts: str, **factors: str) -> dict[str, Any]:
    return cell(name, "emulated", {"talos-mounts": mounts}, board="qemu-virt", dtb="machine", **factors)


# As `investigate talos-rpi5` finds them with real boots: mounts by the kernel, Ethernet by the devicetree.
CELLS = [
    booted("cell-1", "fails", kernel="6.12.117", page_size="16K"),
    booted("cell-2", "works", kernel="6.12.117", page_size="16K", talos="1.11.6"),
    booted("cell-6", "works", kernel="6.16.3", page_size="4K"),
    booted("cell-7", "works", kernel="6.18.15", page_size="16K"),
    booted("cell-8", "works", kernel="6.18.15", page_size="4K"),
    cell("cell-3", "predicted", {"ethernet": "works"}, kernel="6.18.15", dtb="kernel"),
    cell("cell-4", "predicted", {"ethernet": "fails"}, kernel="6.18.15", dtb="firmware"),
    cell("cell-5", "predicted", {"ethernet": "fails"}, kernel="6.18.15", dtb="kernel", board="rpi5-rev-1.1"),
]
RESULT = {"schema": "bootwright/result/1", "plan": "talos-rpi5", "cells": CELLS}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "result.json").write_text(json.dumps(RESULT))
    return tmp_path


def asked(**request: str) -> dict[str, Any]:
    return ask.answer(request, [], Silent())


def test_lights_are_what_observe_says() -> None:
    answered = asked(board="raspberrypi-5", led="4+3", lights="off", address="none")
    observed = api.observe(
        board="raspberrypi-5", led="4+3", lights="off", address="none", keep=False
    ).observed
    assert answered["seen"] == {
        "verdict": observed.verdict.value,
        "headline": "the boot stops: RP1, the chip with Ethernet and USB, was not found",
        "outcomes": {goal: verdict.value for goal, verdict in observed.seen.outcomes.items()},
        "says": list(observed.seen.says),
        "next": observed.seen.next,
    }
    assert "RP1" in answered["seen"]["says"][0]
    assert answered["image"] is None


def test_a_systems_version_is_what_talos_says(tmp_path: Path) -> None:
    answered = asked(board="raspberrypi-5", revision="e04171", system="talos", version="1.12.0")
    schematic = tmp_path / "schematic.yaml"
    schematic.write_text(answered["image"]["schematic"])
    said = api.talos(schematic, version="1.12.0", board="raspberrypi-5", revision="e04171").as_json()
    assert answered["image"]["talos"] == said
    assert answered["stepping"] == "d0"
    assert said["verdict"] == "fails", "the factory has the overlay from 1.12.3 on"


def test_a_board_that_the_factory_has_no_overlay_for_is_not_known() -> None:
    answered = asked(board="beagleplay", system="talos")
    assert answered["image"] is None
    assert any("image factory" in text for text in answered["not_known"])


def test_without_a_run_the_plan_is_not_known() -> None:
    answered = asked(board="raspberrypi-5")
    assert answered["plans"] == []
    assert any("talos-rpi5" in text for text in answered["not_known"])


@pytest.mark.parametrize(("revision", "verdict"), [("c0", "works"), ("e04171", "fails")])
def test_a_recorded_run_decides_for_the_board(
    run: Path, monkeypatch: pytest.MonkeyPatch, revision: str, verdict: str
) -> None:
    ((name, data),) = recorded([run]).items()
    assert name == "bootwright/browser/runs/talos-rpi5.json"
    (run / "talos-rpi5.json").write_bytes(data)
    monkeypatch.setattr(ask, "RUNS", run)
    (plan,) = asked(board="raspberrypi-5", revision=revision)["plans"]
    (decided,) = plan["answers"]
    assert decided["verdict"] == plan["verdict"] == verdict
    assert (["devicetree source", "kernel"] in decided["use"]) is (verdict == "works")


@pytest.fixture
def recorded_run(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is made with a run of the plan."""
    (run / "talos-rpi5.json").write_bytes((run / "result.json").read_bytes())
    monkeypatch.setattr(ask, "RUNS", run)


@pytest.mark.usefixtures("recorded_run")
@pytest.mark.parametrize(
    ("version", "verdict", "says"),
    [
        # The kernel that was predicted with, and not its devicetrees: no cell that was looked at.
        ("1.12.5", "unknown", "devicetree source: overlay"),
        ("1.12.6", "unknown", "kernel version: 6.18.18"),
    ],
)
def test_the_plan_says_of_the_version_that_was_asked_how_it_stands(
    version: str, verdict: str, says: str
) -> None:
    (plan,) = asked(board="raspberrypi-5", revision="c0", system="talos", version=version)["plans"]
    (release,) = plan["releases"]
    assert (release["name"], release["verdict"]) == (f"Talos {version}", verdict)
    assert says in " ".join(release["says"])
    assert plan["outside"] == ""


@pytest.mark.usefixtures("recorded_run")
@pytest.mark.parametrize("version", ["1.14.7", "1.9.0", "99.0.0"])
def test_a_version_that_the_runs_are_not_about_is_said_to_be_that(version: str) -> None:
    (plan,) = asked(board="raspberrypi-5", revision="c0", system="talos", version=version)["plans"]
    assert plan["releases"] == []
    assert "1.12.1 to 1.12.11" in plan["outside"]
    assert version in plan["outside"]


@pytest.mark.parametrize(("version", "can_be_made"), [("1.12.6", True), ("1.9.0", False), ("99.0.0", False)])
def test_no_address_is_shown_of_an_image_that_fails_or_is_not_known(version: str, can_be_made: bool) -> None:
    image = asked(board="raspberrypi-5", revision="e04171", system="talos", version=version)["image"]
    assert image["can_be_made"] is can_be_made


def test_a_version_needs_its_system_and_a_series_is_no_version() -> None:
    with pytest.raises(Refused, match=r"1\.12\.6 is the version of a system"):
        asked(board="raspberrypi-5", version="1.12.6")
    with pytest.raises(Refused, match=r"1\.12") as raised:
        asked(board="raspberrypi-5", system="talos", version="1.12")
    assert (raised.value.hint or "").startswith("it looks like 1.12.")


def test_the_revision_code_says_which_board_it_is_and_names_are_read_as_they_are_meant() -> None:
    assert asked(revision="e04171")["board"] == "Raspberry Pi 5"
    assert asked(board="raspberry  pi 5", revision="D0")["stepping"] == "d0"


def test_where_all_that_was_told_works_nothing_is_wrong() -> None:
    seen = asked(board="raspberrypi-5", led="off", lights="on", address="192.168.1.50")["seen"]
    assert seen["verdict"] == "works"
    assert seen["next"].startswith("nothing")


def test_a_decision_is_the_investigations_own(run: Path) -> None:
    decided = api.decide_recorded("talos-rpi5", run / "result.json", board="raspberrypi-5", stepping="c0")
    assert decided.verdict is Verdict.WORKS
    (run / "again.json").write_text(json.dumps(decided.as_json()))
    again = api.decide_recorded("talos-rpi5", run / "again.json", board="raspberrypi-5", stepping="c0")
    assert again.as_json()["decision"] == decided.as_json()["decision"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"cells": None}, "the cells of a run's result"),
        ({"cells": [{**CELLS[0], "source": "guessed"}]}, "guessed"),
        ({"cells": [{**CELLS[0], "outcomes": {"ethernet": "perhaps"}}]}, "perhaps"),
        ({"cells": [{**CELLS[0], "factors": 7}]}, "factors"),
    ],
)
def test_a_damaged_result_is_named(run: Path, change: dict[str, Any], says: str) -> None:
    (run / "result.json").write_text(json.dumps({**RESULT, **change}))
    with pytest.raises(Malformed, match=says) as raised:
        api.decide_recorded("talos-rpi5", run / "result.json")
    assert "result.json" in str(raised.value)
    with pytest.raises(Malformed, match=says):
        recorded([run])


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="result of a run"):
        recorded([tmp_path])
    with pytest.raises(Missing, match=r"nothing\.json"):
        api.decide_recorded("talos-rpi5", tmp_path / "nothing.json")
    with pytest.raises(Refused, match="a board is needed"):
        asked()
    with pytest.raises(Refused, match="plan9"):
        asked(board="raspberrypi-5", system="plan9")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12))
def test_changed_bytes_are_read_or_refused(seed: int, changes: int) -> None:
    chance, data = random.Random(seed), bytearray(json.dumps(RESULT).encode())
    for _ in range(changes):
        data[chance.randrange(len(data))] = chance.randrange(32, 127)
    fuzz_target("fuzz_recorded")(bytes(data))
