"""Single mutations of a machine: each makes one difference, and a seed chooses the same ones again."""

from __future__ import annotations

import importlib.util
import shutil
import struct
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.formats.devicetree.fdt import Node, Tree, parse_fdt
from bootwright.formats.devicetree.writer import Draft
from bootwright.foundation.errors import Malformed, Refused
from bootwright.lab.mutation.candidates import Intact, breaking_candidates, choose
from bootwright.lab.mutation.mutations import Change, Mutation, apply, from_table, to_table, unused_phandle
from bootwright.lab.truth.recording import from_json

ROOT = Path(__file__).parents[2]
RECORDED = sorted((ROOT / "tests/predict/truth").glob("*.json"))


@cache
def fuzz_target() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_mutations", ROOT / "fuzz" / "fuzz_mutations.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def recorded(path: Path) -> tuple[bytes, Intact]:
    truth = from_json(path.read_text(), path.name)
    tree = parse_fdt(truth.fdt, path.name)
    return truth.fdt, Intact(
        tree=tree,
        bound=truth.bound(),
        present=truth.present(),
        modules=("dep", "vc4"),
        spare=("unused",),
        dependencies=frozenset({"dep"}),
        driving=frozenset({"dep", "vc4"}),
        initcalls=("pl011_init",),
    )


@st.composite
def trees(draw: st.DrawFn) -> bytes:
    """A small devicetree whose nodes refer to each other, rightly or not."""
    root = Node("", None, 0)
    root.properties.update({"compatible": b"x,board\0", "#address-cells": b"\0\0\0\1"})
    nodes = [root]
    for number in range(draw(st.integers(1, 8))):
        parent = draw(st.sampled_from(nodes))
        node = Node(f"n{number}", parent, 0)
        parent.children.append(node)
        nodes.append(node)
        node.properties["phandle"] = struct.pack(">I", number + 1)
        for name in draw(st.sets(st.sampled_from(["compatible", "status", "clock-names", "label"]))):
            node.properties[name] = draw(st.sampled_from([b"okay\0", b"disabled\0", b"a\0b\0", b""]))
        for name in draw(st.sets(st.sampled_from(["#clock-cells", "#gpio-cells", "#interrupt-cells"]))):
            node.properties[name] = struct.pack(">I", draw(st.integers(0, 3)))
        for name in draw(
            st.sets(
                st.sampled_from(
                    ["clocks", "reg", "interrupts", "interrupt-parent", "x-gpios", "pinctrl-0", "ranges"]
                )
            )
        ):
            cells = draw(st.lists(st.integers(0, 10), max_size=5))
            node.properties[name] = struct.pack(f">{len(cells)}I", *cells) + draw(st.binary(max_size=2))
    tree = Tree("made", b"", nodes=nodes, strings=b"", reservations=[(16, 32)])
    return Draft.of(tree.root).blob(tree)


def dtc(blob: bytes) -> None:
    """The devicetree compiler reads it (it may well warn of what is now wrong)."""
    program = shutil.which("dtc")
    if program is None:
        pytest.skip("needs dtc")
    command = [program, "-q", "-f", "-I", "dtb", "-O", "dts", "-"]
    done = subprocess.run(command, input=blob, capture_output=True, check=False)
    if b"propval_cell: Assertion" in done.stderr:
        return  # dtc 1.6 to 1.7 gives up where its checks read a cell of a property that was cut: livetree.c
    assert done.returncode == 0, done.stderr


@settings(max_examples=120, deadline=None)
@given(trees())
def test_a_mutation_of_any_tree_makes_one_difference(blob: bytes) -> None:
    fuzz = fuzz_target()
    for mutation in fuzz.candidates(parse_fdt(blob, "made")):
        fuzz.check(blob, mutation)
        assert from_table(to_table(mutation), "x") == mutation


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(RECORDED), st.integers(0, 1 << 32))
def test_a_mutation_of_a_real_tree_makes_one_difference_and_dtc_reads_it(path: Path, seed: int) -> None:
    blob, intact = recorded(path)
    for mutation in choose(intact, seed, 3):
        dtc(fuzz_target().check(blob, mutation))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_mutated_or_refused(data: bytes) -> None:
    fuzz_target().one_input(data)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_tree_is_mutated_or_refused(data: st.DataObject) -> None:
    damaged = bytearray(data.draw(trees()))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    fuzz_target().one_input(bytes(damaged))


