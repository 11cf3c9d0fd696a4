"""`check` judges each board with the kernel that its own firmware starts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner
from command_kit import in_process

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


@pytest.mark.download
def test_what_the_board_s_firmware_does_not_start_is_not_said_to_work(tmp_path: Path) -> None:
    try:
        kernel = open_library().get("debian-6.12.117-4k", modules=True)
    except (Missing, Refused) as error:
        pytest.skip(str(error))
    blob = dtb_for(kernel, "raspberrypi-4")
    (tmp_path / "extlinux").mkdir()
    (tmp_path / "extlinux/extlinux.conf").write_text("label x\n linux /vmlinuz\n append console=tty1\n")
    shutil.copyfile(kernel.image, tmp_path / "vmlinuz")
    shutil.copyfile(blob, tmp_path / blob.name)

    def console(*more: str) -> tuple[int, str]:
        done = in_process("check", str(tmp_path), "--goal", "console", "--json", "-q", *more)
        (judged, *_) = json.loads(done.stdout).get("boards") or [json.loads(done.stdout)]
        links = judged["goals"]["console"]["chain"]
        return done.returncode, next((link["link"] for link in links if link["verdict"] != "works"), "")

    for more in ((), ("--board", "raspberrypi-4"), ("--board", "raspberrypi-4", "--entry", "x")):
        assert console(*more) == (3, "a start by the board's firmware"), more
    (tmp_path / "cmdline.txt").write_text("console=tty1\n")
    (tmp_path / "config.txt").write_text("arm_64bit=1\nkernel=vmlinuz\n")
    assert console("--board", "raspberrypi-4") == (0, "")
