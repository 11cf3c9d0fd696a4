"""Devicetrees of many boards under one real kernel, with and without a board's file, and damaged ones."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from bootwright import api
from bootwright.cli.main import main
from bootwright.foundation.errors import Missing, Refused
from bootwright.foundation.verdict import Verdict
from bootwright.kernels.catalogue import open_library
from bootwright.predict.all_devicetrees import AllDevicetrees
from bootwright.report.check_devicetrees import lines

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/check-devicetrees.schema.json").read_text())
KERNEL = "debian-6.18-4k"
BLOBS = ("bcm2712-rpi-5-b.dtb", "rk3588s-nanopi-r6s.dtb", "meson-g12b-odroid-n2.dtb", "imx8mp-evk.dtb")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        dtbs = open_library().get(KERNEL, modules=True).dtbs
    except (Missing, Refused) as error:
        pytest.skip(str(error))
    assert dtbs is not None
    made = tmp_path_factory.mktemp("dtbs")
    for name in BLOBS:
        (made / name).write_bytes(next(dtbs.rglob(name)).read_bytes())
    (made / "cut.dtb").write_bytes((made / BLOBS[0]).read_bytes()[:5000])
    (made / "empty.dtb").write_bytes(b"")
    return made


@pytest.fixture(scope="module")
def everything(folder: Path) -> AllDevicetrees:
    return api.check_all_devicetrees(KERNEL, folder, workers=2)


def test_each_devicetree_has_goals_or_says_why_not(everything: AllDevicetrees) -> None:
    by_name = {judged.dtb: judged for judged in everything.devicetrees}
    assert set(by_name) == {*BLOBS, "cut.dtb", "empty.dtb"}
    assert by_name["bcm2712-rpi-5-b.dtb"].board == "raspberrypi-5"
    assert {goal.goal for goal in by_name["bcm2712-rpi-5-b.dtb"].goals} >= {"ethernet", "nvme"}
    nanopi = {goal.goal: goal for goal in by_name["rk3588s-nanopi-r6s.dtb"].goals}
    assert nanopi["ethernet"].node == "/ethernet@fe1c0000"
    assert nanopi["ethernet"].verdict is Verdict.WORKS
    # Its clock has no name, in the devicetree and in the driver: drivers/usb/dwc3/dwc3-meson-g12a.c.
    odroid = {goal.goal: goal for goal in by_name["meson-g12b-odroid-n2.dtb"].goals}
    assert odroid["usb"].verdict is Verdict.WORKS
    for name in ("cut.dtb", "empty.dtb"):
        assert not by_name[name].goals
        assert "expected" in by_name[name].problem


def test_the_report_and_the_json_say_all_of_it(everything: AllDevicetrees) -> None:
    text = "\n".join(lines(everything))
    assert "6 devicetrees" in text
    assert "FriendlyElec NanoPi R6S" in text
    assert "no goals: cut.dtb" in text
    document = json.loads(json.dumps(everything.as_json()))
    jsonschema.validate(document, SCHEMA)
    verdicts = [goal["verdict"] for judged in document["devicetrees"] for goal in judged["goals"].values()]
    assert len(verdicts) == len(list(everything.goals))


def test_the_command_limits_goals_and_refuses_what_is_not_for_it(folder: Path) -> None:
    run = CliRunner()
    arguments = ["check", KERNEL, str(folder), "--all-devicetrees", "--goal", "ethernet", "-q", "--json"]
    done = run.invoke(main, arguments, standalone_mode=False)
    document = json.loads(done.stdout)
    roles = {goal["role"] for judged in document["devicetrees"] for goal in judged["goals"].values()}
    assert roles == {"ethernet"}
    assert done.return_value in {0, 1, 3}
    for wrong in (["--board", "rock64"], ["--matrix"], ["--os", "talos=1.12.1"]):
        refused = run.invoke(main, ["check", KERNEL, "--all-devicetrees", *wrong])
        assert refused.exit_code == 2, wrong
        assert "is not for" in refused.output
    empty = folder / "none"
    empty.mkdir(exist_ok=True)
    with pytest.raises(Missing, match="has no devicetrees"):
        api.check_all_devicetrees(KERNEL, empty)
    with pytest.raises(Refused):
        api.check_all_devicetrees(KERNEL, folder, goals="fly")
