"""What really bound: what a guest states, how it is kept, and the machines it is recorded on."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.formats.devicetree.fdt import parse_fdt
from bootwright.foundation.errors import BootwrightError, Malformed, Refused, ToolFailed
from bootwright.foundation.places import data_files
from bootwright.foundation.versions import Version
from bootwright.kernels.catalogue import open_library
from bootwright.kernels.model import Kernel
from bootwright.lab.truth.machines import load_truth_machine, truth_machine
from bootwright.lab.truth.outcomes import Became, outcomes
from bootwright.lab.truth.recording import Device, Failure, Interface, Truth, from_json, parse, to_json

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs/schemas/truth.schema.json").read_text())
RECORDED = sorted((ROOT / "tests/predict/truth").glob("*.json"))
CONSOLE = b"""\
[ 1.0] bw1: truth 0 failed macb 6.eth: probe with driver macb failed with error -22\r
[ 1.0] bw1: truth 1 device platform a.uart uart /soc/uart@1\r
[ 1.0] bw1: truth 1 device platform a.uart uart /soc/uart@1\r
[ 1.1] bw2: truth device platform b.uart uart /soc/uart@2
truth device platform c.uart uart /soc/uart@3
[ 1.2] bw1: truth 2 device gpio gpiochip0 stub /soc/gpio@4
[ 1.2] bw1: truth 3 device platform d.x - /soc/x@5
[ 1.2] bw1: truth 4 device platform 6.eth - /soc/eth@6
[ 1.2] bw1: truth 5 device platform 7.mmc - /soc/mmc@7
[ 1.2] bw1: truth 6 device platform 8.usb - /soc/usb@8
[ 1.3] bw1: truth 7 interface eth0 /soc/uart@1 uart
[ 1.3] bw1: truth 8 interface eth1 /soc/uart@1 uart
[ 1.3] bw1: truth 9 interface lo - -
[ 1.3] bw1: truth 10 deferred 7.mmc\tplatform: supplier d.x not ready
[ 1.3] bw1: truth 11 deferred 8.usb\tplatform: wait for supplier /soc/x@5/port
[ 1.4] bw1: truth 12 fdt 0 d00dfeed00000008
[ 1.5] bw1: truth 13 dhcp eth0 10.0.2.15
[ 1.6] bw1: truth 14 dhcp eth1 dhcp-discover ETIMEDOUT
"""


def stated(console: bytes = CONSOLE + b"bw1: truth 15 end\n") -> Truth | None:
    return parse(console, "bw1", machine="m", kernel="k", release="6.18.0", emulator="QEMU")


def fuzz_target() -> Callable[[bytes], None]:
    spec = importlib.util.spec_from_file_location("fuzz_truth", ROOT / "fuzz" / "fuzz_truth.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.one_input


def kernel(dtbs: Path | None = None) -> Kernel:
    return Kernel(
        name="k",
        version=Version.parse("6.18") or Version("6.18", ((6, 18), 0)),
        release="6.18.0",
        page_size=4096,
        image=Path("Image"),
        image_sha256="",
        config=None,
        modules=None,
        dtbs=dtbs,
    )


def test_a_console_is_read_by_its_mark_and_to_its_end_only() -> None:
    assert stated(CONSOLE) is None
    truth = stated()
    assert truth is not None
    assert truth.bound() == {"/soc/uart@1": "uart"}
    assert "/soc/gpio@4" not in truth.present()
    assert Device("/soc/uart@1", "platform", "a.uart", "uart") in truth.devices
    assert truth.failures == (Failure("6.eth", "macb", 22),)
    assert truth.interfaces == (
        Interface("eth0", "/soc/uart@1", "uart", "10.0.2.15"),
        Interface("eth1", "/soc/uart@1", "uart", "dhcp-discover ETIMEDOUT"),
        Interface("lo", "", None, ""),
    )
    assert [interface.leased for interface in truth.interfaces] == [True, False, False]


def test_what_is_written_is_in_the_form() -> None:
    truth = stated(CONSOLE + b"bw1: truth 15 loaded virtio_mmio\nbw1: truth 16 end\n")
    assert truth is not None
    assert truth.loaded == ("virtio_mmio",)
    jsonschema.validate(json.loads(to_json(truth)), SCHEMA)
    assert from_json(to_json(truth), "again") == truth


def test_what_became_of_each_node() -> None:
    truth = stated()
    assert truth is not None
    became = outcomes(truth)
    assert {node: outcome.became for node, outcome in became.items()} == {
        "/soc/uart@1": Became.BOUND,
        "/soc/x@5": Became.UNBOUND,
        "/soc/eth@6": Became.FAILED,
        "/soc/mmc@7": Became.WAITING,
        "/soc/usb@8": Became.WAITING,
    }
    assert became["/soc/mmc@7"].supplier == "/soc/x@5"
    assert became["/soc/usb@8"].supplier == "/soc/x@5/port"


def test_a_reason_without_line_end_runs_into_the_next_device() -> None:
    truth = stated(
        CONSOLE + b"bw1: truth 15 deferred d.x\tx: no gpio6.eth\teth: no clock\nbw1: truth 16 end\n"
    )
    assert truth is not None
    assert ("d.x", "x: no gpio") in truth.deferred
    assert ("6.eth", "eth: no clock") in truth.deferred


def test_a_lost_line_is_said() -> None:
    with pytest.raises(Malformed, match="next part of the devicetree"):
        stated(CONSOLE + b"bw1: truth 15 fdt 256 00\nbw1: truth 16 end\n")
    with pytest.raises(Malformed, match="it was lost"):
        stated(CONSOLE + b"bw1: truth 16 end\n")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"machine": 1}', '{"schema": "bootwright/truth/1"}'])
def test_what_is_no_recording_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        from_json(text, "x.json")


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    fuzz_target()(data)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_statement_or_recording_is_read_or_refused(data: st.DataObject) -> None:
    truth = stated()
    assert truth is not None
    whole = data.draw(st.sampled_from([CONSOLE.replace(b"bw1: truth ", b"\n"), to_json(truth).encode()]))
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    fuzz_target()(bytes(damaged))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recordings_are_in_the_form(path: Path) -> None:
    jsonschema.validate(json.loads(path.read_text()), SCHEMA)
    truth = from_json(path.read_text(), path.name)
    assert truth.fdt[:4] == b"\xd0\x0d\xfe\xed"
    assert path.stem == f"{truth.machine}-{truth.kernel}"
    assert from_json(to_json(truth), "again") == truth
    nodes = {node.path for node in parse_fdt(truth.fdt, path.name).nodes}
    assert truth.present() <= nodes
    # Whoever has a device is asked for an address; every machine's network is a server that leases.
    assert all(bool(interface.dhcp) is (interface.driver is not None) for interface in truth.interfaces)


def test_an_unknown_machine_is_refused() -> None:
    with pytest.raises(Refused, match="no machine"):
        truth_machine("atari")


def test_a_machine_takes_what_it_lacks_from_its_base(tmp_path: Path) -> None:
    shutil.copy(next(path for path in data_files("truth") if path.stem == "virt"), tmp_path)
    (tmp_path / "other.toml").write_text(
        'base = "virt"\nmachine = "virt,gic-version=2"\ndts = "/ { a; };"\n'
        '[[masked]]\nnode = "/x"\nerrno = 5\ncause = "not modelled"\n'
    )
    other = load_truth_machine(tmp_path / "other.toml")
    assert other.machine.name == "other"
    assert other.machine.machine == "virt,gic-version=2"
    assert other.machine.network == truth_machine("virt").machine.network
    assert [(mask.node, mask.cause) for mask in other.masks] == [("/x", "not modelled")]
    (tmp_path / "other.toml").write_text('base = "other"\n')
    with pytest.raises(Malformed, match="another file as base"):
        load_truth_machine(tmp_path / "other.toml")
    (tmp_path / "other.toml").write_text("base = 1")
    with pytest.raises(Malformed):
        load_truth_machine(tmp_path / "other.toml")


def test_devicetree_source_is_compiled_after_what_the_emulator_makes(tmp_path: Path) -> None:
    shutil.copy(next(path for path in data_files("truth") if path.stem == "virt"), tmp_path)
    file = tmp_path / "other.toml"
    file.write_text("base = \"virt\"\ndts = '''/ { new { gpios = <&{/pl061@9030000} 0 0>; }; };'''\n")
    machine = load_truth_machine(file)
    first, second = (machine.with_devicetree(kernel()).arguments for _ in range(2))
    assert first == second  # no random numbers in it: the same devicetree each time
    tree = parse_fdt(Path(first[-1]).read_bytes(), "made")
    controller, new = tree.node("/pl061@9030000"), tree.node("/new")
    assert controller is not None
    assert new is not None
    assert new.cells("gpios")[0] == controller.cell("phandle")
    file.write_text("base = \"virt\"\ndts = '''&{/nowhere} { a; };'''\n")
    with pytest.raises(ToolFailed):
        load_truth_machine(file).with_devicetree(kernel())


@pytest.mark.boot
@pytest.mark.download
def test_a_boot_states_its_devices_and_its_addresses() -> None:
    from bootwright.lab.truth.record import record

    try:
        chosen = open_library().get("debian-6.18-4k", modules=True)
    except BootwrightError as error:
        pytest.skip(str(error))
    truth, console = record(chosen, truth_machine("virt").with_devicetree(chosen), settle=2)
    assert truth.bound()["/pl011@9000000"] == "uart-pl011"
    assert truth.bound()["/pcie@10000000"] == "pci-host-generic"
    assert truth.release == chosen.release
    network = next(interface for interface in truth.interfaces if interface.driver == "virtio_net")
    assert network.leased
    assert truth.bound()[network.node] == "virtio-mmio"
    slot = parse_fdt(truth.fdt, "guest").node(network.node)
    assert slot is not None
    assert slot.compatible == ("virtio,mmio",)
    assert truth.release.encode() in console
