"""What the status LED shows, as a diagnosis: alone, and beside a log."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from bootwright import api
from bootwright.boards.lights import LIGHTS, lights_of
from bootwright.cli.diagnose import command
from bootwright.diagnose.model import Outcome
from bootwright.foundation.errors import Malformed, Refused
from bootwright.foundation.verdict import Verdict

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/diagnose.schema.json").read_text())
HEALTHY = Path(__file__).parents[2] / "src/bootwright/data/gallery/golden/healthy/console.log"


@pytest.mark.parametrize("name", [name for family in LIGHTS.all().values() for name in family.boards])
def test_every_code_of_a_board_is_a_verdict_with_what_to_do(name: str) -> None:
    lights = lights_of(name)
    assert lights is not None
    blinks = lights.blinks_of(name)
    assert len({blink.code for blink in blinks}) == len(blinks)
    for blink in blinks:
        diagnosed = api.diagnose((), board=name, lights=blink.code)
        (finding,) = diagnosed.diagnosis.boots[0].findings
        assert diagnosed.outcome is (Outcome.FAILED if blink.fails else Outcome.UNKNOWN)
        assert finding.cause.lower().startswith(blink.means.lower())
        assert finding.remedy.lower().startswith(blink.next.lower())
        jsonschema.validate(diagnosed.as_json(), SCHEMA)


@pytest.mark.parametrize(
    ("code", "boards"),
    [
        ("4+3", {"raspberrypi-5", "raspberrypi-500", "raspberrypi-cm5"}),
        ("1+2", {"raspberrypi-4", "raspberrypi-5", "raspberrypi-500"}),
    ],
)
def test_a_code_of_a_part_is_known_where_the_part_is(code: str, boards: set[str]) -> None:
    """RP1, and the switch of the card's supply: elsewhere the flashes were miscounted."""
    for name in LIGHTS.get("raspberrypi").boards:
        if name in boards:
            assert api.observe(board=name, led=code).verdict is Verdict.FAILS
            continue
        with pytest.raises(Refused, match="no code") as caught:
            api.observe(board=name, led=code)
        assert code not in (caught.value.hint or "")
        with pytest.raises(Refused, match="no code"):
            api.diagnose((), board=name, lights=code)


@pytest.mark.parametrize("name", ["raspberrypi-3", "raspberrypi-zero-2-w"])
def test_a_board_without_an_eeprom_is_told_nothing_of_one(name: str) -> None:
    lights = lights_of(name)
    assert lights is not None
    assert not [blink for blink in lights.blinks_of(name) if "EEPROM" in blink.means + blink.next]


def test_a_group_is_of_the_familys_own_boards(tmp_path: Path) -> None:
    text = 'boards = ["raspberrypi-5"]\nsource = "https://example.org"\nled = { "*" = "an LED" }\n'
    blink = '[[blink]]\nlong = 1\nshort = 2\nmeans = "something"\nnext = "something else"\nonly = "rp2"\n'
    file = tmp_path / "lights.toml"
    for rest in ('[group]\nrp1 = ["raspberrypi-9"]\n', blink):
        file.write_text(text + rest)
        with pytest.raises(Malformed, match="famil"):
            LIGHTS.load(file)


def test_a_halted_board_may_have_been_shut_down() -> None:
    assert api.diagnose((), board="raspberrypi-5", lights="0 + 10").outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("answer", ["off", "steady", "activity"])
def test_what_is_no_code_decides_nothing(answer: str) -> None:
    diagnosed = api.diagnose((), board="raspberrypi-5", lights=answer)
    assert diagnosed.outcome is Outcome.UNKNOWN
    assert any("the status LED" in gap.missing for gap in diagnosed.diagnosis.boots[0].gaps)


def test_a_log_of_another_start_is_told_apart() -> None:
    diagnosed = api.diagnose(HEALTHY, board="raspberrypi-5", lights="4+3")
    assert diagnosed.outcome is Outcome.FAILED
    assert [boot.outcome for boot in diagnosed.diagnosis.boots] == [Outcome.BOOT_OK, Outcome.FAILED]
    assert any("two starts" in gap.missing for gap in diagnosed.diagnosis.boots[-1].gaps)


def test_bad_input_is_refused() -> None:
    with pytest.raises(Refused, match=r"no code 9\+9"):
        api.diagnose((), board="raspberrypi-5", lights="9+9")
    with pytest.raises(Refused, match="differs between boards"):
        api.diagnose((), lights="0+7")
    with pytest.raises(Refused, match="nothing to diagnose"):
        api.diagnose(())


def test_the_command_takes_lights_alone() -> None:
    done = CliRunner().invoke(command, ["--led", "0+7", "--board", "raspberrypi-5"], standalone_mode=False)
    assert done.return_value == 1, done.output
    assert "the firmware blinks 7 short" in done.output
    assert CliRunner().invoke(command, []).exit_code == 2
