"""Boots in one file, sequences of events, causes and their consequences, bounded work on any input."""

from __future__ import annotations

import importlib.util
import json
import time
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from bootwright.diagnose.engine import KEPT_FIRST, KEPT_LAST, Diagnoser, diagnose_bytes
from bootwright.diagnose.jsonform import as_json
from bootwright.diagnose.model import Diagnosis, Outcome, Severity
from bootwright.diagnose.page import as_html
from bootwright.diagnose.reading.scanner import SATURATED
from bootwright.diagnose.reading.shapes.familiar import Familiar
from bootwright.diagnose.reading.shapes.shape import shapes_of
from bootwright.diagnose.reading.text import BLOCK
from bootwright.diagnose.render import as_text
from bootwright.diagnose.signatures.knowledge import load
from bootwright.foundation.places import DATA

ROOT = Path(__file__).resolve().parents[2]
KNOWLEDGE = load()
GOOD = (
    b"[    0.000000] Booting Linux on physical CPU 0x0\n[    0.000001] Linux version 6.12.5-test (a@b) #1\n"
    b"[    3.000000] Run /init as init process\nboard login: \n"
)
BAD = (
    b"[    0.000000] Booting Linux on physical CPU 0x0\n[    0.000001] Linux version 6.12.5-test (a@b) #1\n"
    b'[    3.000000] VFS: Cannot open root device "/dev/vda1" or unknown-block(0,0): error -6\n'
    b"[    3.000001] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n"
)


def diagnosed(data: bytes) -> Diagnosis:
    return diagnose_bytes(data, "log", KNOWLEDGE)


def serious(diagnosis: Diagnosis) -> list[str]:
    return [
        finding.signature
        for boot in diagnosis.boots
        for finding in boot.findings
        if finding.severity in {Severity.FATAL, Severity.DEGRADING}
    ]


def fuzz_target() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_diagnose", ROOT / "fuzz" / "fuzz_diagnose.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FUZZ = fuzz_target()
CORPUS = [path.read_bytes() for path in sorted((DATA / "signatures").glob("*/golden/*/console.log"))]


def test_the_root_cause_comes_first_and_explains_the_end() -> None:
    boot = diagnosed(BAD).boots[0]
    first = boot.findings[0]
    assert (first.signature, first.severity) == ("no-root", Severity.FATAL)
    assert "kernel-panic" in first.explains
    assert boot.findings[1].caused_by == "no-root"
    assert "-6 (ENXIO" in first.cause
    assert [line.number for line in first.lines] == [3, 4]


def test_boots_in_one_file_are_told_apart() -> None:
    diagnosis = diagnosed(BAD + GOOD)
    assert [boot.outcome for boot in diagnosis.boots] == [Outcome.FAILED, Outcome.BOOT_OK]
    assert [boot.first_line for boot in diagnosis.boots] == [1, 5]
    assert diagnosis.outcome is Outcome.DEGRADED
    assert diagnosed(GOOD + BAD).outcome is Outcome.FAILED
    assert diagnosed(GOOD + GOOD).outcome is Outcome.BOOT_OK


def test_very_many_boots_are_counted_and_bounded() -> None:
    diagnosis = diagnosed(GOOD * 40 + BAD + GOOD * 200)
    assert len(diagnosis.boots) == KEPT_FIRST + KEPT_LAST + 1
    assert diagnosis.boots_left_out == 241 - len(diagnosis.boots)
    assert diagnosis.outcome is Outcome.DEGRADED


def test_what_is_taken_back_is_no_failure() -> None:
    failed = b"[    1.0] udhcpc: no lease, failing\n"
    answered = b"udhcpc: lease of 10.0.0.5 obtained from 10.0.0.1, lease time 60\n"
    assert serious(diagnosed(failed)) == ["no-dhcp"]
    assert serious(diagnosed(failed + answered)) == []
    assert serious(diagnosed(answered + failed)) == ["no-dhcp"]


def test_a_finding_is_about_the_device_it_names() -> None:
    down = b"[    1.000000] %s 1000110000.pcie: link down\n"
    up = b"[    1.500000] brcm-pcie 1000120000.pcie: link up, 5.0 GT/s PCIe x4\n"
    wait = b"[    4.000000] Waiting for root device /dev/nvme0n1p2...\n"
    wait += b"[   15.000000] random: crng init done\n"
    assert serious(diagnosed(down % b"brcm-pcie" + up + wait))[0] == "pcie-link-down"
    same = b"[    1.500000] brcm-pcie 1000110000.pcie: link up, 5.0 GT/s PCIe x4\n"
    assert serious(diagnosed(down % b"brcm-pcie" + same + wait)) == ["waiting-for-root"]


