"""A format is one module: found by the registry, documented, and added to by installed packages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bootwright.formats.sources.bytesource import Bytes
from bootwright.inspect.facts import ItemKind
from bootwright.inspect.registry import all_formats, format_of, own_formats, role_of

PLUGIN = """
from bootwright.inspect.facts import Item, ItemKind, Origin, facts_at
from bootwright.inspect.format import Format


def describe(explorer, source, name, depth):
    origin = Origin(source.name, 0, source.size)
    return Item(ItemKind("letter"), name, origin, facts_at(origin, {"size": source.size}), source=source)


LETTER = Format(
    name="letter", title="a letter", documentation="none", limits="", describe=describe,
    matches=lambda source, head: head.startswith(b"Dear "),
)
"""


def test_every_format_says_by_what_it_reads() -> None:
    assert len(own_formats()) > 20
    for own_format in all_formats():
        assert own_format.documentation, own_format.name
        assert own_format.matches is not None or own_format.names, own_format.name
    orders = [own_format.order for own_format in own_formats() if own_format.matches is not None]
    assert len(orders) == len(set(orders))
    ranks = [own_format.name_order for own_format in own_formats() if own_format.names]
    assert len(ranks) == len(set(ranks))


def test_the_kinds_of_items_are_those_of_the_schema() -> None:
    schema = json.loads((Path(__file__).parents[2] / "docs/schemas/inspect.schema.json").read_text())
    documented = set(schema["$defs"]["item"]["properties"]["kind"]["enum"])
    kinds = {kind.value for kind in ItemKind}
    assert kinds <= documented
    # A file that cannot be read is an item of its format's name.
    assert {own_format.name for own_format in own_formats()} <= kinds


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("/config.txt", "config-txt"),
        ("/A/vmlinuz", "kernel"),
        ("/A/initramfs.xz", "initramfs"),
        ("/boot/vmlinuz-6.18.5", "kernel"),
        ("/kernel_2712.img", "kernel"),
        ("/EFI/BOOT/BOOTAA64.EFI", "efi"),
        ("/bcm2712-rpi-5-b.dtb", "devicetree"),
        ("/overlays/x.dtbo", "devicetree"),
        ("/loader/entries/a.conf", "loader-entry"),
        ("/usr/lib/os-release", "os-release"),
        ("/root.sqsh", "squashfs"),
        ("/disk.img.xz", "disk"),
        ("/readme", None),
    ],
)
def test_names_say_what_is_worth_opening(path: str, role: str | None) -> None:
    assert role_of(path) == role


def test_bytes_of_no_format() -> None:
    assert format_of(Bytes(b"", "empty")) is None
    assert format_of(Bytes(b"Dear reader", "letter")) is None


def test_an_installed_package_adds_a_format(tmp_path: Path) -> None:
    (tmp_path / "letters.py").write_text(PLUGIN)
    info = tmp_path / "letters-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: letters\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[bootwright.formats]\nletter = letters:LETTER\n")
    (tmp_path / "mail").write_bytes(b"Dear reader")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from bootwright.cli.main import run;"
        "sys.argv = ['bootwright', 'inspect', sys.argv[2]]; run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(tmp_path / "mail")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "letter" in done.stdout
    (info / "entry_points.txt").write_text("[bootwright.formats]\nletter = letters:describe\n")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(tmp_path / "mail")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "is not a Format" in done.stderr
