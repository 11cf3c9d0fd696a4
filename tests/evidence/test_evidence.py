"""What images and boards say about what a log makes suspect."""

from __future__ import annotations

import json
import stat
import struct
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.boards.model import board, boards
from bootwright.cli.diagnose import command
from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.signatures.knowledge import load
from bootwright.evidence.board import CONSOLES, stepping_of, with_board
from bootwright.evidence.image import open_artifact
from bootwright.evidence.join import with_artifacts
from bootwright.evidence.needs import SUSPICIONS
from bootwright.evidence.nodes import cpu_address, is_device, node_of
from bootwright.formats.archives import cpio
from bootwright.formats.devicetree.fdt import parse_fdt, read_fdt_file
from bootwright.foundation.errors import BootwrightError, Malformed, Refused
from bootwright.foundation.places import DATA, data_files
from bootwright.foundation.progress import Silent
from bootwright.predict.api import dtb_for

KNOWLEDGE = load()
DTS = """
/dts-v1/;
/ {
  #address-cells = <2>; #size-cells = <2>; compatible = "raspberrypi,5-model-b", "brcm,bcm2712";
  model = "Raspberry Pi 5";
  soc@107c000000 {
    #address-cells = <1>; #size-cells = <1>; compatible = "simple-bus"; ranges = <0 0x10 0 0x80000000>;
    mmc@fff000 { compatible = "brcm,bcm2712-sdhci"; reg = <0xfff000 0x260>; };
    serial@7d001000 { compatible = "arm,pl011"; reg = <0x7d001000 0x200>; status = "disabled"; };
    power: syscon@6000 { reg = <0x6000 0x1000>; power-controller { compatible = "x,power"; }; };
  };
  axi {
    #address-cells = <2>; #size-cells = <2>; ranges;
    pcie@1000120000 {
      #address-cells = <3>; #size-cells = <2>; device_type = "pci"; reg = <0x10 0x120000 0 0x9310>;
      ranges = <0x2000000 0 0 0x1f 0 0 0xfffffffc>;
      rp1 {
        #address-cells = <2>; #size-cells = <2>; ranges = <0xc0 0x40000000 0x2000000 0 0 0 0x400000>;
        ethernet@100000 { compatible = "raspberrypi,rp1-gem"; reg = <0xc0 0x40100000 0 0x4000>; };
      };
    };
  };
};
"""
BLOB = subprocess.run(["dtc", "-q", "-O", "dtb"], input=DTS.encode(), capture_output=True, check=True).stdout
BANNER = b"Linux version 6.12.5-test (a@b) (gcc 14) #%d SMP PREEMPT Mon Nov  3\n"
LOG = (
    b"[    0.000000] Booting Linux on physical CPU 0x0\n"
    b"[    0.000001] " + BANNER % 1 + b"[    0.000002] Machine model: Raspberry Pi 5 Model B Rev 1.1\n"
    b"[    0.000003] Kernel command line: root=PARTUUID=0000-01 bcm2708.boardrev=0xd04171\n"
)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what images have: kernel, configuration, modules, firmware, devicetree."""
    root = tmp_path_factory.mktemp("image")
    kernel = bytearray(1 << 16)
    struct.pack_into("<QQQ", kernel, 8, 0, 1 << 16, 0b0100)  # text offset, size, flags: 16K pages
    kernel[56:60] = b"ARM\x64"
    kernel[4096 : 4096 + 80] = (BANNER % 1).ljust(80, b"\0")
    files: dict[str, bytes] = {
        "boot/vmlinuz-6.12.5-test": bytes(kernel),
        "boot/config-6.12.5-test": b"CONFIG_BLK_DEV_NVME=m\n# CONFIG_BLK_DEV_SD is not set\n",
        "lib/modules/6.12.5-test/kernel/drivers/nvme/host/nvme.ko": b"x",
        "lib/modules/6.12.5-test/modules.builtin": b"",
        "lib/firmware/brcm/here.bin.zst": b"x",
        "etc/os-release": b"ID=talos\nVERSION_ID=v1.12.1\n",
    }
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    archive = cpio.write([cpio.Member("init", b"#!/bin/sh\n", stat.S_IFREG | 0o755)])
    (root / "boot" / "initramfs.img").write_bytes(archive)
    (root / "boot" / "bcm2712-d-rpi-5-b.dtb").write_bytes(BLOB)
    return root


def said(log: bytes, image: Path, *, name: str = "raspberrypi-5") -> list[tuple[str, str]]:
    """(stance, sentence) of everything that the image says of a log."""
    artifact = open_artifact(str(image), Silent())
    diagnosis = with_artifacts(diagnose_bytes(log, "log", KNOWLEDGE), [artifact], board(name))
    boot = diagnosis.boots[-1]
    everything = [*boot.evidence, *(evidence for finding in boot.findings for evidence in finding.evidence)]
    return [(evidence.stance.value, evidence.says) for evidence in everything]


def one(answers: list[tuple[str, str]], part: str) -> str:
    """The stance of the answer with that text."""
    stances = [stance for stance, text in answers if part in text]
    assert stances, answers
    return stances[0]


def test_a_stale_image_is_told(image: Path) -> None:
    assert one(said(LOG, image), "is the one in") == "tells"
    assert (
        one(said(LOG.replace(b"#1 SMP", b"#7 SMP"), image), "another build of Linux 6.12.5-test") == "refutes"
    )
    assert one(said(LOG.replace(b"6.12.5-test", b"6.12.4-old"), image), "an older image") == "refutes"
    talos = b"[    5.0] [talos] [initramfs] booting Talos v1.11.0\n"
    assert one(said(LOG + talos, image), "ran Talos 1.11.0") == "refutes"


def test_the_driver_of_the_root_device(image: Path) -> None:
    log = LOG + b'[    3.0] VFS: Cannot open root device "/dev/%s" or unknown-block(0,0): error -6\n'
    log += b"[    3.1] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n"
    assert one(said(log % b"nvme0n1p2", image), "put it into the initramfs") == "confirms"
    assert one(said(log % b"sda2", image), "CONFIG_BLK_DEV_SD is not set") == "confirms"


def test_firmware_and_programs(image: Path) -> None:
    asked = b"[    4.0] brcmfmac mmc1:0001:1: Direct firmware load for brcm/%s failed with error -2\n"
    panic = b"[    9.0] Kernel panic - not syncing: Requested init /sbin/foo failed (error -2).\n"
    boot = diagnose_bytes(LOG + asked % b"gone.bin" + panic, "log", KNOWLEDGE).boots[-1]
    assert any(finding.signature == "no-init" for finding in boot.findings)
    assert one(said(LOG + panic, image), "/sbin/foo is not in") == "confirms"
    assert one(said(LOG + panic.replace(b"/sbin/foo", b"/init"), image), "/init is in") == "tells"
    serious = [finding.signature for finding in boot.findings if finding.severity.rank < 2]
    if "firmware-file-missing" in serious:
        assert one(said(LOG + asked % b"gone.bin" + panic, image), "brcm/gone.bin is not in") == "confirms"
        assert one(said(LOG + asked % b"here.bin" + panic, image), "brcm/here.bin is in") == "tells"


def test_devices_are_found_in_the_devicetree(image: Path) -> None:
    late = b"[   12.8] platform %s: deferred probe pending: platform: supplier %s not ready\n"
    answers = said(LOG + late % (b"1f00100000.ethernet", b"107d001000.serial"), image)
    assert one(answers, "107d001000.serial is disabled") == "confirms"
    assert one(answers, "Not everything in") == "tells"  # this kernel has no symbol table
    answers = said(LOG + late % (b"1f00999000.ethernet", b"2000.clock"), image)
    assert one(answers, "no node for 1f00999000.ethernet") == "confirms"


@pytest.mark.parametrize(
    "line",
    [
        b'[    3.0] VFS: Cannot open root device "/dev/nvme0n1p2" or unknown-block(0,0): error -6\n',
        b"[    3.0] /dev/root: Can't open blockdev\n",
        b"[FAILED] Failed to mount /home.\n",
    ],
)
def test_no_devicetree_has_a_node_for_a_disk_or_a_file_system(image: Path, line: bytes) -> None:
    panic = b"[    3.1] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n"
    assert not any("no node for" in text for _, text in said(LOG + line + panic, image))


def test_a_log_of_another_board_is_not_held_against_the_one_given(image: Path) -> None:
    late = b"[   12.8] platform 1f00999000.ethernet: deferred probe pending: platform: wait for supplier x\n"
    assert one(said(LOG + late, image), "no node for 1f00999000.ethernet") == "confirms"
    other = LOG.replace(b"Raspberry Pi 5 Model B Rev 1.1", b"Raspberry Pi 4 Model B Rev 1.5") + late
    diagnosis = with_board(diagnose_bytes(other, "log", KNOWLEDGE), board("raspberrypi-5"), checked=True)
    assert "earlycon=bcm2835aux" in " ".join(gap.get_it for gap in diagnosis.boots[0].gaps)
    answers = said(other, image)
    assert not any("Raspberry Pi 5" in text or "bcm2712" in text for _, text in answers), answers


@pytest.mark.download
def test_a_kernel_by_itself_has_no_root_file_system() -> None:
    log = LOG + b'[    3.0] VFS: Cannot open root device "/dev/nvme0n1p2" or unknown-block(0,0): error -6\n'
    answers = said(log, Path("debian-6.18.15-4k"))
    assert one(answers, "(module nvme) is in debian-6.18.15-4k.") == "tells"


@pytest.mark.download
def test_a_real_kernel_is_asked_for_its_drivers() -> None:
    """Debian's 6.18.15 works on a board of stepping C0 and fails on D0; 6.12 has no node: so is said."""
    log = (
        LOG
        + b"[   12.8] platform 1f00100000.ethernet: deferred probe pending: platform: wait for supplier x\n"
    )
    answers = said(log, Path("debian-6.18.15-4k"))
    assert one(answers, "has a driver: macb (module: macb)") == "tells"
    assert "registers that D0 does not have" in " ".join(text for _, text in answers)
    assert one(answers, "check: ethernet of the Raspberry Pi 5 fails") == "confirms"
    first = said(log.replace(b"d04171", b"c04170"), Path("debian-6.18.15-4k"))
    assert one(first, "check: ethernet of the Raspberry Pi 5 works") == "refutes"
    old = said(log, Path("debian-6.12.107-4k"))
    assert one(old, "has no bcm2712-d-rpi-5-b.dtb") == "confirms"
    old = said(log.replace(b"d04171", b"c04170"), Path("debian-6.12.107-4k"))
    assert one(old, "no node compatible with raspberrypi,rp1-gem") == "confirms"


