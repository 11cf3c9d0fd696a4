"""What comes too late, what is missing beside a module, and file systems that a page size refuses."""

from __future__ import annotations

import re
from datetime import date

import pytest
from attrs import evolve

from bootwright.boards.model import Board, Find, Goal, Stepping
from bootwright.formats.programs.eeprom import Eeprom
from bootwright.formats.programs.u_boot import Driver as Dm
from bootwright.formats.programs.u_boot import UBoot
from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.predict.goals import judge, judge_os, predict
from bootwright.predict.hazards import strike
from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.model import GoalVerdict
from bootwright.predict.rules.knowledge import HAZARDS
from bootwright.predict.rules.predicates import FileSystemFacts, Given

from .conftest import BASE, compile_tree, driver, make_kernel, module, whole

TREE = """
eth@1 { compatible = "acme,eth"; reg = <1 1>; pinctrl-0 = <&pins>; clocks = <&clk>; };
pins: pins { compatible = "acme,pins"; };
clk: clk { compatible = "acme,slowclk"; #clock-cells = <0>; };
"""


def verdict(
    kernel: KernelFacts, given: Given | None = None, *, boots_from: bool = False, tree: str = TREE
) -> GoalVerdict:
    goal = Goal("ethernet", (Find(compatible="acme,eth"),), None, boots_from, "")
    board = Board(
        "acme", "Acme", ("acme",), "", (Stepping("any", "", ""),), None, (), (goal,), (), frozenset()
    )
    return judge(whole(tree, kernel, given=given), board, goal)


def names(goal_verdict: GoalVerdict) -> list[str]:
    return [hazard.name for hazard in goal_verdict.hazards]


def kernel(*, initramfs: frozenset[str] | None, eth_built_in: bool = True, **more: object) -> KernelFacts:
    eth = module("ethmod", "acme,eth", **more)
    return make_kernel(
        (*BASE, *([driver("eth", "acme,eth")] if eth_built_in else [])),
        [module("pinmod", "acme,pins"), module("clkmod", "acme,slowclk"), *([] if eth_built_in else [eth])],
        initramfs=initramfs,
    )


def test_a_built_in_driver_that_waits_for_a_module_of_the_root_file_system() -> None:
    goal_verdict = verdict(kernel(initramfs=frozenset({"clkmod"})))
    assert goal_verdict.verdict is Verdict.WORKS
    (hazard,) = goal_verdict.hazards
    assert (hazard.name, hazard.effect, hazard.node) == ("late-supplier", Verdict.UNKNOWN, "/pins")
    assert "pinmod" in hazard.remedy
    # A clock is waited for as long as it takes; pins are not. Without an initramfs nothing is told.
    assert names(verdict(kernel(initramfs=frozenset({"pinmod"})))) == []
    assert names(verdict(kernel(initramfs=None))) == []


def test_what_is_needed_to_find_the_root_must_be_in_the_initramfs_with_all_it_depends_on() -> None:
    every = frozenset({"clkmod", "pinmod"})
    assert verdict(kernel(initramfs=every), boots_from=True).verdict is Verdict.WORKS
    late = verdict(kernel(initramfs=frozenset({"clkmod"})), boots_from=True)
    assert late.verdict is Verdict.FAILS
    assert late.first_broken is not None
    assert late.first_broken.node == "/pins"
    assert late.first_broken.remedy == "put the module pinmod into the initramfs"
    facts = make_kernel(
        (*BASE, driver("eth", "acme,eth")),
        [
            module("pinmod", "acme,pins", depends=["helper"]),
            module("helper"),
            module("clkmod", "acme,slowclk"),
        ],
        initramfs=every,
    )
    without = verdict(facts, boots_from=True).first_broken
    assert without is not None
    assert "cannot be loaded without helper, which is not in the initramfs" in without.reason


def test_a_module_without_what_it_depends_on_drives_nothing() -> None:
    goal_verdict = verdict(kernel(initramfs=None, eth_built_in=False, depends=["phylib"]))
    assert goal_verdict.verdict is Verdict.FAILS
    assert goal_verdict.first_broken is not None
    assert "without phylib, which is not among the modules" in goal_verdict.first_broken.reason
    # A soft dependency is tried and not missed.
    assert verdict(kernel(initramfs=None, eth_built_in=False, softdeps=["phylib"])).verdict is Verdict.WORKS


