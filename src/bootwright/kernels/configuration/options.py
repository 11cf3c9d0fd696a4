"""Options that `bootwright kernels show` prints unasked: a file for each list in `data/kernels/options/`."""

from __future__ import annotations

from attrs import field, frozen

from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import key


@frozen
class Option:
    """An option, by its name with `CONFIG_`, and what it is."""

    name: str
    what: str


@frozen
class OptionList:
    """One file."""

    options: tuple[Option, ...] = field(metadata=key("option"))


OPTIONS = Kind("kernels/options", "a list of kernel options", OptionList)