@pytest.mark.download
def test_a_devicetree_beside_a_kernel_is_the_one_in_question(tmp_path: Path) -> None:
    """The Talos case: mainline's rp1_pci with a devicetree of the Raspberry Pi firmware's kind."""
    blob = tmp_path / "bcm2712-rpi-5-b.dtb"
    source = DATA / "devicetrees" / "raspberrypi-5-vendor-style.dts"
    subprocess.run(["dtc", "-q", "-@", "-O", "dtb", "-o", blob, source], check=True)
    artifacts = [open_artifact(name, Silent()) for name in ("debian-6.18.15-4k", str(blob))]
    log = DATA / "signatures" / "rp1-endpoint" / "golden" / "firmware-devicetree" / "console.log"
    boot = with_artifacts(diagnose_bytes(log.read_bytes()), artifacts, board("raspberrypi-5")).boots[0]
    assert boot.findings[0].signature == "rp1-endpoint"
    reasons = [evidence.says for evidence in boot.findings[0].evidence if evidence.stance == "confirms"]
    assert any("no node named rp1_nexus" in reason for reason in reasons), reasons


@pytest.mark.download
def test_a_log_that_does_not_tell_the_stepping_is_held_against_each() -> None:
    log = LOG.replace(b" bcm2708.boardrev=0xd04171", b"").replace(b"6.12.5-test", b"6.18.15+deb13-arm64")
    log = log.replace(b"Rev 1.1", b"Rev 1.0")  # with which one with 2 GB is a d0 all the same
    log += b"[   12.8] platform 1f00100000.ethernet: deferred probe pending: platform: wait for supplier x\n"
    answers = said(log, Path("debian-6.18.15-4k"))
    assert one(answers, "ethernet of the Raspberry Pi 5 is unknown: d0 fails, c0 works") == "tells"
    answers = said(log.replace(b"Rev 1.0", b"Rev 1.1"), Path("debian-6.18.15-4k"))
    assert not [text for _, text in answers if "c0 works" in text], "its model says which it is"