def test_a_module_that_the_arguments_forbid() -> None:
    facts = make_kernel(BASE, [module("ethmod", "acme,eth")], arguments="module_blacklist=ethmod")
    goal_verdict = verdict(facts, tree='eth@1 { compatible = "acme,eth"; reg = <1 1>; };')
    assert goal_verdict.first_broken is not None
    assert "forbid the module ethmod" in goal_verdict.first_broken.reason


def test_a_module_that_another_one_loads_afterwards_counts() -> None:
    tree = 'eth@1 { compatible = "acme,eth"; reg = <1 1>; }; x { compatible = "acme,x"; };'
    alone = {"aliases": [], "drivers": [["ethmod", ["platform"], ["acme,eth"]]]}
    modules = [{**module("ethmod", "acme,eth"), **alone}, module("other", "acme,x")]
    broken = verdict(make_kernel(BASE, modules), tree=tree).first_broken
    assert broken is not None
    assert "which nothing loads" in broken.reason
    modules[1]["softdeps_after"] = ["ethmod"]
    assert verdict(make_kernel(BASE, modules), tree=tree).verdict is Verdict.WORKS


def test_firmware_of_which_nothing_is_there() -> None:
    facts = kernel(initramfs=None, eth_built_in=False, firmware=["acme/a.bin", "acme/b-*.bin"])
    missing = verdict(facts, Given(firmware=frozenset({"other.bin"})))
    assert missing.verdict is Verdict.WORKS
    assert names(missing) == ["firmware-missing"]
    assert "acme/a.bin" in missing.hazards[0].reason
    for there in ("acme/a.bin.zst", "acme/b-7.bin"):
        assert names(verdict(facts, Given(firmware=frozenset({there})))) == []
    assert names(verdict(facts)) == []  # no root file system to look in


@pytest.mark.parametrize(
    ("kind", "sizes", "version", "page", "expected"),
    [
        ("squashfs", {"block_size": 4096}, "7.3", 16384, Verdict.FAILS),
        ("squashfs", {"block_size": 131072}, "6.12", 16384, Verdict.WORKS),
        ("ext4", {"block_size": 16384}, "6.18.5", 4096, Verdict.FAILS),
        ("ext4", {"block_size": 16384}, "6.19", 4096, Verdict.WORKS),
        ("ext4", {"block_size": 4096}, "6.12", 16384, Verdict.WORKS),
        ("xfs", {"block_size": 16384, "format_version": 5}, "6.11", 4096, Verdict.FAILS),
        ("xfs", {"block_size": 16384, "format_version": 5}, "6.12", 4096, Verdict.WORKS),
        ("xfs", {"block_size": 16384, "format_version": 4}, "6.12", 4096, Verdict.FAILS),
        ("btrfs", {"sector_size": 16384}, "6.12", 4096, Verdict.FAILS),
        ("btrfs", {"sector_size": 16384}, "6.18", 4096, Verdict.FAILS),
        ("btrfs", {"sector_size": 4096}, "6.12", 16384, Verdict.WORKS),
        ("btrfs", {"sector_size": 4096}, "5.15", 16384, Verdict.FAILS),
        ("swap", {"page_size": 4096}, "6.12", 16384, Verdict.WORKS),
    ],
)
def test_file_systems_that_a_page_size_refuses(
    kind: str, sizes: dict[str, int], version: str, page: int, expected: Verdict
) -> None:
    facts = make_kernel(version=version, page_size=page)
    given = Given((FileSystemFacts(kind, "disk.raw:partition 2", sizes),))
    goal_verdict = judge_os(whole("", facts, given=given))
    assert goal_verdict.verdict is expected
    if expected is Verdict.FAILS:
        assert goal_verdict.first_broken is not None
        assert "disk.raw:partition 2" in str(goal_verdict.first_broken.because)
        assert str(page) in goal_verdict.first_broken.reason
    assert ("swap-page-size" in names(goal_verdict)) is (kind == "swap")


def test_sectors_larger_than_pages_need_an_option_of_btrfs() -> None:
    given = Given((FileSystemFacts("btrfs", "a", {"sector_size": 16384}),))
    facts = make_kernel(version="6.18", config={"CONFIG_BTRFS_EXPERIMENTAL": "y"})
    assert judge_os(whole("", facts, given=given)).verdict is Verdict.WORKS