def test_a_dead_port_is_not_to_blame_for_a_card_that_is_missing() -> None:
    log = b"[    1.0] brcm-pcie 1000110000.pcie: link down\n"
    log += b"[    4.0] Waiting for root device /dev/mmcblk0p2...\n[   15.0] random: crng init done\n"
    assert serious(diagnosed(log)) == ["waiting-for-root"]


def test_a_crash_that_the_system_survives_degrades_it() -> None:
    crash = b"[    2.0] BUG: kernel NULL pointer dereference, address: 0000000000000010\n"
    assert diagnosed(crash).outcome is Outcome.FAILED
    assert diagnosed(crash + b"board login: \n").outcome is Outcome.DEGRADED


@pytest.mark.parametrize(
    "data", [b"", b"\n\n", b"Dear all,\nplease find attached the minutes.\n", b"\xff" * 100, b"\0" * 1000]
)
def test_what_is_no_boot_log_stays_unknown(data: bytes) -> None:
    assert diagnosed(data).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "line",
    [
        b"Nov 20 10:00:01 host kernel: usb 1-1: new device\n",
        b"10.0.0.1: kern:    info: [2026-11-20T10:00:01Z]: usb 1-1: new device\n",
        b'{"MESSAGE":"usb 1-1: new device","_TRANSPORT":"kernel"}\n',
    ],
)
def test_a_kernel_that_only_says_ordinary_things_runs(line: bytes) -> None:
    boot = diagnosed(line * 5).boots[0]
    assert (boot.outcome, boot.stage) == (Outcome.BOOT_OK, "kernel")


def test_the_json_follows_its_schema() -> None:
    schema = json.loads((ROOT / "docs" / "schemas" / "diagnose.schema.json").read_text())
    validator = Draft202012Validator(schema)
    for data in (b"", GOOD, BAD + GOOD, *CORPUS[::4]):
        validator.validate(json.loads(json.dumps(as_json(diagnosed(data), board="x"))))


def test_the_json_names_the_one_thing_to_blame() -> None:
    # the boot that decides is neither the first nor the last that shows something
    form = as_json(diagnosed(GOOD + BAD + b"[    0.000000] Linux version 6.12.0 (a@b) #1 SMP\n"))
    blame = form["blame"]
    finding = form["boots"][blame["boot"]]["findings"][blame["finding"]]
    assert form["outcome"] == form["boots"][blame["boot"]]["outcome"] == "failed"
    assert finding["severity"] == blame["severity"] == "fatal"
    assert (finding["cause"], finding["lines"][0]["number"]) == (blame["cause"], blame["line"])
    assert f"to blame: {blame['title']} (boot {blame['boot'] + 1}, line" in as_text(diagnosed(GOOD + BAD))
    assert as_json(diagnosed(b""))["blame"] is None


def test_nothing_of_the_log_is_interpreted() -> None:
    evil = (
        b"[    1.0] Kernel panic - not syncing: <script>alert(1)</script> \x1b]0;title\x07 \x1b[31m &amp;\n"
    )
    page = as_html(diagnosed(evil), title="<b>x</b>")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "<b>x" not in page
    text = as_text(diagnosed(evil.replace(b"&amp;", "\u202e\u2028".encode())))
    assert "\x1b]" not in text
    assert "\u202e" not in text


def test_pieces_make_no_difference() -> None:
    for data in CORPUS[:60:8]:
        whole = as_json(diagnosed(data))
        diagnoser = Diagnoser("log", KNOWLEDGE)
        for place in range(0, len(data), 997):
            diagnoser.feed(data[place : place + 997])
        diagnoser.flush()
        assert as_json(diagnoser.snapshot()) == whole


def test_a_live_log_is_not_silent_yet() -> None:
    diagnoser = Diagnoser("log", KNOWLEDGE, watched=True)
    diagnoser.feed(b"U-Boot 2025.01 (x)\nStarting kernel ...\n")
    assert serious(diagnoser.snapshot(live=True)) == []
    assert serious(diagnoser.snapshot()) == ["silent-after-handover"]


