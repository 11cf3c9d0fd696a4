"""The tables of a real kernel, checked against the second source that the package has."""

from __future__ import annotations

import importlib.util
import sys
from collections import deque
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.formats.kernel.built_in import BuiltIn
from bootwright.formats.kernel.builtin_drivers import read_built_in
from bootwright.formats.kernel.match_tables import Effort, amba_table, name_table, of_table, pci_table
from bootwright.foundation.errors import Malformed


def entry(compatible: bytes, name: bytes = b"", data: bytes = bytes(8)) -> bytes:
    return name.ljust(32, b"\0") + bytes(32) + compatible.ljust(128, b"\0") + data


def test_of_table_ends_at_the_zero_entry() -> None:
    table = entry(b"acme,a") + entry(b"acme,b", b"eth") + bytes(200) + entry(b"acme,other")
    of_ids = of_table(b"pad!" + table, 4)
    assert of_ids is not None
    assert [(of_id.compatible, of_id.name) for of_id in of_ids] == [("acme,a", ""), ("acme,b", "eth")]


@pytest.mark.parametrize(
    "damaged",
    [
        entry(b"acme,a"),  # no terminator
        entry(b"acme\x01a") + bytes(200),  # not printable
        entry(b"acme\0rest") + bytes(200),  # not padded with zeros
        bytes(200),  # nothing but the terminator
    ],
)
def test_what_is_no_of_table(damaged: bytes) -> None:
    assert of_table(damaged, 0) is None


def test_other_tables() -> None:
    i2c = b"ds1307".ljust(24, b"\0") + bytes(8)
    assert name_table(i2c + bytes(32), 0, stride=32) == ("ds1307",)
    pci = (0x1DE4).to_bytes(4, "little") + (1).to_bytes(4, "little") + b"\xff" * 8 + bytes(24)
    (pci_id,) = pci_table(pci + bytes(40), 0) or ()
    assert (pci_id.vendor, pci_id.device) == (0x1DE4, 1)
    amba = (0x00041011).to_bytes(4, "little") + (0x000FFFFF).to_bytes(4, "little") + bytes(8)
    assert amba_table(amba + bytes(16), 0) == ((0x00041011, 0x000FFFFF),)


def test_an_image_without_symbols_is_said() -> None:
    with pytest.raises(Malformed, match="kallsyms"):
        read_built_in(bytes(4096), "Image")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=4096), st.binary(max_size=600))
def test_any_bytes_around_a_token_table(before: bytes, after: bytes) -> None:
    path = Path(__file__).parents[2] / "fuzz" / "fuzz_kernel_drivers.py"
    spec = importlib.util.spec_from_file_location("fuzz_kernel_drivers", path)
    target = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(target)
    digits = b"".join(b"%d\0" % digit for digit in range(10))
    tail = b"".join(bytes([65 + token % 26]) + b"\0" for token in range(58, 256))
    target.one_input(before + digits + tail + after)


@pytest.mark.download
def test_a_real_table_cut_off_or_damaged_is_refused_not_crashed_on() -> None:
    from bootwright.formats.kernel import kallsyms
    from bootwright.foundation.errors import BootwrightError
    from bootwright.kernels.catalogue import open_library

    try:
        image = open_library().get("debian-6.18-4k").image.read_bytes()
    except BootwrightError as error:
        pytest.skip(str(error))
    at = image.find(kallsyms._DIGITS)
    while (tokens := kallsyms._tokens(image, at)) is None:
        at = image.find(kallsyms._DIGITS, at + 1)
    start, _, end = tokens
    whole = image[start - 2_500_000 : end + 1_200_000]
    assert len(kallsyms.read_symbols(whole, "part")) > 100_000
    for damaged in (
        whole[: 2_500_000 + (end - start) + 1001],
        whole[:2_499_900] + bytes(80) + whole[2_499_980:],
        whole[:1_000_000] + b"\xff" * 64 + whole[1_000_064:],
    ):
        try:
            kallsyms.read_symbols(damaged, "part")
        except BootwrightError:
            continue


@pytest.fixture(scope="module")
def real_image() -> bytes:
    """A Debian kernel, which has the symbols of data."""
    from bootwright.formats.kernel.arm64_image import unwrapped
    from bootwright.formats.sources.bytesource import FileBytes
    from bootwright.foundation.errors import BootwrightError
    from bootwright.kernels.catalogue import open_library

    try:
        source = unwrapped(FileBytes(open_library().get("debian-6.18-4k").image))[0]
    except BootwrightError as error:
        pytest.skip(str(error))
    return source.read(0, source.size)


@pytest.fixture(scope="module")
def real_built_in(real_image: bytes) -> BuiltIn:
    return read_built_in(real_image, "Image")


@pytest.mark.download
def test_tables_that_only_initcalls_can_use_are_told_from_those_of_drivers(real_built_in: BuiltIn) -> None:
    kinds = {entry.compatible: entry.kind for entry in real_built_in.early}
    assert kinds["renesas,r8a7795-sysc"] == "initcall"  # drivers/pmdomain/renesas/rcar-sysc.c
    assert kinds["fixed-clock"] == "clk"
    assert "arm,pl011" not in kinds
    assert "brcm,bcm2712-pcie" not in kinds  # a driver's


