"""Real boots on a Raspberry Pi's machine: the firmware's stage, and images mended by their command."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import jsonschema
import pytest
from command_kit import in_process

from bootwright.foundation.verdict import Verdict
from bootwright.image_boot.boot import boot_image
from bootwright.image_boot.goal import Goal
from bootwright.image_boot.outcome import Shown, show
from bootwright.image_boot.start import AUTO, chosen_machine, prepared
from bootwright.isolate.images import ImageHybrids
from planted_images import FAULTS, GOAL, GOOD, Files, build, make_card

pytestmark = [pytest.mark.boot, pytest.mark.download]

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/image-boot.schema.json").read_text())
MENDED = ("missing overlay", "missing module", "wrong root")


@pytest.fixture(scope="module")
def files() -> Files:
    return build(GOOD, other=False)


def booted(image: Path) -> Shown:
    assert chosen_machine(image, AUTO) == "raspi3b"
    with prepared(image, machine="raspi3b") as ready:
        boot = boot_image(
            ready.image, firmware=ready.firmware, until=Goal.parse(GOAL), network=False, image_sha256=""
        )
    return show(boot, ready.changes)


def test_images_are_mended_by_the_command_that_isolating_ends_with(files: Files, tmp_path: Path) -> None:
    """Three faults at once, each mended by its own command, one after the other; then it boots."""
    faults = [fault for fault in FAULTS if fault.name in MENDED]
    good = make_card(tmp_path / "good.img", files)
    other = build(GOOD, other=True)
    for fault in faults:
        other = fault.plant(other)
    bad = make_card(tmp_path / "0.img", other)
    before = bad.read_bytes()
    culprits = {
        "overlays",
        "initramfs: module bcm2835",
        "command line: root=/dev/mmcblk0p2 → root=/dev/mmcblk0p5",
    }
    assert all(any(fault.expected(frozenset({culprit})) for culprit in culprits) for fault in faults)
    image = bad
    for number, culprit in enumerate(sorted(culprits), start=1):
        words = shlex.split(ImageHybrids(good, image, tmp_path / str(number)).mend(frozenset({culprit})))
        image = tmp_path / f"{number}.img"
        ran = in_process(*words[1:-1], str(image))
        assert ran.returncode == 0, ran.stderr
    shown = booted(image)
    assert shown.verdict is Verdict.WORKS, shown.reason
    assert "applied: dtoverlay=header-pl011" in shown.boot.stage
    assert bad.read_bytes() == before


def test_the_firmwares_stage_is_told_and_its_end_is_a_result(files: Files, tmp_path: Path) -> None:
    """Nothing is started where config.txt names no kernel that is there."""
    config = files["/config.txt"].replace(b"kernel=vmlinuz", b"kernel=Image")
    image = make_card(tmp_path / "card.img", files | {"/config.txt": config})
    words = ["image", "boot", image, "--machine", "raspi3b", "--until", GOAL, "--json"]
    ran = in_process(*map(str, words))
    assert ran.returncode == 1, ran.stderr
    document = json.loads(ran.stdout)
    jsonschema.validate(document, SCHEMA)
    assert document["firmware"] == "bootwright"
    assert document["machine"] == "raspi3b"
    assert document["reason"] == "the firmware starts nothing: the firmware finds no kernel: /Image"
    assert document["stage"][-1] == "the firmware finds no kernel: /Image"
    assert document["milestones"] == []
