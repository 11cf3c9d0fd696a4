"""Labelled histories of upstream repositories (`tests/upstream/histories/*.toml`), made into real ones.

Each says its first files, and commits in order; `matters` is the question that a commit touches, by somebody
who knows what it does, left out where it touches none.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen
from history_kit import History

from bootwright.upstream.relevance.subject import Subject

HISTORIES = Path(__file__).parent.parent / "upstream" / "histories"

_PCIE = "/axi/pcie@1000120000"
_OLD, _NEW = f"{_PCIE}/rp1_nexus/pci-ep-bus@1", f"{_PCIE}/pci@0,0/dev@0,0/pci-ep-bus@1"
SUBJECTS: Mapping[str, Subject] = {
    # As Debian's 6.18 and 7.3 with their devicetrees give it (test_subjects.py).
    "ethernet-rp1": Subject(
        outcome="ethernet",
        label="Ethernet comes up",
        boards=frozenset({"raspberrypi-5"}),
        dtbs=frozenset({"bcm2712-rpi-5-b.dtb", "bcm2712-d-rpi-5-b.dtb"}),
        nodes=frozenset(
            {
                "/soc@107c000000/reset-controller@119500",
                "/soc@107c000000/reset-controller@1504318",
                "/axi/msi-controller@1000130000",
                _PCIE,
                *(
                    f"{bus}/{name}"
                    for bus in (_OLD, _NEW)
                    for name in (
                        "clocks@40018000",
                        "pinctrl@400d0000",
                        "ethernet@40100000",
                        "ethernet@40100000/mdio/ethernet-phy@1",
                    )
                ),
            }
        ),
        goal_nodes=frozenset({f"{_OLD}/ethernet@40100000", f"{_NEW}/ethernet@40100000"}),
        labels=frozenset(
            {"pcie2", "mip0", "pcie_rescal", "rp1_clocks", "rp1_gpio", "rp1_eth", "phy1", "pci_ep_bus"}
        ),
        compatibles=frozenset(
            {
                "raspberrypi,rp1-gem",
                "raspberrypi,rp1-gpio",
                "raspberrypi,rp1-clocks",
                "brcm,bcm2712-pcie",
                "brcm,bcm2712-mip",
                "brcm,bcm7216-pcie-sata-rescal",
                "brcm,brcmstb-reset",
                "pci1de4,1",
            }
        ),
        objects=frozenset(
            {
                "drivers/net/ethernet/cadence/macb",
                "drivers/misc/rp1/rp1-pci",
                "drivers/clk/clk-rp1",
                "drivers/pinctrl/pinctrl-rp1",
                "drivers/pci/controller/pcie-brcmstb",
                "drivers/irqchip/irq-bcm2712-mip",
                "drivers/net/phy/broadcom",
            }
        ),
        drivers=frozenset(
            {
                "macb",
                "rp1_pci",
                "rp1-pci",
                "clk-rp1",
                "clk_rp1",
                "pinctrl-rp1",
                "pcie-brcmstb",
                "irq-bcm2712-mip",
            }
            | {"broadcom", "brcm-pcie", "mip_msi", "rp1-clk"}
        ),
        options=frozenset(
            f"CONFIG_{name}"
            for name in (
                *(
                    "MACB",
                    "NET_VENDOR_CADENCE",
                    "ETHERNET",
                    "MISC_RP1",
                    "COMMON_CLK_RP1",
                    "PINCTRL_RP1",
                    "PCI",
                ),
                *("PCIE_BRCMSTB", "BCM2712_MIP", "BROADCOM_PHY", "PHYLIB"),
                *("ARM64_4K_PAGES", "ARM64_16K_PAGES", "ARM64_64K_PAGES"),
            )
        ),
        driver_options=frozenset(
            f"CONFIG_{name}"
            for name in (
                *("MACB", "MISC_RP1", "COMMON_CLK_RP1", "PINCTRL_RP1", "PCIE_BRCMSTB", "BCM2712_MIP"),
                "BROADCOM_PHY",
            )
        ),
        phy_ids=frozenset({0x600D84A2}),
        pci_ids=frozenset({(0x1DE4, 0x0001)}),
    ),
    "ethernet-rk3568": Subject(
        outcome="ethernet",
        label="Ethernet comes up",
        boards=frozenset({"a-board"}),
        dtbs=frozenset({"rk3568-board.dtb"}),
        nodes=frozenset(
            {
                "/clock-controller@fdd20000",
                "/ethernet@fe2a0000",
                "/ethernet@fe2a0000/mdio/ethernet-phy@1",
            }
        ),
        goal_nodes=frozenset({"/ethernet@fe2a0000"}),
        labels=frozenset({"cru", "gmac0", "mdio0", "rgmii_phy"}),
        compatibles=frozenset({"rockchip,rk3568-gmac", "rockchip,rk3568-cru"}),
        objects=frozenset(
            {
                "drivers/net/ethernet/stmicro/stmmac/dwmac-rk",
                "drivers/clk/rockchip/clk-rk3568",
                "drivers/net/phy/motorcomm",
            }
        ),
        drivers=frozenset({"dwmac-rk", "rk_gmac-dwmac", "clk-rk3568", "motorcomm"}),
        options=frozenset(
            {"CONFIG_STMMAC_ETH", "CONFIG_DWMAC_ROCKCHIP", "CONFIG_CLK_RK3568", "CONFIG_MOTORCOMM_PHY"}
        ),
        driver_options=frozenset({"CONFIG_DWMAC_ROCKCHIP", "CONFIG_CLK_RK3568", "CONFIG_MOTORCOMM_PHY"}),
        phy_ids=frozenset({0x0000011A}),
    ),
    "mounts": Subject(
        outcome="talos-mounts",
        label="Talos mounts its files over /etc",
        calls=frozenset({"fsopen", "fsconfig", "fsmount", "open_tree", "move_mount", "mount_setattr"}),
        paths={"talos": ("internal/app/machined/pkg/controllers/files/",)},
    ),
}


@frozen
class Labelled:
    """A repository and what is known of its commits."""

    folder: Path
    upstream: str
    subject: Subject
    matters: Mapping[str, str]
    """Commit → the question that it touches; empty where none."""


def histories() -> list[str]:
    return sorted(path.stem for path in HISTORIES.glob("*.toml"))


def make(name: str, folder: Path) -> Labelled:
    """Make the repository of a history."""
    table = tomllib.loads((HISTORIES / f"{name}.toml").read_text())
    texts = {entry["path"]: entry["text"] for entry in table["file"]}
    history = History.start(folder, texts)
    matters: dict[str, str] = {}
    for entry in table["commit"]:
        changed: dict[str, str | bytes | None] = {}
        for edit in entry["edit"]:
            _apply(texts, edit, entry["subject"])
            changed[edit["path"]] = texts.get(edit["path"])
        message = "\n\n".join(part for part in (entry["subject"], entry.get("body", "")) if part)
        matters[history.commit(message, changed)] = entry.get("matters", "")
    return Labelled(folder, table["upstream"], SUBJECTS[table["about"]], matters)


def _apply(texts: dict[str, str], edit: Mapping[str, Any], subject: str) -> None:
    path = edit["path"]
    if edit.get("delete"):
        del texts[path]
    elif "text" in edit:
        texts[path] = edit["text"]
    else:
        assert texts[path].count(edit["old"]) == 1, f"{subject}: {edit['old']!r} in {path}"
        texts[path] = texts[path].replace(edit["old"], edit["new"])
