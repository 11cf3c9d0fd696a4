"""Whose devicetree it is, and which stepping of a board: real kernels, real devicetrees."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import jsonschema
import pytest
from click.testing import CliRunner

from bootwright import api
from bootwright.boards.fit import Fit, fit
from bootwright.boards.model import board, boards
from bootwright.cli.main import main
from bootwright.formats.devicetree.fdt import read_fdt_file
from bootwright.foundation import tools
from bootwright.foundation.errors import Missing, Refused
from bootwright.foundation.progress import Silent
from bootwright.foundation.verdict import Verdict
from bootwright.kernels.catalogue import open_library
from bootwright.kernels.model import Kernel
from bootwright.predict.api import dtb_for, predict_goal
from bootwright.predict.given.gather import gather
from bootwright.predict.verdicts import agreed

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/check.schema.json").read_text())
OWN, NEW = "debian-6.18-4k", "debian-7.3-4k"
PI5 = ("--board", "raspberrypi-5", "--goal", "ethernet", "-q")


@cache
def kernel(name: str) -> Kernel:
    try:
        return open_library().get(name, modules=True)
    except (Missing, Refused) as error:
        pytest.skip(f"{name}: {error}")


def check(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["check", *arguments], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.return_value, result.stdout


def test_a_root_compatible_says_whose_a_devicetree_is() -> None:
    pi5 = board("raspberrypi-5")
    assert fit(pi5, ("raspberrypi,5-model-b", "brcm,bcm2712")) is Fit.OWN
    assert fit(pi5, ("acme,carrier", "brcm,bcm2712")) is Fit.SOC
    for other in (("raspberrypi,4-model-b", "brcm,bcm2711"), ("linux,dummy-virt",), ()):
        assert fit(pi5, other) is Fit.OTHER


@pytest.mark.parametrize("name", [OWN, NEW])
def test_a_stepping_whose_devicetree_is_a_base_and_an_overlay(name: str) -> None:
    kernel(name)
    status, text = check(name, "--board", "bpi-r4", "--goal", "storage", "--json", "-q")
    assert status == 0
    document = json.loads(text)
    jsonschema.validate(document, SCHEMA)
    steppings = {part["stepping"]: Path(part["dtb"]).name for part in document["boards"]}
    assert steppings == (
        dict.fromkeys(("sd", "emmc"), "mt7988a-bananapi-bpi-r4.dtb")
        if name == OWN
        else {
            "sd": "mt7988a-bananapi-bpi-r4-sd.dtb",
            "emmc": "mt7988a-bananapi-bpi-r4-emmc.dtb",
        }
    )
    assert any("-emmc.dtbo" in note for note in document.get("notes", [])) == (name == OWN)
    cells = api.check_matrix(name, boards="bpi-r4", goals="storage").cells
    assert [(cell.stepping, cell.verdict) for cell in cells] == [
        ("sd", Verdict.WORKS),
        ("emmc", Verdict.WORKS),
    ]
    assert dict(api.show_board("bpi-r4", kernel=name).nodes())["storage"] == storage_node(document)


def storage_node(document: dict[str, Any]) -> str:
    """The node of the goal storage, which is one on every stepping."""
    (node,) = {part["goals"]["storage"]["node"] for part in document["boards"]}
    assert isinstance(node, str)
    return node


def test_a_kernel_s_own_devicetree_given_as_a_file_is_told_apart() -> None:
    kernel(NEW)
    with pytest.raises(Missing, match="cannot read rk3588-rock-5b") as caught:
        check(NEW, "rk3588-rock-5b.dtb", "-q")
    assert "--board rk3588-rock-5b.dtb" in str(caught.value.hint)


def test_a_board_whose_devicetree_is_not_there_is_unknown() -> None:
    kernel(NEW)
    status, text = check(NEW, "--board", "raspberrypi-500", "-q")
    assert status == 3
    assert "devicetrees fetch raspberrypi-firmware" in " ".join(text.split())
    status, text = check(OWN, "--board", "raspberrypi-cm5", "--goal", "ethernet", "--json", "-q")
    assert status == 3
    document = json.loads(text)
    jsonschema.validate(document, SCHEMA)
    assert {part["goals"]["ethernet"]["verdict"] for part in document["boards"]} == {"unknown"}


def test_a_role_that_the_file_leaves_out_is_named_and_can_be_asked_for() -> None:
    kernel(NEW)
    status, text = check(NEW, "--board", "rock-5b", "--json", "-q")
    document = json.loads(text)
    jsonschema.validate(document, SCHEMA)
    assert (status, document["more"]) == (0, ["nvme", "nvme-2", "display"])
    status, text = check(NEW, "--board", "rock-5b", "-q")
    assert "not asked: nvme, nvme-2, display (--goal NAME)" in text
    status, text = check(NEW, "--board", "rock-5b", "--goal", "nvme", "--json", "-q")
    document = json.loads(text)
    assert {goal: verdict["verdict"] for goal, verdict in document["goals"].items()} == {
        "nvme": "works",
        "nvme-2": "works",
    }
    assert (status, document["more"]) == (0, [])
    ethernet = json.loads(check(NEW, "--board", "rock-5b", "--goal", "ethernet", "--json", "-q")[1])
    assert document["goals"]["nvme"]["node"] != ethernet["goals"]["ethernet"]["node"]


def test_a_goal_that_neither_file_nor_devicetree_has_is_refused() -> None:
    dtb = dtb_for(kernel(NEW), "rock-5b")
    for goal in ("wifi", "fly"):
        with pytest.raises(Refused, match=f"rock-5b has no goal {goal}") as caught:
            check(NEW, "--board", "rock-5b", "--goal", "ethernet", "--goal", goal, "-q")
        assert "its goals: ethernet" in str(caught.value.hint)
    status, text = check(OWN, str(dtb), "--goal", "nvme", "-q")
    assert (status, "works: nvme, nvme-2" in text) == (0, True)
    with pytest.raises(Refused, match="a known board, with the goal wifi"):
        check(OWN, str(dtb), "--goal", "wifi", "-q")
    status, text = check(NEW, "--board", "raspberrypi-zero-2-w", "-q")
    assert (status, "unknown: wifi" in text) == (3, True)


def test_what_is_true_of_each_is_true_of_the_board() -> None:
    works, fails, unknown = Verdict.WORKS, Verdict.FAILS, Verdict.UNKNOWN
    assert agreed([works, works]) is works
    assert agreed([fails, fails]) is fails
    for differ in ([works, fails], [fails, unknown], [unknown, works]):
        assert agreed(differ) is unknown


@pytest.mark.download
def test_a_devicetree_of_another_board_is_refused_and_the_board_that_fits_is_named() -> None:
    other = dtb_for(kernel(OWN), "raspberrypi-4")
    with pytest.raises(Refused) as refused:
        check(OWN, str(other), *PI5)
    assert "expected a devicetree for raspberrypi,5-model-b" in refused.value.message
    assert "raspberrypi,4-model-b" in refused.value.message
    assert "--board raspberrypi-4" in (refused.value.hint or "")
    with pytest.raises(Refused):
        predict_goal(kernel(OWN), other, "raspberrypi-5", "ethernet")
    status, text = check(OWN, str(other), "--board", "raspberrypi-4", "--goal", "ethernet", "-q")
    assert (status, "works: ethernet" in text) == (0, True)


@pytest.mark.download
def test_a_file_called_as_the_boards_with_another_boards_tree_is_refused(tmp_path: Path) -> None:
    fake = tmp_path / "bcm2712-rpi-5-b.dtb"
    fake.write_bytes(dtb_for(kernel(OWN), "rock64").read_bytes())
    for artifact in (fake, tmp_path):
        with pytest.raises(Refused, match="rockchip,rk3328"):
            check(OWN, str(artifact), *PI5)
    with pytest.raises(Refused, match="rockchip,rk3328"):
        check("--matrix", OWN, str(tmp_path), *PI5)


@pytest.mark.download
def test_a_board_with_the_same_soc_is_not_known_to_be_this_one(tmp_path: Path) -> None:
    source = tools.run(["dtc", "-q", "-I", "dtb", "-O", "dts", dtb_for(kernel(NEW), "raspberrypi-5")])
    text = source.decode().replace("raspberrypi,5-model-b", "acme,carrier")
    own = tmp_path / "carrier.dtb"
    own.write_bytes(tools.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-"], input_bytes=text.encode()))
    status, text = check(NEW, str(own), *PI5, "--stepping", "c0", "--json")
    goal = json.loads(text)["goals"]["ethernet"]
    assert (status, goal["verdict"]) == (3, "unknown")
    assert "acme,carrier" in goal["first_broken"]["reason"]
    said = predict_goal(kernel(NEW), own, "raspberrypi-5", "ethernet", stepping="c0")
    assert said.verdict is Verdict.UNKNOWN


@pytest.mark.download
def test_every_board_fits_the_devicetrees_that_its_file_names() -> None:
    blobs = kernel(OWN).dtbs
    assert blobs is not None
    for candidate in boards():
        for stepping in candidate.steppings:
            for path in blobs.rglob(stepping.dtb):
                assert fit(candidate, read_fdt_file(path).compatible) is Fit.OWN, (candidate.id, path.name)


@pytest.mark.download
def test_a_boot_entry_that_hands_over_another_boards_devicetree_fails(tmp_path: Path) -> None:
    own = kernel(OWN)
    (tmp_path / "extlinux").mkdir()
    (tmp_path / "extlinux/extlinux.conf").write_text(
        "default l\nlabel l\n  menu label Linux\n  kernel /Image\n  fdt /other.dtb\n"
    )
    (tmp_path / "Image").write_bytes(own.image.read_bytes())
    (tmp_path / "other.dtb").write_bytes(dtb_for(own, "raspberrypi-4").read_bytes())
    status, text = check(str(tmp_path), *PI5)
    assert status == 1
    assert "other.dtb is another board's" in text
    assert "hands it over" in text
    # One that the user gives beside the image takes its place.
    status, text = check(str(tmp_path), str(dtb_for(own, "raspberrypi-5")), *PI5, "--stepping", "c0")
    assert "is taken in place of other.dtb" in text
    assert "another board's" not in text


@pytest.mark.download
def test_the_devicetree_of_another_stepping_is_said_to_be_that() -> None:
    own = kernel(NEW)
    assert own.dtbs is not None
    c0, d0 = (next(own.dtbs.rglob(name)) for name in ("bcm2712-rpi-5-b.dtb", "bcm2712-d-rpi-5-b.dtb"))
    whose = "note: bcm2712-d-rpi-5-b.dtb is the devicetree of Raspberry Pi 5 d0, and c0 is judged with it"
    for stepping in ((), ("--stepping", "c0"), ("--revision", "c04170")):
        _, text = check(NEW, str(d0), *PI5, *stepping)
        plain = " ".join(text.split())
        assert f"{whose} (it was given); its own is bcm2712-rpi-5-b.dtb" in plain
        assert "describes the D0 pin controller, and the board has the C0 one" in plain
    for blob, stepping in ((d0, "d0"), (c0, "c0")):
        _, text = check(NEW, str(blob), *PI5, "--stepping", stepping)
        assert "is the devicetree of" not in text
        assert "pin controller" not in text
    # A folder has the own of each.
    _, text = check(NEW, str(c0.parent), *PI5)
    assert "is the devicetree of" not in text


@pytest.mark.download
def test_without_a_stepping_each_is_judged_and_the_board_is_known_where_they_agree(tmp_path: Path) -> None:
    kernel(OWN)
    kernel(NEW)
    junit, sarif = tmp_path / "j.xml", tmp_path / "s.sarif"
    status, text = check(OWN, *PI5, "--json", "--junit", str(junit), "--sarif", str(sarif))
    document = json.loads(text)
    jsonschema.validate(document, SCHEMA)
    assert status == 3
    assert [candidate["stepping"] for candidate in document["boards"]] == ["c0", "d0"]
    (both,) = document["together"]
    assert (both["verdict"], both["steppings"]) == ("unknown", {"c0": "works", "d0": "fails"})
    suites = Xml.fromstring(junit.read_text()).findall("testsuite")  # noqa: S314 - our own file
    assert [(suite.get("failures"), suite.get("errors")) for suite in suites] == [("0", "0"), ("0", "1")]
    # The names last: neither kernel nor devicetree is in them.
    cases = [(case.get("classname"), case.get("name")) for suite in suites for case in suite]
    assert cases == [("raspberrypi-5.c0", "ethernet"), ("raspberrypi-5.d0", "ethernet")]
    levels = {result["level"] for result in json.loads(sarif.read_text())["runs"][0]["results"]}
    assert "error" not in levels
    status, text = check(OWN, *PI5)
    assert text.index("it depends on the stepping") < text.index("d0 fails: ethernet")
    assert "c0 works: ethernet" in text
    assert "--revision" in text
    status, text = check(NEW, *PI5)
    assert (status, "works on every stepping (c0, d0)" in text) == (0, True)
    status, text = check("--matrix", OWN, NEW, *PI5, "--stepping", "d0", "--json")
    assert {cell["stepping"] for cell in json.loads(text)["cells"]} == {"d0"}


@pytest.mark.download
def test_a_revision_and_a_stepping_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(Refused, match="is stepping d0, not c0"):
        check(OWN, *PI5, "--revision", "e04171", "--stepping", "c0")


def _boot_partition(folder: Path, own: Kernel, blob: Path, name: str) -> Path:
    image = folder / "boot.img"
    image.write_bytes(b"")
    with image.open("r+b") as file:
        file.truncate(96 << 20)
    (folder / "config.txt").write_text("arm_64bit=1\nkernel=vmlinuz\n")
    tools.run(["mkfs.vfat", "-F", "32", image])
    tools.run(["mcopy", "-i", image, own.image, "::/vmlinuz"])
    tools.run(["mcopy", "-i", image, folder / "config.txt", "::/config.txt"])
    tools.run(["mcopy", "-i", image, blob, f"::/{name}"])
    return image


@pytest.mark.download
@pytest.mark.parametrize(
    "blob",
    [
        lambda own: (dtb_for(own, "raspberrypi-4"), "bcm2711-rpi-4-b.dtb"),
        lambda own: (dtb_for(own, "raspberrypi-4"), "bcm2712-rpi-5-b.dtb"),
    ],
    ids=["the firmware finds none", "the firmware picks a wrong one"],
)
def test_an_image_with_another_boards_devicetree_fails(
    tmp_path: Path, blob: Callable[[Kernel], tuple[Path, str]]
) -> None:
    own = kernel(OWN)
    image = _boot_partition(tmp_path, own, *blob(own))
    status, text = check(str(image), *PI5, "--json")
    document = json.loads(text)
    jsonschema.validate(document, SCHEMA)
    assert status == 1
    for candidate in document["boards"]:
        broken = candidate["goals"]["ethernet"]["first_broken"]
        assert broken["link"] == "devicetree of raspberrypi,5-model-b"
        assert "another board's" in broken["reason"]


@pytest.mark.download
def test_boards_are_resolved_in_any_order_and_change_nothing() -> None:
    gathered = gather([kernel(NEW).name], Silent())
    pi5, rock = board("raspberrypi-5"), board("rock64")
    first = gathered.resolve(pi5, "d0").tree.compatible
    assert gathered.resolve(rock, "any").tree.compatible[0] == "pine64,rock64"
    assert gathered.resolve(pi5, "c0").dtb != gathered.resolve(pi5, "d0").dtb
    assert gathered.resolve(pi5, "d0").tree.compatible == first
    with pytest.raises(AttributeError):
        gathered.kernel = None  # type: ignore[misc]