@pytest.mark.parametrize("name", ["raspi3b-debian-6.18.15-4k", "imx8mp-evk-debian-7.3.4-4k"])
def test_a_seed_chooses_the_same_again_over_all_strata(name: str) -> None:
    _, intact = recorded(next(path for path in RECORDED if path.stem == name))
    chosen = choose(intact, 7, 60)
    assert chosen == choose(intact, 7, 60)
    assert chosen != choose(intact, 8, 60)
    assert len({mutation.name for mutation in chosen}) == len(chosen) == 60
    harmless = [mutation for mutation in chosen if mutation.stratum.startswith("harmless")]
    assert len(harmless) == 12
    pairs = Counter((mutation.change, mutation.stratum) for mutation in chosen if mutation not in harmless)
    every = {(candidate.change, candidate.stratum) for candidate in breaking_candidates(intact)}
    assert set(pairs) == every or len(pairs) == 48
    assert {Change.DROP, Change.DANGLE, Change.SHORTEN, Change.DISABLE, Change.MODULE, Change.ARGUMENT} <= {
        mutation.change for mutation in chosen
    }


def test_what_the_guest_speaks_by_is_left_alone() -> None:
    for path in RECORDED:
        _, intact = recorded(path)
        for candidate in breaking_candidates(intact):
            assert not candidate.node.startswith(("/chosen", "/cpus", "/psci", "/timer", "/memory")), (
                candidate.name
            )


def test_each_change_does_what_it_says() -> None:
    path = next(path for path in RECORDED if path.stem == "raspi3b-debian-6.18.15-4k")
    blob, intact = recorded(path)
    node = intact.tree.node("/soc/serial@7e201000")
    assert node is not None

    def after(change: Change, name: str, **more: object) -> Node:
        made = apply(blob, Mutation(change, "x", node.path, name, **more))
        node_after = parse_fdt(made, "after").node(node.path)
        assert node_after is not None
        return node_after

    assert "clocks" not in after(Change.DROP, "clocks")
    dangling = after(Change.DANGLE, "clocks", cell=2).cells("clocks")
    assert dangling[2] == unused_phandle(intact.tree)
    assert dangling[:2] == node.cells("clocks")[:2]
    assert after(Change.SHORTEN, "clocks").cells("clocks") == node.cells("clocks")[:-1]
    assert not after(Change.DISABLE, "status").enabled
    assert after(Change.ADD, "bootwright,unknown").properties["bootwright,unknown"] == b""
    assert after(Change.RENAME, "clocks", value="other").cells("other") == node.cells("clocks")


@pytest.mark.parametrize(
    "mutation",
    [
        Mutation(Change.DROP, "x", "/nowhere", "clocks"),
        Mutation(Change.DROP, "x", "/soc/serial@7e201000", "nothing"),
        Mutation(Change.DANGLE, "x", "/soc/serial@7e201000", "clocks", 99),
        Mutation(Change.SHORTEN, "x", "/soc/serial@7e201000/bluetooth", "bootwright,empty"),
        Mutation(Change.DISABLE, "x", "/soc/spi@7e204000", "status"),
    ],
)
def test_a_mutation_that_does_not_fit_is_refused(mutation: Mutation) -> None:
    path = next(path for path in RECORDED if path.stem == "raspi3b-debian-6.18.15-4k")
    blob, intact = recorded(path)
    assert not intact.tree.node("/soc/spi@7e204000").enabled
    with pytest.raises(Refused):
        apply(blob, mutation)


@pytest.mark.parametrize(
    "table",
    [
        None,
        [],
        {},
        {"change": "melt", "stratum": "x"},
        {"change": "drop"},
        {"change": "drop", "stratum": "x", "cell": -1},
        {"change": "drop", "stratum": "x", "cell": "1"},
        {"change": "drop", "stratum": "x", "node": ["/"]},
        {"change": "drop", "stratum": "x", "colour": "red"},
    ],
)
def test_what_is_no_mutation_is_refused(table: object) -> None:
    with pytest.raises(Malformed, match="a mutation"):
        from_table(table, "x.jsonl: line 2")
