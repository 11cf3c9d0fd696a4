"""Devicetrees of many boards under one real kernel, with and without a board's file, and damaged ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from bootwright import api
from bootwright.cli.main import main
from bootwright.foundation import tools
from bootwright.foundation.errors import Missing, Refused
from bootwright.foundation.verdict import Verdict
from bootwright.kernels.catalogue import open_library
from bootwright.predict.all_devicetrees import AllDevicetrees
from bootwright.report.checked.devicetrees import lines

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
    assert "6 devicetrees (2 not judged)" in text
    assert "damaged: cut.dtb" in text
    longest = max(BLOBS, key=len)
    assert any(line.startswith(f"{longest}: ") and len(line) > 80 for line in text.splitlines())
    narrow = list(lines(everything, 80))
    assert max(map(len, narrow)) <= 80
    assert "".join(narrow).replace(" ", "") == text.replace("\n", "").replace(" ", "")
    document = json.loads(json.dumps(everything.as_json()))
    jsonschema.validate(document, SCHEMA)
    verdicts = [goal["verdict"] for judged in document["devicetrees"] for goal in judged["goals"].values()]
    assert len(verdicts) == len(list(everything.goals))


def everything_asked(document: dict[str, Any]) -> int:
    """The exit status of a folder with damaged files: 2 unless a goal fails."""
    goals = [goal["verdict"] for judged in document["devicetrees"] for goal in judged["goals"].values()]
    return 1 if "fails" in goals else 2


def _status(kernel: str, folder: Path, *names: str, **made: bytes) -> int:
    """The exit status of `check --all-devicetrees` of some devicetrees of a folder and files made up."""
    place = folder / "-".join(["of", *names, *made])
    place.mkdir(exist_ok=True)
    for name in names:
        (place / name).write_bytes((folder / name).read_bytes())
    for name, content in made.items():
        (place / f"{name}.dtb").write_bytes(content)
    arguments = ["check", kernel, str(place), "--all-devicetrees", "--goal", "console", "-q"]
    status: int = CliRunner().invoke(main, arguments, standalone_mode=False).return_value
    return status


def test_a_folder_with_damaged_devicetrees_does_not_pass(folder: Path, tmp_path: Path) -> None:
    good = "meson-g12b-odroid-n2.dtb"
    (tmp_path / good).write_bytes((folder / good).read_bytes())
    processor = b'cpu@0 { device_type = "cpu"; compatible = "riscv"; riscv,isa = "rv64"; };'
    riscv = b"/dts-v1/; / { cpus { " + processor + b" }; };"
    other = tools.run(["dtc", "-q", "-O", "dtb", "-"], input_bytes=riscv)
    assert _status(KERNEL, tmp_path, good) == 0
    assert _status(KERNEL, tmp_path, good, cut=(folder / "cut.dtb").read_bytes()) == 2
    assert _status(KERNEL, tmp_path, good, other=other) == 3


def test_the_command_limits_goals_and_refuses_what_is_not_for_it(folder: Path) -> None:
    run = CliRunner()
    arguments = ["check", KERNEL, str(folder), "--all-devicetrees", "--goal", "ethernet", "-q", "--json"]
    done = run.invoke(main, arguments, standalone_mode=False)
    document = json.loads(done.stdout)
    roles = {goal["role"] for judged in document["devicetrees"] for goal in judged["goals"].values()}
    assert roles == {"ethernet"}
    assert done.return_value == everything_asked(document)
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


def test_goals_of_a_board_without_a_file_are_asked_for_by_name_or_role(folder: Path) -> None:
    del folder  # only for the kernel
    asked = api.check(KERNEL, boards="friendlyarm,nanopi-r6c", goals="storage")
    assert [*asked.judged[0].goals] == ["storage", "storage-2"]
    assert [*api.check(KERNEL, boards="friendlyarm,nanopi-r6c", goals="storage-2").judged[0].goals] == [
        "storage-2"
    ]
    with pytest.raises(Refused, match="has no goal sata") as caught:
        api.check(KERNEL, boards="rk3588s-nanopi-r6c.dtb", goals="sata")
    assert "storage" in str(caught.value.hint)
    with pytest.raises(Refused, match="none of the devicetrees is for friendlyarm,nothing"):
        api.check(KERNEL, boards="friendlyarm,nothing")


def test_a_sample_of_all_that_a_kernel_brings_along_is_answered(tmp_path: Path) -> None:
    """Every 30th; benchmarks/bench_devicetrees.py asks about all of them."""
    try:
        dtbs = open_library().get(KERNEL, modules=True).dtbs
    except (Missing, Refused) as error:
        pytest.skip(str(error))
    assert dtbs is not None
    for path in sorted(dtbs.rglob("*.dtb"))[::30]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    sample = api.check_all_devicetrees(KERNEL, tmp_path, workers=2)
    goals = list(sample.goals)
    assert len(sample.devicetrees) > 40
    assert all(judged.goals or judged.problem for judged in sample.devicetrees)
    assert len(goals) > 5 * len(sample.devicetrees)
    unknown = sum(goal.verdict is Verdict.UNKNOWN for goal in goals)
    assert unknown < 0.15 * len(goals)
    assert all(goal.reason for goal in goals if goal.verdict is not Verdict.WORKS)
