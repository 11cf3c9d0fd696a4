"""The Raspberry Pi 5 from the bytes of Debian's packages: each kernel with own and others' blobs."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as Xml

import jsonschema
import pytest
from click.testing import CliRunner

from bootwright import api
from bootwright.cli.main import main
from bootwright.foundation import tools
from bootwright.foundation.errors import Missing, Refused
from bootwright.foundation.verdict import Verdict
from bootwright.kernels.catalogue import open_library
from bootwright.kernels.model import Kernel
from bootwright.predict.api import dtb_for, predict_goal
from bootwright.predict.matrix import matrix

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
DTBS = {"c0": "bcm2712-rpi-5-b.dtb", "d0": "bcm2712-d-rpi-5-b.dtb"}


@cache
def kernel(name: str) -> Kernel:
    try:
        return open_library().get(name, modules=True)
    except (Missing, Refused) as error:
        pytest.skip(f"{name}: {error}")


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A devicetree as the Raspberry Pi tree has it: `rp1` as a simple-bus, and the label clk_xosc."""
    source = tools.run(
        ["dtc", "-q", "-I", "dtb", "-O", "dts", dtb_for(kernel("debian-6.18-4k"), "raspberrypi-5")]
    )
    text = source.decode()
    assert "rp1_nexus" in text
    text = text.replace('compatible = "pci1de4,1"', 'compatible = "simple-bus"')
    text = text.replace("rp1_nexus", "rp1").replace("clk_rp1_xosc", "clk_xosc")
    path = tmp_path_factory.mktemp("vendor") / DTBS["c0"]
    path.write_bytes(tools.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-"], input_bytes=text.encode()))
    return path


OLD, OWN, NEW = "debian-6.12-4k", "debian-6.18-4k", "debian-7.3-4k"


@pytest.mark.download
@pytest.mark.parametrize(
    ("with_kernel", "dtbs", "stepping", "broken"),
    [
        (OWN, OWN, "c0", None),
        (NEW, NEW, "c0", None),
        (NEW, NEW, "d0", None),
        (OLD, OLD, "c0", "no node compatible with raspberrypi,rp1-gem"),
        (OWN, OLD, "c0", "no node compatible with raspberrypi,rp1-gem"),
        (OLD, OWN, "c0", "no driver for brcm,bcm2712-pcie"),
        (OWN, OWN, "d0", "SError"),
        (NEW, OWN, "d0", "SError"),
        (NEW, OWN, "c0", "Missing of_node"),
        (OWN, NEW, "c0", "built-in overlay, which sets this node's status to disabled"),
        (OWN, NEW, "d0", "built-in overlay"),
    ],
)
def test_ethernet_verdict_and_first_broken_link(
    with_kernel: str, dtbs: str, stepping: str, broken: str | None
) -> None:
    blob = dtb_for(kernel(dtbs), "raspberrypi-5", stepping)
    goal_verdict = predict_goal(kernel(with_kernel), blob, "raspberrypi-5", "ethernet", stepping=stepping)
    if broken is None:
        assert goal_verdict.verdict is Verdict.WORKS
        assert goal_verdict.first_broken is None
        assert "bcm2712-mip-module" in {hazard.name for hazard in goal_verdict.hazards}
    else:
        assert goal_verdict.verdict is Verdict.FAILS
        assert goal_verdict.first_broken is not None
        assert broken in goal_verdict.first_broken.reason
        assert goal_verdict.first_broken.remedy


@pytest.mark.download
def test_the_chain_is_the_one_that_mainline_needs(vendor: Path) -> None:
    own = kernel(OWN)
    goal_verdict = predict_goal(
        own, dtb_for(own, "raspberrypi-5"), "raspberrypi-5", "ethernet", stepping="c0"
    )
    drivers = [
        link.needs.removeprefix("driver ") for link in goal_verdict.chain if link.needs.startswith("driver ")
    ]
    for earlier, later in (
        ("mip_msi", "brcm-pcie"),
        ("brcm-pcie", "rp1_pci"),
        ("rp1_pci", "rp1-clk"),
        ("rp1-clk", "macb"),
        ("pinctrl-rp1", "macb"),
        ("macb", "broadcom"),
    ):
        assert drivers.index(earlier) < drivers.index(later)
    foreign = predict_goal(own, vendor, "raspberrypi-5", "ethernet", stepping="c0")
    assert foreign.verdict is Verdict.FAILS
    assert foreign.first_broken is not None
    assert "1de4:0001" in foreign.first_broken.node
    assert "error -22" in foreign.first_broken.reason


def renamed(blob: Path, old: str, new: str, folder: Path) -> Path:
    """The devicetree with another compatible in place of one."""
    text = tools.run(["dtc", "-q", "-I", "dtb", "-O", "dts", blob]).decode()
    assert f'"{old}"' in text
    path = folder / DTBS["c0"]
    text = text.replace(f'"{old}"', f'"{new}"')
    path.write_bytes(tools.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-"], input_bytes=text.encode()))
    return path


@pytest.mark.download
def test_a_supplier_that_the_kernel_gives_up_on_stands_behind_what_its_consumer_lacks(
    vendor: Path, tmp_path: Path
) -> None:
    own = kernel(OWN)
    foreign = renamed(vendor, "brcm,bcm2712-mip", "acme,mip", tmp_path)
    goal = predict_goal(own, foreign, "raspberrypi-5", "ethernet", stepping="c0")
    assert goal.first_broken is not None
    assert "1de4:0001" in goal.first_broken.node
    assert "error -22" in goal.first_broken.reason
    assert any("no driver for acme,mip" in link.reason for link in goal.chain)
    # Where the consumer lacks nothing else, the supplier is what is missing.
    mainline = renamed(dtb_for(own, "raspberrypi-5"), "brcm,bcm2712-mip", "acme,mip", tmp_path)
    goal = predict_goal(own, mainline, "raspberrypi-5", "ethernet", stepping="c0")
    assert goal.first_broken is not None
    assert "no driver for acme,mip" in goal.first_broken.reason


@pytest.mark.download
def test_a_compatible_that_no_kernel_knows_may_be_of_another_tree_s_devicetree(tmp_path: Path) -> None:
    own = kernel(OWN)
    blob = renamed(dtb_for(own, "raspberrypi-5"), "brcm,bcm2712c0-pinctrl", "acme,pinctrl", tmp_path)
    result = CliRunner().invoke(
        main, ["check", OWN, str(blob), "--board", "raspberrypi-5", "--stepping", "c0", "--json"]
    )
    broken = json.loads(result.stdout)["goals"]["storage"]["first_broken"]
    assert "no driver for acme,pinctrl" in broken["reason"]
    assert broken["remedy"] == "use a kernel that has one, or the devicetree that came with this kernel"


@pytest.mark.download
@pytest.mark.parametrize(
    ("goal", "remedy"),
    [
        ("ethernet", "use Linux 6.18 or newer with CONFIG_PCIE_BRCMSTB"),  # RP1's Ethernet came after RP1
        ("usb", "use Linux 6.17 or newer with CONFIG_PCIE_BRCMSTB"),
        ("nvme", "use Linux 6.16 or newer with CONFIG_PCIE_BRCMSTB"),
    ],
)
def test_a_remedy_names_the_kernel_that_has_all_that_the_goal_lacks(goal: str, remedy: str) -> None:
    verdict = predict_goal(kernel(OLD), dtb_for(kernel(OWN), "raspberrypi-5"), "raspberrypi-5", goal)
    assert verdict.first_broken is not None
    assert "no driver for brcm,bcm2712-pcie" in verdict.first_broken.reason
    assert verdict.first_broken.remedy == remedy
    assert verdict.first_broken in verdict.chain


@pytest.mark.download
def test_console_and_storage_do_not_hang_on_rp1(vendor: Path) -> None:
    for goal in ("console", "storage"):
        goal_verdict = predict_goal(kernel(OWN), vendor, "raspberrypi-5", goal, stepping="c0")
        assert goal_verdict.verdict is Verdict.WORKS


@pytest.mark.download
def test_a_driver_outside_the_initramfs_breaks_storage() -> None:
    own = kernel(OWN)
    blob = dtb_for(own, "raspberrypi-5")
    goal_verdict = predict_goal(own, blob, "raspberrypi-5", "storage", initramfs_modules=frozenset())
    assert goal_verdict.verdict is Verdict.FAILS
    assert goal_verdict.first_broken is not None
    assert "not in the initramfs" in goal_verdict.first_broken.reason


@pytest.mark.download
def test_every_board_is_in_the_package() -> None:
    table = matrix([OWN], [], ["ethernet", "console"], _Quiet())
    jsonschema.validate(table.as_json(), json.loads((SCHEMAS / "check-matrix.schema.json").read_text()))
    verdicts = {(cell.board, cell.goal): cell.verdict for cell in table.cells if cell.stepping != "d0"}
    assert len({board for board, _ in verdicts}) >= 9
    for name in ("raspberrypi-5", "raspberrypi-4", "raspberrypi-3", "rockpro64", "odroid-n2", "pine64-plus"):
        assert verdicts[name, "ethernet"] is Verdict.WORKS
    assert all(verdict is Verdict.WORKS for (_, goal), verdict in verdicts.items() if goal == "console")


class _Quiet:
    def __new__(cls) -> object:
        from bootwright.foundation.progress import Silent

        return Silent()


@pytest.mark.download
def test_the_check_command(tmp_path: Path, vendor: Path) -> None:
    kernel(OWN)
    schema = json.loads((SCHEMAS / "check.schema.json").read_text())
    common = ["check", OWN, "--board", "raspberrypi-5", "--goal", "ethernet", "-q"]

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, [*common, *arguments], standalone_mode=False)
        assert result.exception is None, result.exception
        return result.return_value, result.stdout

    status, text = run("--stepping", "c0", "--json")
    document = json.loads(text)
    jsonschema.validate(document, schema)
    assert (status, document["goals"]["ethernet"]["verdict"]) == (0, "works")
    junit, sarif = tmp_path / "a.xml", tmp_path / "a.sarif"
    status, text = run("--revision", "e04171", "--json", "--junit", str(junit), "--sarif", str(sarif))
    document = json.loads(text)
    jsonschema.validate(document, schema)
    assert (status, document["stepping"]) == (1, "d0")
    suites = Xml.fromstring(junit.read_text())  # noqa: S314 - our own file
    assert suites.find("testsuite").get("failures") == "1"
    assert json.loads(sarif.read_text())["runs"][0]["results"][0]["level"] == "error"
    status, text = run(str(vendor), "--explain")  # broken on either stepping
    assert status == 1
    assert "error -22" in text
    status, text = run("--os", "talos=1.12.1", "--stepping", "c0", "--json")
    assert status == 0
    html = tmp_path / "m.html"
    result = CliRunner().invoke(
        main,
        ["check", "--matrix", OWN, "--board", "raspberrypi-5", "--html", str(html), "-q"],
        standalone_mode=False,
    )
    assert result.return_value == 3  # each goal works on c0 and fails on d0
    assert "class='fails'" in html.read_text()


@pytest.mark.download
def test_the_predict_command() -> None:
    blob = dtb_for(kernel(OWN), "raspberrypi-5")
    result = CliRunner().invoke(
        main, ["predict", "--kernel", OWN, "--dtb", str(blob), "--json", "-q"], standalone_mode=False
    )
    assert result.exception is None
    document = json.loads(result.stdout)
    jsonschema.validate(document, json.loads((SCHEMAS / "predict.schema.json").read_text()))
    nodes = {node["path"]: node for node in document["nodes"]}
    assert nodes["/axi/pcie@1000120000"]["bound"] == "yes"


@pytest.mark.download
def test_talos_mounts_need_a_newer_kernel() -> None:
    for name, verdict in ((OLD, "fails"), (OWN, "works")):
        kernel(name)
        result = CliRunner().invoke(
            main,
            [
                "check",
                name,
                "--board",
                "raspberrypi-5",
                "--os",
                "talos=1.12.1",
                "--goal",
                "os-mounts",
                "--stepping",
                "c0",
                "--json",
                "-q",
            ],
            standalone_mode=False,
        )
        assert result.exception is None, result.exception
        assert json.loads(result.stdout)["goals"]["os-mounts"]["verdict"] == verdict


@pytest.mark.download
def test_an_image_without_modules_says_what_is_missing(tmp_path: Path) -> None:
    own = kernel(OWN)
    image = tmp_path / "boot.img"
    image.write_bytes(b"")
    with image.open("r+b") as file:
        file.truncate(96 << 20)
    tools.run([tools.need("mkfs.vfat", purpose="make a test image"), "-F", "32", image])
    tools.run(["mcopy", "-i", image, own.image, "::/vmlinuz"])
    tools.run(["mcopy", "-i", image, dtb_for(own, "raspberrypi-5"), "::/"])
    result = CliRunner().invoke(
        main,
        [
            "check",
            str(image),
            "--board",
            "raspberrypi-5",
            "--goal",
            "ethernet",
            "--stepping",
            "c0",
            "--json",
            "-q",
        ],
        standalone_mode=False,
    )
    assert result.exception is None, result.exception
    document = json.loads(result.stdout)
    jsonschema.validate(document, json.loads((SCHEMAS / "check.schema.json").read_text()))
    assert result.return_value == 3
    goal = document["goals"]["ethernet"]
    assert goal["verdict"] == "unknown"
    assert "modules were not given" in goal["first_broken"]["reason"]
    assert any("holds no modules" in note for note in document["notes"])


@pytest.mark.download
def test_overlays_of_config_txt_are_applied_where_their_filter_holds(tmp_path: Path) -> None:
    own = kernel(OWN)
    folder = tmp_path / "esp"
    (folder / "overlays").mkdir(parents=True)
    (folder / DTBS["c0"]).write_bytes(dtb_for(own, "raspberrypi-5").read_bytes())
    source = '/dts-v1/;\n/plugin/;\n&rp1_eth { status = "disabled"; };\n'
    overlay = tools.run(["dtc", "-q", "-@", "-I", "dts", "-O", "dtb", "-"], input_bytes=source.encode())
    (folder / "overlays" / "no-eth.dtbo").write_bytes(overlay)

    def run(config: str) -> dict[str, object]:
        (folder / "config.txt").write_text(config)
        result = CliRunner().invoke(
            main,
            [
                "check",
                OWN,
                str(folder),
                "--board",
                "raspberrypi-5",
                "--goal",
                "ethernet",
                "--stepping",
                "c0",
                "--json",
                "-q",
            ],
            standalone_mode=False,
        )
        assert result.exception is None, result.exception
        return json.loads(result.stdout)

    assert run("[pi4]\ndtoverlay=no-eth\n")["goals"]["ethernet"]["verdict"] == "works"
    broken = run("[pi5]\ndtoverlay=no-eth\n")["goals"]["ethernet"]
    assert broken["verdict"] == "fails"
    assert "status is disabled" in broken["first_broken"]["reason"]
    missing = run("dtoverlay=gone\n")
    assert missing["goals"]["ethernet"]["verdict"] == "works"
    not_checked = missing["goals"]["ethernet"]["not_checked"]
    assert any("overlay gone is not among the files" in text for text in not_checked)
    # Where something fails, a line of config.txt that had no effect is what its reader has to know.
    noted = run("dtoverlay=no-eth\ndtoverlay=\ndtparam=pciex # one lane\nplain\n")
    assert noted["goals"]["ethernet"]["verdict"] == "fails"
    notes = "\n".join(noted["notes"])
    assert "no parameter pciex # one lane" in notes
    assert "line 4: neither a setting nor a filter: 'plain'" in notes


@pytest.mark.download
def test_a_connector_that_config_txt_switches_on_is_named_by_its_parameter(tmp_path: Path) -> None:
    """As the firmware's devicetrees have the connector for PCIe: off, with a parameter that enables it."""
    blob = dtb_for(kernel(OWN), "raspberrypi-5")
    text = tools.run(["dtc", "-q", "-I", "dtb", "-O", "dts", blob]).decode()
    text += """
        &{/axi/pcie@1000110000} { status = "disabled"; };
        &{/} { __overrides__ {
            pciex1_gen = <&{/axi/pcie@1000110000}>, "max-link-speed:0";
            pciex1 = <&{/axi/pcie@1000110000}>, "status";
        }; };
    """
    (tmp_path / DTBS["c0"]).write_bytes(
        tools.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-"], input_bytes=text.encode())
    )

    def nvme() -> tuple[Verdict, str]:
        checked = api.check([OWN, tmp_path], boards="raspberrypi-5", stepping="c0", goals="nvme")
        broken = checked.judged[0].goals["nvme"].first_broken
        return checked.verdict, (broken.remedy or "") if broken is not None else ""

    (tmp_path / "config.txt").write_text("arm_64bit=1\n")
    said = "add the line dtparam=pciex1 to config.txt: without it pcie@1000110000 is off"
    assert nvme() == (Verdict.FAILS, said)
    # What is said is what mends it.
    (tmp_path / "config.txt").write_text("arm_64bit=1\ndtparam=pciex1\n")
    assert nvme() == (Verdict.WORKS, "")
