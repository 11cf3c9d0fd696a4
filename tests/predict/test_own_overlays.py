"""An overlay in a driver's own bytes: found in module or Image, and what it disables is no device."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.predict.conftest import BASE, driver, make_kernel, whole

from bootwright.foundation import tools
from bootwright.predict.kernel import own_overlays
from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.kernel.own_overlays import _blobs, _fragments, own_overlay
from bootwright.predict.model import Answer
from bootwright.predict.rules.conditions import Condition
from bootwright.predict.rules.knowledge import Driver, Knowledge, OwnOverlay, knowledge

SOURCE = """
/dts-v1/;
/plugin/;
/ { fragment@0 { target-path=""; __overlay__ { compatible = "acme,bridge";
  bus { one { status = "disabled"; }; two { status = "okay"; }; three { a; };
    gone { status = "disabled"; }; };
}; }; };
"""
TREE = """
bridge { compatible = "acme,bridge"; bus { compatible = "simple-bus";
  one { compatible = "acme,lone"; }; two { compatible = "acme,lone"; }; three { compatible = "acme,lone"; };
}; };
"""
RULE = Driver(
    name="bridge",
    source="test",
    compatibles=("acme,bridge",),
    overlays=(
        OwnOverlay(
            "the bridge applies its overlay", "use another devicetree", "test", Condition(kernel_since="6.0")
        ),
    ),
)


def blob(source: str = SOURCE) -> bytes:
    return tools.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-"], input_bytes=source.encode())


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    own_overlays._contents.cache_clear()


def a_kernel(image: Path | None) -> KernelFacts:
    kernel = make_kernel((*BASE, driver("bridge", "acme,bridge", calls=["of_platform_default_populate"])))
    kernel.image = image
    return kernel


def with_image(tmp_path: Path, data: bytes) -> Path:
    """An arm64 Image as far as its header goes, with some bytes in it."""
    header = b"MZ" + bytes(6) + struct.pack("<QQQ", 0, 1 << 20, 0) + bytes(24) + b"ARM\x64" + bytes(4)
    path = tmp_path / "Image"
    path.write_bytes(header + bytes(4096) + data + bytes(1000))
    return path


def solved(image: Path | None) -> dict[str, tuple[Answer, str]]:
    known = Knowledge((RULE,), ())
    return {node.path: (node.device, node.reason) for node in whole(TREE, a_kernel(image), known).nodes}


def test_what_the_overlay_disables_is_no_device(tmp_path: Path) -> None:
    nodes = solved(with_image(tmp_path, b"\xd0\x0d\xfe\xed" + blob()))
    assert nodes["/bridge/bus/one"] == (
        Answer.NO,
        "the bridge applies its overlay, which sets this node's status to disabled",
    )
    assert nodes["/bridge/bus/two"][0] is nodes["/bridge/bus/three"][0] is Answer.YES


@pytest.mark.parametrize(
    "data",
    [
        b"",
        blob(SOURCE.replace('target-path=""', 'target-path="/x"')),
        blob().replace(b"acme,bridge", b"acme,fridge"),
        blob()[:-20],
    ],
    ids=["none", "for another node", "for another device", "cut short"],
)
def test_without_its_bytes_nothing_below_is_known(data: bytes, tmp_path: Path) -> None:
    for image in (with_image(tmp_path, data), None):
        nodes = solved(image)
        assert nodes["/bridge/bus/one"][0] is Answer.UNKNOWN
        assert nodes["/bridge/bus/two"][0] is Answer.UNKNOWN


def test_a_devicetree_it_is_not_for_is_left_alone(tmp_path: Path) -> None:
    never = Knowledge((), ())
    image = with_image(tmp_path, blob())
    nodes = {node.path: node.device for node in whole(TREE, a_kernel(image), never).nodes}
    assert nodes["/bridge/bus/one"] is Answer.YES


@given(st.binary(max_size=200), st.integers(0, 400), st.binary(max_size=8))
@example(b"\xd0\x0d\xfe\xed" * 50, 0, b"")
def test_any_bytes_are_read_without_an_error(noise: bytes, at: int, change: bytes) -> None:
    data = bytearray(noise + blob() + noise)
    data[at : at + len(change)] = change
    for content in (node for blob in _blobs(bytes(data)) for node in _fragments(blob, "x")):
        assert content.name == "__overlay__"


@pytest.mark.download
def test_rp1s_overlay_is_read_from_debians_module() -> None:
    from bootwright.foundation.errors import Missing, Refused
    from bootwright.kernels.catalogue import open_library
    from bootwright.predict.api import facts_of

    try:
        kernel = open_library(offline=True).get("debian-6.18.15-4k", modules=True)
    except (Missing, Refused) as error:
        pytest.skip(str(error))
    content = own_overlay(facts_of(kernel), "rp1_pci", ("pci1de4,1",))
    assert content is not None
    below = {node.name: node.string("status") for node in content.walk() if node.string("status")}
    assert below == dict.fromkeys(("ethernet@40100000", "usb@40200000", "usb@40300000"), "disabled")
    assert own_overlay(facts_of(kernel), "macb", ("pci1de4,1",)) is None
    assert "rp1-pci" in {rule.name for rule in knowledge().drivers if rule.overlays}
