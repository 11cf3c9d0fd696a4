"""What `investigate` and `status` tell a reader to type is typed here, for both revisions of the board."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

import pytest
from command_kit import in_process

PLAN = "talos-rpi5"
COLUMNS, LINES = 80, 24
LOG = """\
[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x414fd0b1]
[    0.000000] Linux version 6.18.15 (gcc) #1 SMP
[    5.000000] [talos] assigned address {"component": "controller-runtime"}
"""


def commands(lines: Iterable[str]) -> list[str]:
    """The commands that stand on lines of their own, those that go on below put together."""
    whole: list[str] = []
    goes_on = False
    for line in lines:
        text = line.strip()
        if goes_on:
            whole[-1] += f" {text.removesuffix(chr(92)).strip()}"
        elif text.startswith("bootwright "):
            whole.append(text.removesuffix("\\").strip())
        goes_on = (goes_on or text.startswith("bootwright ")) and text.endswith("\\")
    return list(dict.fromkeys(whole))


def carry_out(command: str, standing: dict[str, str]) -> None:
    """Type it; what has to be fetched is asked for without a network, which is the last thing it looks at."""
    words = [standing.get(word, word) for word in shlex.split(command)[1:]]
    if words[:2] == ["prepare", "talos"]:
        done = in_process(*words, "--offline")
        assert "would have to be fetched" in done.stderr, (command, done.stderr)
        assert "https://factory.talos.dev/image/" in done.stderr
        return
    if words[0] == "observe":  # the log is of the kernel that the cell names
        Path(standing["LOG"]).write_text(LOG.replace("6.18.15", words[1].split("_")[2]))
    done = in_process(*words, "--quiet") if words[0] in {"prepare", "flash"} else in_process(*words)
    ends = {0, 3} if words[0] == "observe" else {0}  # a log may show neither
    assert done.returncode in ends, (command, done.stdout, done.stderr)


@pytest.mark.boot
@pytest.mark.download
@pytest.mark.parametrize(("code", "version"), [("c04170", "1.12.8"), ("e04171", "1.12.8")])
def test_every_printed_command_is_carried_out(
    standin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, version: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    monkeypatch.delenv("LINES", raising=False)
    (tmp_path / "boot.log").write_text(LOG)
    standing = {"IMAGE": str(standin), "LOG": "boot.log", "DEVICE": "card.img"}
    asked = (PLAN, "--board", "raspberrypi-5", "--revision", code)
    answer = in_process("investigate", *asked, "--quiet")
    assert answer.returncode == 0, answer.stderr
    screen = answer.stdout.splitlines()[:LINES]
    assert commands(screen)[0].startswith(
        f"bootwright prepare talos --version {version} --board raspberrypi-5"
    )
    said = [*screen, *answer.stdout.partition("In short")[2].splitlines()]
    assert "Talos version 1.12" in " ".join(said)
    assert "1.12.1 " not in " ".join([*said, ""])
    shown = in_process("status", PLAN)
    lines = [*answer.stdout.splitlines(), *shown.stdout.splitlines()]
    assert [line for line in lines if len(line) > COLUMNS] == []
    without = commands(lines)
    assert any(" IMAGE " in command for command in without)
    # What no card can be made of is said at once, and no command is printed for it.
    refused = in_process("investigate", *asked, "--quiet", "--image", "/etc/hosts", "--cards", "1")
    assert refused.returncode == 2
    assert "/etc/hosts" in refused.stderr
    assert commands(refused.stdout.splitlines()) == []
    # With an image the cards are made, and there is something to flash.
    made = in_process("investigate", *asked, "--quiet", "--image", str(standin), "--cards", "1")
    assert made.returncode == 0, made.stderr
    shown = in_process("status", PLAN)
    assert "made, verified" in " ".join(shown.stdout.split()), shown.stdout.partition("Next:")[2]
    whole = [*without, *commands([*made.stdout.splitlines(), *shown.stdout.splitlines()])]
    assert any(command.startswith("bootwright flash ") for command in whole)
    for command in dict.fromkeys(whole):
        (tmp_path / "card.img").unlink(missing_ok=True)
        carry_out(command, standing)
