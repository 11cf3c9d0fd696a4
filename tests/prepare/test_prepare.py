"""From an image that fails to one that works: by the command, judged by a `check` of the file it made."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from disk_kit import disk_digest
from tests.prepare.conftest import OWN, kernel

from bootwright import api
from bootwright.cli.prepare import command
from bootwright.foundation.errors import Missing, Refused
from bootwright.foundation.places import DATA
from bootwright.kernels.catalogue import open_library
from bootwright.predict.api import dtb_for

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/prepare.schema.json").read_text())
WANTED = ("ethernet", "storage", "os-mounts")


def prepare(*arguments: str | Path) -> tuple[dict[str, Any], int]:
    """The document that `bootwright prepare --json` prints, and its exit status."""
    words = [*map(str, arguments), "--json", "--quiet", "--max-download", "0"]
    done = CliRunner().invoke(command, words, standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    document = json.loads(done.stdout)
    jsonschema.validate(document, SCHEMA)
    return document, done.return_value


def kinds(document: dict[str, Any]) -> list[str]:
    """What kind of change was made."""
    answers = [trial for trial in document["tried"] if trial["rejected"] is None]
    assert len(answers) == 1
    return sorted(change["kind"] for change in answers[0]["changes"])


def works(image: Path, *, revision: str) -> None:
    """What `check` says of the file itself."""
    checked = api.check(image, boards="raspberrypi-5", revision=revision, goals=WANTED)
    assert checked.verdict is api.Verdict.WORKS, [str(answer) for answer in checked.answers]


@pytest.mark.download
@pytest.mark.parametrize(
    ("revision", "changed"), [("c04170", ["devicetree", "modules"]), ("e04171", ["kernel"])]
)
def test_the_first_case_is_mended_for_both_revisions(
    with_firmware_trees: Path, tmp_path: Path, revision: str, changed: list[str]
) -> None:
    before = disk_digest(with_firmware_trees)
    out = tmp_path / "out.raw"
    asked = ("talos", "--image", with_firmware_trees, "--board", "raspberrypi-5", "--revision", revision)
    document, status = prepare(*asked, "-o", out)
    assert (document["outcome"], status) == ("mended", 0)
    assert document["before"]["first_broken"]["goal"] == "ethernet"
    assert kinds(document) == changed
    assert document["after"]["verdict"] == "works"
    works(out, revision=revision)
    assert disk_digest(with_firmware_trees) == before
    assert [line["name"] for line in document["look"]] == [
        "power",
        "card",
        "lights",
        "address",
        "maintenance",
    ]
    # The command that is printed makes the same image.
    words = document["command"]
    assert words[:3] == ["bootwright", "image", "swap"]
    # The same request again finds its answer, and another one is not written over it.
    if revision == "c04170":
        again, _ = prepare(*asked, "-o", out)
        assert again["notes"] == ["the same was prepared before: nothing was done"]
    with pytest.raises(Refused, match="exists"):
        prepare(with_firmware_trees, "--board", "raspberrypi-5", "--goal", "usb", "-o", out)


@pytest.fixture(scope="module")
def mended(standin: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The stand-in with the modules that it lacks for a C0 board's card slot."""
    out = tmp_path_factory.mktemp("mended") / "good.raw"
    document, _ = prepare(standin, *C0_BOARD, "-o", out)
    return out, document


C0_BOARD = ("--board", "raspberrypi-5", "--stepping", "c0")


