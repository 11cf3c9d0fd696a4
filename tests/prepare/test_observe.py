"""What was seen on a board: what it shows, what it means, and that the next preparation knows it."""

from __future__ import annotations

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from attrs import evolve
from click.testing import CliRunner
from disk_kit import fuzz_target
from hypothesis import example, given
from hypothesis import strategies as st

from bootwright import api
from bootwright.boards.addresses import told_address
from bootwright.boards.model import board
from bootwright.cli.observe import command
from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused
from bootwright.foundation.verdict import Verdict
from bootwright.prepare.knowledge import PREPARATIONS, proofs
from bootwright.prepare.looking import came
from bootwright.prepare.seen.photo_text import photo_text
from bootwright.prepare.seen.record import Record, SeenStepping, parse_record, read_record, write_record

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/observe.schema.json").read_text())
PI5 = board("raspberrypi-5")
RP1 = """[    0.000000] Linux version 6.18.15+deb13-arm64 (builder@host) #1 SMP
[    0.000000] Machine model: Raspberry Pi 5 Model B Rev 1.0
[    1.100000] brcm-pcie 1000120000.pcie: link up, 5.0 GT/s PCIe x4 (!SSC)
[    1.200000] rp1_pci 0002:01:00.0: Missing of_node for device
[    1.210000] rp1_pci 0002:01:00.0: probe with driver rp1_pci failed with error -22
"""
GOOD = """[    0.000000] Linux version 6.18.15+deb13-arm64 (builder@host) #1 SMP
[    0.000000] Machine model: Raspberry Pi 5 Model B Rev 1.0
[    3.100000] macb 1f00100000.ethernet eth0: Link is Up - 1Gbps/Full - flow control tx
[    5.000000] [talos] assigned address {"component": "controller-runtime", "controller": \
"network.AddressSpecController", "address": "192.168.1.50/24", "link": "eth0"}
[    9.000000] [talos] machine is running and ready
"""


def record() -> Record:
    """Of an image that was prepared for a C0 board, and predicted to work."""
    works = {"ethernet": Verdict.WORKS, "os-mounts": Verdict.WORKS}
    return Record(
        image="pi5.raw", size=3, sha256="a" * 64, source="talos.raw", source_sha256="b" * 64,
        board="raspberrypi-5", board_title="Raspberry Pi 5, stepping c0", revision="c04170", stepping="c0",
        system="talos", version="v1.12.1", kernel="6.18.15+deb13-arm64", kernel_version="6.18.15",
        setup_sha256="c" * 64, page_size=4096,
        steppings=(SeenStepping("c0", "bcm2712-rpi-5-b.dtb", "d" * 64),), verdicts={"c0": works},
        wanted=("ethernet",),
    )  # fmt: skip


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "pi5.raw.prepared.json"
    write_record(path, record())
    return path


