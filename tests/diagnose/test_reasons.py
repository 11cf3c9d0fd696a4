"""Errors whose reasons stand in the lines below them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Finding
from bootwright.diagnose.reading.capture.reasons import in_one_sentence, with_reasons
from bootwright.diagnose.reading.text import Cleaner
from bootwright.diagnose.signatures.knowledge import load

KNOWLEDGE = load()
BEGUN = "[    3.1] [talos] initialize sequence: 8 phase(s)"
FAILED = "[    3.2] [talos] task enforceKSPPRequirements (2/2): failed: 1 error occurred:"
AFTER = (
    "[    3.3] [talos] phase systemRequirements (1/8): failed",
    "[    3.4] [talos] initialize sequence: failed",
)
KUBELET = "[   30.0] [talos] service[kubelet](Failed): Failed to run pre stage: 1 error(s) occurred:"
NOT_UP = '[   90.1] [talos] task startAllServices (1/1): service "kubelet" to be "up"'


def first_of(*lines: str) -> Finding:
    return diagnose_bytes("\n".join((*lines, "")).encode(), "log", KNOWLEDGE).boots[0].findings[0]


@pytest.mark.parametrize(
    "before",
    [
        "\t* ",
        "[    3.2] \t* ",
        "[    3.2] [talos] \t* ",
        "[    3.2] [talos]     * ",
        "[    3.2] [talos] #011* ",
    ],
)
def test_the_reason_below_an_error_is_told(before: str) -> None:
    finding = first_of(BEGUN, FAILED, f"{before}KSPP kernel parameter pti is required", "", *AFTER)
    assert finding.cause == (
        "The Talos phase systemRequirements (1/8) failed: KSPP kernel parameter pti is required."
    )
    assert "`pti=on`" in finding.remedy
    assert [line.number for line in finding.lines] == [2, 5, 6]


def test_several_reasons_are_told() -> None:
    failed = FAILED.replace("1 error", "2 errors")
    finding = first_of(BEGUN, failed, "\t* quux is required", "\t* frob is required", *AFTER)
    assert "failed: quux is required; frob is required." in finding.cause


def test_the_innermost_reason_is_told() -> None:
    finding = first_of(
        KUBELET,
        "\tfailed to mount the overlay: 1 error(s) occurred:",
        "\tquux: x509: certificate signed by unknown authority",
        NOT_UP,
    )
    assert finding.cause.endswith(
        "failed to mount the overlay: quux: x509: certificate signed by unknown authority."
    )


def test_an_image_that_cannot_be_pulled_says_why_at_its_end() -> None:
    finding = first_of(
        KUBELET,
        '\tfailed to pull image "ghcr.io/siderolabs/kubelet:v1.35.1": 1 error(s) occurred:',
        f"\tfailed to do request: Head https://registry.lan/{'q' * 100}: x509: certificate has expired",
        NOT_UP,
    )
    assert finding.signature == "talos-image-pull"
    assert finding.cause.endswith("x509: certificate has expired")


@pytest.mark.parametrize(
    "following",
    [
        "[    3.2] [talos] task quux (1/1): starting",
        "quux: frob",
        "",
        '{"msg": "\\tfrob"}',
    ],
)
def test_what_is_no_reason_stays_a_line(following: str) -> None:
    text = f"{FAILED}\n{following}\n{AFTER[0]}\n".encode()
    assert with_reasons(text, ()) == (text, ())


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("1 error occurred:\\n\\t* error bringing up link eth0: no such device\\n\\n", None),
        ("a: 1 error(s) occurred: b: 2 error(s) occurred: c\td", "a: b: c; d"),
        ("2 errors occurred: * one\t* two", "one; two"),
        ("timeout\tof quux", "timeout\tof quux"),
        ("2 errors occurred:", "2 errors occurred:"),
    ],
)
def test_an_error_with_reasons_is_said_in_one_sentence(said: str, sentence: str | None) -> None:
    assert in_one_sentence(said) == (sentence or "error bringing up link eth0: no such device")


@given(
    st.lists(
        st.sampled_from([FAILED, KUBELET, "\t* quux", "[    3.2] \tfrob: 1 error(s) occurred:", "", *AFTER]),
        max_size=12,
    ),
    st.integers(1, 40),
)
def test_lines_are_those_of_the_file_however_they_come(lines: list[str], size: int) -> None:
    # The longest line is none that a terminal broke.
    data = "".join(f"{line}\n" for line in (f"[    1.0] {'quux ' * 60}frob", *lines)).encode()
    whole, pieces = Cleaner(), Cleaner()
    blocks = [*whole.feed(data), *whole.flush()]
    parts = [
        block for start in range(0, len(data), size) for block in pieces.feed(data[start : start + size])
    ]
    parts += pieces.flush()
    assert b"".join(block.text for block in parts) == b"".join(block.text for block in blocks)
    assert pieces.lines == whole.lines == data.count(b"\n")
    padded = b"".join(block.padded for block in blocks).split(b"\n")
    for number, line in enumerate(data.split(b"\n")):
        if line in {entry.encode() for entry in AFTER}:
            assert padded[number] == line
