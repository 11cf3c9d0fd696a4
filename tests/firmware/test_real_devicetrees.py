"""Real devicetrees, where they lie beside the checkout: every overlay on every base.

Which overlays fit is not written down here: it follows from the labels that they refer to.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from firmware_kit import contents
from real_devicetrees import MISSING, releases

from bootwright.boards.model import board
from bootwright.firmware.declarations import targets
from bootwright.firmware.overlays import merge, resolve
from bootwright.firmware.parameters import apply_parameter, parameters
from bootwright.formats.devicetree.fdt import Tree, read_fdt_file
from bootwright.formats.devicetree.writer import DraftTree
from bootwright.foundation.errors import Malformed, Refused
from bootwright.predict.given.gather import gather_devicetrees

RELEASES = releases()
VENDOR = [path for path in RELEASES if (path / "overlays").is_dir()]
VALUES = ("", "on", "off", "1", "up", "0x10", "aa:bb:cc:dd:ee:ff", "text")

pytestmark = pytest.mark.skipif(not VENDOR, reason=MISSING)


def labels(overlay: Tree) -> set[str]:
    table = overlay.root.child("__fixups__")
    return set(table.properties) if table is not None else set()


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
def test_every_overlay_fits_the_bases_that_have_its_labels(release: Path) -> None:
    folder = release / "overlays" if (release / "overlays").is_dir() else VENDOR[-1] / "overlays"
    fitting = 0
    for file in sorted(release.glob("*.dtb")):
        base = read_fdt_file(file)
        for path in sorted(folder.glob("*.dtbo")):
            overlay, draft = read_fdt_file(path), DraftTree(base)
            if not labels(overlay) <= set(base.symbols):
                with pytest.raises(Malformed, match="no label"):
                    resolve(draft, overlay)
                continue
            before = contents(base)
            merged = merge(draft, resolve(draft, overlay)).tree()
            assert contents(draft.tree()).keys() == before.keys(), "the base stays as it is"
            assert set(contents(merged)) >= set(before)
            assert merged.symbols == base.symbols, "labels stay private"
            numbers = [cell for node in merged.root.walk() if (cell := node.cell("phandle")) is not None]
            assert len(numbers) == len(set(numbers)), f"{path.name} on {file.name}"
            fitting += 1
    assert fitting or not base.symbols or release not in VENDOR


@pytest.mark.parametrize("release", VENDOR[-1:], ids=lambda path: path.name)
def test_every_parameter_is_set_or_refused(release: Path) -> None:
    base = read_fdt_file(release / "bcm2712-rpi-5-b.dtb")
    trees = [DraftTree(base)]
    for path in sorted((release / "overlays").glob("*.dtbo")):
        try:
            trees.append(resolve(DraftTree(base), read_fdt_file(path)))
        except Malformed:
            continue
    changed = 0
    for tree in trees:
        for name in sorted(parameters(tree)):
            for value in VALUES:
                draft = tree.copy()
                try:
                    apply_parameter(draft, name, value)
                except Refused:
                    continue
                changed += 1
                draft.tree()
    assert changed > 200


@pytest.mark.parametrize("config_txt", ["dtparam=uart0=on\n", None])
@pytest.mark.parametrize("release", VENDOR, ids=lambda path: path.name)
def test_the_firmware_makes_a_d0_of_a_c0_devicetree(
    release: Path, config_txt: str | None, tmp_path: Path
) -> None:
    """The log of a D0 board: bcm2712-rpi-5-b.dtb is read, then overlays/bcm2712d0.dtbo."""
    for name in ("bcm2712-rpi-5-b.dtb", "bcm2712-rpi-cm5-cm5io.dtb", "overlays/bcm2712d0.dtbo"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((release / name).read_bytes())
    if config_txt is not None:
        (tmp_path / "config.txt").write_text(config_txt)
    gathered = gather_devicetrees(tmp_path)
    five = board("raspberrypi-5")
    pins = {}
    for stepping in five.steppings:
        resolved = gathered.resolve(five, stepping.name)
        assert resolved.dtb.name == "bcm2712-rpi-5-b.dtb"
        pins[stepping.name] = {
            compatible
            for node in resolved.tree.root.walk()
            for compatible in node.compatible
            if compatible.endswith("-pinctrl")
        }
        assert not resolved.given.unapplied
    assert "brcm,bcm2712d0-pinctrl" in pins["d0"]
    assert "brcm,bcm2712d0-pinctrl" not in pins["c0"]


def test_a_mainline_devicetree_does_not_take_the_d0_overlay(tmp_path: Path) -> None:
    """As seen in siderolabs/talos#12748: the overlay refers to a label that mainline does not have."""
    mainline = [path for path in RELEASES if path.name.startswith("mainline")]
    if not mainline:
        pytest.skip("no mainline devicetrees")
    (tmp_path / "overlays").mkdir()
    (tmp_path / "config.txt").write_text("\n")
    source = VENDOR[0] / "overlays" / "bcm2712d0.dtbo"
    (tmp_path / "overlays" / "bcm2712d0.dtbo").write_bytes(source.read_bytes())
    (tmp_path / "bcm2712-rpi-5-b.dtb").write_bytes((mainline[0] / "bcm2712-rpi-5-b.dtb").read_bytes())
    resolved = gather_devicetrees(tmp_path).resolve(board("raspberrypi-5"), "d0")
    assert any("bcm2712d0" in line and "leaves it out" in line for line in resolved.given.unapplied)
    assert contents(resolved.tree) == contents(read_fdt_file(mainline[0] / "bcm2712-rpi-5-b.dtb"))


def test_the_declarations_of_every_vendor_base_are_read() -> None:
    for release in VENDOR:
        for file in sorted(release.glob("*.dtb")):
            overrides = read_fdt_file(file).root.child("__overrides__")
            for name, raw in overrides.properties.items() if overrides is not None else ():
                assert all(target.phandle for target in targets(raw, f"{file}: {name}"))