@pytest.mark.download
def test_without_the_symbols_of_data_the_same_is_found(
    real_image: bytes, real_built_in: BuiltIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CONFIG_KALLSYMS_ALL off, as Talos has it: what scripts/kallsyms.c symbol_valid leaves out is left out
    of what is read here. The kernel's code and data are the same with that option and without.
    """
    from bootwright.formats.kernel import builtin_drivers, kallsyms

    whole = kallsyms.read_symbols(real_image, "Image")
    place = {name: address for address, _, name in whole}
    kept = [
        (address, kind, name)
        for address, kind, name in whole
        if place["_stext"] <= address < place["_etext"]
        or place["_sinittext"] <= address < place["_einittext"]
        or name.startswith(("__start_", "__stop_"))
    ]
    addresses, kinds, names = zip(*kept, strict=True)
    masked = kallsyms.Symbols(list(addresses), "".join(kinds), list(names), whole.base)
    assert len(masked) < len(whole) * 2 // 3
    assert "macb_driver" not in masked.names
    monkeypatch.setattr(builtin_drivers, "read_symbols", lambda image, name: masked)
    drivers = read_built_in(real_image, "Image")
    # Which object a driver is in, only the names of initcalls' entries say, and those are data.
    assert set(drivers.drivers) == {evolve(driver, object="") for driver in real_built_in.drivers}
    assert set(drivers.early) == set(real_built_in.early)
    assert drivers.of_node == real_built_in.of_node > 0


@pytest.mark.download
def test_drivers_are_known_by_the_calls_that_register_them(real_built_in: BuiltIn) -> None:
    drivers = {driver.name: driver for driver in real_built_in.drivers}
    host = drivers["brcm-pcie"]
    assert (host.buses, host.registered_by) == (("platform",), "brcm_pcie_driver_init")
    assert host.probe
    assert drivers["gpio-mxc"].registered_by == "gpio_mxc_init"  # written by hand, not by a macro
    assert drivers["tegra-mc"].buses == ("platform",)  # by a function that is no __init
    assert drivers["clk-rk3568"].probe  # handed over beside the structure, builtin_platform_driver_probe
    assert (drivers["max77620"].buses, drivers["max77620"].of) == (("i2c",), ())  # by its id table alone
    assert "max20024" in drivers["max77620"].ids
    assert drivers["pl061_gpio"].probe  # AMBA: behind the struct device_driver
    assert (host.object, drivers["gpio-mxc"].object) == ("pcie_brcmstb", "gpio_mxc")
    known = [driver for driver in real_built_in.drivers if driver.registered_by and driver.probe]
    assert len(known) > 0.97 * len(real_built_in.drivers)


def test_offsets_read_a_word_too_late_are_not_taken() -> None:
    """They rise all the same; only the image's end tells."""
    from array import array

    from bootwright.formats.kernel import kallsyms

    image = bytes(16) + (0x30000).to_bytes(8, "little") + bytes(32) + b"ARM\x64"
    names = ["_text", "__pi__text", "_stext", "_end", "__pi__end"]
    right = array("I", [0, 0, 0x10000, 0x30000, 0x30000])
    late = array("I", [0, 0x10000, 0x30000, 0x30000, 0x80000000])
    for order in ([right, late], [late, right]):
        fitting = kallsyms._fitting(image, names, iter([(order_of, 1) for order_of in order]), 0, "Image")
        assert fitting == (right, 1)
    # Without a header nothing can be said, and the usual layout stands first.
    assert kallsyms._fitting(bytes(64), names, iter([(late, 1), (right, 1)]), 0, "x") == (late, 1)
    with pytest.raises(Malformed, match="no known layout"):
        kallsyms._fitting(image, names, iter([]), 0, "Image")


def test_what_only_looks_like_tokens_is_given_up_on() -> None:
    """Each of the many places would be tried for itself."""
    digits = b"".join(b"%d\0" % digit for digit in range(10))
    with pytest.raises(Malformed, match="token table"):
        read_built_in(digits * 200_000, "Image")


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_changes_to_a_small_image_with_everything(data: st.DataObject) -> None:
    path = Path(__file__).parents[2] / "fuzz"
    sys.path.insert(0, str(path))
    try:
        from fuzz_kernel_drivers import one_input
        from seeds_kernels import image
    finally:
        sys.path.remove(str(path))
    first, ordered, functions, left_out = (data.draw(st.booleans()) for _ in range(4))
    changed = bytearray(image(offsets_first=first, ordered=ordered, functions=functions, left_out=left_out))
    drivers = read_built_in(bytes(changed), "Image").drivers
    assert sorted(driver.name for driver in drivers) == ["acme-i2c", "acme-pci", "acme-uart"]
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(changed) - 1))
        changed[at] = data.draw(st.integers(0, 255))
    one_input(bytes(changed))


def test_a_table_is_not_decoded_from_each_of_its_entries_on() -> None:
    """Every pointer into one long table would be a table of its own."""
    effort = Effort("Image")
    table = entry(b"acme,a") * 2000 + bytes(200)
    starts = iter(range(0, len(table), 200))
    with pytest.raises(Malformed, match="entries"):
        deque(of_table(table, start, effort) for start in starts)
    assert next(starts, None) is not None


def test_an_early_entry_without_compatible_is_none() -> None:
    """A changed text offset moves every symbol: what then lies at an early entry's place matches no node."""
    path = Path(__file__).parents[2] / "fuzz"
    sys.path.insert(0, str(path))
    try:
        from seeds_kernels import image
    finally:
        sys.path.remove(str(path))
    changed = bytearray(image(offsets_first=False, ordered=False, functions=False, left_out=False))
    changed[9] = 2
    assert all(entry.compatible for entry in read_built_in(bytes(changed), "Image").early)
