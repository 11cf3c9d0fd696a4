"""Which names of artifacts are addresses on the network: told without what fetches them."""

from __future__ import annotations

REGISTRY = "oci://"
"""How the name of an image in a registry begins."""
_WEB = ("http://", "https://")


def is_address(what: object) -> bool:
    """Whether an artifact is named by where it lies on the network: `http(s)://`, `oci://`."""
    return isinstance(what, str) and what.startswith((*_WEB, REGISTRY))
