"""The command line, modprobe.d and root=: applied, or listed under not checked with their place."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bootwright.boards.model import Board, Find, Goal, Stepping
from bootwright.cli.main import main
from bootwright.formats.archives import cpio
from bootwright.formats.filesystems.directory import Directory
from bootwright.formats.kernel.built_in import Driver
from bootwright.formats.modules.modprobe_config import ModprobeConfig, parse_modprobe, read_modprobe
from bootwright.formats.modules.module_index import ModuleIndex, tabulate
from bootwright.foundation import tools
from bootwright.foundation.errors import Missing, Refused
from bootwright.foundation.kept.shelf import Shelf
from bootwright.foundation.verdict import Verdict
from bootwright.kernels.catalogue import open_library
from bootwright.kernels.modules import ModuleFiles
from bootwright.predict.api import dtb_for
from bootwright.predict.given.initramfs import early_modules
from bootwright.predict.goals import judge, judge_os, predict
from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.model import GoalVerdict
from bootwright.predict.rules.predicates import Given
from bootwright.predict.start.arguments import Arguments, effective, split
from bootwright.predict.start.root_device import Volume
from bootwright.predict.start.start import known_arguments

from .conftest import BASE, compile_tree, driver, make_kernel, module

ETH = 'eth@1 { compatible = "acme,eth"; reg = <1 1>; };'


def verdict(
    kernel: KernelFacts, tree: str = ETH, *, given: Given | None = None, boots_from: bool = False
) -> GoalVerdict:
    board, goal = asked("acme,eth", boots_from=boots_from)
    return judge(predict(kernel, compile_tree(tree), given=given), board, goal)


def asked(compatible: str, *, boots_from: bool = False) -> tuple[Board, Goal]:
    goal = Goal("ethernet", (Find(compatible=compatible),), None, boots_from, "")
    steppings = (Stepping("any", "", ""),)
    return Board("acme", "Acme", ("acme",), "", steppings, None, (), (goal,), (), frozenset()), goal


def kernel(arguments: str = "", **more: object) -> KernelFacts:
    return make_kernel(BASE, [module("ethmod", "acme,eth", depends=["phylib"]), module("phylib")],
                        arguments=arguments, **more)  # type: ignore[arg-type]  # fmt: skip


def told(goal_verdict: GoalVerdict) -> str:
    return goal_verdict.first_broken.reason if goal_verdict.first_broken is not None else ""


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("", ""),
        ("quiet nomodule", "nomodule (test) keeps the kernel from loading any module"),
        ("nomodule=0", ""),
        ("sysctl.kernel.modules_disabled=1", "keeps the kernel from loading any module"),
        ("modules_disabled", ""),  # no such parameter
        ("module_blacklist=phylib", "forbid the module phylib"),
        ("module_blacklist=phylib module_blacklist=other", ""),  # the last one counts
        ("modprobe.blacklist=ethmod", "forbid the module ethmod"),
        ("modprobe.blacklist=a,eth-mod modprobe.blacklist=ethmod", "forbid the module ethmod"),
        ("modprobe.blacklist=phylib", ""),  # it is loaded for ethmod, not for a device
        ("-- nomodule", ""),
        ('x="a nomodule b"', ""),
    ],
)
def test_arguments_that_keep_modules_out(arguments: str, reason: str) -> None:
    goal_verdict = verdict(kernel(arguments))
    assert goal_verdict.verdict is (Verdict.FAILS if reason else Verdict.WORKS)
    assert reason in told(goal_verdict)


def test_without_its_modules_a_kernel_that_loads_none_has_what_is_built_in() -> None:
    bare = make_kernel(BASE, None)
    assert verdict(bare).verdict is Verdict.UNKNOWN
    assert verdict(make_kernel(BASE, None, arguments="nomodule")).verdict is Verdict.FAILS
    assert verdict(make_kernel((*BASE, driver("eth", "acme,eth")), None, arguments="nomodule")).verdict is (
        Verdict.WORKS
    )


def test_initcalls_that_are_not_called() -> None:
    built_in = (*BASE, driver("eth", "acme,eth"))
    stopped = verdict(make_kernel(built_in, arguments="initcall_blacklist=eth_init"))
    assert stopped.verdict is Verdict.FAILS
    assert "eth_init from being called" in told(stopped)
    other = verdict(make_kernel(built_in, arguments="initcall_blacklist=uart_init,some_late_init"))
    assert other.verdict is Verdict.WORKS
    assert any("initcall_blacklist=some_late_init (test)" in line for line in other.not_checked)
    assert not any("uart_init" in line for line in other.not_checked)  # a driver that is not asked about


def test_what_is_not_followed_is_listed() -> None:
    goal_verdict = verdict(
        kernel(
            "quiet earlycon clk_ignore_unused ethmod.debug=3 other.x=1 acpi=off pci=nomsi "
            "deferred_probe_timeout=0 mem=64M module_blacklist=eth-mod driver_async_probe=ethmod "
            "init=/sbin/init"
        )
    )
    assert goal_verdict.verdict is Verdict.WORKS
    listed = [line for line in goal_verdict.not_checked if "(test)" in line]
    assert [line.partition(" ")[0] for line in listed] == [
        "ethmod.debug=3", "pci=nomsi", "deferred_probe_timeout=0", "mem=64M", "module_blacklist=eth-mod"
    ]  # fmt: skip
    assert all(known.source and known.reason for known in known_arguments())
    forced = verdict(kernel("acpi=force"))
    assert any("acpi=force" in line for line in forced.not_checked)


def test_without_fw_devlink_a_missing_supplier_is_no_certain_failure() -> None:
    tree = """eth@1 { compatible = "acme,eth"; reg = <1 1>; clocks = <&c>; };
    c: clk { compatible = "acme,nothing"; #clock-cells = <0>; };"""
    assert verdict(kernel(), tree).verdict is Verdict.FAILS
    for mode in ("off", "permissive"):
        goal_verdict = verdict(kernel(f"fw_devlink={mode}"), tree)
        assert goal_verdict.verdict is Verdict.UNKNOWN
        assert f"fw_devlink={mode} (test)" in told(goal_verdict)
    assert verdict(kernel("fw_devlink=on"), tree).verdict is Verdict.FAILS
    # What the device itself lacks stays a failure.
    assert verdict(kernel("fw_devlink=off nomodule"), tree).verdict is Verdict.FAILS


def test_where_the_command_line_comes_from() -> None:
    options: dict[str, str] = {}
    loader = Arguments("quiet", "the boot entry")
    assert effective(loader, "nomodule", "b.dtb", options.get) == loader
    for nothing in (Arguments(), Arguments("", "the boot entry")):
        assert effective(nothing, "nomodule", "b.dtb", options.get).source == "/chosen/bootargs of b.dtb"
    options["CONFIG_CMDLINE"] = "nomodule"
    assert effective(loader, None, "b.dtb", options.get) == loader
    assert effective(Arguments(), None, "b.dtb", options.get).text == "nomodule"
    options["CONFIG_CMDLINE_EXTEND"] = "y"
    assert effective(loader, None, "b.dtb", options.get).text == "quiet nomodule"
    options["CONFIG_CMDLINE_FORCE"] = "y"
    assert effective(loader, None, "b.dtb", options.get).text == "nomodule"
    chosen = 'chosen { bootargs = "nomodule"; };'
    goal_verdict = verdict(kernel(), f"{ETH} {chosen}")
    assert goal_verdict.verdict is Verdict.FAILS
    assert "/chosen/bootargs" in told(goal_verdict)
    assert verdict(kernel("quiet"), f"{ETH} {chosen}").verdict is Verdict.WORKS
    forced = kernel(config={"CONFIG_CMDLINE": "nomodule", "CONFIG_CMDLINE_FORCE": "y"})
    assert verdict(forced).verdict is Verdict.FAILS


def modprobe(text: str, *loads: str) -> ModprobeConfig:
    return ModprobeConfig(tuple(parse_modprobe(text, "/etc/modprobe.d/x.conf")), frozenset(loads))


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("blacklist ethmod", True),
        ("blacklist eth-mod", False),
        ("blacklist phylib", False),
        ("install ethmod /bin/false", True),
        ("install phylib /bin/true", True),
        ("# blacklist ethmod", False),
        ("blacklist \\\nethmod", True),
        ("options ethmod debug=1", False),
        ("install ethmod /sbin/modprobe --ignore-install ethmod", False),
    ],
)
def test_modprobe_configuration(text: str, broken: bool) -> None:
    facts = kernel()
    facts.root_modprobe = modprobe(text)
    goal_verdict = verdict(facts)
    assert goal_verdict.verdict is (Verdict.FAILS if broken else Verdict.WORKS)
    if broken:
        assert "/etc/modprobe.d/x.conf:1" in told(goal_verdict)
    listed = [line for line in goal_verdict.not_checked if "x.conf:1" in line]
    assert bool(listed) is (text.startswith(("options", "install ethmod /sbin")))
    # A module that is loaded by name is loaded all the same.
    facts.root_modprobe = modprobe(text, "ethmod")
    assert verdict(facts).verdict is (Verdict.FAILS if broken and "install" in text else Verdict.WORKS)


