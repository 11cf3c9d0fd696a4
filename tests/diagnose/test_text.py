"""What stands in a capture besides text: escapes, line ends, stamps, wrapped and endless lines."""

from __future__ import annotations

import textwrap

import pytest

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.judging.errors.errnos import parse_errno
from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.capture.breaking import mail_width, wrap_width
from bootwright.diagnose.reading.literals import Literal, required
from bootwright.diagnose.reading.places import LiteralSearch, places_by_find
from bootwright.diagnose.reading.text import BLOCK, Block, Cleaner, clean
from bootwright.diagnose.signatures.knowledge import load

KNOWLEDGE = load()
PANIC = b"[    7.100000] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"


def cleaned(data: bytes, size: int = 1 << 20) -> list[tuple[int, bytes]]:
    """(line number, line) of every line."""
    cleaner = Cleaner()
    out = []
    for place in range(0, len(data), size):
        out += list(cleaner.feed(data[place : place + size]))
    out += list(cleaner.flush())
    lines = []
    for block in out:
        place = 0
        for line in block.text.removesuffix(b"\n").split(b"\n"):
            number = block.first_line + block.text.count(b"\n", 0, place) + block.extra_lines(0, place)
            lines.append((number, line))
            place += len(line) + 1
    return lines


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"\x1b[0;32m  OK  \x1b[0m", b"  OK  "),
        (b"\x1b[2J\x1b[01;01Htext", b" text"),
        (b"\x1b]0;title\x07text", b"text"),
        (b"^[[1;31mred^[[0m", b"red"),
        (b"[0;1;31mred[0m", b"red"),
        (b"a\0b\x07c\x7f", b"abc"),
        (b"typo\x08\x08\x08ext", b"text"),
        (b"line\r\n", b"line\n"),
        (b"\x1b", b""),
        (b"\xff\xfe\x80", b"\xff\xfe\x80"),
    ],
)
def test_control_characters_go(raw: bytes, text: bytes) -> None:
    assert clean(raw) == text


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r\r\n"])
def test_lines_keep_their_numbers(size: int, end: bytes) -> None:
    data = end.join([b"one", b"", b"three", b"four"])
    assert cleaned(data, size) == [(1, b"one"), (2, b""), (3, b"three"), (4, b"four")]


def test_a_file_with_carriage_returns_only() -> None:
    assert cleaned(b"one\rtwo\rthree") == [(1, b"one"), (2, b"two"), (3, b"three")]


def test_utf_16_is_read() -> None:
    data = (PANIC.decode() + "\r\n").encode("utf-16")
    assert diagnose_bytes(data, "x", KNOWLEDGE).boots[0].findings[0].signature == "no-root"


def test_an_endless_line_is_cut_and_counts_once() -> None:
    data = b"x" * (3 * BLOCK + 17) + b"\nlast\n"
    lines = cleaned(data)
    assert all(len(line) <= BLOCK for _, line in lines)
    assert lines[-1] == (2, b"last")
    assert {number for number, _ in lines[:-1]} == {1}


@pytest.mark.parametrize(
    ("line", "text", "seconds"),
    [
        ("[    1.234567] text", "text", 1.234567),
        ("[    1.234567][    T1] text", "text", 1.234567),
        ("<6>[   12.5] text", "text", 12.5),
        ("kern  :err   : [   12.500000] text", "text", 12.5),
        ("[Mon Jan  1 00:00:01 2024] text", "text", None),
        ("Jan  1 00:00:01 host kernel: [    3.000000] text", "text", 3.0),
        ("Jan 01 00:00:01 host systemd[1]: text", "systemd[1]: text", None),
        ("2024-01-01T00:00:01+0000 host kernel: text", "text", None),
        ("2024-01-01T00:00:01.123456Z [    3.000000] text", "text", 3.0),
        ("10.0.0.1: kern: warning: [2024-03-03T04:41:51.58Z]: text", "text", None),
        ("10.0.0.1: user: info: [2024-03-03T04:41:51.58Z]: [talos] text", "[talos] text", None),
        ("  5.79 MESS:00:00:05.794805:0: text", "text", 5.794805),
        ("  4.83 Boot mode: SD (01) order f4", "Boot mode: SD (01) order f4", 4.83),
        ("6,1234,5678901,-;text", "text", 5.678901),
        ("[0.000004 0.000003] text", "text", None),
        ("12/02/2025 16:41:12 text", "text", None),
        ("[    0.000000]  [0:        swapper:    0] text", "text", 0.0),
        ("> > [    1.000000] text", "text", 1.0),
        ("Jun 21 17:28:01 host user.err kernel: [ 1350.909342] text", "text", 1350.909342),
        ("worker-1  | text", "text", None),
        ("[    0.000000@0]d text", "text", 0.0),
        ("[    1.234567@3]- text", "text", 1.234567),
        ("[Aug28 17:07] text", "text", None),
        ("[  +8.063930] text", "text", None),
        ("machine # [    4.655306] text", "text", 4.655306),
        ("[    1.234567] host kernel: text", "text", 1.234567),
        ("[    1.234567] host systemd[1]: text", "systemd[1]: text", 1.234567),
        ("[    1.234567] usb kernel text", "usb kernel text", 1.234567),
        ("Nov 20 10:00:00 [    1.234567] text", "text", 1.234567),
        ("10.0.0.1: text", "text", None),
        ("MESSAGE=text", "text", None),
        ("[talos] 2025/06/10 15:09:23 boot sequence: done", "[talos] boot sequence: done", None),
        ('{"MESSAGE":"te \\"xt\\"","__MONOTONIC_TIMESTAMP":"1500000","_TRANSPORT":"kernel"}', 'te "xt"', 1.5),
        ('{"clock":1500000,"facility":"kern","msg":"text","talos-level":"info"}', "text", 1.5),
        ('{"component": "x"}', '{"component": "x"}', None),
        ('{"MESSAGE": [104, 105]}', '{"MESSAGE": [104, 105]}', None),
        ("{not json", "{not json", None),
        ("[    0.000000] c0    123 text", "text", 0.0),
        ("[2024-01-01 00:00:01]text", "text", None),
        ("[    1.234567] (5)[1:init]text", "text", 1.234567),
        ("<2>[   81.045369 / 04-02 18:01:34.146][0] text", "text", 81.045369),
        ("[   10.136944] [   10.136941]@2 text", "text", 10.136941),
        ("(XEN) [2024-01-01 00:00:01] text", "text", None),
        ("Jan  1 00:00:03 kernel: [    0.500000] text", "text", 0.5),
        ("host kernel: [    0.500000] text", "text", 0.5),
        ("03:09:07,531 INFO kernel:text", "text", None),
        ("text", "text", None),
        ("[  OK  ] Started it", "[  OK  ] Started it", None),
    ],
)
def test_stamps_are_taken_off(line: str, text: str, seconds: float | None) -> None:
    message = prefix.split(line.encode())
    assert message.text == text.encode()
    assert message.seconds == seconds


