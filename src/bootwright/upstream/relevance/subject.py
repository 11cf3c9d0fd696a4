"""What an open question touches, in the terms that upstream repositories are written in."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from attrs import field, frozen

from bootwright.upstream.relevance.reach import Served


@frozen
class Subject:
    """One open question, such as whether Ethernet comes up on a board."""

    outcome: str
    """The plan's name for it."""
    label: str = ""
    """The same for people."""
    boards: frozenset[str] = frozenset()
    """Board files it is asked for."""
    dtbs: frozenset[str] = frozenset()
    """File names of the boards' devicetrees."""
    nodes: frozenset[str] = frozenset()
    """Paths of the devicetree nodes on the way to the device, each kernel's that was asked."""
    goal_nodes: frozenset[str] = frozenset()
    """Of these, the device itself: what is below it belongs to it."""
    labels: frozenset[str] = frozenset()
    """Labels of these nodes."""
    compatibles: frozenset[str] = frozenset()
    objects: frozenset[str] = frozenset()
    """Drivers as paths in a kernel's tree, without `.o`: `drivers/net/ethernet/cadence/macb`."""
    drivers: frozenset[str] = frozenset()
    """Names of drivers and modules, as messages and commits call them."""
    options: frozenset[str] = frozenset()
    """Configuration options that decide whether it can work, with `CONFIG_`."""
    driver_options: frozenset[str] = frozenset()
    """Of these, those that build one of the drivers each."""
    phy_ids: frozenset[int] = frozenset()
    pci_ids: frozenset[tuple[int, int]] = frozenset()
    calls: frozenset[str] = frozenset()
    """System calls that fail, or that the question is about."""
    asks_version: bool = True
    """Whether the kernel's version is one of the plan's factors."""
    paths: Mapping[str, tuple[str, ...]] = field(factory=dict)
    """Upstream → patterns of paths that the plan names."""

    @property
    def served(self) -> Served:
        """The same for code that serves many."""
        return Served(self.compatibles, self.phy_ids, self.calls)

    @property
    def node_names(self) -> frozenset[str]:
        """The last parts of the nodes' paths and those of their parents; without the root."""
        return frozenset(part for path in self.nodes for part in path.split("/") if part)

    def names_path(self, upstream: str, path: str) -> bool:
        """Whether the plan names this path of an upstream."""
        return any(fits_path(path, pattern) for pattern in self.paths.get(upstream, ()))


def fits_path(path: str, pattern: str) -> bool:
    """Whether a path fits a pattern; a pattern that ends in `/` stands for everything below."""
    return path.startswith(pattern) if pattern.endswith("/") else fnmatchcase(path, pattern)
