"""`bootwright talos`: a schematic's image before it is made."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
from attrs import evolve
from command_kit import in_process

from bootwright import api
from bootwright.boards.model import board
from bootwright.foundation.errors import Refused
from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.kernels.catalogue import open_library
from bootwright.kernels.model import Kernel
from bootwright.kernels.releases import RELEASES, Release
from bootwright.predict.by_release.by_version import OwnKernel, excluded
from bootwright.predict.by_release.known import Subject, advised, by_versions, hazards_by_versions
from bootwright.predict.by_release.remark import Remark
from bootwright.prepare.factory.foretold import overlays_of, remarks_of, version_hazards
from bootwright.prepare.factory.schematic import read_schematic
from bootwright.prepare.knowledge import PREPARATIONS
from bootwright.prepare.published import published, subject_of

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/talos.schema.json").read_text())
FIVE = "overlay: {name: rpi_5, image: siderolabs/sbc-raspberrypi%s}\ncustomization: {%s}\n"
TALOS, KNOWN = PREPARATIONS.get("talos"), RELEASES.get("talos")


@pytest.fixture
def schematic(tmp_path: Path) -> Path:
    path = tmp_path / "schematic.yaml"
    path.write_text(FIVE % ("", ""))
    return path


def remarks(text: str, version: str = "1.12.6", name: str = "raspberrypi-5") -> list[tuple[Verdict, str]]:
    asked = read_schematic(text.encode(), "s.yaml")
    parsed = Version.parse(version)
    assert parsed is not None
    return [(remark.verdict, remark.text) for remark in remarks_of(asked, parsed, board(name), TALOS, KNOWN)]


def test_a_plain_schematic_has_nothing_against_it() -> None:
    assert remarks(FIVE % ("", "")) == []


@pytest.mark.parametrize(
    ("text", "version", "verdict", "words"),
    [
        (FIVE % ("", "bootloader: sd-boot"), "1.12.6", Verdict.UNKNOWN, "sd-boot takes the place of grub"),
        (FIVE % ("", "bootloader: dual-boot"), "1.13.0", Verdict.FAILS, "dual-boot is for amd64"),
        (FIVE % ("", "bootloader: dual-boot"), "1.12.6", Verdict.UNKNOWN, "dual-boot is for amd64"),
        (FIVE % (', options: {configTxt: "arm_64bit=1"}', ""), "1.12.6", Verdict.FAILS, "u-boot.bin"),
        (
            FIVE % (', options: {configTxt: "[pi4]\\nkernel=u-boot.bin"}', ""),
            "1.12.6",
            Verdict.FAILS,
            "on Raspberry Pi 5 the firmware looks for kernel_2712.img or kernel8.img",
        ),
        (FIVE % (", options: {configText: a}", ""), "1.12.6", Verdict.UNKNOWN, "no option configText"),
        (FIVE % ("", "diskImage: {sectorSize: 4096}"), "1.12.6", Verdict.UNKNOWN, "sectors of 4096 bytes"),
        (FIVE % ("", ""), "1.13.99", Verdict.UNKNOWN, "no release Talos Linux 1.13.99"),
        ("customization: {}", "1.12.6", Verdict.FAILS, "names no overlay"),
        (
            "overlay: {name: rock64, image: siderolabs/sbc-rockchip}",
            "1.12.6",
            Verdict.FAILS,
            "rock64 of siderolabs/sbc-rockchip is for rock64",
        ),
        (
            "overlay: {name: rock65, image: siderolabs/sbc-rockchip}",
            "1.12.6",
            Verdict.UNKNOWN,
            "not known as",
        ),
        (FIVE % ("", "embeddedMachineConfiguration: a"), "1.12.6", Verdict.WORKS, "no maintenance mode"),
    ],
)
def test_what_the_schematic_alone_says(text: str, version: str, verdict: Verdict, words: str) -> None:
    ((remark, said),) = remarks(text, version)
    assert remark is verdict
    assert words in said


@pytest.mark.parametrize(
    ("text", "name", "verdict", "overlay"),
    [
        ("customization: {}\n", "raspberrypi-5", Verdict.FAILS, "rpi_5"),
        ("customization: {}\n", "raspberrypi-4", Verdict.FAILS, "rpi_generic"),
        ("customization: {}\n", "rock-5b", Verdict.UNKNOWN, "rock5b"),
        (FIVE % ("", ""), "rock-5b", Verdict.UNKNOWN, "rock5b"),
    ],
)
def test_what_cannot_start_is_not_to_be_fetched(
    text: str, name: str, verdict: Verdict, overlay: str, tmp_path: Path
) -> None:
    """Without the board's overlay no command fetches the image, and no hazard is of parts that it lacks."""
    (tmp_path / "s.yaml").write_text(text)
    answer = api.talos(tmp_path / "s.yaml", version="1.12.8", board=name)
    assert answer.verdict is verdict
    done = run(str(tmp_path / "s.yaml"), "--version", "1.12.8", "--board", name)
    assert f"next: put into the schematic overlay: {overlay} of " in " ".join(done.stdout.split())
    assert "curl" not in done.stdout
    assert "prepare talos" not in done.stdout
    assert ("U-Boot reads" in done.stdout) is ("boot loader of the image" in done.stdout) is False
    assert "overlay , whose" not in done.stdout
    assert "e04171" not in done.stdout  # which is of an overlay that it has not, or of another board


