"""Any devicetree that is read can be mutated, and each mutation makes exactly one difference."""

from __future__ import annotations

import contextlib
from itertools import islice

from bootwright.formats.devicetree.fdt import Tree, parse_fdt
from bootwright.foundation.errors import Malformed, Refused
from bootwright.lab.mutation.candidates import Intact, breaking_candidates, harmless_candidates
from bootwright.lab.mutation.mutations import Change, Mutation, apply
from bootwright.lab.mutation.recording import parse

_MOST_MUTATIONS = 60


def one_input(data: bytes) -> None:
    """Read arbitrary bytes as recordings, and as a devicetree to mutate."""
    with contextlib.suppress(Malformed):
        parse(data.decode(errors="replace"), "fuzz")
    try:
        tree = parse_fdt(data, "fuzz")
    except Malformed:
        return
    if any(tree.node(node.path) is not node for node in tree.nodes):
        return  # two nodes of one name: a path does not say which
    for mutation in islice(candidates(tree), _MOST_MUTATIONS):
        check(data, mutation)


def candidates(tree: Tree) -> list[Mutation]:
    """All mutations of a tree whose every device has a driver."""
    intact = Intact(tree=tree, bound={node.path: "d" for node in tree.nodes if node.compatible})
    return [*breaking_candidates(intact), *harmless_candidates(intact)]


def check(blob: bytes, mutation: Mutation) -> bytes:
    """Make the mutation, and compare; returns the mutated blob."""
    try:
        changed = apply(blob, mutation)
    except Refused as error:
        if "changes nothing" not in str(error):  # where the tree has already what the mutation would make
            raise
        return blob
    changes = differences(parse_fdt(blob, "before"), parse_fdt(changed, "after"))
    if not mutation.changes_devicetree:
        assert not changes
    elif mutation.change is Change.RENAME:
        assert sorted(changes) == sorted([(mutation.node, mutation.prop), (mutation.node, mutation.value)])
    else:
        assert changes == [(mutation.node, mutation.prop)]
    return changed


def differences(before: Tree, after: Tree) -> list[tuple[str, str]]:
    """(node, property) of everything that two trees do not have alike."""
    assert [node.path for node in before.nodes] == [node.path for node in after.nodes]
    assert before.reservations == after.reservations
    return [
        (old.path, name)
        for old, other in zip(before.nodes, after.nodes, strict=True)
        for name in dict.fromkeys([*old.properties, *other.properties])
        if old.properties.get(name) != other.properties.get(name)
    ]


if __name__ == "__main__":
    import sys

    import atheris

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
