"""A kernel by a configuration that the user gives: real configurations of real kernels, changed by a line."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path

import jsonschema
import pytest
from attrs import evolve
from click.testing import CliRunner

from bootwright.cli.main import main
from bootwright.formats.devicetree.fdt import read_fdt_file
from bootwright.formats.kernel.config import KernelConfig, read_kernel_config
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused
from bootwright.foundation.places import data_files
from bootwright.foundation.versions import Version
from bootwright.kernels.catalogue import open_library
from bootwright.kernels.model import Kernel
from bootwright.predict.api import dtb_for, predict
from bootwright.predict.kernel.objects import OBJECTS, Objects, objects
from bootwright.predict.model import Answer
from bootwright.predict.solving.configured import ConfiguredKernel, configured, facts_of_config

from .conftest import make_kernel

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/check.schema.json").read_text())
OWN = "debian-6.18-4k"
PI5 = ("--board", "raspberrypi-5", "--goal", "ethernet", "--stepping", "c0", "-q")
Change = Callable[[str], str]


@cache
def kernel(name: str) -> Kernel:
    try:
        return open_library().get(name, modules=True)
    except (Missing, Refused) as error:
        pytest.skip(f"{name}: {error}")


def blob(name: str) -> Path:
    """A devicetree of the kernel's package."""
    folder = kernel(OWN).dtbs
    assert folder is not None
    return next(folder.rglob(name))


def off(option: str) -> Change:
    def change(text: str) -> str:
        changed, count = re.subn(rf"^{option}=.*$", f"# {option} is not set", text, flags=re.M)
        assert count == 1
        return changed

    return change


def config(folder: Path, *changes: Change) -> Path:
    """The configuration of a real kernel, changed."""
    source = kernel(OWN).config
    assert source is not None
    text = source.read_text()
    for change in changes:
        text = change(text)
    path = folder / "config-arm64"
    path.write_text(text)
    return path