def observe(*arguments: str | Path) -> tuple[dict[str, Any], int]:
    """The document that `bootwright observe --json` prints, and its exit status."""
    words = [*map(str, arguments), "--json", "--quiet"]
    done = CliRunner().invoke(command, words, standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    document = json.loads(done.stdout)
    jsonschema.validate(document, SCHEMA)
    return document, done.return_value


@pytest.mark.parametrize(
    ("answers", "missed", "ethernet"),
    [
        ({"lights": "on", "address": "given", "service": "answers"}, None, Verdict.WORKS),
        ({"lights": "off", "address": "none"}, "lights", Verdict.FAILS),
        ({"lights": "on", "address": "none"}, "address", Verdict.UNKNOWN),
        ({"lights": "off", "address": "given"}, None, Verdict.WORKS),
        ({"lights": "on", "address": "given", "service": "silent"}, "maintenance", Verdict.WORKS),
        ({"led": "off"}, "power", None),
        ({"led": "0+7"}, "card", None),
        ({"led": "activity", "lights": "off"}, "lights", Verdict.FAILS),
        ({"led": "steady"}, None, None),
        ({"led": "off", "lights": "off", "address": "none"}, "power", Verdict.UNKNOWN),
        ({"led": "0+7", "lights": "off"}, "card", Verdict.UNKNOWN),
        ({"led": "0+7", "lights": "on"}, "card", Verdict.UNKNOWN),
        ({"led": "2+1", "lights": "on", "address": "none"}, "card", Verdict.UNKNOWN),
        ({"led": "0+7", "lights": "on", "address": "given"}, "card", Verdict.UNKNOWN),
        ({"led": "0+7", "address": "given", "service": "answers"}, None, Verdict.WORKS),
        ({"led": "off", "lights": "on"}, None, Verdict.UNKNOWN),
        ({"led": "0+10", "lights": "on"}, None, Verdict.UNKNOWN),
    ],
)
def test_how_far_a_board_came(answers: dict[str, str], missed: str | None, ethernet: Verdict | None) -> None:
    steps = came(PREPARATIONS.get("talos"), PI5, answers)
    assert (steps.missed.name if steps.missed else None) == missed
    assert steps.outcomes.get("ethernet") is ethernet


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("none", None),
        ("None ", None),
        (" 192.168.1.50", "192.168.1.50"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("pi.lan", "pi.lan"),
    ],
)
def test_what_is_an_address(text: str, address: str | None) -> None:
    assert told_address(text) == address


@given(st.from_regex(r"\A[A-Za-z0-9-]{1,20}\Z"))
def test_a_word_without_a_domain_is_no_evidence_of_a_network(word: str) -> None:
    with contextlib.suppress(Refused):
        assert told_address(word) is None


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "led": st.sampled_from(["off", "steady", "activity", "0+7", "4+3"]),
            "lights": st.sampled_from(["on", "off"]),
            "address": st.sampled_from(["given", "none"]),
            "service": st.sampled_from(["answers", "silent"]),
        },
    )
)
def test_an_address_means_that_the_network_works_unless_no_kernel_was_found(answers: dict[str, str]) -> None:
    steps = came(PREPARATIONS.get("talos"), PI5, answers)
    if answers.get("led") in {"0+7", "4+3"} and answers.get("service") != "answers":
        assert steps.missed is not None
        assert steps.missed.name == "card"
        assert steps.outcomes.get("ethernet", Verdict.UNKNOWN) is Verdict.UNKNOWN
    elif answers.get("address") == "given":
        assert steps.outcomes["ethernet"] is Verdict.WORKS
        assert steps.missed is None or steps.missed.name == "maintenance"
    elif answers.get("service") != "answers":
        assert steps.outcomes.get("ethernet") is not Verdict.WORKS


def test_nothing_after_the_boot_loader_is_told_with_watched(tmp_path: Path) -> None:
    photo = tmp_path / "photo.txt"
    photo.write_text(
        "U-Boot 2026.04 (Apr 10 2026 - 12:00:00 +0000)\n\nDRAM:  8 GiB\nRPI 5 Model B (0xe04171)\n"
        "Out:   serial,vidconsole\nHit any key to stop autoboot:  0\n"
    )
    document, status = observe("--board", "raspberrypi-5", "--text", photo)
    assert (document["verdict"], status) == ("unknown", 3)
    assert "--watched" in document["next"]
    document, status = observe("--board", "raspberrypi-5", "--text", photo, "--watched")
    assert (document["verdict"], status) == ("fails", 1)
    assert "prepare IMAGE --board raspberrypi-5" in document["next"]
    photo.write_text(
        photo.read_text() + "[    0.000000] Linux version 6.12.57 (build@host) (gcc 14) #1 SMP\n"
    )
    document, status = observe("--board", "raspberrypi-5", "--text", photo, "--watched")
    assert "nothing more came after boot-loader" not in str(document)


