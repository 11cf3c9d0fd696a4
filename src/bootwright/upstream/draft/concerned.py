"""What a failure hangs on, by its cell's evidence: a property of a node, an option, a compatible, a call."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bootwright.upstream.draft.run_facts import Cell
from bootwright.upstream.relevance.past import Concern

_SUPPLIER = re.compile(r"supplier: ([\w,#.+-]+)")
_OPTION = re.compile(r"\bCONFIG_[A-Z0-9_]+")
_COMPATIBLE = re.compile(r"(?<![\w,/])[a-z][a-z0-9]*,[a-z0-9][a-z0-9.+-]*[a-z0-9](?![\w,])")


def concerns_of(cell: Cell, outcome: str) -> tuple[Concern, ...]:
    """In the order in which a reader would ask for them, each once."""
    return tuple(dict.fromkeys(_concerns(cell, outcome)))


def _concerns(cell: Cell, outcome: str) -> Iterator[Concern]:
    for test in cell.failed_tests:
        if test.get("call"):
            yield Concern("call", str(test["call"]))
    goal = cell.goal(outcome)
    hazards = [hazard for hazard in goal.get("hazards", ()) if hazard.get("effect") == "fails"]
    broken = goal.get("first_broken")
    texts: list[str] = []
    if broken:
        yield from _of_node(str(broken.get("node", "")), _property_of(str(broken.get("link", ""))))
        texts += [str(broken.get("reason", "")), str(broken.get("remedy", ""))]
    for hazard in hazards:
        yield from _of_node(str(hazard.get("node") or ""), "")
        texts += [str(hazard.get(key) or "") for key in ("title", "reason", "remedy")]
    for text in texts:
        yield from (Concern("option", option) for option in _OPTION.findall(text))
    for text in texts:
        yield from (Concern("compatible", name) for name in _COMPATIBLE.findall(text))


def _of_node(path: str, name: str) -> Iterator[Concern]:
    """A node that devicetrees can have: `[pci 1de4:0001]` is found at run time, below the one that has it."""
    parts = [part for part in path.split("/") if part and not part.startswith("[")]
    if parts:
        yield Concern("property", name, parts[-1])


def _property_of(link: str) -> str:
    """The property that a link of the chain is about; empty where it is the node as a whole."""
    supplier = _SUPPLIER.match(link)
    if supplier:
        return supplier[1]
    return "compatible" if link.startswith("driver") else ""
