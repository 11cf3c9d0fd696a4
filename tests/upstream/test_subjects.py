"""What a plan's questions touch, worked out from real kernels and their devicetrees."""

import pytest
from upstream_kit import SUBJECTS

from bootwright.foundation.progress import Silent
from bootwright.investigate.plans.plan_file import load_plan
from bootwright.kernels.catalogue import open_library
from bootwright.upstream.subjects import subjects_of


@pytest.mark.download
def test_the_ethernet_of_a_raspberry_pi_5() -> None:
    open_library(progress=Silent()).get("debian-7.3-4k", modules=True)
    plan = load_plan("talos-rpi5")
    known = subjects_of(plan, ["ethernet"], open_library(offline=True))
    assert not known.lacks
    [subject] = known.subjects
    kit = SUBJECTS["ethernet-rp1"]
    newer = {"drivers/misc/rp1/rp1_pci"}  # its name since 6.19
    assert kit.objects - {"drivers/misc/rp1/rp1-pci"} | newer <= subject.objects
    assert kit.dtbs == subject.dtbs
    assert kit.compatibles - {"pci1de4,1"} <= subject.compatibles
    assert {path for path in kit.nodes if "rp1_nexus" not in path} <= subject.nodes
    assert {"CONFIG_MACB", "CONFIG_MISC_RP1", "CONFIG_PCIE_BRCMSTB"} <= subject.driver_options
    assert "CONFIG_ARM64_16K_PAGES" in subject.options
    assert subject.phy_ids == {0x600D84A2}
    assert subject.pci_ids == {(0x1DE4, 1)}
    assert {"macb", "rp1_pci", "brcm-pcie"} <= subject.drivers


def test_without_a_kernel_it_says_what_is_missing(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path))
    plan = load_plan("talos-rpi5")
    known = subjects_of(plan, plan.goals, open_library(offline=True))
    assert [subject.outcome for subject in known.subjects] == ["talos-mounts"]
    assert known.lacks == ("ethernet: no kernel of the plan's predictions is on this machine",)