def test_a_failure_in_a_log_ends_with_a_command(tmp_path: Path) -> None:
    log = tmp_path / "boot.log"
    log.write_text(RP1)
    document, _ = observe("--board", "raspberrypi-5", "--revision", "c04170", "--log", log)
    assert document["next"].endswith("bootwright prepare IMAGE --board raspberrypi-5 --revision c04170")


def test_the_log_of_a_pc_is_not_of_the_board(tmp_path: Path) -> None:
    log = tmp_path / "pc.log"
    log.write_text(
        "[    0.000000] Linux version 6.12.57 (build@host) (gcc 14) #1 SMP PREEMPT_DYNAMIC\n"
        "[    0.000000] BIOS-provided physical RAM map:\n"
        "[    0.000000] DMI: Acme Mini/Mini, BIOS A1 03/01/2023\n"
        "[    2.000000] r8169 0000:01:00.0: probe with driver r8169 failed with error -110\n"
    )
    document, status = observe("--board", "raspberrypi-5", "--log", log)
    assert (document["verdict"], status, document["outcomes"]) == ("unknown", 3, {})
    assert any("x86 machine: Acme Mini" in text for text in document["says"])
    assert "prepared image" not in document["next"]


@pytest.mark.parametrize("system", ["", "talos", "debian"])
def test_a_service_that_is_told_to_be_silent_is_not_worked_with(tmp_path: Path, system: str) -> None:
    answers = ["--lights", "on", "--address", "10.0.0.5", "--service", "silent"]
    whose: list[str | Path] = ["--board", "raspberrypi-5"]
    if system:
        path = tmp_path / "card.raw.prepared.json"
        write_record(path, evolve(record(), system=system))
        whose = ["--prepared", path]
    document, status = observe(*whose, *answers)
    assert (document["verdict"], status) == ("unknown", 3)
    assert document["outcomes"]["ethernet"] == "works"
    assert document["says"]
    assert "--text FILE" in document["next"] or "--log FILE" in document["next"]
    assert "apply-config" not in document["next"]
    assert "ssh to" not in document["next"]
    document, status = observe(*whose, *answers[:-1], "answers")
    assert (document["verdict"], status) == ("works", 0)


def test_a_log_names_the_cause_and_is_kept_once(kept: Path) -> None:
    log = kept.with_name("console.log")
    log.write_text(RP1)
    document, status = observe("--prepared", kept, "--log", log)
    assert (document["verdict"], status) == ("fails", 1)
    assert document["cause"]["signature"] == "rp1-endpoint"
    assert any("error -22" in line["text"] for line in document["cause"]["lines"])
    assert document["against_prediction"] == ["ethernet: predicted works, seen fails"]
    observe("--prepared", kept, "--log", log)
    (seen,) = read_record(kept).observations
    assert seen.outcomes["ethernet"] is Verdict.FAILS
    assert (kept.with_name("pi5.raw.observed") / f"{seen.logs[0]}.log").read_text() == RP1


PANIC = """[    0.000000] Linux version 6.18.15+deb13-arm64 (builder@host) #1 SMP
[    0.000000] Machine model: Raspberry Pi 5 Model B Rev 1.1
[    1.300200] SError Interrupt on CPU2, code 0x00000000be000011 -- SError
[    1.300220] pc : brcmstb_pinconf_set+0x8c/0x120
[    1.300300] Kernel panic - not syncing: Asynchronous SError Interrupt
[    1.300360] Rebooting in 10 seconds..
"""
AGAIN = """   0.00 RPi: BOOTLOADER release VERSION:45291ce6 DATE: 2025/11/05 TIME: 17:37:18
   0.00 BOOTMODE: 0x06 partition 0 build-ts BUILD_TIMESTAMP=1762363038 serial 00000000 boardrev e04171 stc 4
"""


