"""`check` judges each board with the kernel that its own firmware starts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from bootwright.cli.main import main
from bootwright.foundation.errors import Missing, Refused
from bootwright.kernels.catalogue import open_library
from bootwright.predict.api import dtb_for

SCHEMA = Path(__file__).parents[2] / "docs/schemas/check.schema.json"


@pytest.mark.download
def test_a_card_for_two_boards_is_checked_with_two_kernels(tmp_path: Path) -> None:
    card = tmp_path / "card"
    card.mkdir()
    for board, name in (("raspberrypi-4", "debian-6.12.117-4k"), ("raspberrypi-5", "debian-6.18-4k")):
        try:
            kernel = open_library().get(name, modules=True)
        except (Missing, Refused) as error:
            pytest.skip(f"{name}: {error}")
        shutil.copyfile(kernel.image, card / f"{board}.img")
        blob = dtb_for(kernel, board)
        shutil.copyfile(blob, card / blob.name)
    (card / "config.txt").write_text(
        "arm_64bit=1\n[pi4]\nkernel=raspberrypi-4.img\n[pi5]\nkernel=raspberrypi-5.img\n[all]\n"
    )
    (card / "cmdline.txt").write_text("console=tty1 root=/dev/mmcblk0p2\n")
    result = CliRunner().invoke(main, ["check", str(card), "--goal", "console", "--json", "-q"])
    document = json.loads(result.stdout)
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    started = {board["board"]: board["boots"]["kernel"]["place"] for board in document["boards"]}
    assert started == {"raspberrypi-4": "/raspberrypi-4.img", "raspberrypi-5": "/raspberrypi-5.img"}
    for board, place in started.items():
        alone = CliRunner().invoke(
            main, ["check", str(card), "--goal", "console", "--json", "-q", "--board", board]
        )
        (only, *_) = json.loads(alone.stdout).get("boards") or [json.loads(alone.stdout)]
        assert only["boots"]["kernel"]["place"] == place
        goals = [row["goals"] for row in document["boards"] if row["board"] == board]
        assert only["goals"] in goals
