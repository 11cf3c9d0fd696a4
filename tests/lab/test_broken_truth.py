"""Mutated machines: how they are booted, kept, and gone on with after a stop."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from attrs import evolve
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.cli.lab.truth import command
from bootwright.formats.devicetree.fdt import parse_fdt
from bootwright.foundation.errors import BootwrightError, Malformed, Refused
from bootwright.foundation.progress import Silent
from bootwright.kernels.catalogue import open_library
from bootwright.lab.mutation import recording
from bootwright.lab.mutation.mutations import Change, Mutation, apply
from bootwright.lab.mutation.recording import Recorded, load, parse, save
from bootwright.lab.truth.outcomes import Became
from bootwright.lab.truth.recording import Device, Failure, Truth

KEPT = sorted((Path(__file__).parents[1] / "predict" / "broken").glob("*.jsonl"))


def truth(*devices: Device, failures: tuple[Failure, ...] = ()) -> Truth:
    return Truth(
        machine="virt",
        kernel="k",
        release="r",
        qemu="QEMU",
        devices=devices,
        interfaces=(),
        deferred=(),
        failures=failures,
        failed_modules=(),
        fdt=b"\xd0\x0d\xfe\xed",
        loaded=("m",),
    )


def uart(driver: str | None) -> Device:
    return Device("/uart", "platform", "u", driver)


def clock(driver: str | None) -> Device:
    return Device("/clock", "platform", "c", driver)


def intact(*boots: Truth) -> recording.Machine:
    return recording.intact_machine(boots, arguments=("a=1",), settle=5, seed=1, count=9, modules=("m", "n"))


DROPPED = Mutation(Change.DROP, "clocks", "/uart", "clocks")


def test_what_broke_is_what_had_a_driver_and_has_none() -> None:
    machine = intact(truth(uart("u"), clock("c")), truth(uart("u"), clock("c")))
    assert machine.bound() == {"/uart": "u", "/clock": "c"}
    after = truth(uart(None), clock("c"), failures=(Failure("u", "u", 2),))
    boot = recording.broken_machine(machine, DROPPED, after)
    assert boot.lost()
    assert [(fate.node, fate.before.detail, fate.after.detail) for fate in boot.lost()] == [
        ("/uart", "u", "u -2")
    ]
    assert not recording.broken_machine(machine, DROPPED, truth(uart("u"), clock("c"))).fates
    gone = recording.broken_machine(machine, DROPPED, truth(clock("c")))
    assert gone.lost()[0].after.became is Became.NO_DEVICE


def test_a_node_that_fares_differently_in_the_intact_boots_says_nothing() -> None:
    machine = intact(truth(uart("u"), clock("c")), truth(uart(None), clock("c")))
    assert machine.unsteady == {"/uart"}
    assert machine.bound() == {"/clock": "c"}
    assert not recording.broken_machine(machine, DROPPED, truth(uart("u"), clock("c"))).fates


def test_a_file_is_read_back_the_same(tmp_path: Path) -> None:
    machine = intact(truth(uart("u"), clock("c")))
    boot = recording.broken_machine(machine, DROPPED, truth(uart(None), clock("c")))
    silent = recording.Broken(evolve(DROPPED, node="/clock"), booted=False, last="panic")
    file = tmp_path / "x.jsonl"
    save(file, Recorded(machine, (boot, silent)))
    assert load(file) == Recorded(machine, (boot, silent))
    assert not silent.booted


@pytest.mark.parametrize(
    "spoil",
    [
        lambda lines: [],
        lambda lines: lines[1:],
        lambda lines: [lines[0].replace("broken-truth/1", "broken-truth/0")],
        lambda lines: [lines[0], "{}"],
        lambda lines: [lines[0], lines[1].replace('"bound"', '"bond"')],
        lambda lines: [lines[0], lines[1][:-5]],
    ],
)
def test_what_is_no_recording_is_refused_by_its_line(spoil: object, tmp_path: Path) -> None:
    machine = intact(truth(uart("u")))
    file = tmp_path / "x.jsonl"
    save(file, Recorded(machine, (recording.broken_machine(machine, DROPPED, truth(uart(None))),)))
    file.write_text("\n".join(spoil(file.read_text().splitlines())))
    with pytest.raises(Malformed, match=r"x\.jsonl: line [12]: expected"):
        load(file)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_file_is_read_or_refused(data: st.DataObject) -> None:
    machine = recording.intact_machine(
        (truth(uart("u")),), arguments=(), settle=5, seed=1, count=1, modules=("m",)
    )
    text = json.dumps(
        {"mutation": {"change": "drop", "stratum": "x", "node": "/"}, "booted": True, "fates": []}
    )
    lines = bytearray(f'{{"schema":"{recording.SCHEMA}","machine":"{machine.machine}"}}\n{text}\n'.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        lines[data.draw(st.integers(0, len(lines) - 1))] = data.draw(st.integers(0, 255))
    try:
        parse(bytes(lines).decode(errors="replace"), "x.jsonl")
    except Malformed:
        return


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_kept_recordings_can_be_made_again(path: Path) -> None:
    """Each mutation fits the tree that is kept with it; nothing that broke is about an unsteady node."""
    kept = load(path)
    assert re.sub(r"-seed\d+$", "", path.stem) == f"{kept.machine.machine}-{kept.machine.kernel}"
    nodes = {node.path for node in parse_fdt(kept.machine.fdt, path.name).nodes}
    assert set(kept.machine.bound()) <= nodes
    assert len({boot.mutation.name for boot in kept.boots}) == len(kept.boots)
    for boot in kept.boots:
        changed = apply(kept.machine.fdt, boot.mutation, path.name)
        assert (changed != kept.machine.fdt) is boot.mutation.changes_devicetree
        assert not {fate.node for fate in boot.fates} & kept.machine.unsteady
        assert boot.booted or boot.last
    # A few may be meant to be harmless and are not: what a boot says counts.
    meant = [boot for boot in kept.boots if boot.mutation.stratum.startswith("harmless")]
    assert sum(not boot.booted or bool(boot.lost()) for boot in meant) <= len(meant) / 10


@pytest.mark.download
@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_kept_mutations_are_those_that_the_seed_chooses(path: Path) -> None:
    from bootwright.lab.mutation.candidates import choose
    from bootwright.lab.mutation.truth import intact as as_intact

    kept = load(path)
    try:
        kernel = open_library().get(kept.machine.kernel, modules=True)
    except BootwrightError as error:
        pytest.skip(str(error))
    machine = kept.machine
    chosen = choose(as_intact(machine, kernel), machine.seed, machine.count)
    assert {boot.mutation for boot in kept.boots} <= set(chosen)


@pytest.mark.boot
@pytest.mark.download
def test_a_campaign_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    from bootwright.lab.mutation.truth import Campaign
    from bootwright.lab.truth.machines import truth_machine

    try:
        kernel = open_library().get("debian-6.18-4k", modules=True)
    except BootwrightError as error:
        pytest.skip(str(error))
    file = tmp_path / "virt.jsonl"
    campaign = Campaign(kernel, truth_machine("virt"), seed=3, count=4, file=file)
    campaign.run(Silent(), most=1)
    first = load(file)
    assert len(first.boots) == 1
    assert first.machine.bound()["/pcie@10000000"] == "pci-host-generic"
    campaign.run(Silent(), most=1)
    second = load(file)
    assert second.machine == first.machine
    assert second.boots[0] == first.boots[0]
    assert len(second.boots) == 2
    with pytest.raises(Refused, match="holds mutations 3:4 of virt"):
        evolve(campaign, seed=4).run(Silent(), most=1)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--mutate", "1"], "SEED:COUNT"),
        (["--mutate", "a:b", "--out", "x.jsonl"], "SEED:COUNT"),
        (["--mutate", "1:0", "--out", "x.jsonl"], "SEED:COUNT"),
        (["--mutate", "1:9"], "needs a file"),
        (["--mutate", "1:9", "--settle", "3"], "--settle cannot be given with --mutate"),
        (["--mutate", "1:9", "--json"], "--json cannot be given with --mutate"),
        (["--most", "3"], "--most cannot be given without --mutate"),
        (["--list"], "--list cannot be given without --mutate"),
    ],
)
@pytest.mark.download
def test_the_command_refuses_what_it_cannot_do(options: list[str], match: str) -> None:
    try:
        open_library().get("debian-6.18.15-4k", modules=True)
    except BootwrightError as error:
        pytest.skip(str(error))
    with pytest.raises(Refused, match=match):
        CliRunner().invoke(command, ["virt", "debian-6.18.15-4k", *options], catch_exceptions=False)
