"""Rules of the kernel that came with boards nobody had looked at: each in a made-up devicetree."""

from __future__ import annotations

from tests.predict.conftest import BASE, compile_tree, driver, make_kernel, module

from bootwright.predict.goals import predict
from bootwright.predict.model import Answer, Evidence, Link, NodePrediction, first_broken


def nodes(body: str, *modules: dict[str, object]) -> dict[str, NodePrediction]:
    kernel = make_kernel((*BASE, driver("edge", "qcom,glink-rpm")), modules)
    return {node.path: node for node in predict(kernel, compile_tree(body)).nodes}


def test_panels_on_dsi_and_on_the_aux_bus_are_devices_of_their_own_buses() -> None:
    predictions = nodes(
        """dsi@1 { compatible = "acme,dsi"; reg = <1 1>; #address-cells = <1>; #size-cells = <0>;
            panel@0 { compatible = "acme,panel"; reg = <0>; }; ports { port { }; }; };
        edp@2 { compatible = "acme,dsi"; reg = <2 1>; aux-bus { panel { compatible = "acme,edp"; }; }; };""",
        module("dsi", "acme,dsi"),
        module("panel", "acme,panel", bus="dsi"),
        module("edp", "acme,edp"),
    )
    assert (predictions["/dsi@1/panel@0"].bus, predictions["/dsi@1/panel@0"].bound) == ("dsi", Answer.YES)
    assert (predictions["/edp@2/aux-bus/panel"].bus, predictions["/edp@2/aux-bus/panel"].bound) == (
        "dp-aux",
        Answer.YES,
    )
    assert predictions["/dsi@1/ports"].device is Answer.NO


def test_a_cell_of_a_multi_function_device_is_matched_by_its_name() -> None:
    body = """pmic@1 { compatible = "acme,mfd"; reg = <1 1>;
        regulators { compatible = "acme,m1-regulator"; }; rtc { compatible = "acme,m1-rtc"; }; };"""
    named = module("m1_regulator", aliases=["platform:m1-regulator"])
    predictions = nodes(body, named)
    # Whether anything asks for the module by that name is in a table of the driver that makes the cell.
    assert predictions["/pmic@1/regulators"].driver is None
    assert predictions["/pmic@1/regulators"].bound is Answer.UNKNOWN
    assert "depends on a table" in predictions["/pmic@1/regulators"].reason
    assert predictions["/pmic@1/rtc"].bound is Answer.NO
    loaded = nodes(body, named, module("m1_rtc", "acme,m1-rtc", softdeps=["m1_regulator"]))
    assert loaded["/pmic@1/regulators"].bound is Answer.YES


def test_an_edge_is_no_device_of_its_own_bus_and_the_power_manager_answers() -> None:
    predictions = nodes(
        """remoteproc { compatible = "qcom,rpm-proc"; glink-edge { compatible = "qcom,glink-rpm";
            rpm-requests { compatible = "acme,rpm"; }; }; };
        adsp@2 { compatible = "acme,dsp"; reg = <2 1>;
            smd-edge { wcnss { compatible = "acme,rpm"; }; }; };""",
        module("rpm_proc", "qcom,rpm-proc", calls=["of_platform_populate"]),
        module("rpm", "acme,rpm", bus="rpmsg"),
        module("dsp", "acme,dsp"),
    )
    assert (predictions["/remoteproc/glink-edge"].bus, predictions["/remoteproc/glink-edge"].bound) == (
        "platform",
        Answer.YES,
    )
    assert predictions["/remoteproc/glink-edge/rpm-requests"].bound is Answer.YES
    assert (predictions["/adsp@2/smd-edge/wcnss"].bus, predictions["/adsp@2/smd-edge/wcnss"].bound) == (
        "rpmsg",
        Answer.UNKNOWN,
    )


def test_a_pci_function_without_an_id_is_unknown_and_not_without_a_driver() -> None:
    predictions = nodes(
        """pcie@1 { compatible = "acme,pcie"; device_type = "pci"; reg = <1 1>; #address-cells = <3>;
            #size-cells = <2>; ranges; usb@0,0 { reg = <0 0 0 0 0>; };
            ethernet@1,0 { compatible = "pci10ec,8168"; reg = <0x800 0 0 0 0>; }; };"""
    )
    assert predictions["/pcie@1/usb@0,0"].bound is Answer.UNKNOWN
    assert predictions["/pcie@1/ethernet@1,0"].bound is Answer.NO


def test_what_the_mtd_core_looks_up_itself_is_no_device() -> None:
    predictions = nodes(
        """flash@1 { compatible = "acme,flash"; reg = <1 1>; otp-1 { compatible = "user-otp"; }; };""",
        module("flash", "acme,flash", calls=["of_platform_populate"]),
    )
    assert predictions["/flash@1/otp-1"].device is Answer.NO


def test_in_a_circle_the_link_counts_that_waits_for_nothing_in_it() -> None:
    def link(node: str, waits_for: str | None) -> Link:
        return Link(node, "x", Answer.NO, Evidence("x", "x"), waits_for=waits_for)

    phy, clock = link("/phy", "/clock"), link("/clock", None)
    assert first_broken([phy, clock]) is clock
    assert first_broken([link("/phy", "/clock"), link("/clock", "/phy")]) is not None
    assert first_broken([link("/a", "/elsewhere"), clock]) == link("/a", "/elsewhere")
