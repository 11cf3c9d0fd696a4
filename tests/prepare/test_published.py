"""Addresses of published images."""

import re

import pytest
from command_kit import in_process

from bootwright.boards.lights import LIGHTS, lights_of
from bootwright.boards.model import board
from bootwright.foundation.errors import Refused
from bootwright.investigate.plans.given import given_values, silicon
from bootwright.investigate.plans.plan_file import PLANS, load_plan
from bootwright.investigate.plans.ways import filled
from bootwright.prepare.knowledge import PREPARATIONS, Overlay, looks
from bootwright.prepare.published import published

TALOS = PREPARATIONS.get("talos")


def test_the_address_has_the_schematics_id() -> None:
    # Both are in public documentation and in repositories that use the factory.
    four = published(TALOS, board("raspberrypi-4"), "1.12.6").address
    assert "/ee21ef4a5ef808a9b7484cc0dda0f25075021691c8c09a276591eedb638ea1f9/" in four
    five = published(TALOS, board("raspberrypi-5"), "1.12.6").address
    assert "/a636242df247ad4aad2e36d1026d8d4727b716a3061749bd7b19651e548f65e4/" in five


def test_the_address_has_version_and_schematic() -> None:
    download = published(TALOS, board("raspberrypi-5"), "v1.12.6")
    assert re.fullmatch(
        r"https://factory\.talos\.dev/image/[0-9a-f]{64}/v1\.12\.6/metal-arm64\.raw\.xz", download.address
    )


def test_a_version_before_the_boards_image_is_refused() -> None:
    with pytest.raises(Refused, match=r"1\.12\.3"):
        published(TALOS, board("raspberrypi-5"), "1.12.2")


@pytest.mark.parametrize("name", ["x y", "a: b", "", "a\nb", "é"])
def test_a_name_that_yaml_would_quote_is_no_overlay(name: str) -> None:
    with pytest.raises(ValueError, match="letters"):
        Overlay("x", "siderolabs/sbc", name, "")


@pytest.mark.parametrize("name", PLANS.names())
def test_every_release_that_a_plan_may_advise_has_an_image_for_its_boards(name: str) -> None:
    plan = load_plan(name)
    if plan.released is None:
        pytest.skip("it names no releases")
    for given in given_values(plan):
        part = silicon(plan, given)
        assert part is not None
        for release in filter(lambda release: release.to_be_had, plan.released.releases()):
            words = filled(plan, release.get, given, {})
            assert words[3:5] == ["--version", release.name.split()[-1]]
            published(PREPARATIONS.get(plan.released.system), part.board, words[4])


def test_every_board_and_goal_of_the_knowledge_is_known() -> None:
    for preparation in PREPARATIONS.all().values():
        names = [look.name for look in looks(preparation)]
        assert len(names) == len(set(names))
        for overlay in preparation.images.overlays if preparation.images else ():
            board(overlay.board)
    for lights in LIGHTS.all().values():
        for name in lights.boards:
            assert board(name).id == name
            assert lights_of(name) is lights


def test_a_release_that_is_known_to_fail_is_said_before_it_is_fetched() -> None:
    """Two gigabytes are not fetched without a word."""
    for version, revision, said in (("1.12.3", "e04171", True), ("1.12.8", "e04171", False)):
        asked = ("--version", version, "--board", "raspberrypi-5", "--revision", revision, "--offline")
        done = in_process("prepare", "talos", *asked)
        assert done.returncode == 2
        assert ("SError panic" in done.stderr) is said
        assert ("ask for --version 1.12.8 or newer, but not 1.13.0" in done.stderr) is said
    with pytest.raises(Refused) as refused:
        published(TALOS, board("raspberrypi-5"), "1.12.1", "d0")
    assert "--version 1.12.8 or newer" in (refused.value.hint or "")
    assert str(published(TALOS, board("raspberrypi-5"), None, "d0").version) == "1.14.7"