def test_the_overlays_own_boot_loader_is_no_remark() -> None:
    assert remarks(FIVE % ("", "bootloader: grub")) == []


RANGE = "1.12.8 or newer, but not 1.13.0, 1.13.1, 1.13.2"
"""The releases that nothing known speaks against, on every stepping."""


def of_versions(
    version: str, stepping: str | None = None, name: str = "raspberrypi-5", *, at_hand: bool = False
) -> list[Remark]:
    asked = read_schematic((FIVE % ("", "")).encode(), "s.yaml")
    overlays = [overlay for overlay in overlays_of(TALOS, asked) if overlay.board == name]
    subject = Subject(
        "Talos Linux", board(name), stepping, "sbc-raspberrypi", overlays, KNOWN, at_hand=at_hand
    )
    return list(by_versions(subject, Version.from_toml(version)))


@pytest.mark.parametrize(
    ("version", "stepping", "verdict", "words", "remedy"),
    [
        ("1.11.3", "c0", Verdict.FAILS, "from Talos Linux 1.12.3 on", "ask for 1.12.8 or newer"),
        ("1.11.3", "c0", Verdict.FAILS, "ethernet: Linux has a driver for raspberrypi,rp1-gem from 6.18 on",
         "ask for 1.12.8 or newer"),
        ("1.12.1", "c0", Verdict.FAILS, "console, storage: this kernel is built without",
         "ask for 1.12.8 or newer"),
        ("1.12.2", "c0", Verdict.FAILS, "ethernet, usb: the devicetrees of the Raspberry Pi's firmware",
         "ask for 1.12.8 or newer"),
        ("1.12.1", "d0", Verdict.FAILS, "console, storage", "ask for 1.12.8 or newer"),
        ("1.12.4", "d0", Verdict.FAILS, "SError panic", "ask for 1.12.8 or newer"),
        ("1.12.4", None, Verdict.UNKNOWN, "on a board of stepping d0 (--revision", "ask for 1.12.8 or newer"),
        ("1.12.6", "d0", Verdict.UNKNOWN, "one board of this stepping (e04171)", "try it"),
        ("1.12.6", "c0", Verdict.WORKS, "ethernet: reported to work", ""),
    ],
)  # fmt: skip
def test_what_versions_alone_say_names_the_release_to_ask_for(
    version: str, stepping: str | None, verdict: Verdict, words: str, remedy: str
) -> None:
    (said,) = [remark for remark in of_versions(version, stepping) if words in remark.text]
    assert said.verdict is verdict
    assert said.remedy.startswith(remedy)
    assert said.source