def test_a_boot_partition_without_the_board_s_devicetree() -> None:
    facts = make_kernel((*BASE, driver("eth", "acme,eth")), [])
    tree = 'compatible = "acme,board", "brcm,bcm2712"; eth@1 { compatible = "acme,eth"; reg = <1 1>; };'
    broken = verdict(facts, Given(settings={}, devicetree_missing=True), tree=tree)
    assert broken.verdict is Verdict.FAILS
    assert "eeprom-os-check" in names(broken)
    for given in (
        Given(settings={"os_check": "0"}, devicetree_missing=True),
        Given(settings={}),
        Given(devicetree_missing=True),
    ):
        assert verdict(facts, given, tree=tree).verdict is Verdict.WORKS


DEBIAN = {
    "CONFIG_EFI": "y",
    "CONFIG_EFIVAR_FS": "m",
    "CONFIG_CONFIGFS_FS": "m",
    "CONFIG_SECURITY_APPARMOR": "y",
    "CONFIG_SECURITY_SELINUX": "y",
    "CONFIG_LSM": "landlock,yama,apparmor,selinux",
    **dict.fromkeys(
        (
            *("CONFIG_DEVTMPFS", "CONFIG_TMPFS", "CONFIG_HUGETLBFS", "CONFIG_BPF_SYSCALL"),
            *("CONFIG_SECURITYFS", "CONFIG_TRACING", "CONFIG_DEBUG_FS"),
        ),
        "y",
    ),
}
LOADED = Given(before_init=frozenset({"configfs", "efivarfs"}), by_efi=True)


@pytest.mark.parametrize(
    ("os", "changed", "arguments", "given", "broken"),
    [
        ("1.12.1", {}, "", LOADED, None),
        ("1.12.1", {}, "", Given(by_efi=True), "talos-configfs-early"),
        ("1.9.5", {}, "", Given(by_efi=True), "talos-efivarfs-early"),
        ("1.9.5", {}, "", Given(by_efi=False), None),
        ("1.12.1", {}, "efi=debug,noruntime", LOADED, "talos-efivarfs-early"),
        ("1.12.1", {"CONFIG_TRACING": "n"}, "", LOADED, "talos-pseudo-mounts"),
        ("1.12.1", {}, "debugfs=on debugfs=off", LOADED, "talos-pseudo-mounts"),
        ("1.10.9", {}, "debugfs=off", LOADED, None),
        # With AppArmor first there is no selinuxfs; only 1.10.0 and 1.10.1 mount it all the same.
        ("1.10.1", {}, "selinux=1", LOADED, "talos-selinuxfs"),
        ("1.10.1", {}, "selinux=1 security=selinux", LOADED, None),
        ("1.10.1", {"CONFIG_SECURITY_SELINUX": "n"}, "selinux=1 security=selinux", LOADED, "talos-selinuxfs"),
        ("1.10.2", {}, "selinux=1", LOADED, None),
    ],
)
def test_what_the_init_of_talos_mounts_before_it_loads_a_module(
    os: str, changed: dict[str, str], arguments: str, given: Given, broken: str | None
) -> None:
    facts = make_kernel(config={**DEBIAN, **changed}, arguments=arguments)
    version = Version.parse(os)
    assert version is not None
    goal_verdict = judge_os(predict(facts, compile_tree(""), os={"talos": version}, given=given), "os-start")
    expected = Verdict.WORKS if broken is None else Verdict.FAILS
    assert (goal_verdict.verdict, goal_verdict.first_broken and goal_verdict.first_broken.needs) == (
        expected,
        broken and f"hazard {broken}",
    )


def test_what_only_the_configuration_tells_is_mended_by_giving_it() -> None:
    version = Version.parse("1.12.1")
    assert version is not None
    for whole_file, reason in ((None, "configuration is not known"), (False, "says nothing of CONFIG_")):
        facts = make_kernel(config={"CONFIG_ARM64": "y"})
        config = facts.config
        assert config is not None
        facts.__dict__["config"] = None if whole_file is None else evolve(config, whole=False)
        goal_verdict = judge_os(predict(facts, compile_tree(""), os={"talos": version}), "os-start")
        broken = goal_verdict.first_broken
        assert goal_verdict.verdict is Verdict.UNKNOWN
        assert broken is not None
        assert reason in broken.reason
        assert broken.remedy.startswith("give the kernel's whole configuration")


def test_a_talos_without_selinux_is_told_of() -> None:
    facts = make_kernel(config=DEBIAN, arguments="selinux=1")
    version = Version.parse("1.12.1")
    assert version is not None
    goal_verdict = judge_os(predict(facts, compile_tree(""), os={"talos": version}, given=LOADED), "os-start")
    assert names(goal_verdict) == ["talos-no-selinux"]
    assert "security=selinux" in goal_verdict.hazards[0].remedy
    chosen = make_kernel(config=DEBIAN, arguments="selinux=1 lsm=selinux")
    assert (
        names(judge_os(predict(chosen, compile_tree(""), os={"talos": version}, given=LOADED), "os-start"))
        == []
    )


