"""What drivers ask for while they probe, by the functions they call: `data/demands/calls.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from attrs import frozen

from bootwright.foundation.errors import Malformed
from bootwright.foundation.places import data_files

_GIVES = frozenset({"pointer", "zero", "positive", "truth"})


@frozen
class Bulk:
    """Where a function finds the names of several things: an array of structures that begin with a name."""

    count: int
    array: int
    stride: int
    """Bytes from one structure to the next."""


@frozen
class Optional:
    """How an argument says that what is asked for may be missing.

    Linux 6.13 put several arguments of the reset controls into one with flags, and stable kernels took it
    over (6.12.107 has it), so that the version does not tell which it is; the flags themselves do: they are
    more than 1 where this one is among them.
    """

    flags: int
    flag: int
    alone: int
    """The argument that says so by itself in kernels without flags."""


@frozen
class Call:
    """One function. Numbers of arguments are those of registers."""

    asks: str
    gives: str
    missing: int
    """What it returns where nothing is given: a negative error number, or 0."""
    broken: int
    """What it returns where a reference leads nowhere or is too short."""
    device: int | None = None
    node: int | None = None
    name: int | None = None
    index: int | None = None
    property: int | None = None
    resource: int | None = None
    """The argument with the type of resource: include/linux/ioport.h."""
    fixed: str = ""
    """The property's name, where the function is about one."""
    all: bool = False
    bulk: Bulk | None = None
    optional: Optional | None = None

    def may_lack(self, arguments: Mapping[int, object]) -> bool:
        """Whether the call says that what it asks for may be missing; an unknown argument does not say no."""
        how = self.optional
        if how is None:
            return False
        flags, alone = arguments.get(how.flags), arguments.get(how.alone)
        if not isinstance(flags, int):
            return True
        if flags > 1:
            return bool(flags & how.flag)
        # 1 is "shared" in both forms; 0 is "exclusive", in the older one only.
        return alone == 1 or (flags == 0 and alone != 0)


@frozen
class Calls:
    """All of them."""

    by_name: Mapping[str, Call]
    echo: Mapping[str, int]
    """Functions that return one of their arguments."""
    of_resource: Mapping[str, int]
    """Functions that make an address of a resource, -EINVAL of none."""
    of_interrupt: Mapping[str, int]
    """Functions that refuse interrupt 0, which is none, with -EINVAL."""
    of_nothing: frozenset[str]
    """Functions that return 0 when their first argument is no object."""
    next_child: Mapping[str, int]
    """Functions that step through child nodes, with the argument that is the last one."""
    parent: frozenset[str]
    clears: frozenset[str]
    match_data: frozenset[str]
    match_entry: frozenset[str]
    allocates: frozenset[str]
    never_returns: frozenset[str]


@lru_cache(maxsize=1)
def calls() -> Calls:
    """Read once. Raises `Malformed` naming the file where something in it is not understood."""
    by_name: dict[str, Call] = {}
    walk: dict[str, Any] = {}
    for path in data_files("demands"):
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
            for row in table.pop("call", ()):
                names = row.pop("names")
                call = _call(row)
                for name in names:
                    by_name[name] = call
                    if not name.startswith(("devm_", "__", "of_phy", "irq_")):
                        by_name.setdefault(f"devm_{name}", call)
            walk |= table.pop("walk", {})
            if table:
                raise KeyError(*table)
        except (ValueError, KeyError, TypeError) as error:
            raise Malformed(str(path), None, "a table of calls", repr(error)) from error
    return Calls(
        by_name=by_name,
        echo=walk["echo"],
        of_resource=walk["of_resource"],
        of_interrupt=walk["of_interrupt"],
        of_nothing=frozenset(walk["of_nothing"]),
        next_child=walk["next_child"],
        parent=frozenset(walk["parent"]),
        clears=frozenset(walk["clears"]),
        match_data=frozenset(walk["match_data"]),
        match_entry=frozenset(walk["match_entry"]),
        allocates=frozenset(walk["allocates"]),
        never_returns=frozenset(walk["never_returns"]),
    )


def _call(row: dict[str, Any]) -> Call:
    bulk, optional = row.pop("bulk", None), row.pop("optional", None)
    if row["gives"] not in _GIVES:
        raise ValueError(row["gives"])
    return Call(
        **{"asks": "", "broken": row["missing"], **row},
        bulk=Bulk(**bulk) if bulk is not None else None,
        optional=Optional(**optional) if optional is not None else None,
    )