@pytest.mark.download
def test_a_devicetree_of_another_board_is_refused_or_told(tmp_path: Path) -> None:
    kernel = open_artifact("debian-6.18.15-4k", Silent()).given
    assert kernel is not None
    other = dtb_for(kernel, "raspberrypi-4")
    log = tmp_path / "console.log"
    log.write_bytes(
        LOG
        + b"[   12.8] platform 1f00100000.ethernet: deferred probe pending: platform: wait for supplier x\n"
    )
    arguments = [str(log), "--with", str(other), "--board", "raspberrypi-5"]
    with pytest.raises(Refused, match="expected a devicetree for raspberrypi,5-model-b"):
        CliRunner().invoke(command, arguments, standalone_mode=False, catch_exceptions=False)
    root = tmp_path / "image"
    root.mkdir()
    (root / "bcm2712-d-rpi-5-b.dtb").write_bytes(other.read_bytes())
    artifacts = [open_artifact(name, Silent()) for name in ("debian-6.18.15-4k", str(root))]
    boot = with_artifacts(diagnose_bytes(log.read_bytes()), artifacts, board("raspberrypi-5")).boots[0]
    says = [evidence.says for finding in boot.findings for evidence in finding.evidence]
    assert any("another board's than Raspberry Pi 5" in text for text in says), says


