"""Predictions against recorded boots: node by node, without per-machine rules."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import jsonschema
import pytest

from bootwright.foundation.errors import BootwrightError, Malformed, Refused
from bootwright.foundation.places import data_files
from bootwright.foundation.versions import Version
from bootwright.kernels.catalogue import open_library
from bootwright.kernels.model import Kernel
from bootwright.lab.truth import Device, from_json, parse, to_json
from bootwright.lab.truth_machines import load_truth_machine, truth_machine

ROOT = Path(__file__).parents[2]
RECORDED = sorted((Path(__file__).parent / "truth").glob("*.json"))

KERNEL = Kernel(
    name="k",
    version=Version.parse("6.18") or Version("6.18", ((6, 18), 0)),
    release="6.18.0",
    page_size=4096,
    image=Path("Image"),
    image_sha256="",
    config=None,
    modules=None,
    dtbs=None,
)


def scorer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("score_predict", ROOT / "benchmarks" / "score_predict.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recordings_are_in_the_form(path: Path) -> None:
    schema = json.loads((ROOT / "docs/schemas/truth.schema.json").read_text())
    jsonschema.validate(json.loads(path.read_text()), schema)
    truth = from_json(path.read_text(), path.name)
    assert truth.fdt[:4] == b"\xd0\x0d\xfe\xed"
    assert path.stem == f"{truth.machine}-{truth.kernel}"
    assert from_json(to_json(truth), "again") == truth


@pytest.mark.download
def test_precision_and_recall_over_all_recordings() -> None:
    score = scorer()
    total = score.Score()
    kernels = 0
    for path in RECORDED:
        truth = from_json(path.read_text(), path.name)
        try:
            open_library().get(truth.kernel, modules=True)
        except BootwrightError:
            continue
        kernels += 1
        found = score.score(truth, truth.kernel)
        # One virtio slot of 32 has a device, and no file says which: its only miss.
        assert found.precision >= 0.97, found.wrongly_bound
        assert len(found.missed) <= 1, found.missed
        total.right += found.right
        total.wrongly_bound += found.wrongly_bound
        total.missed += found.missed
    if not kernels:
        pytest.skip("none of the kernels is here or in the archive")
    assert total.precision >= 0.97
    assert total.recall >= 0.97


@pytest.mark.parametrize("path", data_files("truth"), ids=lambda path: path.stem)
def test_machines_say_why_a_node_is_masked(path: Path) -> None:
    machine = load_truth_machine(path)
    assert all(node.startswith("/") and reason for node, reason in machine.masked.items())


def test_an_unknown_machine_is_refused() -> None:
    with pytest.raises(Refused, match="no machine"):
        truth_machine("atari")


def test_a_console_is_read_by_its_mark_only() -> None:
    console = (
        b"[ 1.0] bw1: truth device platform a.uart uart /soc/uart@1\r\n"
        b"[ 1.0] bw1: truth device platform a.uart uart /soc/uart@1\r\n"  # two consoles
        b"[ 1.1] bw2: truth device platform b.uart uart /soc/uart@2\n"
        b"truth device platform c.uart uart /soc/uart@3\n"
        b"[ 1.2] bw1: truth device gpio gpiochip0 stub /soc/gpio@4\n"
        b"[ 1.2] bw1: truth device platform d.x - /soc/x@5\n"
        b"[ 1.3] bw1: truth interface eth0 /devicetree/base/soc/eth@6\n"
        b"[ 1.3] bw1: truth deferred e.mmc\tsupplier not ready\n"
        b"[ 1.4] bw1: truth fdt 0 d00dfeed00000008\n"
    )
    assert parse(console, "bw1", machine="m", kernel=KERNEL, emulator="QEMU") is None
    truth = parse(console + b"bw1: truth end\n", "bw1", machine="m", kernel=KERNEL, emulator="QEMU")
    assert truth is not None
    assert truth.bound() == {"/soc/uart@1": "uart"}
    assert truth.present() == {"/soc/uart@1", "/soc/x@5"}
    assert Device("/soc/uart@1", "platform", "a.uart", "uart") in truth.devices
    assert truth.interfaces == (("eth0", "/soc/eth@6"),)
    assert truth.deferred == (("e.mmc", "supplier not ready"),)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"machine": 1}'])
def test_what_is_no_recording_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        from_json(text, "x.json")


@pytest.mark.boot
@pytest.mark.download
def test_a_boot_states_its_devices() -> None:
    from bootwright.lab.truth import record

    try:
        kernel = open_library().get("debian-6.18-4k", modules=True)
    except BootwrightError as error:
        pytest.skip(str(error))
    truth, console = record(kernel, truth_machine("virt").with_devicetree(kernel), settle=2)
    assert truth.bound()["/pl011@9000000"] == "uart-pl011"
    assert truth.bound()["/pcie@10000000"] == "pci-host-generic"
    assert truth.release == kernel.release
    assert b"Linux version" not in console or truth.fdt