def test_a_flood_of_one_message_is_counted_roughly_and_ends_right() -> None:
    line = b"[%5d.000000] Buffer I/O error on dev sda1, logical block %d, async page read\n"
    flood = b"".join(line % (number, number) for number in range(3 * SATURATED))
    ends = b"[99998.000000] macb a eth0: Link is Down\n[99999.000000] macb a eth0: Link is Up - 1Gbps/Full\n"
    diagnosis = diagnosed(flood + ends + GOOD)
    finding = diagnosis.boots[0].findings[0]
    assert finding.signature == "io-error"
    assert finding.count >= SATURATED
    assert max(line.number for line in finding.lines) == 3 * SATURATED
    assert "no-link" not in serious(diagnosis)
    assert diagnosis.boots[-1].stage == "ready"


def test_a_line_of_a_hundred_megabytes_is_bounded() -> None:
    diagnoser = Diagnoser("log", KNOWLEDGE)
    started = time.process_time()
    for _ in range(25):
        diagnoser.feed(b"A" * (1 << 22))
    diagnoser.feed(b"\n" + BAD)
    diagnoser.flush()
    assert time.process_time() - started < 20
    finding = diagnoser.snapshot().boots[-1].findings[0]
    assert finding.signature == "no-root"
    assert finding.lines[0].number == 4


def test_lines_seen_before_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recognised by the dictionary or found by the search; boots alike, but for their times and numbers."""
    boots = [
        b"".join(
            b"[%5d.%06d] %s\n" % (number, place, line.partition(b"] ")[2] or line)
            for place, line in enumerate(log.splitlines())
        )
        for number, log in enumerate(
            (GOOD, BAD, GOOD, GOOD, GOOD.replace(b"Linux", b"linux"), BAD, GOOD) * 30
        )
    ]
    data = b"".join([*boots, *CORPUS[::9]] * 3)
    known = as_json(diagnosed(data))
    assert known["boots_left_out"]
    monkeypatch.setattr(Familiar, "worth_trying", property(lambda _: False))
    assert as_json(diagnosed(data)) == known


def test_new_shapes_are_not_remembered_for_ever() -> None:
    familiar = Familiar(longest=100)
    digits_to_letters = bytes.maketrans(b"0123456789", b"ghijklmnop")
    tried = 0
    for block in range(200):
        lines = [b"%d of %d" % (number, block) for number in range(2000)]
        if familiar.worth_trying:
            new = [line.translate(digits_to_letters) for line in lines]
            tried += familiar.may_tell(new, lambda _: ()) is not None
            familiar.helped()
    assert 20 < tried < 40
    assert not familiar.worth_trying


def test_lines_that_differ_in_their_numbers_are_of_one_shape() -> None:
    familiar = Familiar(longest=100)
    asked: list[bytes] = []
    for block in range(200):
        lines = b"\n".join(b"[%12.6f] x%d: %016x" % (n, n % 10, n * block) for n in range(1000))
        familiar.may_tell(shapes_of(lines), lambda text: asked.append(text) or ())  # type: ignore[func-returns-value]
    assert len(asked) == 1


def test_a_literal_across_two_blocks_is_found() -> None:
    data = (b"x" * 99 + b"\n") * (BLOCK // 100) + BAD
    assert serious(diagnosed(data))[0] == "no-root"


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.binary(max_size=3000))
@example(b"\x00")
@example(b"\x01\r\r\r")
def test_any_bytes(data: bytes) -> None:
    FUZZ.one_input(data)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_mutated_logs(data: st.DataObject) -> None:
    log = bytearray(data.draw(st.sampled_from(CORPUS))[:8000])
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, len(log)))
        log[place : place + data.draw(st.integers(0, 60))] = data.draw(st.binary(max_size=60))
    FUZZ.one_input(bytes(log))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(parts=st.lists(st.sampled_from(CORPUS), min_size=1, max_size=4), cut=st.integers(0, 5000))
def test_both_engines_agree(parts: list[bytes], cut: int) -> None:
    data = b"".join(part[cut % (len(part) + 1) :] for part in parts)
    by_re2 = as_json(diagnose_bytes(data, "log", KNOWLEDGE, use_re2=True))
    assert by_re2 == as_json(diagnose_bytes(data, "log", KNOWLEDGE, use_re2=False))