def test_the_initramfs_and_the_root_file_system_each_have_their_own() -> None:
    line = modprobe("blacklist ethmod")
    facts = kernel(initramfs=frozenset({"ethmod", "phylib"}))
    facts.early_modprobe, facts.root_modprobe = line, modprobe("")
    assert verdict(facts).verdict is Verdict.WORKS  # the root file system loads it afterwards
    goal_verdict = verdict(facts, boots_from=True)
    assert goal_verdict.verdict is Verdict.FAILS
    assert "keeps the initramfs from loading" in told(goal_verdict)
    facts.early_modprobe, facts.root_modprobe = modprobe(""), line
    assert verdict(facts).verdict is Verdict.WORKS  # the initramfs loads it before
    facts.early_modprobe = line
    assert verdict(facts).verdict is Verdict.FAILS
    facts.root_modprobe = None
    assert verdict(facts).verdict is Verdict.UNKNOWN


def test_a_root_file_systems_configuration_is_read(tmp_path: Path) -> None:
    for name, text in (
        ("etc/modprobe.d/a.conf", "blacklist mine\n"),
        ("usr/lib/modprobe.d/a.conf", "blacklist hidden\n"),
        ("usr/lib/modprobe.d/b.conf", "install other /bin/false\n"),
        ("etc/modprobe.d/readme.txt", "blacklist nothing\n"),
        ("etc/modules-load.d/m.conf", "# comment\nnamed-one\n"),
        ("etc/modules", "second\n"),
        ("etc/sysctl.d/s.conf", "kernel.modules_disabled = 1\n"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    modprobe_config = read_modprobe(Directory(tmp_path))
    assert [str(directive) for directive in modprobe_config.directives if directive.command != "sysctl"] == [
        "blacklist mine", "install other /bin/false"
    ]  # fmt: skip
    assert modprobe_config.loads == {"named_one", "second"}
    assert [directive.where.rpartition("/")[2] for directive in modprobe_config.directives] == [
        "a.conf:1",
        "b.conf:1",
        "s.conf:1",
    ]


PARTS = (
    Volume(1, "aaaa-01", "BOOT", "1111-2222", "BOOTFS", "vfat", "disk:partition 1"),
    Volume(2, "aaaa-02", "rootfs", "6d1f", "ROOT", "ext4", "disk:partition 2"),
)


@pytest.mark.parametrize(
    ("root", "initramfs", "config", "expected"),
    [
        ("root=PARTUUID=AAAA-02", False, "y", "works"),
        ("root=PARTUUID=aaaa-03", False, "y", "it has: aaaa-01, aaaa-02"),
        ("root=PARTLABEL=rootfs", False, "y", "works"),
        ("root=UUID=6d1f", False, "y", "cannot be found without an initramfs"),
        ("root=UUID=6d1f", True, "y", "works"),
        ("root=LABEL=root", True, "y", "it has: BOOTFS, ROOT"),
        ("root=/dev/disk/by-label/ROOT", True, "y", "works"),
        ("root=/dev/mmcblk0p2", False, "y", "works"),
        ("root=/dev/nvme0n1p7", False, "y", "not in the image; it has: 1, 2"),
        ("root=PARTUUID=aaaa-02", False, "m", "nothing loads it before the root file system"),
        ("root=PARTUUID=aaaa-02", True, "m", "the module ext4, which it needs, is not in the initramfs"),
        ("root=PARTUUID=aaaa-02", False, "n", "CONFIG_EXT4_FS is not set"),
        (
            "root=PARTUUID=aaaa-02 rootfstype=xfs",
            False,
            "y",
            "rootfstype=xfs, and disk:partition 2 holds ext4",
        ),
        ("root=/dev/mapper/x", True, "y", "not checked"),
        ("root=PARTUUID=aaaa-02 root=PARTUUID=aaaa-09", False, "y", "it has: aaaa-01, aaaa-02"),
        ("quiet", False, "y", "works"),
    ],
)
def test_root(root: str, initramfs: bool, config: str, expected: str) -> None:
    modules = [module("ethmod", "acme,eth")] + ([module("ext4")] if config == "m" else [])
    facts = make_kernel((*BASE, driver("eth", "acme,eth")), modules, arguments=root,
                      config={"CONFIG_EXT4_FS": config},
                      initramfs=frozenset({"ethmod"}) if initramfs else None)  # fmt: skip
    given_ = Given(filesystems=(), volumes=PARTS, initramfs=initramfs)
    goal_verdict = verdict(facts, given=given_, boots_from=True)
    if expected in {"works", "not checked"}:
        assert goal_verdict.verdict is Verdict.WORKS, told(goal_verdict)
        assert (expected == "not checked") is any(
            "the image does not show" in line for line in goal_verdict.not_checked
        )
    else:
        assert goal_verdict.verdict is Verdict.FAILS
        assert expected in told(goal_verdict)
        assert told(judge_os(predict(facts, compile_tree(ETH), given=given_))) == told(goal_verdict)
    # A goal that is not booted from does not depend on it.
    assert verdict(facts, given=given_).verdict is Verdict.WORKS


@pytest.mark.parametrize("asked", ["crc32c", "crypto_crc32c"])
def test_a_root_file_systems_module_with_what_it_asks_for_first(asked: str) -> None:
    """As xfs of Linux 6.12: libcrc32c asks for crc32c, which is an alias of crc32c_generic."""
    modules = [
        module("ext4", depends=["libcrc32c"]),
        module("libcrc32c", softdeps=[asked]),
        {**module("crc32c_generic"), "aliases": ["crc32c"]},
    ]
    given_ = Given(filesystems=(), volumes=PARTS, initramfs=True)
    inside = {"ext4", "libcrc32c"}
    for more, expected in ((set(), Verdict.UNKNOWN), ({"crc32c_generic"}, Verdict.WORKS)):
        facts = make_kernel((*BASE, driver("eth", "acme,eth")), modules, arguments="root=UUID=6d1f",
                          config={"CONFIG_EXT4_FS": "m"}, initramfs=frozenset(inside | more))  # fmt: skip
        goal_verdict = verdict(facts, given=given_, boots_from=True)
        assert goal_verdict.verdict is expected, told(goal_verdict)
        assert ("libcrc32c" in told(goal_verdict)) is (expected is Verdict.UNKNOWN)


@pytest.mark.download
def test_an_initramfs_of_another_release_has_no_modules_for_this_kernel(tmp_path: Path) -> None:
    release = "6.18.15+deb13-arm64"
    names = [f"usr/lib/modules/{of}/kernel/{name}.ko" for of, name in (("6.18.5", "macb"), (release, "loop"))]
    folders = sorted({"/".join(name.split("/")[:depth]) for name in names for depth in range(1, 6)})
    members = [
        *(cpio.folder(folder) for folder in folders),
        *(cpio.Member(name, b"\x7fELF") for name in names),
        cpio.Member("insmod/x.ko", b"\x7fELF"),
    ]
    path = tmp_path / "initrd.img"
    path.write_bytes(cpio.write([*members[:-1], cpio.folder("insmod"), members[-1]]))
    early = early_modules(path)
    assert early.of(release) == {"loop", "x"}
    assert early.others(release) == ("6.18.5",)
    done = CliRunner().invoke(
        main,
        ["check", "debian-6.18.15-4k", str(path), "--board", "raspberrypi-5", "--stepping", "c0", "-q"],
        standalone_mode=False,
    )
    assert done.exception is None
    output = " ".join(done.stdout.split())
    assert "holds modules of 6.18.5, which the kernel 6.18.15+deb13-arm64 does not look for" in output


def test_without_an_image_root_is_not_checked() -> None:
    facts = make_kernel((*BASE, driver("eth", "acme,eth")), arguments="root=/dev/mmcblk0p2")
    goal_verdict = verdict(facts, boots_from=True)
    assert goal_verdict.verdict is Verdict.WORKS
    assert "root=/dev/mmcblk0p2 (test): no disk image was given to look in" in goal_verdict.not_checked


def test_a_ports_node_is_served_by_its_controllers_driver() -> None:
    tree = """mac: gmac@1 { compatible = "acme,gmac"; reg = <1 1>; #address-cells = <1>; #size-cells = <0>;
      mac@0 { compatible = "acme,eth"; reg = <0>; phy-mode = "rgmii"; };
      led@1 { compatible = "acme,led"; reg = <1>; };
      mac@2 { compatible = "acme,eth2"; reg = <2>; phy-mode = "rgmii"; status = "disabled"; }; };"""
    facts = make_kernel((*BASE, driver("gmac", "acme,gmac")))
    assert verdict(facts, tree).verdict is Verdict.WORKS
    without = verdict(make_kernel(BASE), tree)
    assert without.verdict is Verdict.FAILS
    assert "no driver for acme,gmac" in told(without)
    for wanted, expected in (("acme,led", Verdict.UNKNOWN), ("acme,eth2", Verdict.FAILS)):
        board, goal = asked(wanted)
        assert judge(predict(facts, compile_tree(tree)), board, goal).verdict is expected


@given(st.text(max_size=200))
def test_any_command_line_and_configuration_is_read(text: str) -> None:
    for argument in split(text):
        assert argument.name or argument.value is not None
    for line in parse_modprobe(text, "x"):
        assert line.command in {"blacklist", "install", "options", "softdep", "weakdep"}
        assert isinstance(line.prevents, bool)


MODULES = (
    *("macb", "phylink", "broadcom", "bcm-phy-lib", "bcm-phy-ptp", "irq-bcm2712-mip", "rp1-pci"),
    *("clk-rp1", "pinctrl-rp1", "ext4"),
)
ROOT_UUID = "6d1f5f5e-0000-4000-8000-00000000beef"


def disk(folder: Path, cmdline: str, modprobe: str, *, release: str | None = None) -> Path:
    """A disk as the Raspberry Pi's firmware boots it: FAT with kernel and cmdline.txt, ext4 root."""
    try:
        stored_kernel = open_library(offline=True).get("debian-6.18.15-4k", modules=True)
    except (Missing, Refused) as error:
        pytest.skip(f"debian-6.18.15-4k: {error}")
    assert stored_kernel.modules is not None
    folder.mkdir()
    root = folder / "root"
    tree = root / "usr/lib/modules" / (release or stored_kernel.release)
    modules = ModuleFiles(stored_kernel.modules)
    for path in modules.order([name for name in MODULES if name in modules]):
        place = tree / path.relative_to(stored_kernel.modules)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    for name in ("modules.builtin", "modules.builtin.modinfo"):
        shutil.copyfile(stored_kernel.modules / name, tree / name)
    (root / "etc/modprobe.d").mkdir(parents=True)
    (root / "etc/modprobe.d/pi.conf").write_text(modprobe)
    (root / "etc/os-release").write_text("ID=debian\nVERSION_ID=13\n")
    tools.run(["mkfs.ext4", "-q", "-F", "-U", ROOT_UUID, "-L", "rootfs", "-d", root, folder / "ext4", "64M"])
    with (folder / "fat").open("wb") as file:
        file.truncate(80 << 20)
    tools.run(["mkfs.vfat", "-F", "32", folder / "fat"])
    (folder / "config.txt").write_text("kernel=vmlinuz\n")
    (folder / "cmdline.txt").write_text(f"{cmdline}\n")
    assert stored_kernel.config is not None
    dtb = dtb_for(stored_kernel, "raspberrypi-5")
    files = {
        "config.txt": folder / "config.txt",
        "cmdline.txt": folder / "cmdline.txt",
        "vmlinuz": stored_kernel.image,
        dtb.name: dtb,
        f"config-{stored_kernel.release}": stored_kernel.config,
    }
    for name, path in files.items():
        tools.run(["mcopy", "-i", folder / "fat", path, f"::/{name}"])
    image = folder / "disk.img"
    with image.open("wb") as file:
        file.truncate(150 << 20)
    table = "label: dos\nlabel-id: 0xcafe0001\nstart=2048, size=163840, type=c\nstart=165888, type=83\n"
    tools.run(["sfdisk", "-q", "--no-tell-kernel", image], input_bytes=table.encode())
    for part, sector in (("fat", 2048), ("ext4", 165888)):
        tools.run(["dd", f"if={folder / part}", f"of={image}", f"seek={sector}", "conv=notrunc,sparse"])
    return image


def checked(image: Path, *more: str) -> tuple[str, int]:
    arguments = ["check", str(image), "--board", "raspberrypi-5", "--stepping", "c0", "-q", "--json", *more]
    done = CliRunner().invoke(main, arguments, standalone_mode=False)
    assert done.exception is None, done.output
    return done.stdout, done.return_value


@pytest.mark.download
def test_check_follows_an_images_command_line_root_and_modprobe(tmp_path: Path) -> None:
    own = "console=ttyAMA10,115200 root=PARTUUID=cafe0001-02 rootwait"
    image = disk(tmp_path / "own", own, "options macb debug=1\n")
    text, status = checked(image, "--goal", "ethernet", "--goal", "os-mounts")
    assert status == 1, text
    goals = json.loads(text)["goals"]
    assert goals["ethernet"]["verdict"] == "works"
    assert any(
        "options macb debug=1" in line and "pi.conf:1" in line for line in goals["ethernet"]["not_checked"]
    )
    # ext4 is a module in Debian's kernels, and there is no initramfs.
    assert "nothing loads it before the root" in goals["os-mounts"]["first_broken"]["reason"]
    text, status = checked(image, "--goal", "os-mounts", "--cmdline", "root=PARTUUID=cafe0001-03")
    assert "it has: cafe0001-01, cafe0001-02" in text
    text, status = checked(image, "--goal", "os-mounts", "--cmdline", f"root=UUID={ROOT_UUID}")
    assert "cannot be found without an initramfs" in text
    text, status = checked(image, "--goal", "ethernet", "--cmdline", "nomodule")
    assert (status, "nomodule (--cmdline)" in text) == (1, True)
    forbidden = disk(tmp_path / "forbidden", own, "# RP1 off\ninstall macb /bin/false\n")
    text, status = checked(forbidden, "--goal", "ethernet")
    assert status == 1
    assert "install macb /bin/false" in text
    assert "/etc/modprobe.d/pi.conf:2" in text


@pytest.mark.download
def test_an_image_with_modules_of_another_release_only(tmp_path: Path) -> None:
    image = disk(tmp_path / "other", "root=PARTUUID=cafe0001-02", "", release="6.18.5+deb13-arm64")
    text, status = checked(image, "--goal", "ethernet")
    assert status == 1
    assert "modprobe looks in /lib/modules/6.18.15+deb13-arm64" in text
    assert "6.18.5+deb13-arm64" in json.loads(text)["notes"][-1]


def test_a_built_in_driver_that_its_object_also_names_is_one_driver() -> None:
    serial = Driver(
        "uart-pl011", ("amba",), "pl011_init", "amba_pl011", amba=((0x41011, 0xFFFFF),), calls=("clk_get",)
    )
    facts = make_kernel((serial,))
    index = tabulate([], ["amba_pl011"], {"amba_pl011": ["amba:d????1011*"]})
    facts.modules = ModuleIndex(Shelf.of(index), Path("/nonexistent"))
    assert facts.modules.built_in_by_alias("amba:d00041011") == ("amba_pl011",)
    assert [candidate.driver for candidate in facts.by_amba(0x41011)] == ["uart-pl011"]
    assert [candidate.driver for candidate in facts.by_amba(0x51011)] == ["amba_pl011"], "its table says no"
