"""One table of layouts: inspect, check, verify, swap and image boot name the same files."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from chain_kit import disk, folder, initramfs, kernel
from click.testing import CliRunner
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from layouts import LAYOUTS, Layout

from bootwright.boards.model import Board
from bootwright.boards.model import board as board_named
from bootwright.cli.main import main
from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.progress import Silent
from bootwright.image_boot.handover import firmware_stage
from bootwright.image_boot.machine import board_machine
from bootwright.image_boot.start import chosen_machine
from bootwright.images.change.changes import Changes, plan
from bootwright.images.change.edits import ArgumentEdit
from bootwright.images.opened import open_image
from bootwright.predict.given.image import contents

SCHEMAS = Path(__file__).parents[2] / "docs/schemas"
EACH = pytest.mark.parametrize("layout", LAYOUTS, ids=[layout.name for layout in LAYOUTS])
STARTING = [layout for layout in LAYOUTS if layout.kernel]
STARTS = pytest.mark.parametrize("layout", STARTING, ids=[layout.name for layout in STARTING])


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def image(layout: Layout, tmp_path: Path) -> Path:
    return disk(tmp_path / "disk.raw", layout.partitions, scheme=layout.scheme)


def board_of(layout: Layout) -> Board | None:
    return board_named(layout.board) if layout.board else None


def invoke(*arguments: str, schema: str) -> Any:  # noqa: ANN401 - JSON
    result = CliRunner().invoke(main, [*arguments, "--json", "-q"])
    assert result.exit_code in {0, 1, 3}, result.output
    document = json.loads(result.stdout)
    validator(schema).validate(document)
    return document


@cache
def validator(schema: str) -> Validator:
    """A schema is itself checked once, which takes longer than to hold a document against it."""
    wanted = json.loads((SCHEMAS / schema).read_text())
    kind = validator_for(wanted)
    kind.check_schema(wanted)
    return kind(wanted)


def same(layout: Layout, chain: Any) -> None:  # noqa: ANN401 - JSON
    """The documented form of a chain says what the table says."""
    assert chain["kernel"]["place"] == layout.kernel
    assert tuple(archive["place"] for archive in chain["initramfs"]) == layout.initramfs
    assert (chain["devicetree"] or {"place": ""})["place"] == layout.devicetree
    assert (chain["arguments"] or "") == layout.arguments
    assert layout.unsure in (chain["unsure"] or "")
    assert bool(layout.unsure) == bool(chain["unsure"]), chain["unsure"]
    if layout.kind:
        assert chain["kind"] == layout.kind
    if layout.config:
        assert chain["config"] == layout.config


def options(layout: Layout) -> tuple[str, ...]:
    return ("--board", layout.board) if layout.board else ()


@EACH
def test_inspect(layout: Layout, image: Path) -> None:
    document = invoke("inspect", str(image), *options(layout), schema="inspect.schema.json")
    if not layout.kernel:
        assert document["boots"] is None
        assert layout.stopped in (document["does_not_boot"] or "no boot loader")
        return
    same(layout, document["chains"][0])
    boots = document["boots"]
    path = layout.kernel.partition(":")[2]
    assert boots["kernel"]["path"].endswith(f":{path}")
    assert (boots["arguments"] or "") == layout.arguments
    if layout.initramfs:
        # The tree inside an initramfs is called `root`.
        inside = f":{layout.initramfs[-1].partition(':')[2]}:root"
        assert boots["initramfs"]["path"].endswith(inside)
    else:
        assert boots["initramfs"] is None
    if layout.devicetree and layout.kind != "firmware" and not layout.board:
        assert boots["devicetree"]["path"].endswith(f":{layout.devicetree.partition(':')[2]}")
    further = [chain["kernel"]["place"] for chain in document["chains"][1:] if chain["kernel"]]
    assert tuple(further[: len(layout.others)]) == layout.others


@EACH
def test_check(layout: Layout, image: Path) -> None:
    if not layout.kernel:
        if layout.stopped != "no boot":
            with pytest.raises(BootwrightError, match=layout.stopped):
                contents(str(image), Silent(), blobs=(), board=board_of(layout))
        return
    image_contents = contents(str(image), Silent(), blobs=(), board=board_of(layout))
    assert image_contents.chain is not None
    same(layout, image_contents.chain.as_json())
    assert image_contents.kernel is not None
    assert str(image_contents.kernel.provenance["path"]) == layout.kernel.rpartition(":")[2]
    assert (image_contents.arguments or "") == layout.arguments
    assert any(layout.unsure in note for note in image_contents.notes) or not layout.unsure


@EACH
def test_verify(layout: Layout, image: Path) -> None:
    from bootwright.images.verify.verify import verify

    checked = verify(image, board=board_of(layout))
    document = json.loads(json.dumps(checked.as_json()))
    validator("image-verify.schema.json").validate(document)
    bad = [check for check in document["checks"] if check["verdict"] != "works"]
    if not layout.kernel:
        about = [check for check in bad if check["name"] in {"boot chain", "kernel", "config.txt"}]
        assert any(
            layout.stopped.partition(":")[2] in str(check) or "boots" in str(check) for check in about
        ), bad
        return
    same(layout, document["chains"][0])
    good = {check["where"] for check in document["checks"] if check["name"] == "kernel"}
    assert layout.kernel in good
    assert not [check for check in bad if check["name"] in {"kernel", "initramfs", "uki"}
                and check["where"] == layout.kernel]  # fmt: skip


@EACH
def test_swap(layout: Layout, image: Path, tmp_path: Path) -> None:
    """Kernel, initramfs and arguments go where the layout says, and nowhere else."""
    opened = open_image(image)
    (tmp_path / "new").write_bytes(kernel("swapped"))
    (tmp_path / "ramdisk").write_bytes(initramfs("swapped"))
    work = tmp_path / "work"
    work.mkdir()

    def changed(changes: Changes) -> set[str]:
        todo = plan(opened, changes, work, Silent(), board_of(layout))
        assert not todo.remove
        return {volume.path(name) for volume, files in todo.put.items() for name in files}

    new_kernel = Changes(kernel=str(tmp_path / "new"))
    if not layout.kernel or "depends on the board" in layout.unsure:
        with pytest.raises(BootwrightError, match=layout.stopped or layout.unsure):
            changed(new_kernel)
        return
    file = layout.kernel.removesuffix(":.linux")
    assert changed(new_kernel) == {file}
    if layout.initramfs:
        assert changed(Changes(initramfs=tmp_path / "ramdisk")) == {
            layout.initramfs[-1].removesuffix(":.initrd")
        }
    arguments = Changes(arguments=(ArgumentEdit.parse("+loglevel=7"),))
    if layout.kind == "script":
        with pytest.raises(BootwrightError, match="script"):
            changed(arguments)
    elif layout.config or layout.kernel.endswith(":.linux"):
        assert changed(arguments) == {layout.config or file}


@EACH
def test_image_boot(layout: Layout, image: Path, tmp_path: Path) -> None:
    """The emulator's board is one whose firmware starts the kernel, and it hands over what the table says."""
    machine = chosen_machine(image)
    if layout.board != "raspberrypi-3":
        if layout.kind not in {"firmware", ""}:
            assert machine == "virt"
        return
    assert machine == "raspi3b"
    handed = firmware_stage(image, board_machine(machine), tmp_path / "room")
    opened = open_image(image)

    def data(where: str) -> bytes:
        volume, path = opened.place(where)
        entry = next(entry for entry in volume.files.children(volume.files.root()) if entry.path == path)
        source = volume.files.open(entry)
        return source.read(0, source.size)

    assert handed.kernel is not None
    assert handed.kernel.read_bytes() == data(layout.kernel)
    assert handed.initramfs is not None
    assert handed.initramfs.read_bytes() == data(layout.initramfs[-1])
    assert handed.arguments == layout.arguments


