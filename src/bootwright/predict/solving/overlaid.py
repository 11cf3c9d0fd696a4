"""What a driver's own overlay does to the nodes below its device, once the driver is bound."""

from __future__ import annotations

from collections.abc import Iterator

from bootwright.formats.devicetree.fdt import Node
from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.kernel.own_overlays import own_overlay
from bootwright.predict.model import Answer, Evidence, Link
from bootwright.predict.rules.knowledge import OwnOverlay
from bootwright.predict.rules.predicates import Surroundings, holds
from bootwright.predict.solving.sites import Site

_OKAY = frozenset({"okay", "ok"})


def own_overlays(site: Site, around: Surroundings) -> Iterator[OwnOverlay]:
    """The rules by which the driver of a device applies an overlay to the device's node."""
    for known in site.known if site.in_tree and site.best is not None else ():
        for rule in known.overlays:
            if holds(rule.when, around) is Answer.YES:
                yield rule


def disabled(site: Site, kernel: KernelFacts, around: Surroundings) -> Iterator[tuple[Node, OwnOverlay]]:
    """The nodes below a device's that its driver's overlay disables."""
    for rule in own_overlays(site, around):
        content = _content(site, kernel)
        for node in _disabled(content, site.node) if content is not None else ():
            yield node, rule


def unread(site: Site, kernel: KernelFacts, around: Surroundings) -> Iterator[Link]:
    """A link for an overlay whose bytes are not here: what it changes is not known."""
    for rule in own_overlays(site, around):
        if _content(site, kernel) is None:
            yield Link(
                site.node.path,
                "the driver's own overlay",
                Answer.UNKNOWN,
                Evidence(kernel.name, rule.source),
                f"{rule.reason}, and that overlay cannot be read from the files given",
                remedy=rule.remedy,
            )


def _content(site: Site, kernel: KernelFacts) -> Node | None:
    best = site.best
    return own_overlay(kernel, best.module, site.node.compatible) if best is not None else None


def _disabled(content: Node, base: Node) -> Iterator[Node]:
    """Nodes of `base` that the overlay's nodes of the same path set a status on that is not okay."""
    for child in content.children:
        under = base.child(child.name)
        if under is None:
            continue
        if child.string("status") not in {None, *_OKAY}:
            yield under
        yield from _disabled(child, under)
