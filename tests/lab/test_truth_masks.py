"""Masks: what the emulator is to blame for, by errno and cause; none that hides a dangling reference."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootwright.formats.devicetree.fdt import Tree, parse_fdt
from bootwright.foundation.errors import Malformed
from bootwright.foundation.places import data_files
from bootwright.foundation.structure import structure
from bootwright.lab.mutation.mutations import Change, Mutation, apply
from bootwright.lab.truth.dangling import dangling
from bootwright.lab.truth.machines import load_truth_machine, truth_machine
from bootwright.lab.truth.masks import Mask, masked
from bootwright.lab.truth.outcomes import Became, Outcome, outcomes
from bootwright.lab.truth.recording import Truth, from_json

RECORDED = sorted((Path(__file__).parents[1] / "predict" / "truth").glob("*.json"))
GOOD = {"node": "/x", "errno": 5, "cause": "not modelled"}


def truth_of(name: str) -> Truth:
    path = next(path for path in RECORDED if path.stem == name)
    return from_json(path.read_text(), path.name)


def held(truth: Truth, tree: Tree, *masks: Mask) -> set[str]:
    return set(masked(masks, tree, outcomes(truth), machine=truth.machine, kernel=truth.kernel))


@pytest.mark.parametrize("path", data_files("truth"), ids=lambda path: path.stem)
def test_masks_say_errno_and_cause(path: Path) -> None:
    for mask in load_truth_machine(path).masks:
        assert mask.errnos
        assert len(mask.cause.split()) > 2
        assert mask.node.startswith("/") or "," in mask.compatible or "-" in mask.compatible


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_masks_fit_every_recording_and_each_is_needed(path: Path) -> None:
    truth = from_json(path.read_text(), path.name)
    machine = truth_machine(truth.machine)
    tree = parse_fdt(truth.fdt, path.name)
    masks = masked(machine.masks, tree, outcomes(truth), machine=truth.machine, kernel=truth.kernel)
    assert not [node for node in masks if dangling(tree, tree.node(node))]
    assert not set(masks) & set(truth.bound())


def test_no_mask_is_of_nothing() -> None:
    used: dict[str, set[Mask]] = {}
    for path in RECORDED:
        truth = from_json(path.read_text(), path.name)
        machine = truth_machine(truth.machine)
        tree = parse_fdt(truth.fdt, path.name)
        hidden = masked(machine.masks, tree, outcomes(truth), machine=truth.machine, kernel=truth.kernel)
        used.setdefault(truth.machine, set()).update(hidden.values())
    for name, masks in used.items():
        assert set(truth_machine(name).masks) == masks, name


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"errno": None}, "errno"),
        ({"errno": 0}, "the errno"),
        ({"errno": -5}, "the errno"),
        ({"errno": []}, "the errno"),
        ({"errno": True}, "errno"),
        ({"errno": [5, "EIO"]}, "errno"),
        ({"cause": ""}, "the cause"),
        ({"cause": None}, "cause"),
        ({"compatible": "x,y"}, "both or neither"),
        ({"reason": "old"}, "reason"),
        ({"kernels": "debian"}, "kernels: expected a list"),
    ],
)
def test_what_is_no_mask_is_refused(change: dict[str, object], match: str) -> None:
    assert structure(GOOD, Mask, "x.toml").errnos == {5}
    with pytest.raises(Malformed, match=match):
        structure({**GOOD, **change}, Mask, "x.toml")


def test_a_mask_whose_errno_the_recording_does_not_have_is_an_error() -> None:
    truth = truth_of("raspi3b-debian-6.18.15-4k")
    tree = parse_fdt(truth.fdt, "x")
    assert outcomes(truth)["/leds"] == Outcome(Became.FAILED, "leds-gpio -5")
    assert held(truth, tree, Mask(frozenset({5}), "c", node="/leds")) == {"/leds"}
    assert held(truth, tree, Mask(frozenset({5, 517}), "c", compatible="gpio-leds")) == {"/leds"}
    assert held(truth, tree, Mask(frozenset({22}), "c", node="/leds", kernels=frozenset({"other"}))) == set()
    assert held(truth, tree, Mask(frozenset({22}), "c", node="/phy")) == set()  # it bound
    with pytest.raises(
        Malformed, match=r"failed with -22, as the mask of /leds says, found failed leds-gpio -5"
    ):
        held(truth, tree, Mask(frozenset({22}), "c", node="/leds"))


def test_no_mask_hides_a_dangling_reference() -> None:
    truth = truth_of("armada-7040-db-debian-6.18.15-4k")
    tree = parse_fdt(truth.fdt, "x")
    xor = tree.node("/soc/bus@f0000000/xor@400000")
    assert xor is not None
    assert dangling(tree, xor) == ("/soc/bus@f0000000/xor@400000: msi-parent",)
    with pytest.raises(Malformed, match="msi-parent"):
        held(truth, tree, Mask(frozenset({22}), "c", node=xor.path))


@pytest.mark.parametrize(
    ("node", "name", "cell", "of"),
    [
        ("/soc/serial@7e201000", "clocks", 2, "/soc/serial@7e201000"),
        ("/soc/mmc@7e202000", "dmas", 0, "/soc/mmc@7e202000"),
        ("/soc/serial@7e201000/bluetooth", "shutdown-gpios", 0, "/soc/serial@7e201000/bluetooth"),
        ("/leds/led-act", "gpios", 0, "/leds"),
        ("/soc/power", "firmware", 0, "/soc/power"),
        ("/", "interrupt-parent", 0, "/soc/mailbox@7e00b880"),
    ],
)
def test_a_reference_made_to_dangle_is_found(node: str, name: str, cell: int, of: str) -> None:
    truth = truth_of("raspi3b-debian-6.18.15-4k")
    before = parse_fdt(truth.fdt, "x")
    after = parse_fdt(apply(truth.fdt, Mutation(Change.DANGLE, "x", node, name, cell)), "x")
    whole, broken = before.node(of), after.node(of)
    assert whole is not None
    assert broken is not None
    assert dangling(before, whole) == ()
    assert dangling(after, broken) == (f"{node}: {name}",)