@pytest.mark.parametrize("joins", [(), (4,)])
def test_what_stands_beside_a_line(joins: tuple[int, ...]) -> None:
    # Where a wrapped line was joined (`first`), the lines after it have higher numbers.
    block = Block(b"first\nsecond\nthird\nfourth\n", 10, joins)
    number = 12 + len(joins)
    assert (block.before(number, 1, b"before\n"), block.since(number, 1)) == (b"second\n", b"third")
    all_before, all_since = b"before\nfirst\nsecond\n", b"third\nfourth\n"
    assert (block.before(number, 5, b"before\n"), block.since(number, 5)) == (all_before, all_since)
    assert block.newlines == Block(block.text, 10, joins).newlines == 4
    assert block.last_line == 13 + len(joins)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_literals_are_searched_as_many_are(count: int) -> None:
    literals = [Literal(text) for text in (b"EDAC", b"F0: 102B", b"oops", b"panic", b"BUG")][:count]
    text = b"EDAC x\nF0: 102B, EDAC and oops\n\nno\nBUG: EDAC EDAC\npanic"
    by_find = LiteralSearch(literals, use_re2=False).lines(text)
    assert LiteralSearch(literals, use_re2=True).lines(text) == by_find
    assert places_by_find(text, literals)


def test_wrapped_lines_are_joined() -> None:
    lines = [
        f"[    {n}.000000] usb {n}-1: a message that is long enough to be wrapped by a terminal of eighty"
        for n in range(6)
    ]
    lines.append(PANIC.decode())
    wrapped = []
    for line in lines:
        wrapped += [line[place : place + 80] for place in range(0, len(line), 80)]
    data = "\n".join(wrapped).encode()
    assert wrap_width(data) == 80
    finding = diagnose_bytes(data, "x", KNOWLEDGE).boots[0].findings[0]
    assert finding.signature == "no-root"
    assert finding.lines[0].number == len(wrapped) - 1
    assert finding.lines[0].text == PANIC.decode()


def mailed(lines: list[str], width: int = 72) -> list[str]:
    return [part for line in lines for part in textwrap.wrap(line, width, break_on_hyphens=False)]


@pytest.mark.parametrize("size", [7, 100, 1 << 20])
def test_lines_that_a_mail_program_broke_are_joined(size: int) -> None:
    log = [
        f"[  0.{turn:06}] quux{turn}: a message that is longer than seventy-two columns have room for"
        for turn in range(30)
    ]
    log += [f"[  1.{turn:06}] quux{turn}: short" for turn in range(9)]
    log.append("[326.678181] INFO: task quux-254:0:421 is now blocked for more than some 122 seconds.")
    sent = mailed(log)
    assert len(sent) > len(log) + 20
    data = ("\n".join(sent) + "\n").encode()
    assert mail_width(data) is not None
    joined = cleaned(data, size)
    if size > len(data):
        assert [line.decode() for _, line in joined] == log
    for number, line in joined:
        assert line.decode().startswith(sent[number - 1])