STARTS_U_BOOT = {"kernel": "u-boot.bin"}
PI5 = 'host@1 { compatible = "brcm,bcm2712-pcie"; reg = <1 1>; }; soc { compatible = "brcm,bcm2712"; };'


@pytest.mark.parametrize(
    ("given", "rule", "there"),
    [
        (Given(), "u-boot-pi5-usb", False),
        (Given(u_boot=UBoot("2025.01", (), frozenset())), "u-boot-pi5-usb", True),
        (
            Given(u_boot=UBoot("2026.01", (Dm("pcie", ("brcm,bcm2712-pcie",)),), frozenset())),
            "u-boot-pi5-usb",
            False,
        ),
        (
            Given(eeprom=Eeprom(date(2023, 12, 1), None), settings={"kernel": "u-boot.bin"}),
            "eeprom-u-boot",
            True,
        ),
        (
            Given(eeprom=Eeprom(date(2024, 2, 16), None), settings={"kernel": "u-boot.bin"}),
            "eeprom-u-boot",
            False,
        ),
        (Given(eeprom=Eeprom(None, {"BOOT_ORDER": "0xf41"})), "eeprom-nvme-order", True),
        (Given(eeprom=Eeprom(None, {"BOOT_ORDER": "0xf461"})), "eeprom-nvme-order", False),
        (Given(eeprom=Eeprom(None, None)), "eeprom-nvme-order", False),
    ],
)
def test_what_runs_before_the_kernel(given: Given, rule: str, there: bool) -> None:
    solved = predict(make_kernel(), compile_tree(PI5), given=given)
    known = next(hazard for hazard in solved.known.hazards if hazard.name == rule)
    assert (strike(solved, known, set()) is not None) is there


def test_an_old_eeprom_reads_no_gpt() -> None:
    tree = compile_tree('soc { compatible = "brcm,bcm2711"; };')
    old = Eeprom(date(2020, 6, 1), None)
    for table, there in (("gpt", True), ("dos", False)):
        solved = predict(make_kernel(), tree, given=Given(eeprom=old, partition_table=table))
        known = next(hazard for hazard in solved.known.hazards if hazard.name == "eeprom-gpt")
        struck = strike(solved, known, set())
        assert (struck is not None and struck.effect is Verdict.FAILS) is there


@pytest.mark.parametrize(
    ("release", "system", "there"),
    [
        ("6.18.15+deb13-arm64", "1.13.4", True),  # Debian's kernel, swapped into a Talos whose own is mended
        ("6.18.33-talos", "1.13.3", False),
        ("6.18.33-talos", "1.12.6", False),
        ("6.18.29-talos", "1.13.2", True),
        ("6.19.14-talos", "1.13.4", True),  # built by somebody: whether it has the patches is not known
        ("7.3.4+deb14-arm64", "1.12.6", False),
        ("", "1.13.4", True),
    ],
)
def test_whose_kernel_it_is_decides_what_it_was_mended_of(release: str, system: str, there: bool) -> None:
    rp1 = driver("macb", "raspberrypi,rp1-gem")
    facts = make_kernel((*BASE, rp1), version=re.split("[-+]", release)[0] or "6.18.33")
    facts = evolve(facts, release=release)
    tree = compile_tree('eth@1 { compatible = "raspberrypi,rp1-gem"; reg = <1 1>; };')
    version = Version.parse(system)
    assert version is not None
    prediction = predict(facts, tree, os={"talos": version})
    struck = strike(prediction, HAZARDS.get("macb-tx-stall"), {"/eth@1"})
    assert (struck is not None) is there


@pytest.mark.parametrize(
    ("system", "kernel_version", "expected"),
    [
        ("1.13.1", "6.12.117", ["talos-detached-mounts"]),
        ("1.13.1", "6.14.2", ["talos-detached-mounts"]),
        ("1.14.1", "6.12.117", ["talos-etc-overlay"]),
        ("1.14.1", "6.14.2", ["talos-etc-clone"]),
        ("1.14.1", "6.15.1", []),
        ("1.11.3", "6.12.117", []),
    ],
)
def test_the_version_of_talos_says_which_mount_an_older_kernel_refuses(
    system: str, kernel_version: str, expected: list[str]
) -> None:
    version = Version.parse(system)
    assert version is not None
    prediction = predict(make_kernel(version=kernel_version), compile_tree(""), os={"talos": version})
    verdicts = judge_os(prediction, "os-mounts")
    assert verdicts.verdict is (Verdict.FAILS if expected else Verdict.WORKS)
    rules = (rule for rule in prediction.known.hazards if rule.goals == ("os-mounts",))
    assert [rule.name for rule in rules if strike(prediction, rule, set())] == expected


