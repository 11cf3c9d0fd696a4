"""The tree of facts about an artifact: what is there, what was read, and from where.

Facts are values with their origin; an `Item` is one thing found (a partition, a kernel, a configuration)
with what it holds. Readers never judge: a contradiction in the bytes is a `Problem`, not a verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from attrs import field, frozen

from bootwright.formats.filesystems.filesystem import FileSystem
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import BootwrightError, Malformed

Value: TypeAlias = str | int | bool | Sequence["Value"] | Mapping[str, "Value"] | None


@frozen
class Origin:
    """Where something was read."""

    where: str
    """Container path: `talos.raw.xz:xz:partition 3 (BOOT):/A/vmlinuz`."""
    offset: int | None = None
    """Bytes from the start of `where`; None: all of it."""
    size: int | None = None
    """Bytes."""

    def as_json(self) -> dict[str, Value]:
        """The documented form."""
        return {"path": self.where, "offset": self.offset, "size": self.size}


@frozen
class Fact:
    """One named value and where it was read."""

    name: str
    value: Value
    origin: Origin

    def as_json(self) -> dict[str, Value]:
        """The documented form."""
        return {"name": self.name, "value": self.value, "where": self.origin.as_json()}


@frozen
class Problem:
    """Something that could not be read, or contradicts its own format."""

    message: str
    hint: str | None
    origin: Origin

    def as_json(self) -> dict[str, Value]:
        """The documented form."""
        return {"message": self.message, "hint": self.hint, "where": self.origin.as_json()}

    @classmethod
    def of(cls, error: BootwrightError, where: str) -> Problem:
        """The problem an error tells of, met while reading `where`."""
        offset = error.offset if isinstance(error, Malformed) else None
        place = error.where if isinstance(error, Malformed) else where
        return cls(error.message, error.hint, Origin(place, offset))


@frozen(eq=False)
class Item:
    """One thing found in an artifact."""

    kind: str
    """`disk`, `partition`, `filesystem`, `kernel`, `uki`, `initramfs`, `devicetree`, `config-txt`, …"""
    name: str
    """Within its parent: a path, a section's name, a partition's number and label."""
    origin: Origin
    facts: tuple[Fact, ...] = ()
    children: tuple[Item, ...] = ()
    problems: tuple[Problem, ...] = ()
    detail: object = field(default=None, repr=False)
    """What the format's reader returned, for those who go on from here; not part of the JSON."""
    source: ByteSource | None = field(default=None, repr=False)
    """Its bytes, as long as the artifact is open."""
    files: FileSystem | None = field(default=None, repr=False)
    """Its files, where it is a file system or an archive."""

    def walk(self) -> Iterator[Item]:
        """This item and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def of_kind(self, *kinds: str) -> list[Item]:
        """All items of these kinds, this one included."""
        return [item for item in self.walk() if item.kind in kinds]

    def fact(self, name: str) -> Value:
        """The value of a fact, or None where there is none of that name."""
        return next((fact.value for fact in self.facts if fact.name == name), None)

    def as_json(self) -> dict[str, Value]:
        """The documented form (docs/schemas/inspect.schema.json)."""
        return {
            "kind": self.kind,
            "name": self.name,
            "where": self.origin.as_json(),
            "facts": [fact.as_json() for fact in self.facts],
            "problems": [problem.as_json() for problem in self.problems],
            "children": [child.as_json() for child in self.children],
        }


def facts_at(origin: Origin, values: Mapping[str, Value]) -> tuple[Fact, ...]:
    """A fact for each value that is known (not None), all from one origin."""
    return tuple(Fact(name, value, origin) for name, value in values.items() if value is not None)
