"""Format strings of the kernel, and the lines they print."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.diagnose.messages.speaker import speaker
from bootwright.formats.messages.model import ERROR, INFO, Call, Format, Owner
from bootwright.formats.messages.printf import letters, printed_by, words
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


MACB = Owner("macb", "drivers/net/ethernet/cadence/macb_main.c")
RTC = Owner("", "drivers/rtc/rtc-pl031.c")
TABLE = table_of(
    [
        Format("%s: Link is Up - %s/%s", Call.NETWORK, INFO, (MACB,), ("k",)),
        Format("Unable to allocate ring for %s", Call.DEVICE, ERROR, (MACB,), ("k",)),
        Format("rtc-pl031: no clock %d", Call.PRINTK, ERROR, (RTC,), ("k",)),
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
