"""What is handed in for a cell of a board: its own logs and results, and those of something else."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import board_kit
import pytest
import yaml
from command_kit import in_process
from status_kit import run_folder, status_of

from bootwright.api.bench.of_cell import Said, differences, is_of_release
from bootwright.api.bench.running import tell_untold
from bootwright.boards.model import board
from bootwright.investigate.campaign.told import read_told
from bootwright.investigate.plans.plan_file import load_plan

LEVELS = {"page_size": "4K", "tree": "mainline", "dtb": "kernel", "talos": "1.12.1"}
CELL = "rpi5-rev-1.0_4K_6.18.15_mainline_kernel"
NEWER = "rpi5-rev-1.1_4K_6.18.32_mainline_kernel"
STATUS = status_of(
    {
        CELL: {**LEVELS, "board": "rpi5-rev-1.0", "kernel": "6.18.15"},
        NEWER: {**LEVELS, "board": "rpi5-rev-1.1", "kernel": "6.18.32"},
    }
)
MODEL = "Raspberry Pi 5 Model B Rev 1.0"


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    return run_folder(tmp_path, STATUS)


def console(release: str = "6.18.15-talos", model: str = MODEL, order: int = 11, talos: str = "") -> str:
    """Of a boot with a link and an address; `order` is that of a table of 8 MiB: 11 of 4K pages."""
    return (
        "[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x414fd0b1]\n"
        f"[    0.000000] Linux version {release} (x@y) (gcc 14) #1 SMP PREEMPT\n"
        f"[    0.000000] Machine model: {model}\n"
        f"[    0.000000] Dentry cache hash table entries: 1048576 (order: {order}, 8388608 bytes, linear)\n"
        "[    3.000000] macb 1f00100000.ethernet end0: Link is Up - 1Gbps/Full - flow control off\n"
        f"{talos}"
        '[    6.000000] [talos] assigned address {"component": "controller-runtime", "controller": '
        '"network.AddressSpecController", "address": "192.168.1.50/24", "link": "end0"}\n'
    )


def observe(
    campaign: Path, text: str, *words: str, option: str = "--log"
) -> subprocess.CompletedProcess[str]:
    log = campaign / "console.log"
    log.write_text(text)
    return in_process("observe", CELL, "--run", str(campaign), option, str(log), *words)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (console("6.12.25-v8+"), "it is of Linux 6.12.25-v8+, and the cell has kernel version 6.18.15"),
        (console(model="Raspberry Pi 5 Model B Rev 1.1"), "the cell is for board=rpi5-rev-1.0"),
        (console(model="Raspberry Pi 4 Model B Rev 1.4"), "of another machine, Raspberry Pi 4 Model B"),
        (console(order=9), "it is of a kernel with 16K pages, and the cell has page size 4K"),
    ],
)
def test_a_log_of_something_else_is_refused(campaign: Path, text: str, says: str) -> None:
    done = observe(campaign, text, "--outcome", "talos-mounts=works")
    assert done.returncode == 2
    assert says in done.stderr
    assert "console.log is not of this cell" in done.stderr
    assert not read_told(campaign)


def test_the_cell_that_was_booted_is_named(campaign: Path) -> None:
    done = observe(campaign, console("6.18.32-talos", "Raspberry Pi 5 Model B Rev 1.1"))
    assert done.returncode == 2
    assert f"tell it of the cell that was booted: {NEWER}" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        console(),
        console(model="Raspberry Pi 5"),  # of a devicetree that its firmware did not write into
        console("6.12.25-v8+") + console(),  # the boot that is the cell's counts
    ],
)
def test_a_log_of_the_cell_is_kept(campaign: Path, text: str) -> None:
    done = observe(campaign, text)
    assert done.returncode == 0, done.stderr
    (answer,) = read_told(campaign)
    assert answer.outcomes["ethernet"].value == "works"


KTAP = """[    0.1] Linux version {release}
[    0.1] Machine model: {model}
[    5.3] bwab12: KTAP version 1
[    5.3] bwab12: # bootwright: release {release}
[    5.3] bwab12: # bootwright: page_size {pages}
[    5.3] bwab12: 1..1
[    5.3] bwab12:   KTAP version 1
[    5.3] bwab12:   # Subtest: cell
[    5.3] bwab12:   1..1
[    5.3] bwab12:   ok 1 ethernet
[    5.3] bwab12: ok 1 cell
[    5.3] bwab12: # bootwright: end
"""


@pytest.mark.parametrize(
    ("release", "pages", "model", "says"),
    [
        ("6.16.12+deb13-arm64-16k", 16384, MODEL, "it is of a kernel with 16K pages"),
        ("6.16.12+deb13-arm64", 4096, MODEL, "it is of Linux 6.16.12+deb13-arm64"),
        ("6.18.15+deb13-arm64", 4096, "linux,dummy-virt", "of another machine, linux,dummy-virt"),
        ("6.18.15+deb13-arm64", 4096, MODEL, ""),
    ],
)
def test_results_of_something_else_are_refused(
    campaign: Path, release: str, pages: int, model: str, says: str
) -> None:
    text = KTAP.format(release=release, pages=pages, model=model)
    done = observe(campaign, text, option="--results")
    assert done.returncode == (2 if says else 0), done.stderr
    assert says in done.stderr
    assert bool(read_told(campaign)) is not bool(says)


@pytest.mark.parametrize(("release", "verdict"), [("6.12.25-v8+", "unknown"), ("6.18.15-talos", "works")])
def test_a_boot_of_something_else_is_kept_and_not_told(
    campaign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, release: str, verdict: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / "console").write_text(console(release))
    (tmp_path / "card.raw").write_bytes(board_kit.disk(b""))
    with board_kit.board(tmp_path / "board", ["sh", "-c", "cat console; exec sleep 1000"]) as stand_in:
        port = {"port": os.path.realpath(stand_in / board_kit.TTY), "speed": 115200}
        drivers = {"SerialDriver": {}, "ExternalPowerDriver": board_kit.power_words(stand_in)}
        document = {
            "targets": {"main": {"resources": {"RawSerialPort": port}, "drivers": drivers}},
            "bootwright": {"main": {"deploy": {"command": ["test", "-f", "{image}"]}, "seconds_off": 0.0}},
        }
        environment = tmp_path / "bench.yaml"
        environment.write_text(yaml.safe_dump(document))
        words = ["--run", campaign, "--image", tmp_path / "card.raw", "--env", environment, "--until", "link"]
        command = ["bench", "run", CELL, *map(str, words), "--proves", "ethernet"]
        done = in_process(*command, "--json")
        text = in_process(*command).stdout
    assert done.stdout, done.stderr
    shown = json.loads(done.stdout)
    assert shown["verdict"] == verdict
    if verdict == "works":
        assert shown["not_told"] is None
        assert read_told(campaign)
        return
    assert f"it is of Linux {release}" in shown["not_told"]
    assert shown["told"] is None
    assert text.startswith("unknown: not told to the campaign: console.bin is not of this cell")
    tell_untold(campaign)  # as the next run does
    assert not read_told(campaign)


def test_a_dry_run_keeps_nothing_and_says_so(campaign: Path) -> None:
    shown = observe(campaign, console(), "--dry-run")
    assert "(not kept)" in shown.stdout
    assert not read_told(campaign)
    document = json.loads(observe(campaign, console(), "--dry-run", "--json").stdout)
    assert (document["is_new"], document["is_kept"]) == (True, False)
    assert "(kept)" in observe(campaign, console()).stdout
    document = json.loads(observe(campaign, console(), "--dry-run", "--json").stdout)
    assert (document["is_new"], document["is_kept"]) == (False, False)


def test_a_code_of_the_firmware_fails_and_says_nothing_of_the_outcomes(campaign: Path) -> None:
    words = ["observe", CELL, "--run", str(campaign), "--led", "4+3"]
    done = in_process(*words)
    alone = in_process("observe", "--board", "raspberrypi-5", "--led", "4+3")
    assert done.returncode == alone.returncode == 1
    assert "the boot stops: RP1, the chip" in done.stdout
    assert "says nothing of the cell's outcomes" in done.stdout
    assert json.loads(in_process(*words, "--json").stdout)["outcomes"].get("ethernet") in {None, "unknown"}


def test_what_cannot_be_booted_is_said_at_once(campaign: Path, tmp_path: Path) -> None:
    environment = tmp_path / "bench.yaml"
    environment.write_text("targets: {main: {resources: {}}}\n")
    done = in_process("bench", "all", CELL, "--run", str(campaign), "--env", str(environment))
    assert (done.returncode, done.stderr.count(f"no image was made for {CELL}")) == (2, 1)
    noise = tmp_path / "noise.img"
    noise.write_bytes(bytes(range(256)) * 64)
    job = ["bench", "job", CELL, "--run", str(campaign), "--url", "https://files.example.org", "--image"]
    for lab in ("lava", "pull-labs"):
        done = in_process(*job, str(noise), "--lab", lab, "-o", str(tmp_path / lab))
        assert done.returncode == 2
        assert "55 aa" in done.stderr
        assert not (tmp_path / lab).exists()
    for image, says in ((noise, "55 aa"), (tmp_path, "is no image")):
        words = ("--image", str(image), "--offline", "--out", str(tmp_path / "other"))
        done = in_process("investigate", "talos-rpi5", *words)
        assert done.returncode == 2
        assert says in done.stderr
        assert not (tmp_path / "other").exists()


def test_what_is_no_log_or_no_cell_is_named(campaign: Path) -> None:
    for place in (("--board", "raspberrypi-5"), (CELL, "--run", str(campaign))):
        done = in_process("observe", *place, "--log", "/bin/ls")
        assert done.returncode == 2
        assert "/bin/ls is an ELF program, not a log" in done.stderr
    for words in (("observe", "some-cell", "--outcome", "ethernet=works"), ("bench", "run", "some-cell")):
        more = ("--env", "bench.yaml") if words[0] == "bench" else ()
        done = in_process(*words, *more, "--run", str(campaign))
        assert done.returncode == 2
        assert CELL in done.stderr
        assert "`bootwright status` names those that wait" in done.stderr


def test_what_is_told_against_the_log_is_said(campaign: Path) -> None:
    done = observe(campaign, console(), "--outcome", "ethernet=fails")
    assert "ethernet is told as fails, which is kept; what was seen works" in done.stdout
    both = observe(campaign, console(), "--outcome", "ethernet=fails", "--outcome", "ethernet=works")
    assert both.returncode == 2
    assert "is told as fails and as works" in both.stderr


@pytest.mark.parametrize(
    ("release", "level", "is_its"),
    [
        ("6.18.15-talos", "6.18.15", True),
        ("6.18.15", "6.18", True),
        ("6.18.15", "6.18.1", False),
        ("6.18.0-rc3", "6.18.15", False),
        ("6.1.0-47-arm64", "6.1.170", True),  # the package's ABI: its version is not in the release
        ("6.1.0-47-arm64", "6.12.1", False),
        ("anything", "6.18.15", True),
        ("6.18.15", "new", True),
    ],
)
def test_releases_of_a_level(release: str, level: str, is_its: bool) -> None:
    assert is_of_release(release, level) is is_its


def test_another_series_of_the_system_is_seen() -> None:
    plan = load_plan("talos-rpi5")
    factors = STATUS["names"][CELL]  # type: ignore[index]
    assert not list(differences(plan, factors, Said(system="v1.12.8")))
    assert list(differences(plan, factors, Said(system="v1.11.6"))) == [
        "it is of talos v1.11.6, and the cell has Talos version 1.12"
    ]
    assert list(differences(plan, factors, Said(revision="d04171")))
    assert not list(differences(plan, factors, Said(revision="d04170")))


@pytest.mark.parametrize(
    ("name", "model", "steppings"),
    [
        ("raspberrypi-5", "Raspberry Pi 5 Model B Rev 1.1", {"d0"}),
        ("raspberrypi-5", "Raspberry Pi 5 Model B Rev 1.0", {"c0", "d0"}),  # d0 with 2 GB
        ("raspberrypi-5", "Raspberry Pi 5", {"c0", "d0"}),
        ("rock-5a", "Radxa ROCK 5A", {stepping.name for stepping in board("rock-5a").steppings}),
    ],
)
def test_a_model_says_which_stepping_it_can_be(name: str, model: str, steppings: set[str]) -> None:
    assert board(name).steppings_of_model(model) == steppings