def check(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["check", *arguments], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.return_value, result.stdout


@pytest.mark.download
@pytest.mark.parametrize("alone", [False, True], ids=["with the kernel", "alone"])
@pytest.mark.parametrize(
    ("option", "driver"),
    [
        ("CONFIG_MISC_RP1", "[pci 1de4:0001]"),  # a module, by its PCI id
        ("CONFIG_MACB", "ethernet@40100000"),  # a module, by its compatible
        ("CONFIG_PCIE_BRCMSTB", "pcie@1000120000"),  # built in
        ("CONFIG_NET_VENDOR_CADENCE", "ethernet@40100000"),  # the folder's option, not the driver's own
    ],
)
def test_a_driver_that_the_configuration_leaves_out_is_not_there(
    option: str, driver: str, alone: bool, tmp_path: Path
) -> None:
    path = config(tmp_path, off(option))
    artifact = str(dtb_for(kernel(OWN), "raspberrypi-5")) if alone else OWN
    status, text = check(artifact, "--config", str(path), *PI5, "--json")
    document = json.loads(text)
    jsonschema.validate(document, SCHEMA)
    broken = document["goals"]["ethernet"]["first_broken"]
    assert status == 1
    assert broken["node"].endswith(driver)
    assert broken["reason"].startswith(f"{option} is not set, so that")
    assert option in broken["remedy"]


@pytest.mark.download
@pytest.mark.parametrize(
    ("option", "node"),
    [
        # By its own initcall: nothing in modules.builtin.modinfo names the compatible of a driver without a
        # MODULE_DEVICE_TABLE.
        ("CONFIG_ARM_PMUV3", "/pmu"),
        ("CONFIG_RASPBERRYPI_POWER", "/soc/power"),
    ],
)
def test_built_in_drivers_are_known_by_the_objects_of_their_initcalls(
    option: str, node: str, tmp_path: Path
) -> None:
    dtb = read_fdt_file(blob("bcm2711-rpi-4-b.dtb"))
    for changes, bound in (((), Answer.YES), ((off(option),), Answer.NO)):
        path = config(tmp_path, *changes)
        facts = facts_of_config(path, read_kernel_config(FileBytes(path)))
        (answer,) = (predicted for predicted in predict(facts, dtb).nodes if predicted.path == node)
        assert answer.bound is bound


@pytest.mark.download
def test_what_is_set_up_at_boot_is_left_out_with_its_object(tmp_path: Path) -> None:
    """The clocks of Layerscape come from an early table (CLK_OF_DECLARE), without any driver."""
    dtb = read_fdt_file(blob("fsl-ls1046a-frwy.dtb"))
    for changes, bound in (((), Answer.YES), ((off("CONFIG_CLK_QORIQ"),), Answer.NO)):
        path = config(tmp_path, *changes)
        facts = facts_of_config(path, read_kernel_config(FileBytes(path)))
        nodes = predict(facts, dtb).nodes
        assert (
            next(predicted.bound for predicted in nodes if predicted.path == "/soc/serial@21c0500") is bound
        )


@pytest.mark.download
def test_what_an_unknown_driver_would_make_is_unknown_too(tmp_path: Path) -> None:
    """sunxi-sram makes devices of its child nodes; with its options not known, so are they."""
    path = config(tmp_path)
    facts = facts_of_config(path, read_kernel_config(FileBytes(path)))
    dtb = read_fdt_file(blob("sun50i-h5-libretech-all-h3-cc.dtb"))

    def bound(kernel: ConfiguredKernel) -> Answer:
        nodes = predict(kernel, dtb).nodes
        return next(
            predicted.bound
            for predicted in nodes
            if predicted.path == "/soc/system-control@1c00000/sram@18000"
        )

    assert bound(facts) is Answer.YES
    tables = facts.tables
    drivers = tuple(evolve(driver, object="") for driver in tables.built_in.drivers)
    unread = evolve(facts, tables=evolve(tables, built_in=evolve(tables.built_in, drivers=drivers)))
    assert bound(unread) is Answer.UNKNOWN


@pytest.mark.download
def test_a_part_that_the_configuration_leaves_out_is_named(tmp_path: Path) -> None:
    path = config(tmp_path, off("CONFIG_USB_DWC3_DUAL_ROLE"))
    arguments = ("--config", str(path), "--board", "raspberrypi-5", "--goal", "usb", "--stepping", "c0", "-q")
    status, text = check(str(dtb_for(kernel(OWN), "raspberrypi-5")), *arguments, "--json")
    broken = json.loads(text)["goals"]["usb"]["first_broken"]
    assert status == 3
    assert "CONFIG_USB_DWC3_DUAL_ROLE is not set, unlike in debian-6.18" in broken["reason"]
    # With the kernel itself its tables say that the driver is there all the same.
    assert check(OWN, *arguments)[0] == 0


@pytest.mark.download
@pytest.mark.parametrize("alone", [False, True], ids=["with the kernel", "alone"])
def test_its_own_configuration_changes_nothing(alone: bool, tmp_path: Path) -> None:
    path = config(tmp_path)
    artifact = str(dtb_for(kernel(OWN), "raspberrypi-5")) if alone else OWN
    status, text = check(artifact, "--config", str(path), *PI5, "--json")
    goal = json.loads(text)["goals"]["ethernet"]
    assert (status, goal["verdict"]) == (0, "works")
    assert any("alone was given" in text for text in goal["not_checked"]) is alone


@pytest.mark.download
def test_a_configuration_counts_where_the_image_cannot_be_read(tmp_path: Path) -> None:
    path = config(tmp_path)
    own = kernel(OWN)
    image = bytearray(1 << 16)  # a header and a banner, and no symbol table
    struct.pack_into("<QQQ", image, 8, 0, 1 << 16, 0b0010)  # text offset, size, flags: 4K pages
    image[56:60] = b"ARM\x64"
    banner = f"Linux version {own.release} (a@b) (gcc 14) #1 SMP PREEMPT Mon Nov  3\n".encode()
    image[4096 : 4096 + len(banner)] = banner
    (tmp_path / "Image").write_bytes(image)
    artifacts = (str(tmp_path / "Image"), str(dtb_for(own, "raspberrypi-5")))
    with pytest.raises(Malformed):
        check(*artifacts, *PI5)
    status, text = check(*artifacts, "--config", str(path), *PI5, "--json")
    goal = json.loads(text)["goals"]["ethernet"]
    assert (status, goal["verdict"]) == (0, "works")
    assert any("read by the drivers of debian-" in said for said in goal["not_checked"])
    status, text = check(*artifacts, "--config", str(config(tmp_path, off("CONFIG_MISC_RP1"))), *PI5)
    assert status == 1
    assert "CONFIG_MISC_RP1 is not set" in text


def cut(before: str) -> Change:
    """A file that ends before an option, as a broken download does."""

    def change(text: str) -> str:
        assert f"\n{before}=" in text
        return text[: text.index(f"\n{before}=") + 1]

    return change


def minimal(text: str) -> str:
    """As `make savedefconfig` leaves it, with the head of the whole one."""
    kept = r"# Linux/.*|CONFIG_(?:ARM64|ARM64_4K_PAGES|MISC_RP1|MACB)=.*|# CONFIG_MACB is not set"
    return "".join(f"{line}\n" for line in text.splitlines() if re.fullmatch(kept, line))


@pytest.mark.download
@pytest.mark.parametrize("goal", ["ethernet", "console", "storage"])
@pytest.mark.parametrize("change", [cut("CONFIG_MISC_RP1"), cut("CONFIG_PCI"), minimal])
def test_what_a_configuration_ends_before_is_unknown(change: Change, goal: str, tmp_path: Path) -> None:
    path = config(tmp_path, change)
    assert not read_kernel_config(FileBytes(path)).whole
    arguments = ("--config", str(path), *PI5[:2], "--goal", goal, *PI5[4:])
    status, text = check(str(dtb_for(kernel(OWN), "raspberrypi-5")), *arguments, "--json")
    broken = json.loads(text)["goals"][goal]["first_broken"]
    assert status == 3
    assert broken["reason"].startswith("config-arm64 is no whole configuration, and says nothing of CONFIG_")
    assert broken["remedy"].startswith("give the whole one")
    # With the kernel itself, its tables say what the file does not.
    assert check(OWN, *arguments)[0] == 0


@pytest.mark.download
def test_what_a_cut_configuration_says_is_off_is_off(tmp_path: Path) -> None:
    path = config(tmp_path, off("CONFIG_MACB"), minimal)
    status, text = check(OWN, "--config", str(path), *PI5)
    assert status == 1
    assert "CONFIG_MACB is not set" in text


@pytest.mark.download
def test_a_clock_whose_boot_code_is_left_out_is_mended_by_its_option(tmp_path: Path) -> None:
    path = config(tmp_path, off("CONFIG_COMMON_CLK"))
    arguments = ("--config", str(path), *PI5[:2], "--goal", "storage", *PI5[4:])
    status, text = check(str(dtb_for(kernel(OWN), "raspberrypi-5")), *arguments, "--json")
    broken = json.loads(text)["goals"]["storage"]["first_broken"]
    assert status == 1
    assert broken["remedy"] == "set CONFIG_COMMON_CLK=y"


@pytest.mark.download
def test_only_a_kernel_that_can_be_had_is_told_to_be_fetched(tmp_path: Path) -> None:
    path = config(tmp_path, lambda text: re.sub(r"6\.18\.\d+", "6.10.3", text))
    status, text = check(str(dtb_for(kernel(OWN), "raspberrypi-5")), "--config", str(path), *PI5, "--json")
    remedy = json.loads(text)["goals"]["ethernet"]["first_broken"]["remedy"]
    assert status == 3
    assert "debian-6.10" not in remedy
    assert "bootwright kernels list" in remedy


@pytest.mark.download
def test_what_a_configuration_builds_in_is_built_in(tmp_path: Path) -> None:
    path = config(tmp_path, lambda text: text.replace("CONFIG_BCM2712_MIP=m", "CONFIG_BCM2712_MIP=y"))
    status, text = check(OWN, "--config", str(path), *PI5, "--explain")
    assert status == 0
    link = text[text.index("driver mip_msi") :].splitlines()[1]
    assert "built-in" in link
    assert "MSI-X controller is a module" not in text


@pytest.mark.download
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("6.18.", "6.17."), "is the configuration of Linux 6.17."),
        (
            lambda text: text.replace("CONFIG_ARM64=y", "CONFIG_X86=y").replace("Linux/arm64", "Linux/x86"),
            "found one for x86",
        ),
        (
            lambda text: text.replace("CONFIG_PAGE_SHIFT=12", "CONFIG_PAGE_SHIFT=14"),
            "is for 16K pages, and",
        ),
        (lambda _: "dear diary\n", "expected CONFIG_NAME=value or a comment, found line 1"),
        (lambda _: "# nothing at all\n", "expected a kernel configuration"),
    ],
    ids=["another release", "another architecture", "other pages", "notes", "empty"],
)
def test_what_is_not_this_kernels_configuration_is_refused(change: Change, said: str, tmp_path: Path) -> None:
    path = config(tmp_path, change)
    with pytest.raises(BootwrightError) as error:
        check(OWN, "--config", str(path), *PI5)
    assert said in error.value.message
    assert str(path) in error.value.message
    with pytest.raises(BootwrightError):
        CliRunner().invoke(
            main,
            [
                "predict",
                "--kernel",
                OWN,
                "--dtb",
                str(dtb_for(kernel(OWN), "raspberrypi-5")),
                "--config",
                path,
            ],
            standalone_mode=False,
            catch_exceptions=False,
        )