@pytest.mark.download
def test_the_printed_command_makes_the_same_image(
    mended: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    from bootwright.cli.image.swap import command as swap_command

    image, document = mended
    assert kinds(document) == ["modules"]
    words = [*document["command"][3:-1], str(tmp_path / "same.raw"), "-q"]
    done = CliRunner().invoke(swap_command, words, standalone_mode=False)
    assert done.return_value == 0
    assert disk_digest(image) == disk_digest(tmp_path / "same.raw")


@pytest.mark.download
def test_an_argument_is_the_smallest_change(mended: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    api.swap_image(mended[0], tmp_path / "bad.raw", cmdline="+nomodule", any_result=True)
    document, _ = prepare(tmp_path / "bad.raw", *C0_BOARD, "-o", tmp_path / "mended.raw")
    assert document["changes"] == ["kernel arguments without nomodule"]
    works(tmp_path / "mended.raw", revision="c04170")


@pytest.mark.download
def test_a_line_of_config_txt_is_the_smallest_change(
    mended: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    api.swap_image(
        mended[0],
        tmp_path / "bad.raw",
        config_txt="[pi5] device_tree=bcm2712-d-rpi-5-b.dtb",
        files={"EFI:/bcm2712-d-rpi-5-b.dtb": _other_board(tmp_path)},
        any_result=True,
    )
    document, _ = prepare(tmp_path / "bad.raw", *C0_BOARD, "-o", tmp_path / "mended.raw")
    assert document["changes"] == ["config.txt without device_tree=bcm2712-d-rpi-5-b.dtb"]


@pytest.mark.download
def test_a_board_whose_own_firmware_brings_the_devicetree(standin: Path, tmp_path: Path) -> None:
    """The image holds devicetrees of other boards only: which one this gets is unknown until it is named."""
    words = (standin, "--board", "rock64", "-o", tmp_path / "out.raw")
    document, status = prepare(*words, "--check-only")
    assert (status, document["outcome"]) == (3, "unknown")
    assert any("--dtb FILE" in note for note in document["notes"])
    document, status = prepare(*words, "--dtb", dtb_for(kernel(OWN), "rock64"))
    assert (status, document["outcome"]) == (0, "mended")
    assert (tmp_path / "out.raw").is_file()


def _other_board(folder: Path) -> Path:
    source = '/dts-v1/; / { model = "other"; compatible = "raspberrypi,4-model-b", "brcm,bcm2711"; };'
    path = folder / "other.dtb"
    subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", path], input=source.encode(), check=True)
    return path


@pytest.mark.download
def test_what_was_seen_on_the_board_outweighs_the_prediction(
    standin: Path, mended: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    first, document = mended
    record = first.with_name(first.name + ".prepared.json")
    (tmp_path / "first.raw.prepared.json").write_bytes(record.read_bytes())
    api.observe(prepared=tmp_path / "first.raw.prepared.json", lights="off", address="none")
    second, _ = prepare(standin, *C0_BOARD, "-o", tmp_path / "second.raw")
    assert second["outcome"] == "mended"
    assert second["changes"] != document["changes"]
    assert any("seen on the board" in (trial["rejected"] or "") for trial in second["tried"])
    asked = (*C0_BOARD, "--check-only", "-o", tmp_path / "x.raw")
    judged, status = prepare(first, *asked)
    assert (judged["outcome"], status) == ("fails", 1)
    assert judged["before"]["first_broken"]["link"] == "seen on the board"
    # Another configuration of the same kernel and devicetree is not touched by it.
    api.swap_image(first, tmp_path / "other.raw", cmdline="+nomodule", any_result=True)
    other, _ = prepare(tmp_path / "other.raw", *asked)
    assert "nomodule" in other["before"]["first_broken"]["reason"]


@pytest.mark.download
def test_what_no_candidate_mends_is_said_with_what_was_tried_and_nothing_is_written(
    standin: Path, tmp_path: Path
) -> None:
    own = open_library(offline=True).resolve("debian-6.18-4k").name
    for name, kinds_tried in (
        (own, {"command line", "devicetree", "modules"}),
        (own.replace("-4k", "-16k"), {"kernel"}),  # an image that is to have it has nothing less changed
    ):
        out = tmp_path / "out.raw"
        asked = ("--board", "raspberrypi-5", "--revision", "e04171", "--kernel", name, "-o", out)
        document, status = prepare(standin, *asked)
        assert (document["outcome"], status) == ("fails", 1)
        assert document["image"] is None
        assert {change["kind"] for trial in document["tried"] for change in trial["changes"]} == kinds_tried
        titles = [change["title"] for trial in document["tried"] for change in trial["changes"]]
        assert all(name in title for title in titles if "debian" in title)
        assert all(trial["rejected"] for trial in document["tried"])
        assert document["newer"]["title"] == "Talos 1.12.8"
        assert list(tmp_path.iterdir()) == []


@pytest.mark.download
def test_every_stepping_has_its_reason_and_the_newer_release_is_named(
    standin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    asked = ("--check-only", "--quiet", "-o", str(tmp_path / "out.raw"))
    both = CliRunner().invoke(command, [str(standin), "--board", "raspberrypi-5", *asked]).stdout
    assert "on c0 fails because of" in both
    assert "on d0 fails because of" in both
    second = (
        CliRunner()
        .invoke(command, [str(standin), "--board", "raspberrypi-5", "--revision", "e04171", *asked])
        .stdout
    )
    # Who does not know the revision is told of the release too, and where the code is found.
    for text in (both, second):
        said = " ".join(text.replace("\\\n", "").split())
        assert "Talos 1.12.8 or newer, but not 1.13.0, 1.13.1, 1.13.2 is without it: Linux 6.18.32" in said
        assert "not the kernel's of before the mend, but the vendor's devicetrees" in said
        assert "one board of this stepping (e04171) is reported not to start" in said
        assert ("for stepping d0: " in said) == ("/proc/cpuinfo" in said) == (text is both)
        assert "bootwright prepare talos --version 1.12.8 --board raspberrypi-5 --" in said
    assert "bootwright prepare talos --version 1.12.8 --board raspberrypi-5 --revision e04171" in said
    assert max(map(len, [*both.splitlines(), *second.splitlines()])) <= 80


@pytest.mark.download
def test_a_kernel_that_is_named_is_the_one_that_the_image_has(standin: Path, tmp_path: Path) -> None:
    new = open_library(offline=True).resolve("debian-7.3-4k").name
    asked = ("--board", "raspberrypi-5", "--revision", "c04170", "--goal", "ethernet", "--kernel", new)
    document, status = prepare(standin, *asked, "-o", tmp_path / "out.raw")  # which works as it is
    assert (document["before"]["verdict"], document["outcome"], status) == ("works", "mended", 0)
    assert kinds(document) == ["kernel"]
    again, status = prepare(tmp_path / "out.raw", *asked, "-o", tmp_path / "again.raw")
    assert (again["outcome"], again["image"], status) == ("works", str(tmp_path / "out.raw"), 0)
    assert not (tmp_path / "again.raw").exists()


@pytest.mark.download
def test_an_image_that_works_is_left_as_it_is(standin: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.raw"
    asked = ("--board", "raspberrypi-5", "--stepping", "c0", "--goal", "ethernet", "-o", out)
    document, status = prepare(standin, *asked)
    assert (document["outcome"], status) == ("works", 0)
    assert document["image"] == str(standin)
    assert [path.name for path in tmp_path.iterdir()] == ["out.raw.prepared.json"]


@pytest.mark.download
def test_a_debian_image_on_another_board(debian: Path, tmp_path: Path) -> None:
    document, status = prepare(debian, "--board", "rock64", "-o", tmp_path / "out.img")
    assert (document["outcome"], status) == ("mended", 0)
    assert document["system"]["title"] == "Debian"
    assert document["system"]["version"] == "13"
    assert kinds(document) == ["devicetree"]
    assert any("rootfs has modules of 6.1.0-9-arm64 only" in text for text in document["cautions"])
    checked = api.check(tmp_path / "out.img", boards="rock64", goals=("ethernet", "storage"))
    assert checked.verdict is api.Verdict.WORKS
    with pytest.raises(Refused, match="holds debian, not Talos Linux"):
        prepare("talos", "--image", debian, "--board", "rock64", "-o", tmp_path / "x.img")


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["talso", "--board", "raspberrypi-5"], "neither a system", "talos"),
        (["talos", "--board", "raspberrypi-5", "--version", "1.12.1"], "first one is of 1.12.3", "--version"),
        (["talos", "--board", "raspberrypi-5", "--version", "new"], "is no version", "1.14.7"),
        (["talos", "--board", "odroid-n2"], "no published image", "--image FILE"),
        (["talos", "--board", "raspberrypi-5", "--kernel", "debian-6.18.15-5k"], "no kernel", "debian-"),
        (["talos", "--board", "raspberrypi-5", "--offline"], "would have to be fetched", "factory.talos.dev"),
        (
            ["talos", "--version", "1.99.0", "--board", "raspberrypi-5", "--offline"],
            "would have to be fetched",
            "no version 1.99.0 is known here",
        ),
        (["debian", "--board", "raspberrypi-5"], "is not known", "--image FILE"),
        (["nothing.raw", "--board", "raspberrypi-5"], "there is no image", "name"),
        (["/etc/hosts", "--board", "raspberrypi-5"], "no partition table", "whole disk"),
        (["/", "--board", "raspberrypi-5"], "folder", "image"),
        (
            ["talos", "--board", "raspberrypi-5", "--revision", "c03111"],
            "not one of Raspberry Pi 5",
            "raspberrypi-4",
        ),
    ],
)
def test_bad_input_is_one_line_with_a_hint(
    arguments: list[str], message: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises((Refused, Missing)) as caught:
        prepare(*arguments, "-o", tmp_path / "out.raw")
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert hint in (caught.value.hint or "")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_no_place_for_an_image(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="there is no folder"):
        prepare("/etc/hosts", "--board", "raspberrypi-5", "-o", tmp_path / "typing-slip/out.raw")
    assert list(tmp_path.iterdir()) == []


def test_without_a_network_one_line_says_what_to_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bootwright/preparations"
    folder.mkdir(parents=True)
    shipped = (DATA / "preparations/talos.toml").read_text()
    assert "https://factory.talos.dev/image/" in shipped
    text = shipped.replace("https://factory.talos.dev/image/", "https://127.0.0.1:1/")
    (folder / "talos.toml").write_text(text)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(Missing, match=r"talos-1\.12\.6 for Raspberry Pi 5 cannot be fetched") as caught:
        prepare("talos", "--version", "1.12.6", "--board", "raspberrypi-5", "-o", tmp_path / "out.raw")
    assert "/v1.12.6/metal-arm64.raw.xz and give it with --image FILE" in (caught.value.hint or "")