@pytest.mark.parametrize("ending", ["", AGAIN, AGAIN + PANIC + AGAIN])
def test_what_failed_is_told_though_the_board_restarted_after_it(kept: Path, ending: str) -> None:
    log = kept.with_name("console.log")
    log.write_text(PANIC + ending)
    blamed = api.diagnose(log).diagnosis.blamed
    document, status = observe("--prepared", kept, "--log", log)
    assert blamed is not None
    assert (document["verdict"], status, document["cause"]["signature"]) == (
        "fails", 1, blamed.finding.signature,
    )  # fmt: skip
    assert [text for text in document["says"] if "boot 1 of 2" in text] == (
        ["that is boot 1 of 2 in the log (from line 1); the last one got as far as firmware"]
        if ending == AGAIN
        else []
    )
    (seen,) = read_record(kept).observations
    assert seen.stepping == "d0", "a Rev 1.1 is one, whether or not its firmware says so too"


def test_a_log_of_another_revision_counts_for_its_own_and_says_so(kept: Path, tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_text(PANIC)
    asked = ("--board", "raspberrypi-5", "--log", log, "--dry-run")
    document, _ = observe(*asked, "--revision", "c04170")
    assert (
        "the log is of stepping d0, and the revision code c04170 is of c0: what it shows counts for d0"
        in document["says"]
    )
    document, _ = observe("--prepared", kept, "--log", log, "--dry-run")
    assert any("the image was prepared for c0" in text for text in document["says"])
    for same in (("--revision", "e04171"), ()):
        document, _ = observe(*asked, *same)
        assert not any("counts for" in text for text in document["says"])
    log.write_text(PANIC.replace("Rev 1.1", "Rev 1.0"))  # of either: one with 2 GB is a d0
    document, _ = observe(*asked, "--revision", "c04170")
    assert not any("counts for" in text for text in document["says"])


def test_a_failed_goal_stays_failed_though_the_board_restarted(kept: Path) -> None:
    log = kept.with_name("console.log")
    log.write_text(RP1 + PANIC.partition("\n")[2].partition("\n")[2] + AGAIN)
    document, _ = observe("--prepared", kept, "--log", log)
    assert document["outcomes"]["ethernet"] == "fails"
    assert document["against_prediction"] == ["ethernet: predicted works, seen fails"]


def test_the_boot_after_a_failed_one_counts_and_one_of_another_kernel_does_not(kept: Path) -> None:
    log = kept.with_name("console.log")
    log.write_text(PANIC + GOOD)
    document, status = observe("--prepared", kept, "--log", log)
    assert (document["outcomes"]["ethernet"], status) == ("works", 0)
    log.write_text(PANIC.replace("6.18.15", "6.12.25") + GOOD + AGAIN)
    document, status = observe("--prepared", kept, "--log", log)
    assert (document["counts"], document["outcomes"]["ethernet"], status) == (True, "works", 0)
    log.write_text(PANIC.replace("6.18.15", "6.12.25") + AGAIN)
    document, status = observe("--prepared", kept, "--log", log)
    assert (document["counts"], status) == (False, 3)


@pytest.mark.parametrize("content", [b"", b"\n \r\n", bytes(4096)])
@pytest.mark.parametrize("option", ["--log", "--text"])
def test_an_empty_log_is_refused_and_not_kept(kept: Path, option: str, content: bytes) -> None:
    before = kept.read_bytes()
    log = kept.with_name("console.log")
    log.write_bytes(content)
    with pytest.raises(Malformed, match="an empty file") as caught:
        observe("--prepared", kept, option, log, "--lights", "off")
    assert "from power-on" in (caught.value.hint or "")
    assert kept.read_bytes() == before


@pytest.mark.parametrize(
    ("log", "next_step"),
    [
        ("[    0.000000] Linux version 6.18.15 (builder@host) #1 SMP\n", "until nothing more comes"),
        ("[    9.000000] [talos] machine is running and ready\n", "--outcome"),
    ],
)
def test_a_log_without_a_failure_is_not_asked_for_again(tmp_path: Path, log: str, next_step: str) -> None:
    path = tmp_path / "console.log"
    path.write_text(log)
    document, _ = observe("--board", "raspberrypi-3", "--log", path)
    assert "--log FILE" not in document["next"]
    assert next_step in document["next"]


@pytest.mark.parametrize(
    ("arguments", "next_step"),
    [
        (["--lights", "on"], "tell it: --address"),
        (["--lights", "on", "--address", "10.0.0.2"], "nothing for what was told: it works"),
        (["--led", "activity"], "tell it: --lights"),
        (["--outcome", "ethernet=fails"], "they say why"),
    ],
)
def test_the_next_step_is_what_was_not_told_yet(arguments: list[str], next_step: str) -> None:
    document, _ = observe("--board", "raspberrypi-5", *arguments)
    assert next_step in document["next"]


def test_a_log_of_a_good_boot_shows_both_goals(kept: Path) -> None:
    log = kept.with_name("console.log")
    log.write_text(GOOD)
    document, status = observe("--prepared", kept, "--log", log)
    assert (document["outcomes"], status) == (
        {"ethernet": "works", "os-start": "works", "os-mounts": "works"},
        0,
    )
    assert document["next"].startswith("talosctl apply-config")


def test_a_log_of_another_kernel_does_not_count(kept: Path) -> None:
    log = kept.with_name("console.log")
    log.write_text(RP1.replace("6.18.15", "6.12.25"))
    document, _ = observe("--prepared", kept, "--log", log)
    assert not document["counts"]
    assert document["against_prediction"] == []
    assert "flash the prepared image" in document["next"]


def test_what_a_person_says_against_the_log_is_told(kept: Path) -> None:
    log = kept.with_name("console.log")
    log.write_text(RP1)
    document, _ = observe("--prepared", kept, "--log", log, "--outcome", "ethernet=works")
    assert any("told as works" in text for text in document["says"])


def test_observations_are_rows_of_the_bench_in_an_investigation(kept: Path) -> None:
    observe("--prepared", kept, "--lights", "off", "--address", "none")
    done = api.investigate(observations=kept)
    (row,) = done.investigation.observations
    assert row.source.word == "bench"
    assert row.outcomes == {"ethernet": Verdict.FAILS}
    assert row.level("kernel") == "6.18.15"
    from bootwright.api.cards.observing import table_of_record
    from bootwright.investigate.plans.plan_file import load_plan

    (planned,) = table_of_record(kept, load_plan("talos-rpi5")).observations
    levels = {name: planned.level(name) for name in planned.values}
    assert levels == {"kernel": "6.18.15", "page_size": "4K", "talos": "1.12.1", "board": "rpi5-rev-1.0"}


def test_a_code_of_the_firmware_says_that_the_boot_stops() -> None:
    document, status = observe("--board", "raspberrypi-5", "--led", "4+3")
    assert (document["verdict"], status, document["outcomes"]) == ("fails", 1, {})
    halted, unknown = observe("--board", "raspberrypi-5", "--led", "0+10")
    assert (halted["verdict"], unknown) == ("unknown", 3)


def test_without_a_record_the_log_says_which_system_ran(tmp_path: Path) -> None:
    photo = tmp_path / "photo.txt"
    photo.write_text(
        '[   12.443216] [talos] controller failed {"controller": "files.EtcFileController", "error": "failed '
        'to create shadow bind mount \\"hosts\\" -> \\"/etc/hosts\\" (mode: fd): failed to opentree: '
        'invalid argument"}\n'
    )
    document, status = observe("--board", "raspberrypi-5", "--text", photo)
    assert (document["outcomes"], status) == ({"os-mounts": "fails"}, 1)


def test_a_diagnosis_of_a_photos_text_says_what_reads_it_better(tmp_path: Path) -> None:
    garbled, clean = tmp_path / "photo.txt", tmp_path / "console.log"
    garbled.write_text("[    4.1O2334] rp1_pci 0002:01:00.0: Missing of_node for device\n")
    clean.write_text("[    4.102334] rp1_pci 0002:01:00.0: Missing of_node for device\n")
    advice = [
        any("observe --text" in gap.get_it for gap in api.diagnose(path).diagnosis.boots[-1].gaps)
        for path in (garbled, clean)
    ]
    assert advice == [True, False]


def test_an_answer_alone_claims_nothing_of_what_was_not_asked() -> None:
    document, status = observe("--board", "raspberrypi-5", "--address", "none")
    assert status == 3
    assert not any("PHY is alive" in text for text in document["says"])
    assert "--lights" in document["next"]


def test_the_revision_code_is_in_the_next_step() -> None:
    answers = ("--lights", "off", "--address", "none")
    document, _ = observe("--board", "raspberrypi-5", "--revision", "e04171", *answers)
    assert "prepare IMAGE --board raspberrypi-5 --revision e04171" in document["next"]
    with pytest.raises(Refused, match="not one of Raspberry Pi 5") as caught:
        observe("--board", "raspberrypi-5", "--revision", "c03111", *answers)
    assert caught.value.hint == "it is one of raspberrypi-4"
    with pytest.raises(Refused, match="no board 'pi 5'") as caught:
        observe("--board", "pi 5", *answers)
    assert "raspberrypi-5" in (caught.value.hint or "")


def test_several_at_once_lose_nothing(kept: Path) -> None:
    logs = [kept.with_name(f"{number}.log") for number in range(8)]
    for number, log in enumerate(logs):
        log.write_text(f"[    {number}.000000] something\n")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda log: api.observe(prepared=kept, logs=log), logs))
    assert len(read_record(kept).observations) == 8


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ([], "nothing was told", "--log"),
        (["--lights", "onn"], "no answer to --lights", "on"),
        (["--lights", "4+3"], "no answer '4+3' to --lights", "--led 4+3"),
        (["--led", "blinking"], "no answer 'blinking'", "0+7"),
        (["--led", "9+9"], "no code 9+9", "codes"),
        (["--address", "300.1.1.1"], "is no address", "192.168.1.50"),
        (["--address", "two words"], "is no address", "192.168.1.50"),
        (["--address", "no"], "'no' is no address", "say none"),
        (["--address", "unknown"], "is no address", "leave it out"),
        (["--address", "n.a"], "is no address", "say none"),
        (["--address", "0.0.0.0"], "on a network", "say none"),  # noqa: S104 - told, not listened on
        (["--address", "127.0.0.1"], "on a network", "say none"),
        (["--address", "255.255.255.255"], "on a network", "say none"),
        (["--address", "ff02::1"], "on a network", "say none"),
        (["--outcome", "ethernet=good"], "no outcome 'good'", "works"),
        (["--outcome", "ethernt=works"], "no goal 'ethernt'", "ethernet"),
        (["--log", "/nowhere.log"], "cannot read", "name"),
        (["--text", "/proc/self/exe"], "expected", ""),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_kept(
    kept: Path, arguments: list[str], message: str, hint: str
) -> None:
    before = kept.read_bytes()
    with pytest.raises((Refused, Missing, Malformed)) as caught:
        observe("--prepared", kept, *arguments)
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert hint in (caught.value.hint or "")
    assert kept.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.json", b"{", "expected the record"),
        ("x.json", b"[]", "expected the record"),
        ("x.json", b'{"schema": "bootwright/prepared/1"}', "expected"),
        ("x.json", b'{"schema": "bootwright/prepared/2"}', "bootwright/prepared/2"),
    ],
)
def test_what_is_no_record_is_said(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Malformed, match=message):
        observe("--prepared", tmp_path / name, "--lights", "on")
    with pytest.raises(Missing, match="no record beside it"):
        observe("--image", tmp_path / name, "--lights", "on")


