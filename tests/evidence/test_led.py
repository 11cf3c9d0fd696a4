"""What the status LED shows, as a diagnosis: alone, and beside a log."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from bootwright import api
from bootwright.boards.lights import LIGHTS, Lights
from bootwright.cli.diagnose import command
from bootwright.diagnose.model import Outcome
from bootwright.foundation.errors import Refused

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/diagnose.schema.json").read_text())
HEALTHY = Path(__file__).parents[2] / "src/bootwright/data/gallery/golden/healthy/console.log"


@pytest.mark.parametrize("family", LIGHTS.all().values(), ids=lambda family: family.boards[0])
def test_every_code_is_a_verdict_with_what_to_do(family: Lights) -> None:
    for blink in family.blinks:
        diagnosed = api.diagnose((), board=family.boards[0], lights=blink.code)
        (finding,) = diagnosed.diagnosis.boots[0].findings
        assert diagnosed.outcome is (Outcome.FAILED if blink.fails else Outcome.UNKNOWN)
        assert finding.cause.lower().startswith(blink.means.lower())
        assert finding.remedy.lower().startswith(blink.next.lower())
        jsonschema.validate(diagnosed.as_json(), SCHEMA)


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