def goal_of(
    name: str, body: str, kernel: KernelFacts, compatible: str, *, stepping: str | None = "d0"
) -> GoalVerdict:
    goal = Goal(name, (Find(compatible=compatible),), None, False, "")
    board = Board(
        "acme", "Acme", ("acme",), "", (Stepping("any", "", ""),), None, (), (goal,), (), frozenset()
    )
    return judge(predict(kernel, compile_tree(body), stepping=stepping), board, goal)


def test_a_hazard_that_would_break_the_goal_and_may_not_be_there_makes_it_unknown() -> None:
    body = """pinctrl { compatible = "brcm,bcm2712c0-pinctrl"; };
        device { compatible = "acme,lone"; };"""
    pins = module("pinctrl_bcm2712", "brcm,bcm2712c0-pinctrl")
    for modules, wanted in (([pins], Verdict.FAILS), (None, Verdict.UNKNOWN), ([], Verdict.WORKS)):
        became = goal_of("nvme", body, make_kernel(modules=modules), "acme,lone")
        assert became.verdict is wanted, modules
    of_any = goal_of("nvme", body, make_kernel(modules=[pins]), "acme,lone", stepping=None)
    assert of_any.verdict is Verdict.WORKS  # which stepping it is nobody told: it is a hazard alone
    unknown = goal_of("console", body, make_kernel(modules=None), "acme,lone")
    assert unknown.first_broken is not None
    assert unknown.first_broken.needs == "hazard bcm2712-d0-pinctrl"
    assert {hazard.effect for hazard in unknown.hazards} == {Verdict.UNKNOWN}
    for hazard in unknown.hazards:
        assert hazard.title.startswith("Not known whether it is so")
        assert "--modules" in hazard.remedy


def test_a_console_that_binds_without_an_interrupt_is_of_no_use() -> None:
    body = """gic: gic { compatible = "acme,gic"; interrupt-controller; #interrupt-cells = <1>; };
        clk: clk { compatible = "fixed-clock"; #clock-cells = <0>; clock-frequency = <1>; };
        serial@1 { compatible = "arm,pl011", "arm,primecell"; reg = <1 1>; interrupt-parent = <&gic>;
          clocks = <&clk>; clock-names = "apb_pclk"; %s };"""
    assert goal_of("console", body % "interrupts = <1>;", make_kernel(), "arm,pl011").verdict is Verdict.WORKS
    without = goal_of("console", body % "", make_kernel(), "arm,pl011")
    assert without.verdict is Verdict.FAILS
    solved = predict(make_kernel(), compile_tree(body % ""))
    assert next(node for node in solved.nodes if node.path == "/serial@1").bound.word == "yes"


def test_a_pci_host_without_ranges_has_no_memory_for_what_is_behind_it() -> None:
    body = """pcie@1 { compatible = "acme,pcie"; device_type = "pci"; #address-cells = <3>; #size-cells = <2>;
        %s };"""
    there = "ranges = <0x2000000 0 0 0 0 1>;"
    assert goal_of("nvme", body % there, make_kernel(), "acme,pcie").verdict is Verdict.WORKS
    without = goal_of("nvme", body % "", make_kernel(), "acme,pcie")
    assert without.verdict is Verdict.FAILS
    assert without.first_broken is not None
    assert without.first_broken.needs == "ranges"


def test_a_mac_whose_phy_is_not_there_may_come_up_or_not() -> None:
    body = """ethernet@1 { compatible = "acme,gem"; phy-handle = <%s>;
        mdio { #address-cells = <1>; #size-cells = <0>; phy: ethernet-phy@1 { reg = <1>; }; }; };"""
    assert goal_of("ethernet", body % "&phy", make_kernel(), "acme,gem").verdict is Verdict.WORKS
    without = goal_of("ethernet", body % "0xdead", make_kernel(), "acme,gem")
    assert without.verdict is Verdict.UNKNOWN
    assert without.first_broken is not None
    assert "phy-handle" in without.first_broken.reason
