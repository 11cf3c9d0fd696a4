"""What a capturing tool puts before every line is taken off, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_logs_kit import cases

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.reading.capture.wrapper import wrapper_of
from bootwright.diagnose.reading.text import clean
from bootwright.diagnose.signatures.banners import banner_of
from bootwright.diagnose.signatures.knowledge import load

KNOWLEDGE = load()
BANNER = banner_of(KNOWLEDGE)
KERNEL = tuple(f"[    {number}.000000] quux{number}: frob".encode() for number in range(12))
LOADER = (b"U-Boot 2025.01 (Jan 06 2025)", b"", *(b"DRAM:  %d GiB" % number for number in range(12)))


def wrapped(lines: tuple[bytes, ...], form: str) -> bytes:
    return b"\n".join(form.format(number).encode() + line for number, line in enumerate(lines)) + b"\n"


def unwrapped(data: bytes) -> bytes:
    pattern = wrapper_of(data, banner=BANNER)
    return data if pattern is None else pattern.sub(b"", data)


@pytest.mark.parametrize("lines", [KERNEL, LOADER], ids=["kernel", "loader"])
@pytest.mark.parametrize(
    "form", ["{0}: ", "{0:5} ", "node1| ", "2026-11-30 10:00:{0:02} - INFO - ", "[{0} ms] dut: ", "E  "]
)
def test_a_wrapper_is_taken_off(form: str, lines: tuple[bytes, ...]) -> None:
    text = [line.strip() for line in unwrapped(wrapped(lines, form)).splitlines()]
    assert text == list(lines)


SHORT = (
    b"FreeBSD 14.1-RELEASE GENERIC amd64",
    b"",
    b"mountroot: waiting",
    b"Mounting from ufs:x failed with error 19.",
)


@pytest.mark.parametrize("form", ["{0}:", "{0:6}\t", "Nov 30 10:00:{0:02} "], ids=["grep", "cat", "ts"])
def test_numbers_and_dates_before_a_few_lines_are_a_tools(form: str) -> None:
    assert [line.strip() for line in unwrapped(wrapped(SHORT, form)).splitlines()] == list(SHORT)


@pytest.mark.parametrize(
    "text",
    [
        "0:00 starting\n1:30 halfway\n2:59 done\n",  # a clock
        "3: three\n1: one\n2: two\n",  # a program's own numbers
        "1: one\nand more\n2: two\n",
        "Nov 30 10:00:01 box sshd[7]: one\nNov 30 10:00:02 box cron: two\nNov 30 10:00:03 box su: three\n",
        "Nov 30 10:00:01 box started\nNov 30 10:00:02 box went on\nNov 30 10:00:03 box ended\n",
    ],
    ids=["clock", "unordered", "not-all", "syslog", "same-host"],
)
def test_other_numbers_and_dates_stay(text: str) -> None:
    assert unwrapped(text.encode()) == text.encode()


def test_levels_may_change_from_line_to_line() -> None:
    levels = ("INFO", "DEBUG", "WARNING")
    data = b"".join(f"({levels[n % 3]}) console: ".encode() + line + b"\n" for n, line in enumerate(KERNEL))
    assert [line.strip() for line in unwrapped(data).splitlines()] == list(KERNEL)


@pytest.mark.parametrize(
    "form",
    [
        "[   12.{0:06}] ",  # the kernel's own clock is none
        "Nov 30 10:00:{0:02} box kernel: ",  # a system log's words for it neither
        "quux 0000:01:00.0: ",  # nor a driver whose lines somebody picked out
        "NOTICE:  BL31: ",
    ],
)
def test_what_the_speakers_say_of_themselves_stays(form: str) -> None:
    said = tuple(f"frob {number}".encode() for number in range(12))
    data = wrapped(said, form)
    assert unwrapped(data) == data


def test_no_log_of_ours_is_wrapped() -> None:
    assert [case.name for case in cases() if wrapper_of(clean(case.data[: 1 << 16]), banner=BANNER)] == []


@given(st.lists(st.binary(max_size=40), max_size=30), st.binary(max_size=12))
def test_any_bytes_keep_their_lines(lines: list[bytes], before: bytes) -> None:
    data = b"\n".join(before + line for line in lines) + b"\n"
    assert unwrapped(data).count(b"\n") == data.count(b"\n")


def test_the_numbers_of_lines_are_the_files() -> None:
    panic = b"[   13.000000] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100"
    data = wrapped((*KERNEL, panic), "dut-1 | ")
    finding = diagnose_bytes(data, "log", KNOWLEDGE).boots[-1].findings[0]
    assert {line.number for line in finding.lines} == {13}