@pytest.mark.download
def test_a_kernel_is_not_added_with_another_ones_configuration(tmp_path: Path) -> None:
    path = config(tmp_path, lambda text: text.replace("6.18.", "6.17."))
    with pytest.raises(Refused, match=r"is the configuration of Linux 6\.17"):
        CliRunner().invoke(
            main,
            ["kernels", "add", str(kernel(OWN).image), "--config", str(path), "--quiet", "--offline"],
            standalone_mode=False,
            catch_exceptions=False,
        )


@pytest.mark.download
def test_a_configuration_that_is_not_there_and_one_without_a_kernel_to_read_it_by(tmp_path: Path) -> None:
    blob = str(dtb_for(kernel(OWN), "raspberrypi-5"))
    with pytest.raises(Missing, match="cannot read"):
        check(blob, "--config", str(tmp_path / "none"), *PI5)
    head = re.compile(r"^# Linux/arm64 \S+", re.M)
    for change, said in (
        (lambda text: head.sub("# Linux/arm64 5.4.1", text), "no kernel of Linux 5.4 with its modules"),
        (lambda text: head.sub("# Linux", text), "does not say of which Linux it is"),
    ):
        status, text = check(blob, "--config", str(config(tmp_path, change)), *PI5, "--json")
        goal = json.loads(text)["goals"]["ethernet"]
        assert (status, goal["verdict"]) == (3, "unknown")
        assert said in goal["first_broken"]["reason"]


