"""Which devicetrees the `firmware` cells of a plan are predicted with, and that the result says so."""

from __future__ import annotations

import shutil
from functools import cache
from itertools import count
from pathlib import Path

import pytest
from git_server import commit, serve
from real_devicetrees import FOLDER, MISSING

from bootwright.api import fetch_devicetrees, investigate
from bootwright.devicetrees.source import SOURCES
from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.foundation.places import DATA
from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.observations import Observation
from bootwright.investigate.plans.plan import Plan
from bootwright.investigate.plans.plan_file import load_plan
from bootwright.investigate.plans.runs import Candidate, Run, kernel_runs
from bootwright.investigate.running.foretell import foretell, whose_trees
from bootwright.investigate.running.trees import check_folders, compiled, folders_of
from bootwright.kernels.catalogue import open_library
from bootwright.kernels.model import Kernel

pytestmark = pytest.mark.download
NAME = "debian-6.18.15-4k"
STAND_IN = "raspberrypi-5-vendor-style.dts"


@cache
def kernel() -> Kernel:
    try:
        return open_library(offline=True).get(NAME, modules=True)
    except (Missing, Refused) as error:
        pytest.skip(f"{NAME}: {error}")


@pytest.fixture
def plan() -> Plan:
    return load_plan("talos-rpi5")


def firmware_runs(plan: Plan) -> dict[str, Run]:
    """Stepping → the prediction with the firmware's devicetree."""
    candidate = Candidate(NAME, "debian", "6.18.15", 4096, 0, 0)
    runs = kernel_runs(plan, [candidate], lambda _: NAME, lambda _: True)
    return {
        run.devicetree.stepping: run
        for run in runs
        if run.devicetree is not None and run.devicetree.set["dtb"] == "firmware"
    }


def foretold(plan: Plan, stepping: str, folders: dict[str, Path]) -> tuple[Observation, str]:
    run = firmware_runs(plan)[stepping]
    observation = foretell(plan, run, kernel(), count(1).__next__, folders)
    (note,) = whose_trees([observation], run)
    return observation, note


@pytest.fixture
def boot_partition(tmp_path: Path) -> Path:
    """A folder as a boot partition has it, with C0's devicetree alone."""
    folder = tmp_path / "boot"
    folder.mkdir()
    shutil.copy(compiled(STAND_IN), folder / "bcm2712-rpi-5-b.dtb")
    (folder / "config.txt").write_text("[all]\narm_64bit=1\n")
    return folder