@pytest.mark.parametrize("stepping", ["c0", "d0", None])
def test_one_answer_says_which_release(stepping: str | None) -> None:
    """Before 1.12.8 the kernel can stop to transmit, which no version of `known` says: a hazard does."""
    asked = subject_of(TALOS, board("raspberrypi-5"), stepping)
    assert asked is not None
    assert advised(asked).words == RANGE
    for version, there in (("1.12.7", True), ("1.12.8", False), ("1.13.2", True), ("1.14.7", False)):
        said = list(hazards_by_versions(asked, Version.from_toml(version)))
        assert [f"{remark.goals}" for remark in said] == ["('ethernet',)"] * there
        assert all(remark.remedy.startswith("ask for ") for remark in said)
        assert not list(hazards_by_versions(evolve(asked, at_hand=True), Version.from_toml(version)))
    four = subject_of(TALOS, board("raspberrypi-4"), None)
    assert four is not None
    assert not list(hazards_by_versions(four, Version.from_toml("1.12.7")))


def test_the_compute_module_has_an_image_of_the_overlay_of_another_board(schematic: Path) -> None:
    """No circle: `prepare talos` names the image that `talos` speaks of; without a board it is the Pi 5's."""
    asked = subject_of(TALOS, board("raspberrypi-cm5"), None)
    assert asked is not None
    assert advised(asked).words == f"{RANGE}, 1.14.0"
    image = api.talos(schematic, version="1.14.1", board="raspberrypi-cm5")
    assert image.address == published(TALOS, board("raspberrypi-cm5"), "1.14.1").address
    assert not any("not known as an overlay" in remark.text for remark in image.foretold.remarks)
    assert api.talos(schematic, version="1.14.1").foretold.board.id == "raspberrypi-5"


def test_what_was_reported_with_an_overlay_holds_where_its_version_is_not_known() -> None:
    release = KNOWN.of(KNOWN.newest)
    assert release is not None
    assert not release.overlays
    assert KNOWN.overlay_of(release, "sbc-raspberrypi") == ("0.2.0", False)
    (said,) = of_versions(str(KNOWN.newest), "d0")
    assert "e04171" in said.text


def test_versions_without_anything_known_are_silent() -> None:
    assert of_versions("1.12.4", "c0") == []
    assert of_versions("1.13.13", "c0") == []
    assert of_versions("1.12.4", "d0", at_hand=True) == []
    assert of_versions("1.11.3", name="raspberrypi-4") == []
    (said,) = of_versions("1.14.0", name="raspberrypi-cm5")
    assert said.text.startswith("ethernet: ")
    assert "sbc-raspberrypi 0.2.2" in said.text
    assert said.remedy == "ask for 1.14.1 or newer"


def test_goals_that_stand_ins_show_to_fail_name_the_release_to_ask_for(schematic: Path) -> None:
    """Nobody who asks the factory for an image chooses its devicetrees: those of a stand-in show why."""
    assert debian().dtbs is not None
    answer = api.talos(schematic, version="1.12.4")
    failing = [goal for goal in answer.foretold.goals if goal.verdict is Verdict.FAILS]
    assert {goal.stepping for goal in failing} == {"d0"}
    assert {goal.remedy for goal in failing} == {f"ask for {RANGE}"}