def test_the_table_of_objects_is_in_its_form() -> None:
    table = objects()
    assert len(table.rules) > 3000
    for path in table.rules:
        for series in table.series:
            version = Version.parse(series)
            assert version is not None
            rule = table.rule("", version, f"kernel/{path}.ko.xz")
            for way in rule.ways if rule is not None else ():
                assert all(re.fullmatch(r"CONFIG_\w+", name) for name in (*way.needs, *way.parts))
    assert [path.name for path in data_files("objects")] == ["arm64.toml"]


@pytest.mark.download
@pytest.mark.parametrize("name", [OWN, "debian-6.12-4k", "debian-7.3-4k"])
def test_the_rules_say_of_real_kernels_what_was_built(name: str) -> None:
    """Against the modules and the built-in modules that the packages have: the rules come from elsewhere."""
    own = kernel(name)
    assert own.modules is not None
    assert own.config is not None
    said = read_kernel_config(FileBytes(own.config))
    built = {str(path.relative_to(own.modules)): "m" for path in own.modules.rglob("*.ko*")}
    built |= dict.fromkeys((own.modules / "modules.builtin").read_text().split(), "y")
    states = {path: rule.state(said) for path in built if (rule := objects().rule("", own.version, path))}
    assert len(states) > 2500
    assert {path: state for path, state in states.items() if state != built[path]} == {}


def parsed(folder: Path, text: str) -> Objects:
    path = folder / "objects.toml"
    path.write_text(text)
    return OBJECTS.load(path)


def test_ways_parts_and_series(tmp_path: Path) -> None:
    table = parsed(
        tmp_path,
        'series = ["6.12", "6.9"]\nsource = "s"\n[objects]\n"a/x-y" = "A B : P | C"\n'
        '"b/z" = { "6.9" = "D" }\n"b/same" = "E"\n"c/same" = "F"\n',
    )
    assert table.series == ("6.9", "6.12")

    def at(text: str) -> Version:
        version = Version.parse(text)
        assert version is not None
        return version

    rule = table.rule("x_y", at("6.10.3"))
    assert rule is not None

    def made(**options: str) -> KernelConfig:
        return KernelConfig({f"CONFIG_{name}": value for name, value in options.items()}, frozenset(), "c")

    assert rule.state(made(A="y", B="m")) == "m"
    assert rule.state(made(A="y")) == "n"
    assert rule.off(made(A="y")) in {("CONFIG_B",), ("CONFIG_C",)}
    assert rule.state(made(A="y", C="y")) == "y"
    assert rule.lost_parts(made(), made(P="y")) == ("CONFIG_P",)
    assert table.rule("x_y", at("6.13")) is None  # newer than what was read
    assert table.rule("z", at("6.9.1")) is not None
    assert table.rule("z", at("6.10")) is None  # it differs between the series
    assert table.rule("same", at("6.10")) is None  # which of the two is not known
    assert table.rule("same", at("6.10"), "kernel/c/same.ko") is not None


@pytest.mark.parametrize("text", ["", "=", 'series = []\nsource = "s"\n[objects]\n', "[objects]\nx = 1\n"])
def test_another_form_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(Malformed):
        parsed(tmp_path, text)


@pytest.mark.parametrize(
    ("options", "version", "release"),
    [
        ({"CONFIG_LOCALVERSION": "-talos"}, "6.18.33", "6.18.33-talos"),
        (
            {"CONFIG_BUILD_SALT": "6.18.15+deb13-arm64", "CONFIG_LOCALVERSION": ""},
            "6.18.15",
            "6.18.15+deb13-arm64",
        ),
        ({"CONFIG_LOCALVERSION": "-talos"}, None, ""),
    ],
)
def test_a_configuration_alone_says_whose_kernel_it_is(
    options: dict[str, str], version: str | None, release: str
) -> None:
    config = KernelConfig(options, frozenset(), "config", version=version)
    assert configured(make_kernel(), Path("config"), config, alone=True).release == release
