"""What drivers ask for while they probe, by the functions they call: `data/demands/calls.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from attrs import Factory, asdict, field, frozen

from bootwright.foundation.errors import Malformed
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import key


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

    names: tuple[str, ...]
    """As the linker sees them; each also with devm_ before it."""
    gives: Literal["pointer", "zero", "positive", "truth"]
    missing: int
    """What it returns where nothing is given: a negative error number, or 0."""
    asks: str = ""
    broken: int = field(default=Factory(lambda call: call.missing, takes_self=True))
    """What it returns where a reference leads nowhere or is too short."""
    disabled: int = -517
    """What it returns where the provider's node is disabled: -EPROBE_DEFER unless a row says otherwise."""
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
    unless: tuple[str, ...] = ()
    """Properties of which one keeps the function from asking."""

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
class Walk:
    """What other functions do that a walk through a probe's code meets."""

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
    registers: Mapping[str, frozenset[str]]
    """Kind of early table → the functions that its setup functions must get to, as they return nothing."""


@frozen
class Demands:
    """One file."""

    calls: tuple[Call, ...] = field(default=(), metadata=key("call"))
    walk: Walk | None = None


DEMANDS = Kind("demands", "a table of what drivers ask for", Demands)


@frozen
class Calls(Walk):
    """All of them."""

    by_name: Mapping[str, tuple[Call, ...]]
    """What each function asks for, one after another: it ends with the first that it does not get."""


@lru_cache(maxsize=1)
def calls() -> Calls:
    """Read once. Raises `Malformed` naming file and key where something in it is not understood."""
    by_name: dict[str, tuple[Call, ...]] = {}
    managed: dict[str, tuple[Call, ...]] = {}
    walk: Walk | None = None
    for name, demands in DEMANDS.all().items():
        for call in demands.calls:
            for function in call.names:
                by_name[function] = (*by_name.get(function, ()), call)
                if not function.startswith(("devm_", "__", "of_phy", "irq_")):
                    managed[f"devm_{function}"] = by_name[function]
        if demands.walk is not None and walk is not None:
            raise Malformed(str(DEMANDS.files()[name]), None, "one table [walk] in all files", "another")
        walk = walk or demands.walk
    if walk is None:
        raise Malformed("data/demands", None, "the table [walk] in one of the files", "none")
    return Calls(**asdict(walk, recurse=False), by_name={**managed, **by_name})
