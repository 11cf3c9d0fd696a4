"""Boots of mutated machines, kept as differences from the intact one: JSON lines, one file a machine and
kernel.

The first line is the intact machine: devices, devicetree, modules it was booted with. Each other line is one
mutation and the nodes that fared otherwise than in the intact boots; nothing else is kept.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from bootwright.foundation.atomic import write_text
from bootwright.foundation.errors import Malformed, Missing
from bootwright.lab.mutation.mutations import Mutation, from_table, to_table
from bootwright.lab.truth.outcomes import Became, Outcome, outcomes
from bootwright.lab.truth.recording import Truth

SCHEMA = "bootwright/broken-truth/1"
_MOST_FDT = 4 << 20
_MOST_LINES = 100_000
NO_DEVICE = Outcome(Became.NO_DEVICE)


@frozen
class Fate:
    """What became of a node in a mutated machine that fared otherwise in the intact one."""

    node: str
    before: Outcome
    after: Outcome


@frozen
class Broken:
    """One mutated machine that was booted."""

    mutation: Mutation
    booted: bool
    """Whether the guest got to stating its devices."""
    fates: tuple[Fate, ...] = ()
    last: str = ""
    """The last words on the console of a guest that did not get there."""

    def lost(self) -> tuple[Fate, ...]:
        """Devices that had a driver in the intact machine and have none any more."""
        return tuple(
            fate
            for fate in self.fates
            if fate.before.became is Became.BOUND and fate.after.became is not Became.BOUND
        )


@frozen
class Machine:
    """The intact machine that the mutations are of."""

    machine: str
    kernel: str
    release: str
    qemu: str
    arguments: tuple[str, ...]
    """Further arguments of the kernel in all boots."""
    settle: int
    """Seconds without anything new after which the guests stated their devices."""
    seed: int
    count: int
    """With `seed`, what chose the mutations."""
    became: Mapping[str, Outcome]
    """Node → what became of it in each of the intact boots."""
    unsteady: frozenset[str]
    """Nodes that did not fare alike in all intact boots: no fate of theirs says anything."""
    modules: tuple[str, ...]
    """What the guests could load."""
    loaded: tuple[str, ...]
    """What was in the kernel in the end."""
    fdt: bytes
    """The devicetree as the intact guest had it, which the mutations are of."""
    initcalls: tuple[str, ...] = ()
    """Functions that registered the built-in drivers which bound, as they were read when the mutations were
    chosen: the choice must not turn with a reader that finds more of them.
    """

    def bound(self) -> dict[str, str]:
        """Node → driver of each device that had one in all intact boots."""
        return {
            node: outcome.detail for node, outcome in self.became.items() if outcome.became is Became.BOUND
        }


@frozen
class Recorded:
    """A file of recordings."""

    machine: Machine
    boots: tuple[Broken, ...] = field(factory=tuple)


def intact_machine(
    boots: tuple[Truth, ...],
    *,
    arguments: tuple[str, ...],
    settle: int,
    seed: int,
    count: int,
    modules: tuple[str, ...],
) -> Machine:
    """The intact machine, of several boots of it; the first must have the devicetree."""
    first = boots[0]
    outcomes_by_boot = [outcomes(boot) for boot in boots]
    nodes = sorted({node for of_boot in outcomes_by_boot for node in of_boot})
    unsteady = {
        node
        for node in nodes
        if any(_at(of_boot, node) != _at(outcomes_by_boot[0], node) for of_boot in outcomes_by_boot[1:])
    }
    return Machine(
        machine=first.machine,
        kernel=first.kernel,
        release=first.release,
        qemu=first.qemu,
        arguments=arguments,
        settle=settle,
        seed=seed,
        count=count,
        became={node: outcomes_by_boot[0][node] for node in nodes if node not in unsteady},
        unsteady=frozenset(unsteady),
        modules=modules,
        loaded=first.loaded,
        fdt=first.fdt,
    )


def broken_machine(intact: Machine, mutation: Mutation, truth: Truth) -> Broken:
    """What a mutated machine that booted has otherwise than the intact one."""
    after = outcomes(truth)
    nodes = sorted((set(intact.became) | set(after)) - intact.unsteady)
    return Broken(
        mutation=mutation,
        booted=True,
        fates=tuple(
            Fate(node, _at(intact.became, node), _at(after, node))
            for node in nodes
            if _at(intact.became, node) != _at(after, node)
        ),
    )


def _at(became: Mapping[str, Outcome], node: str) -> Outcome:
    return became.get(node, NO_DEVICE)


def save(path: Path, recorded: Recorded) -> None:
    """Write all of it, whole or not at all."""
    machine = recorded.machine
    head: dict[str, Any] = {
        "schema": SCHEMA,
        "machine": machine.machine,
        "kernel": machine.kernel,
        "release": machine.release,
        "qemu": machine.qemu,
        "arguments": machine.arguments,
        "settle": machine.settle,
        "seed": machine.seed,
        "count": machine.count,
        "became": {node: _outcome_table(outcome) for node, outcome in machine.became.items()},
        "unsteady": sorted(machine.unsteady),
        "modules": machine.modules,
        "loaded": machine.loaded,
        "initcalls": machine.initcalls,
        "fdt": base64.b64encode(zlib.compress(machine.fdt, 9)).decode(),
    }
    lines = [_line(head)]
    lines.extend(_line(_boot_table(boot)) for boot in recorded.boots)
    write_text(path, "".join(lines))


def _boot_table(boot: Broken) -> dict[str, Any]:
    return {
        "mutation": to_table(boot.mutation),
        "booted": boot.booted,
        **({"last": boot.last} if boot.last else {}),
        "fates": [
            [fate.node, _outcome_table(fate.before), _outcome_table(fate.after)] for fate in boot.fates
        ],
    }


def load(path: Path) -> Recorded:
    """Read a file; raises `Missing` where it cannot be read, `Malformed` naming the line."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise Missing(
            f"cannot read {path}: {error.strerror}", hint="give a file that `lab truth --mutate` wrote"
        ) from error
    return parse(text, str(path))


