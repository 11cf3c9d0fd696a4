"""What became of each devicetree node in a recorded guest; of what is not bound, why in the kernel's words.

The words are those of /sys/kernel/debug/devices_deferred (drivers/base/dd.c `deferred_devs_show`, Linux 6.12)
and drivers/base/core.c `device_links_check_suppliers`: `wait for supplier /path` for a supplier that has no
device yet, `supplier NAME not ready` for one that has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

from attrs import frozen

from bootwright.lab.truth.recording import Truth

_WAITS = re.compile(r"wait for supplier (/\S*)")
_NOT_READY = re.compile(r"supplier (\S+) not ready")


class Became(StrEnum):
    """What became of a node."""

    BOUND = "bound"
    WAITING = "waiting"
    """Its probe is deferred."""
    FAILED = "failed"
    """Its driver's probe returned an error."""
    UNBOUND = "unbound"
    """A device that no driver was tried on."""
    NO_DEVICE = "no device"


@frozen
class Outcome:
    """What became of one node."""

    became: Became
    detail: str = ""
    """The driver, the reason for deferral in the kernel's words, or the error's number."""
    supplier: str | None = None
    """The node that the kernel names as the one it waits for."""


def outcomes(truth: Truth) -> Mapping[str, Outcome]:
    """Node → what became of it; a node that is not in here has no device."""
    node_of = truth.node_of()
    outcomes_by_node: dict[str, Outcome] = {node: Outcome(Became.UNBOUND) for node in truth.present()}
    for failure in truth.failures:
        if (node := node_of.get(failure.device)) in outcomes_by_node:
            outcomes_by_node[node] = Outcome(Became.FAILED, f"{failure.driver} -{failure.errno}")
    for device, reason in truth.deferred:
        if (node := node_of.get(device)) in outcomes_by_node:
            outcomes_by_node[node] = Outcome(Became.WAITING, reason, _supplier(reason, node_of))
    for node, driver in truth.bound().items():
        outcomes_by_node[node] = Outcome(Became.BOUND, driver)
    return outcomes_by_node


def _supplier(reason: str, node_of: Mapping[str, str]) -> str | None:
    waits = _WAITS.search(reason)
    if waits is not None:
        return waits[1]
    ready = _NOT_READY.search(reason)
    return node_of.get(ready[1]) if ready is not None else None