def test_names_lead_to_nodes() -> None:
    tree = parse_fdt(BLOB, "t")
    nodes = {
        name: node_of(tree, name)
        for name in ("1f00100000.ethernet", "1000fff000.mmc", "/axi/pcie@1000120000")
    }
    assert [node.path if node else None for node in nodes.values()] == [
        "/axi/pcie@1000120000/rp1/ethernet@100000",
        "/soc@107c000000/mmc@fff000",
        "/axi/pcie@1000120000",
    ]
    power = node_of(tree, "1000006000.syscon:power-controller")
    assert power is not None
    assert power.name == "power-controller"
    assert node_of(tree, "nonsense") is None
    assert node_of(tree, "ffffffffffffffff.mmc") is None


@settings(max_examples=60, deadline=None)
@given(
    cuts=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=12),
    name=st.one_of(
        st.text(max_size=20), st.from_regex(r"[0-9a-f]{1,17}\.[a-z]{1,8}(:[a-z-]{0,9})?", fullmatch=True)
    ),
)
def test_any_name_and_any_devicetree_give_a_node_or_none(cuts: list[tuple[int, int]], name: str) -> None:
    blob = bytearray(BLOB)
    for place, byte in cuts:
        blob[place % len(blob)] = byte
    try:
        tree = parse_fdt(bytes(blob), "t")
    except BootwrightError:
        return
    for label in (name, "1f00100000.ethernet", "1000fff000.mmc"):
        node = node_of(tree, label)
        assert node is None or is_device(label)