def test_the_command_fits_the_terminal(schematic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    done = run(str(schematic), "--version", "1.12.1", "--revision", "e04171")
    middle = done.stdout.partition("\nfails: ")[2].partition("\nnext:")[0]
    assert max(map(len, middle.splitlines())) <= 60


def test_the_command_says_one_remedy_of_several_once(schematic: Path) -> None:
    done = run(str(schematic), "--version", "1.12.1", "--revision", "e04171")
    assert done.returncode == 1
    assert done.stdout.count("fails: ") >= 3
    assert done.stdout.partition("may happen: ")[0].count("do: ask for 1.12.8 or newer") == 1


@pytest.mark.parametrize(
    ("appended", "name", "words"),
    [
        (
            "[pi5]\nkernel=kernel8.img",
            "raspberrypi-5",
            "on Raspberry Pi 5 the firmware looks for kernel8.img",
        ),
        ("kernel=vmlinuz", "raspberrypi-5", "looks for vmlinuz: the boot loader u-boot.bin is not started"),
        ("kernel=", "raspberrypi-5", "looks for kernel_2712.img or kernel8.img"),
        ("[pi4]\nkernel=kernel8.img", "raspberrypi-5", ""),
        ("[all]\narm_64bit=0", "raspberrypi-5", ""),  # it starts 64-bit kernels only
        ("[all]\narm_64bit=0", "raspberrypi-4", "arm_64bit is not 1"),
        ("os_prefix=foo/", "raspberrypi-5", ""),  # passed over, as nothing lies below foo/
        ("os_prefix=foo/\nkernel=/u-boot.bin", "raspberrypi-5", ""),
        ("device_tree=nothere.dtb", "raspberrypi-5", "device_tree=nothere.dtb"),
        ("device_tree=", "raspberrypi-5", "keeps Raspberry Pi 5 from getting a devicetree"),
        ("device_tree=bcm2712-rpi-5-b.dtb\ndtparam=x", "raspberrypi-5", ""),
    ],
)
def test_lines_that_are_added_come_last(appended: str, name: str, words: str) -> None:
    text = FIVE % (f", options: {{configTxtAppend: {json.dumps(appended)}}}", "")
    text = text if name.endswith("5") else text.replace("rpi_5", "rpi_generic")
    said = remarks(text, name=name)
    assert [words in line for _, line in said] == ([True] if words else [])
    verdict = Verdict.UNKNOWN if "device" in appended else Verdict.FAILS
    assert [remark for remark, _ in said] == ([verdict] if words else [])


def test_what_replaces_is_told_from_what_is_added() -> None:
    both = ', options: {configTxt: "kernel=u-boot.bin\\n[pi4]", configTxtAppend: "[all]\\nkernel=x"}'
    ((verdict, said),) = remarks(FIVE % (both, ""))
    assert verdict is Verdict.FAILS
    assert said.startswith("configTxtAppend is added after")
    mended = ', options: {configTxt: "kernel=x", configTxtAppend: "kernel=u-boot.bin"}'
    assert remarks(FIVE % (mended, "")) == []


def test_config_txt_that_starts_u_boot_for_the_board_will_do() -> None:
    options = ', options: {configTxt: "[pi4]\\nkernel=x\\n[all]\\nkernel=u-boot.bin\\n"}'
    assert remarks(FIVE % (options, "")) == []


def hazards_of(release: Release) -> list[Remark]:
    return list(version_hazards(OwnKernel(release, TALOS.systems, KNOWN.uname(release))))


def test_hazards_of_versions_hold_without_an_image() -> None:
    """Talos 1.12 never had Linux 6.12: a table with one is what a home-made image would be."""
    release = KNOWN.of(Version.from_toml("1.12.1"))
    assert release is not None
    assert hazards_of(release) == []

    older = evolve(release, kernel=Version.from_toml("6.12.25"))
    (remark,) = hazards_of(older)
    assert remark.verdict is Verdict.FAILS
    assert "EINVAL" in remark.text
    # 1.14 has no shadow bind mounts: it ends at its overlay, or at the overlay's clone.
    newer = evolve(older, version=Version.from_toml("1.14.0"))
    (remark,) = hazards_of(newer)
    assert "EBADF" in remark.text
    (remark,) = hazards_of(evolve(newer, kernel=Version.from_toml("6.13.2")))
    assert "EINVAL" in remark.text
    assert "shadow" not in remark.text


@pytest.mark.parametrize(
    ("version", "there"),
    [("1.12.7", True), ("1.12.8", False), ("1.13.2", True), ("1.13.3", False), ("1.14.0", False)],
)
def test_the_kernel_of_a_release_says_whether_it_has_the_patches(version: str, there: bool) -> None:
    """Of a kernel in its place another hazard would be told: it is that kernel's own."""
    release = KNOWN.of(Version.from_toml(version))
    assert release is not None
    assert excluded("macb-tx-stall", OwnKernel(release, TALOS.systems, KNOWN.uname(release))) is not there
    assert not excluded("macb-tx-stall", OwnKernel(release, TALOS.systems, f"{release.kernel}+deb13-arm64"))


def test_the_table_of_releases_is_in_order_and_known_to_the_newest() -> None:
    assert str(KNOWN.newest) == "1.14.7"
    newest = KNOWN.of(KNOWN.newest)
    assert newest is not None
    assert str(newest.kernel) == "6.18.65"
    for release in KNOWN.releases:
        for name, version in release.overlays.items():
            for dtb in ("bcm2712-rpi-5-b.dtb", "bcm2711-rpi-4-b.dtb"):
                assert name != "sbc-raspberrypi" or KNOWN.trees_of(name, version, dtb) is not None


def test_only_boards_of_bcm2712_have_other_devicetrees_than_the_firmwares() -> None:
    for dtb, sources in (
        ("bcm2712-d-rpi-5-b.dtb", ["raspberrypi-firmware", "kernel", "overlay"]),
        ("bcm2711-rpi-4-b.dtb", ["raspberrypi-firmware"] * 3),
    ):
        trees = [KNOWN.trees_of("sbc-raspberrypi", version, dtb) for version in ("0.1.7", "0.1.8", "0.2.0")]
        assert [of_version.of for of_version in trees if of_version is not None] == sources


def test_nothing_is_a_verdict_without_the_images_own_parts(schematic: Path) -> None:
    image = api.talos(schematic, version="1.12.6", board="raspberrypi-5", revision="e04171")
    assert image.verdict is Verdict.UNKNOWN
    assert image.id == "a636242df247ad4aad2e36d1026d8d4727b716a3061749bd7b19651e548f65e4"
    assert f"/{image.id}/v1.12.6/" in image.address
    assert "Linux 6.18.18 as Talos 1.12.6 builds it" in image.foretold.missing[0]
    assert "sbc-raspberrypi 0.2.0" in image.foretold.missing[1]
    assert image.foretold.goals == ()  # the overlay's devicetrees are nobody else's
    jsonschema.validate(image.as_json(), SCHEMA)


def debian() -> Kernel:
    """Debian's kernel on this machine."""
    name = "debian-6.18.15-4k"
    if name not in open_library(offline=True).store.names():
        pytest.skip(f"{name} is not here")
    return open_library(offline=True).get(name, modules=True)


def test_a_report_of_one_board_explains_no_goal() -> None:
    (reported,) = [remark for remark in of_versions("1.12.6", "d0") if "one board" in remark.text]
    assert not reported.is_about("ethernet", "d0")
    (known,) = of_versions("1.12.4", "d0")
    assert known.is_about("ethernet", "d0")
    assert not known.is_about("ethernet", "c0")


def debians_kernel_in(folder: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """A table of the user's own, in which a release has Debian's kernel: no other's is here."""
    table = RELEASES.files()["talos"].read_text()
    table = table.replace('"{kernel}-talos"', '"{kernel}+deb13-arm64"').replace(f'"{version}"', '"6.18.15"')
    own = folder / "config/bootwright/releases/talos.toml"
    own.parent.mkdir(parents=True)
    own.write_text(table)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))