def test_a_line_that_a_mail_program_had_to_leave_whole_tells_no_width() -> None:
    log = [
        f"[  0.{turn:06}] quux{turn}: a message {turn % 7 * 'so '}much longer than it may be in any mail"
        for turn in range(30)
    ]
    log += [f"[  1.{turn:06}] quux{turn}: short" for turn in range(9)]
    whole = ["[  2.000000] " + 80 * "q" + " is a word that nobody breaks"]
    assert mail_width(("\n".join(mailed(log) + whole) + "\n").encode()) is not None
    flowed = b"\n".join(line.encode() + b" " for line in mailed(log)) + b"\n"
    assert [line.decode().rstrip() for _, line in cleaned(flowed, 1 << 20)] == log


def test_a_few_lines_of_a_mail_that_are_equally_long_were_broken_between_words() -> None:
    log = [
        f"[  {turn:3}.000000] quux 80010000.spi: card claims to support voltages below 1 V"
        for turn in range(4)
    ]
    sent = textwrap.wrap(log[0], 70)
    assert len(sent) == 2
    data = "\n".join(part for line in log for part in textwrap.wrap(line, 70)).encode() + b"\n"
    assert [line.decode() for _, line in cleaned(data, 1 << 20)] == log


def test_programs_between_the_kernels_lines_are_not_joined() -> None:
    log = [f"[  0.{turn:06}] quux{turn}: registered as device number {10**turn}" for turn in range(30)]
    for turn in range(12):
        log.insert(2 * turn + 1, f"Starting the service number {turn}")
    assert mail_width(("\n".join(log) + "\n").encode()) is None


def test_the_last_lines_of_a_wrapped_log_keep_their_numbers() -> None:
    said = "quux-eth 1000.eth eth0: failed to reset the controller, it does not answer at all"
    log = [
        f"[    0.{turn:06}] quux{turn}: a message that is longer than sixty columns have room"
        for turn in range(30)
    ]
    log += [f"[  {70 + 3 * turn:3}.000000] {said} {turn}" for turn in range(12)]
    wrapped = [line[place : place + 60] for line in log for place in range(0, len(line), 60)]
    findings = diagnose_bytes(("\n".join(wrapped) + "\n").encode(), "log", KNOWLEDGE).boots[0].findings
    shown = {finding.signature: finding.lines[-1].number for finding in findings}
    assert wrapped[shown["kept-failing"] - 1].startswith("[  103.")


def test_long_lines_of_a_program_are_not_wrapped() -> None:
    """The longest lines of a file, said three times: each is a message of its own."""
    said = b"can't open /dev/ttyS7: No such file or directory\n"
    log = b"[    1.9] Run /sbin/init as init process\n[    2.0] random: crng init done\n"
    assert wrap_width(log + 3 * said) is None
    assert wrap_width(log * 4 + said + said.replace(b"7", b"8") + said + b"x\n") is None


@pytest.mark.parametrize(
    "text", ["-22", "EINVAL", "(-EINVAL)", "Invalid argument", "invalid argument.", "0xffffffffffffffea"]
)
def test_errors_are_understood_both_ways(text: str) -> None:
    error = parse_errno(text)
    assert error is not None
    assert (error.number, error.name) == (22, "EINVAL")


@pytest.mark.parametrize("text", ["", "0", "banana", "-99999", "0xffffffff"])
def test_what_is_no_error(text: str) -> None:
    assert parse_errno(text) is None


def test_errors_user_space_never_sees() -> None:
    error = parse_errno("-517")
    assert error is not None
    assert error.name == "EPROBE_DEFER"


@pytest.mark.parametrize(
    ("pattern", "literals"),
    [
        ("foo bar", {Literal(b"foo bar")}),
        (
            "[Ll]ink is [Uu]p",
            {Literal(b"Link is Up"), Literal(b"Link is up"), Literal(b"link is Up"), Literal(b"link is up")},
        ),
        (r"\d+ (?:alpha|gamma) \S+", {Literal(b" alpha "), Literal(b" gamma ")}),
        ("(?i)Panic", {Literal(b"panic", any_case=True)}),
        (r"a|b\d", set()),
        (r"x*\d+", set()),
    ],
)
def test_required_literals(pattern: str, literals: set[Literal]) -> None:
    assert required(pattern) == literals


def test_error_numbers_are_linuxs_whatever_python_runs_this() -> None:
    import errno
    import os

    from bootwright.formats.kernel.errnos import ERRNOS

    assert set(ERRNOS) == {*errno.errorcode, 133}  # EHWPOISON, which few Pythons have
    names = {name: number for number, (name, _) in ERRNOS.items() if number != 133}
    assert names.items() <= vars(errno).items()
    assert {number: os.strerror(number).lower() for number in ERRNOS} == {
        number: meaning for number, (_, meaning) in ERRNOS.items()
    }


@pytest.mark.parametrize("host", ["<host>", "[host name 1]", "***", "[redacted]"])
def test_a_host_name_that_was_struck_out_is_one(host: str) -> None:
    message = prefix.split(f"Nov 12 16:45:02 {host} kernel: [27678.931551] INFO: task".encode())
    assert (message.text, message.seconds, message.kernel) == (b"INFO: task", 27678.931551, True)