def test_the_board_is_used() -> None:
    log = LOG + b"[   12.8] macb 1f00100000.ethernet eth0: Could not attach PHY (-19)\n"
    diagnosis = diagnose_bytes(log, "log", KNOWLEDGE)
    boot = with_board(diagnosis, board("raspberrypi-5"), checked=False).boots[0]
    assert stepping_of(board("raspberrypi-5"), boot) == "d0"
    assert any("bcm2712-d-rpi-5-b.dtb" in evidence.says for evidence in boot.evidence)
    get_it = " ".join(gap.get_it for gap in boot.gaps)
    assert "console=ttyAMA10,115200 earlycon=pl011,0x107d001000" in get_it
    assert "module macb +p" in get_it
    assert "bootwright check IMAGE --board raspberrypi-5 --revision d04171 --goal ethernet" in get_it
    other = with_board(diagnosis, board("rock-5b"), checked=False).boots[0]
    assert any(
        evidence.stance == "refutes" and "another machine" in evidence.says for evidence in other.evidence
    )
    # Without --board the log itself says which board it is of.
    assert "ttyAMA10" in " ".join(
        gap.get_it for gap in with_board(diagnosis, None, checked=False).boots[0].gaps
    )


def test_every_console_is_a_boards() -> None:
    assert set(CONSOLES.all()) <= {candidate.id for candidate in boards()}
    for name, console in CONSOLES.all().items():
        assert set(console.debug) <= {goal.name for goal in board(name).goals}


@pytest.mark.download
def test_consoles_are_where_the_devicetrees_say() -> None:
    from bootwright.kernels.catalogue import open_library

    folder = open_library(progress=Silent()).get("debian-6.18.15-4k", modules=True).dtbs
    assert folder is not None
    checked = 0
    for candidate in [candidate for candidate in boards() if candidate.id in CONSOLES.all()]:
        for path in sorted(folder.rglob(candidate.steppings[0].dtb))[:1]:
            tree = read_fdt_file(path)
            chosen = tree.root.child("chosen")
            name = ((chosen.string("stdout-path") if chosen is not None else None) or "").partition(":")[0]
            node = tree.alias(name) or tree.node(name)
            assert node is not None, candidate.id
            address = CONSOLES.all()[candidate.id].earlycon.partition("0x")[2].partition(",")[0]
            assert cpu_address(node) == int(address, 16), candidate.id
            checked += 1
    assert checked >= 10


def test_every_suspicion_asks_something() -> None:
    known = {signature.name for signature in KNOWLEDGE.signatures}
    for suspicion in SUSPICIONS.all().values():
        assert suspicion.source
        assert suspicion.signatures <= known
        groups = dict.fromkeys(suspicion.pattern.groupindex, "x")
        assert "{" not in (suspicion.option + suspicion.module + suspicion.title).format(**groups)
    assert len(SUSPICIONS.all()) == len(data_files("suspicions"))


@pytest.mark.parametrize("text", ["x", "title='a'", "title='a'\nsource='b'\nline='('\nmodule='c'", "what=1"])
def test_a_bad_suspicion_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(Malformed, match=r"bad\.toml"):
        SUSPICIONS.load(tmp_path / "bad.toml")


def test_the_command_joins_log_image_and_board(image: Path, tmp_path: Path) -> None:
    log = DATA / "signatures" / "no-root" / "golden" / "gallery-no-root" / "console.log"
    page = tmp_path / "page.html"
    arguments = [str(log), "--with", str(image), "--board", "raspberrypi-5", "--html", str(page)]
    done = CliRunner().invoke(command, [*arguments, "--json", "-q"], standalone_mode=False)
    boot = json.loads(done.stdout)["boots"][0]
    assert done.return_value == 1
    assert {row["stance"] for row in boot["evidence"]} == {"refutes"}
    assert boot["told"]["model"] == "linux,dummy-virt"
    assert "an older image" in page.read_text()
    text = CliRunner().invoke(command, [*arguments, "-q"], standalone_mode=False).stdout
    assert "image:  but: This boot ran Linux" in text


@pytest.mark.parametrize("arguments", [["--with", "/nonexistent/image.raw"], ["--board", "toaster"]])
def test_what_is_not_there_exits_two(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(LOG)
    with pytest.raises(Exception, match=r"there is no"):
        CliRunner().invoke(
            command, [str(tmp_path / "log"), *arguments], standalone_mode=False, catch_exceptions=False
        )
