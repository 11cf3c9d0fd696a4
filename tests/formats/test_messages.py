"""Format strings of the kernel, and the lines they print."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.diagnose.messages.speaker import is_of_a_device, speaker
from bootwright.formats.messages.model import ERROR, INFO, Call, Format, Owner
from bootwright.formats.messages.printf import edges, letters, printed_by, tells_begun, words
from bootwright.formats.messages.table import table_of


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("probe with driver %s failed with error %d", "probe with driver rp1_pci failed with error -22"),
        ("%s: probe failed: %pe", "macb: probe failed: -EINVAL"),
        (
            "Cadence %s rev 0x%08x at 0x%08lx irq %d (%pM)",
            "Cadence GEM rev 0x00070109 at 0x1 irq 108 (a:b:c)",
        ),
        ("%5u MB free", "   12 MB free"),
        ("%-10s|%3d%%", "abc       |  7%"),
        ("%*phC", "aa:bb"),
        ("nothing but text", "nothing but text"),
        ("%s%s%s", "anything"),
    ],
)
def test_a_line_is_printed_by_its_format(text: str, line: str) -> None:
    assert printed_by(line.encode(), text.encode())


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("failed with error %d", "failed with error none"),
        ("%s: probe failed", "macb: probe failed: -22"),
        ("nothing but text", "nothing but text."),
        ("%x", "xyz"),
        ("%d MB", "MB"),
    ],
)
def test_another_line_is_not(text: str, line: str) -> None:
    assert not printed_by(line.encode(), text.encode())


@given(
    st.lists(
        st.one_of(st.sampled_from(["%s", "%d", "%u", "%x", "%pM", "%%", "%5d"]), st.text("ab :=", max_size=5))
    ),
    st.data(),
)
def test_what_a_format_prints_is_told_to_be_its_own(parts: list[str], data: st.DataObject) -> None:
    """Values that do not hold the literal behind them: the first place where that stands is their end."""
    line = ""
    for part in parts:
        if part in {"%s", "%pM"}:
            line += data.draw(st.text("XYZ", min_size=1, max_size=5))
        elif part in {"%d", "%u", "%x", "%5d"}:
            line += str(data.draw(st.integers(0, 999999)))
        else:
            line += part.replace("%%", "%")
    text = "".join(parts)
    assert printed_by(line.encode(), text.encode())


def test_words_are_whole() -> None:
    assert words(b"probe of %s: failed%d with x=%d") == [b"probe", b"of", b"probe of", b"with"]
    assert letters(b"a %d b%%") == 2


def test_a_line_that_another_call_goes_on_with_begins_with_its_format() -> None:
    begun = b"Fallback order for Node %d: "
    assert printed_by(b"Fallback order for Node 0: 0 1", begun, more=True)
    assert not printed_by(b"Fallback order for Node 0: 0 1", begun)
    assert not printed_by(b"Another order for Node 0: 0 1", begun, more=True)
    assert tells_begun(begun)
    assert not tells_begun(b"%s: Fallback order for Node")
    assert not tells_begun(b"done, ")


def test_words_beside_a_free_text_are_found_where_it_is_empty_or_a_blank_is_at_its_edge() -> None:
    assert words(b"supports%s%s") == words(b"%spcpu-alloc: s%zu") == []
    assert edges(b"supports%s%s") == [b"supports"]
    assert edges(b"%spcpu-alloc: s%zu")[0] == b"pcpu-alloc:"


MACB = Owner("macb", "drivers/net/ethernet/cadence/macb_main.c")
RTC = Owner("", "drivers/rtc/rtc-pl031.c")
TABLE = table_of(
    [
        Format("%s: Link is Up - %s/%s", Call.NETWORK, INFO, (MACB,), ("k",)),
        Format("Unable to allocate ring for %s", Call.DEVICE, ERROR, (MACB,), ("k",)),
        Format("rtc-pl031: no clock %d", Call.PRINTK, ERROR, (RTC,), ("k",)),
        Format("rtc-pl031: alarms of clock %d:", Call.PRINTK, INFO, (RTC,), ("k",), goes_on=True),
        Format("  bridge window %pR", Call.DEVICE, INFO, (MACB,), ("k",)),
        Format("supports%s", Call.DEVICE, INFO, (MACB,), ("k",)),
    ]
)


def test_a_device_and_its_driver_are_told() -> None:
    said = speaker(b"macb 1f00100000.ethernet: Unable to allocate ring for eth0", TABLE)
    assert said is not None
    assert (said.driver, said.device, said.interface) == ("macb", "1f00100000.ethernet", "")
    assert said.owners == (MACB,)
    assert said.levels == (ERROR,)


def test_a_line_without_device_has_its_owner() -> None:
    said = speaker(b"rtc-pl031: no clock 7", TABLE)
    assert said is not None
    assert [owner.name for owner in said.owners] == ["drivers/rtc/rtc-pl031.c"]


@pytest.mark.parametrize(
    "line",
    [
        b"Unable to allocate ring for eth0",  # its call puts a device before it
        b"U-Boot 2024.01 (Jan 01 2024)",
        b"",
    ],
)
def test_a_line_of_nobody_known(line: bytes) -> None:
    assert speaker(line, TABLE) is None


@pytest.mark.parametrize(
    "line",
    [
        b"rtc-pl031: alarms of clock 7: 12:00 13:30",  # gone on with
        b"pci 0000:00:14.0:   bridge window [mem 0x91100000-0x911fffff]",  # blanks belong to the message
        b"pci 0008:01:00.0: supports D1 D2",
    ],
)
def test_a_line_of_several_calls_or_with_blanks_at_an_edge_is_known(line: bytes) -> None:
    assert speaker(line, TABLE) is not None


@pytest.mark.parametrize(
    "line",
    [
        "usb usb1: Product: xHCI Host Controller",
        "usb 1-1.4: Product: USB2.1 Hub",
        "xhci_hcd 0000:01:00.0: xHCI Host Controller",
        "pci_bus 0000:00: anything",
        "xhci-hcd xhci-hcd.1.auto: xHCI Host Controller",
        "quux 1f00100000.quux: anything",
        "quux 1-0050: anything",
    ],
)
def test_a_line_with_a_device_as_its_bus_names_it_is_a_kernels(line: str) -> None:
    assert is_of_a_device(line.encode())


@pytest.mark.parametrize(
    "line",
    [
        "0000:01:00.0 VGA compatible controller: lspci",
        "ethernet@30be0000: U-Boot's",
        "usb 1: U-Boot's",
        "Loading module: quux",
        "host app[12]: x",
        "error in line 12: x",
    ],
)
def test_other_lines_with_a_colon_are_not(line: str) -> None:
    assert not is_of_a_device(line.encode())
