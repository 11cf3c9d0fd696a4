"""The gallery: every scenario can be read, and real boots are diagnosed as its file says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bootwright.cli.lab.gallery import command
from bootwright.diagnose.signatures.knowledge import load
from bootwright.foundation.errors import Refused
from bootwright.lab.gallery.scenarios import SCENARIOS

SIGNATURES = {signature.name for signature in load().signatures}


@pytest.mark.parametrize("name", SCENARIOS.names())
def test_every_scenario_is_well_formed(name: str) -> None:
    scene = SCENARIOS.get(name)
    assert scene.title
    assert scene.initramfs in {"whole", "none", "damaged", "cut"}
    assert scene.expected.root is None or scene.expected.root in SIGNATURES
    assert scene.expected.root is None or scene.expected.proof


def test_scenarios_for_any_kernel_need_nothing_of_a_certain_one() -> None:
    """Neither its modules nor images that one page size takes and another does not."""
    scenes = [scene for scene in SCENARIOS.all().values() if scene.any_kernel]
    assert len(scenes) > 10
    assert all(scene.kernel and not scene.modules and not scene.images for scene in scenes)


def test_golden_recordings_come_from_the_scenarios_own_kernel() -> None:
    with pytest.raises(Refused, match="own kernel"):
        CliRunner().invoke(
            command, ["healthy", "--golden", "--kernel", "debian-6.1-4k"], standalone_mode=False,
            catch_exceptions=False,
        )  # fmt: skip


def test_a_scenario_that_is_not_there() -> None:
    with pytest.raises(Refused):
        SCENARIOS.get("../secret")


@pytest.mark.boot
def test_a_boot_with_another_kernel(tmp_path: Path) -> None:
    arguments = ["init-exits", "--kernel", "debian-7.3.4-4k", "--out", str(tmp_path), "--json"]
    done = CliRunner().invoke(command, arguments, standalone_mode=False)
    (scene,) = json.loads(done.stdout)["scenarios"]
    assert (scene["kernel"], scene["wrong"]) == ("debian-7.3.4-4k", [])
    assert (tmp_path / "init-exits@debian-7.3.4-4k.log").is_file()


@pytest.mark.boot
def test_real_boots_are_diagnosed(tmp_path: Path) -> None:
    names = ["no-root-old", "init-wrong-name"]
    done = CliRunner().invoke(command, [*names, "--out", str(tmp_path), "--json"], standalone_mode=False)
    form = json.loads(done.stdout)
    assert [scene["wrong"] for scene in form["scenarios"]] == [[], []]
    assert done.return_value == 0
    assert b"Unable to mount root fs" in (tmp_path / "no-root-old.log").read_bytes()