@STARTS
def test_a_folder_of_one_partition_s_files_is_read_the_same(layout: Layout, tmp_path: Path) -> None:
    if len(layout.partitions) > 1 or layout.scheme != "gpt":
        pytest.skip("several partitions are several folders")
    tree = folder(tmp_path / "tree", layout.partitions[0].files)
    document = invoke("inspect", str(tree), *options(layout), schema="inspect.schema.json")

    def bare(text: str) -> str:
        return text.removeprefix("EFI:")

    expected = evolve(
        layout,
        kernel=bare(layout.kernel),
        initramfs=tuple(map(bare, layout.initramfs)),
        devicetree=bare(layout.devicetree),
        config=bare(layout.config),
    )
    same(expected, document["chains"][0])


@pytest.mark.parametrize(("board", "name"), [("raspberrypi-4", "four.img"), ("raspberrypi-5", "five.img")])
def test_the_commands_a_user_types_change_the_board_s_own_kernel(
    board: str, name: str, tmp_path: Path
) -> None:
    """Inspect before, swap for one board, inspect after: that board's kernel is new, the other's is not."""
    layout = next(layout for layout in LAYOUTS if layout.name == "pi filters, no board")
    image = disk(tmp_path / "disk.raw", layout.partitions)
    (tmp_path / "new").write_bytes(kernel("swapped"))
    output = tmp_path / "out.raw"
    arguments = ["image", "swap", str(image), "--kernel", str(tmp_path / "new"), "-o", str(output), "-q"]
    refused = subprocess.run(
        [sys.executable, "-m", "bootwright", *arguments], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert "depends on the board" in refused.stderr
    assert "--board" in refused.stderr
    assert not output.exists()
    done = CliRunner().invoke(main, [*arguments, "--board", board])
    assert done.exit_code == 0, done.output
    assert f"changed EFI:/{name}" in done.stdout
    for board_name, release in (("raspberrypi-4", "four"), ("raspberrypi-5", "five")):
        document = invoke("inspect", str(output), "--board", board_name, schema="inspect.schema.json")
        assert document["boots"]["release"] == (
            "6.18.5-swapped" if board_name == board else f"6.18.5-{release}"
        )