@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_any_bytes_as_a_record_are_one_error(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_record(data, "x")


@given(st.sampled_from(sorted(json.loads(record().text()))), st.none() | st.integers() | st.text(max_size=9))
def test_a_record_with_one_value_changed_is_read_or_refused(key: str, value: object) -> None:
    document = json.loads(record().text()) | {key: value}
    try:
        parse_record(json.dumps(document).encode(), "x")
    except BootwrightError as error:
        message = error.message
    else:
        return
    assert key in message or key == "schema"


def test_a_record_reads_as_it_was_written() -> None:
    made = record()
    assert parse_record(made.text().encode(), "x") == made
    assert parse_record(evolve(made, image="Ünïcode.raw").text().encode(), "x").image == "Ünïcode.raw"


PHOTO = """
| [   12.O1534] rp1_pci 0002:01:00.0: probe with driver rp1_pci failed with error \u201322 |
  [   l2.1O0000] [talos] controller failed {\u201ccomponent\u201d: \u201ccontroller-runtime\u201d}
"""


def test_the_text_of_a_photo_is_put_right_where_it_cannot_be_meant_otherwise(kept: Path) -> None:
    photo = kept.with_name("photo.txt")
    photo.write_text(PHOTO, encoding="utf-8")
    read = photo_text(photo.read_bytes(), "photo.txt")
    lines = read.data.decode().splitlines()
    assert lines[1] == "[   12.015340] rp1_pci 0002:01:00.0: probe with driver rp1_pci failed with error -22"
    assert lines[2] == '[   12.100000] [talos] controller failed {"component": "controller-runtime"}'
    document, _ = observe("--prepared", kept, "--text", photo)
    assert document["cause"]["signature"] == "rp1-endpoint"
    assert document["outcomes"]["ethernet"] == "fails"


def test_lines_that_the_screen_cut_are_joined() -> None:
    long = "[    1.000000] talos: " + "x" * 58
    read = photo_text(f"{long}\nfailed to open\n[    2.000000] next\n".encode(), "photo")
    assert read.data.decode().splitlines() == [f"{long}failed to open", "[    2.000000] next"]


def test_a_picture_is_refused() -> None:
    with pytest.raises(Refused, match="is a picture"):
        photo_text(b"\x89PNG\r\n\x1a\n" + bytes(20), "photo.png")


@example(b"[talos]")
@example(b"[ 1.500 ]")
@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_text_of_a_photo_is_read_or_refused(data: bytes) -> None:
    try:
        read = photo_text(data, "photo")
    except BootwrightError:
        return
    again = photo_text(read.data, "photo")
    assert "time stamp" not in " ".join(again.changed)


def test_every_finding_and_milestone_of_the_knowledge_exists() -> None:
    from bootwright.diagnose.signatures.schema import SIGNATURES, STAGE_FILES

    labels = {marker.label for file in STAGE_FILES.all().values() for marker in file.markers}
    for preparation in PREPARATIONS.all().values():
        for proof in proofs(preparation):
            assert {*proof.works, *proof.fails} <= set(SIGNATURES.names())
            assert set(proof.reached) <= labels


def test_the_fuzz_target_takes_its_seeds() -> None:
    one_input = fuzz_target("fuzz_prepared")
    for seed in (record().text().encode(), PHOTO.encode(), b"", b"{}", b"\xff\xfe"):
        one_input(seed)


def test_a_revision_code_alone_says_which_board_it_was() -> None:
    by_code = api.observe(revision="e04171", lights="off", address="none").as_json()
    by_name = api.observe(board="raspberrypi-5", revision="e04171", lights="off", address="none").as_json()
    for document in (by_code, by_name):
        document.pop("id"), document.pop("taken_at")
    assert by_code == by_name
    with pytest.raises(Refused, match="one board's"):
        api.observe(revision="d0", lights="off")
