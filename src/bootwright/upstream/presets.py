"""Upstreams that are known: `data/upstreams/NAME.toml`, or any repository of the user's choice."""

from __future__ import annotations

import re

from attrs import field, frozen

from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import STEM, key


@frozen
class Pin:
    """A line that says which version of something is taken."""

    file: str
    """Pattern of the path."""
    line: re.Pattern[str]
    """With one group, the version."""
    title: str
    boards: tuple[str, ...] = ()
    """Boards that it is for; without, it is the kernel's version."""


@frozen
class Part:
    """A part of the repository that is for some boards alone."""

    boards: tuple[str, ...]
    paths: tuple[str, ...]
    """Patterns; one that ends in `/` stands for everything below."""
    title: str


@frozen
class Report:
    """How one reports there."""

    form: str
    """`mail` (Documentation/admin-guide/reporting-issues.rst of Linux) or `issue`."""
    to: str
    """Where to: an address or a page."""
    source: str


@frozen
class Upstream:
    """One upstream repository."""

    id: str = field(metadata=STEM)
    title: str
    repository: str
    """Its address."""
    branches: tuple[str, ...] = ()
    """Patterns of branches that are followed; without, the one that is checked out by default."""
    tags: re.Pattern[str] | None = None
    """Tags that are releases, with one group: the version."""
    releases: str = ""
    """The system of `data/releases/` that its tags are releases of; `kernel` for kernels."""
    large: bool = False
    """Too large to be fetched whole without being asked: a copy is given with --repository."""
    pins: tuple[Pin, ...] = field(default=(), metadata=key("pin"))
    parts: tuple[Part, ...] = field(default=(), metadata=key("part"))
    report: Report | None = None


UPSTREAMS = Kind("upstreams", "an upstream repository", Upstream)