def test_what_the_images_own_parts_show_to_fail_names_the_release_too(
    schematic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel, trees = debian().name, debian().dtbs
    assert trees is not None
    debians_kernel_in(tmp_path, monkeypatch, "6.18.9")
    answer = api.talos(schematic, version="1.12.4", revision="e04171", kernel=kernel, dtbs=trees)
    assert answer.foretold.exact
    assert not any("SError" in remark.text for remark in answer.foretold.remarks)  # its goals say so
    remedies = {goal.remedy for goal in answer.foretold.goals if goal.goal == "ethernet"}
    # Debian's build of none has the patches against the stall.
    assert remedies == {"ask for 1.12.5 or newer"}


def test_with_kernel_and_devicetrees_it_is_what_check_says(
    schematic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel, trees = debian().name, debian().dtbs
    assert trees is not None
    debians_kernel_in(tmp_path, monkeypatch, "6.18.18")
    image = api.talos(
        schematic, version="1.12.6", board="raspberrypi-5", revision="e04171", kernel=kernel, dtbs=trees
    )
    verdicts = {goal.goal: goal.verdict for goal in image.foretold.goals}
    checked = api.check(
        [kernel, str(trees)], boards="raspberrypi-5", revision="e04171", os="talos=1.12.6"
    ).judged[0]
    assert verdicts == {name: goal.verdict for name, goal in checked.goals.items()}
    assert image.verdict is Verdict.FAILS  # the D0 pin controller, and what Debian has as modules
    assert image.foretold.missing == ()
    jsonschema.validate(image.as_json(), SCHEMA)


@pytest.mark.parametrize("version", ["1.12.5", "1.12.6"])
def test_a_kernel_that_cannot_be_the_images_is_none_of_it(schematic: Path, version: str) -> None:
    """Talos 1.12.5 has Linux 6.18.15, but not Debian's."""
    kernel, trees = debian(), debian().dtbs
    assert trees is not None
    answer = api.talos(
        schematic, version=version, board="raspberrypi-5", revision="c04170", kernel=kernel.name, dtbs=trees
    )
    assert answer.verdict is Verdict.UNKNOWN
    said = [remark for remark in answer.foretold.remarks if kernel.release in remark.text]
    assert [remark.verdict for remark in said] == [Verdict.UNKNOWN]
    assert f"--board raspberrypi-5 --os talos={version}" in said[0].remedy
    assert "as Talos" in answer.foretold.missing[0]
    d0 = api.talos(schematic, version=version, revision="e04171", kernel=kernel.name, dtbs=trees)
    assert {(goal.verdict, goal.remedy) for goal in d0.foretold.goals} == {(Verdict.FAILS, "")}
    assert {"ethernet", "os-start"} & {goal.goal for goal in answer.foretold.goals} == {"ethernet"}
    jsonschema.validate(answer.as_json(), SCHEMA)


@pytest.mark.parametrize("board_name", ["raspberrypi-cm5", "raspberrypi-500"])
@pytest.mark.parametrize("given", [False, True])
def test_devicetrees_that_stand_in_and_lack_the_boards_say_nothing(
    schematic: Path, tmp_path: Path, board_name: str, *, given: bool
) -> None:
    kernel, trees = debian(), debian().dtbs
    assert trees is not None
    answer = api.talos(
        schematic, version="1.12.4", board=board_name, kernel=kernel.name if given else None
    )  # its overlay has the kernel's own, and none of them is the Compute Module's: versions say so
    assert answer.verdict is (Verdict.FAILS if board_name == "raspberrypi-cm5" else Verdict.UNKNOWN)
    assert answer.foretold.goals == ()
    assert not answer.foretold.judged_with
    assert board(board_name).steppings[0].dtb in answer.foretold.missing[-1]
    empty = tmp_path / "trees"
    empty.mkdir()
    shutil.copy(next(trees.rglob("bcm2712-rpi-5-b.dtb")), empty / "a.dtb")
    shutil.copy(next(trees.rglob("bcm2711-rpi-4-b.dtb")), empty / "b.dtb")
    named = api.talos(schematic, version="1.12.4", board=board_name, kernel=kernel.name, dtbs=empty)
    assert {goal.verdict for goal in named.foretold.goals} == {Verdict.UNKNOWN}


def test_a_kernel_alone_has_no_devicetrees_and_is_no_bad_input(schematic: Path) -> None:
    answer = api.talos(schematic, version="1.12.6", revision="c04170", kernel=debian().image)
    assert answer.verdict is Verdict.UNKNOWN
    assert "comes without devicetrees" in answer.foretold.missing[-1]


def test_a_release_that_is_not_known_is_not_fetched(schematic: Path) -> None:
    answer = api.talos(schematic, version="1.15.0", revision="c04170")
    assert answer.verdict is Verdict.UNKNOWN
    assert not any("fetch" in text for text in answer.foretold.missing)
    assert "the kernel of Talos 1.15.0 (--kernel, or --image" in answer.foretold.missing[0]


def test_the_board_is_the_overlays(schematic: Path, tmp_path: Path) -> None:
    assert api.talos(schematic, version="1.12.6").foretold.board.id == "raspberrypi-5"
    generic = tmp_path / "generic.yaml"
    generic.write_text("overlay: {name: rpi_generic, image: siderolabs/sbc-raspberrypi}")
    with pytest.raises(Refused) as caught:
        api.talos(generic)
    assert caught.value.hint == "give --board raspberrypi-4 or raspberrypi-3"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return in_process("talos", *words)


def test_the_command_says_it_on_one_screen(schematic: Path) -> None:
    done = run(str(schematic), "--version", "v1.12.6", "--revision", "e04171")
    assert done.returncode == 3
    assert done.stdout.startswith("Talos Linux 1.12.6 on Raspberry Pi 5, stepping d0: unknown\n")
    assert "bootwright prepare talos --board raspberrypi-5 --stepping d0" in done.stdout
    assert len(done.stdout.splitlines()) < 40


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        ("overlay: {nam: x}", (), "did you mean name?"),
        ("{}", (), "give --board NAME"),
        ("{}", ("--board", "raspberrypi-5", "--version", "1.12"), "it looks like 1.12."),
        ("a: *b", (), "aliases"),
    ],
)
def test_bad_input_is_one_line_and_a_hint(
    tmp_path: Path, text: str, words: tuple[str, ...], message: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    done = run(str(path), *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert done.stdout == ""


@pytest.mark.download
def test_an_image_at_hand_is_checked_and_held_against_what_is_asked(standin: Path, tmp_path: Path) -> None:
    schematic = tmp_path / "s.yaml"
    schematic.write_text(FIVE % ("", "extraKernelArgs: [quiet, -pti=on]"))
    answer = api.talos(schematic, version="1.12.1", board="raspberrypi-5", revision="c04170", image=standin)
    assert answer.foretold.exact
    assert not answer.foretold.missing
    verdicts = {goal.goal: goal.verdict for goal in answer.foretold.goals}
    assert (verdicts["ethernet"], verdicts["os-start"]) == (Verdict.WORKS, Verdict.WORKS)
    texts = [remark.text for remark in answer.foretold.remarks]
    assert any("lacks quiet: it is of another schematic" in text for text in texts)
    assert any("still has pti=on" in text for text in texts)
    assert not any("is asked for" in text for text in texts)
    jsonschema.validate(answer.as_json(), SCHEMA)
    other = api.talos(schematic, version="1.12.3", revision="c04170", image=standin)
    assert any(
        "is of version 1.12.1, and 1.12.3 is asked for" in remark.text for remark in other.foretold.remarks
    )
    with pytest.raises(Refused, match="an image with one"):
        api.talos(schematic, version="1.12.3", image=standin, kernel="debian-6.18.15-4k")