def parse(text: str, where: str) -> Recorded:
    """Read a file's text; raises `Malformed` naming the line."""
    lines = text.splitlines()[:_MOST_LINES]
    machine: Machine | None = None
    boots: list[Broken] = []
    for number, line in enumerate(lines or [""], 1):
        place = f"{where}: line {number}"
        try:
            table = json.loads(line)
            if machine is None:
                machine = _machine(table, place)
            else:
                boots.append(_boot(table, place))
        except (
            ValueError,
            KeyError,
            IndexError,
            TypeError,
            RecursionError,
            AttributeError,
            zlib.error,
        ) as error:
            raise Malformed(place, None, "recordings of mutated machines", repr(error)[:200]) from error
    assert machine is not None  # noqa: S101 - the first line is one, or an error
    return Recorded(machine, tuple(boots))


def _machine(table: dict[str, Any], where: str) -> Machine:
    if table["schema"] != SCHEMA:
        raise Malformed(where, None, f"recordings of the form {SCHEMA}", str(table["schema"])[:60])
    packed = zlib.decompressobj()
    fdt = packed.decompress(base64.b64decode(table["fdt"]), _MOST_FDT)
    if packed.unconsumed_tail or not packed.eof:
        raise Malformed(where, None, f"a devicetree of at most {_MOST_FDT} bytes", "more, or a part of one")
    return Machine(
        machine=_text(table["machine"]),
        kernel=_text(table["kernel"]),
        release=_text(table["release"]),
        qemu=_text(table["qemu"]),
        arguments=_texts(table["arguments"]),
        settle=int(table["settle"]),
        seed=int(table["seed"]),
        count=int(table["count"]),
        became={_text(node): _outcome(outcome) for node, outcome in table["became"].items()},
        unsteady=frozenset(_texts(table["unsteady"])),
        modules=_texts(table["modules"]),
        loaded=_texts(table["loaded"]),
        fdt=fdt,
        initcalls=_texts(table["initcalls"]),
    )


def _boot(table: dict[str, Any], where: str) -> Broken:
    return Broken(
        mutation=from_table(table["mutation"], where),
        booted=table["booted"] is True,
        last=_text(table.get("last", "")),
        fates=tuple(Fate(_text(fate[0]), _outcome(fate[1]), _outcome(fate[2])) for fate in table["fates"]),
    )


def _outcome_table(outcome: Outcome) -> list[str]:
    parts = [outcome.became.value, outcome.detail, outcome.supplier or ""]
    while not parts[-1]:
        parts.pop()
    return parts


def _outcome(parts: object) -> Outcome:
    if not isinstance(parts, list) or not 1 <= len(parts) <= 3:
        message = f"{str(parts)[:60]} is not an outcome of a node"
        raise TypeError(message)
    became, detail, supplier = [*(_text(part) for part in parts), "", ""][:3]
    return Outcome(Became(became), detail, supplier or None)


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list):
        message = f"{str(values)[:60]} is not a list"
        raise TypeError(message)
    return tuple(_text(value) for value in values)


def _text(value: object) -> str:
    if not isinstance(value, str):
        message = f"{str(value)[:60]} is not text"
        raise TypeError(message)
    return value


def _line(table: dict[str, Any]) -> str:
    return json.dumps(table, separators=(",", ":"), ensure_ascii=True) + "\n"
