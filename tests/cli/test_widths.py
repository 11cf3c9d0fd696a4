"""What commands say for a person fits the screen that they are asked on."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_kit import in_process

GALLERY = Path(__file__).parents[2] / "src/bootwright/data/gallery/golden"
LOG = next(iter(sorted(GALLERY.glob("*/console.log"))))
OBSERVE = ("observe", "--board", "raspberrypi-5", "--revision", "e04171", "--dry-run", "--lights")


@pytest.mark.parametrize(
    "words",
    [
        ("boards", "list"),
        (*OBSERVE, "off", "--address", "none"),
        (*OBSERVE, "on", "--address", "192.168.1.23", "--service", "silent"),
        ("wait", "no-such-name.invalid", "--timeout", "0", "--quiet"),
        ("diagnose", str(LOG)),
    ],
    ids=lambda words: " ".join(words[:2]),
)
@pytest.mark.parametrize("columns", [60, 80])
def test_lines_are_as_wide_as_the_screen_at_most(
    words: tuple[str, ...], columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = in_process(*words).stdout.splitlines()
    assert len(lines) > 1
    wide = [line for line in lines if len(line) > columns]
    # A name or an address has no place to be broken at.
    assert [line for line in wide if len(line.split()) > 1 and str(LOG) not in line] == []


def test_a_list_for_a_program_has_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    done = in_process("boards", "list")
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("raspberrypi-5 ")]
    assert line.endswith("bcm2712-rpi-5-b.dtb, bcm2712-d-rpi-5-b.dtb")
