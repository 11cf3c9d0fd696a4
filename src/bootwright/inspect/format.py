"""A format that artifacts are described in, and the exploration that describing one takes part in."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol, TypeAlias

from attrs import field, frozen

from bootwright.formats.filesystems.filesystem import FileSystem
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.formats.sources.compressed import DEFAULT_LIMIT, Growth
from bootwright.formats.sources.transport import Transport
from bootwright.foundation.progress import Progress
from bootwright.inspect.facts import Item, ItemKind


@frozen
class Limits:
    """How far an artifact is followed."""

    depth: int = 16
    """Things inside things. A Talos image needs 9."""
    items: int = 20_000
    """Items in the tree."""
    entries: int = 2_000_000
    """Names in all file systems together."""
    expanded: int = DEFAULT_LIMIT
    """Bytes that everything compressed may expand to, and that is read to be taken apart, in all."""


class Context(Protocol):
    """An exploration under way: its limits, and how to go on inside something."""

    limits: Limits
    progress: Progress
    growth: Growth | None
    """What is being expanded meanwhile."""
    transport: Transport | None
    """What registries are asked by; None: a new one."""
    entries_left: int
    """Names of files that may still be looked at."""
    bytes_left: int
    """Bytes that may still be expanded or taken apart."""

    def follow(self, source: ByteSource, name: str, depth: int, *, role: str | None = None) -> Item | None:
        """Describe something found inside; None where its format is not recognised.

        Never raises for what the bytes say: a problem becomes part of the item. `role` is what its name says
        it is, for files that only their name distinguishes.
        """
        ...

    def spend(self, size: int) -> None:
        """Count bytes that were expanded or taken apart; raises `Refused` when they are too many in all."""
        ...

    def role_of(self, path: str) -> str | None:
        """What a file of that path would be, by its name alone."""
        ...

    def format_of(self, source: ByteSource) -> Format | None:
        """The format of bytes, or None where none is recognised."""
        ...

    def fits(self, role: str, kind: ItemKind) -> bool:
        """Whether a file named like `role` may be an item of that kind."""
        ...

    def describe_file(self, role: str, files: FileSystem, source: ByteSource, path: str) -> Item | None:
        """Describe a file that refers to others beside it; None where the role has no such description."""
        ...

    @property
    def exhausted(self) -> bool:
        """Whether the number of items has been used up."""
        ...


Describe: TypeAlias = Callable[[Context, ByteSource, str, int], Item]
"""(exploration, bytes, name within the parent, depth) → item; raises `Malformed` for what cannot be read."""


def _patterns(texts: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(text, re.IGNORECASE) for text in texts)


@frozen
class Format:
    """One format. A module of `bootwright.inspect.formats` is one by having a `FORMAT`."""

    name: str
    title: str
    documentation: str
    """The specification or the code that the reader follows, with its version."""
    limits: str
    """What is not read."""
    describe: Describe
    matches: Callable[[ByteSource, bytes], bool] | None = None
    """Whether bytes are of this format, told with their first 512; None where only the name tells."""
    order: int = 0
    """The lowest is asked first: a mark where other formats have content comes late."""
    names: tuple[re.Pattern[str], ...] = field(default=(), converter=_patterns)
    """Paths worth opening for it inside a file system."""
    name_order: int = 0
    """The lowest is tried first where a path fits several."""
    fits: frozenset[ItemKind] = frozenset()
    """Kinds of items that a file of such a name may turn out to be; empty: any."""
    alone: Callable[[ByteSource], bool] | None = None
    """Whether a text that is given by itself, and that nothing else tells, is of this format."""
    describe_file: Callable[[FileSystem, ByteSource, str], Item] | None = None
    """How it is described on its file system, where it refers to files beside it."""