def test_without_real_ones_it_is_the_stand_in_and_says_how_to_get_them(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bootwright.investigate.running.trees.fetched", lambda _: None)
    observation, note = foretold(plan, "c0", {})
    assert observation.outcomes["ethernet"] is Verdict.FAILS
    assert observation.evidence["devicetree"] == STAND_IN
    assert "structure of the firmware's, not its bytes" in observation.evidence["limit"]
    assert f"the stand-in {STAND_IN} (bootwright devicetrees fetch raspberrypi-firmware" in note


@pytest.mark.parametrize("stepping", ["c0", "d0"])
def test_the_users_folder_comes_first_and_the_firmware_picks_in_it(
    stepping: str, plan: Plan, boot_partition: Path
) -> None:
    observation, note = foretold(plan, stepping, {"firmware": boot_partition})
    assert observation.outcomes["ethernet"] is Verdict.FAILS
    # D0 has none of its own there: the firmware takes C0's.
    assert observation.evidence["devicetree"] == "bcm2712-rpi-5-b.dtb"
    assert "not its bytes" not in observation.evidence["limit"]
    assert note == f"devicetrees of raspberrypi-firmware: predicted with those of {boot_partition} (yours)"


def test_fetched_ones_come_before_the_stand_in(
    plan: Plan, boot_partition: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = kernel()
    blob = (boot_partition / "bcm2712-rpi-5-b.dtb").read_bytes()
    name = commit(tmp_path / "repository", {"boot/bcm2712-rpi-5-b.dtb": blob})
    own = tmp_path / "config" / "bootwright" / "devicetrees"
    own.mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with serve(tmp_path / "repository") as server:
        (own / "raspberrypi-firmware.toml").write_text(
            f'title = "Tiny"\nrepository = "{server.url}"\ncommit = "{name}"\nfolder = "boot"\n'
            'files = ["*.dtb"]\nfound_at = []\n'
        )
        here = fetch_devicetrees("raspberrypi-firmware").here
    assert here is not None
    run = firmware_runs(plan)["c0"]
    observation = foretell(plan, run, wanted, count(1).__next__, {})
    assert observation.evidence["devicetree"] == "bcm2712-rpi-5-b.dtb"
    whose = f"those of raspberrypi-firmware at {name[:12]} (fetched)"
    assert whose_trees([observation], run) == [f"devicetrees of raspberrypi-firmware: predicted with {whose}"]
    (here.folder / "bcm2712-rpi-5-b.dtb").write_bytes(blob[:-1])
    with pytest.raises(Malformed, match="SHA-256"):
        foretell(plan, run, wanted, count(1).__next__, {})


@pytest.mark.skipif(not FOLDER.is_dir(), reason=MISSING)
@pytest.mark.parametrize("stepping", ["c0", "d0"])
def test_real_ones_fail_as_the_stand_in_does(
    stepping: str, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bootwright.investigate.running.trees.fetched", lambda _: None)
    stand_in, _ = foretold(plan, stepping, {})
    real, _ = foretold(plan, stepping, {"firmware": FOLDER / "vendor-6.12-stable_20250428"})
    assert (
        real.evidence["devicetree"] == {"c0": "bcm2712-rpi-5-b.dtb", "d0": "bcm2712-d-rpi-5-b.dtb"}[stepping]
    )
    assert real.outcomes == stand_in.outcomes
    broken = [observation.evidence["goals"]["ethernet"]["first_broken"] for observation in (stand_in, real)]
    assert broken[0]["reason"] == broken[1]["reason"]


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("firmware", "'firmware' names no devicetrees", "it looks like firmware=FOLDER"),
        ("=x", "names no devicetrees", "it looks like firmware=FOLDER"),
        ("firmwar={}", "no devicetrees called 'firmwar'", "did you mean firmware?"),
        ("kernel={}", "no devicetrees called 'kernel'", None),
        ("firmware={}/none", "holds no devicetrees", "give a folder with .dtb files"),
        ("firmware={}", "holds no devicetrees", "give a folder with .dtb files"),
    ],
)
def test_what_is_no_folder_of_devicetrees_is_one_line(
    text: str, says: str, hint: str | None, tmp_path: Path
) -> None:
    with pytest.raises((Refused, Missing), match=says) as caught:
        investigate("talos-rpi5", devicetrees=[text.format(tmp_path)], dry_run=True, offline=True)
    assert hint is None or caught.value.hint == hint


def test_another_boards_devicetrees_are_refused_before_anything_runs(plan: Plan, tmp_path: Path) -> None:
    source = kernel().dtbs
    assert source is not None
    other = next(source.rglob("bcm2711-rpi-4-b.dtb"))
    shutil.copy(other, tmp_path / "bcm2712-rpi-5-b.dtb")
    with pytest.raises(Refused, match="raspberrypi,5-model-b"):
        check_folders(plan, {"firmware": tmp_path})
    with pytest.raises(Refused, match="twice"):
        folders_of([f"firmware={tmp_path}", f"firmware={tmp_path}"])


def test_a_plans_source_must_be_one(tmp_path: Path) -> None:
    text = (DATA / "plans" / "talos-rpi5.toml").read_text()
    path = tmp_path / "mine.toml"
    path.write_text(text.replace('source = "raspberrypi-firmware"', 'source = "raspberypi-firmware"'))
    with pytest.raises(Refused) as caught:
        load_plan(str(path))
    assert caught.value.hint == "did you mean raspberrypi-firmware?"
    assert "raspberrypi-firmware" in SOURCES.names()
