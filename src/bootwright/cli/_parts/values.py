"""What the commands share about values of options: each is checked before anything long begins.

A value that does not exist is one line with the one that was probably meant (`foundation.choices`), and
exit status 2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource


class OneOf(click.ParamType[str]):
    """One of some names, which may come from files and are then read when first needed."""

    name = "name"

    def __init__(self, names: Sequence[str] | Callable[[], Iterable[str]], what: str, kind: str = "") -> None:
        """`what` names the thing in the singular, such as `machine`; `kind` in the plural."""
        self._names = names
        self._what = what
        self._kind = kind or f"{what}s"

    @property
    def names(self) -> tuple[str, ...]:
        """Every value there is."""
        return tuple(self._names() if callable(self._names) else self._names)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:  # noqa: ARG002
        """The values themselves where they are few and known without reading files."""
        return None if callable(self._names) else f"[{'|'.join(self._names)}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401, ARG002
        """Raises `Refused` with the name that was probably meant."""
        from bootwright.foundation.choices import no_such

        given = str(value)
        if given in self.names:
            return given
        option = f"{param.opts[0]}: " if param is not None and param.opts[0].startswith("-") else ""
        raise no_such(f"{option}there is no {self._what} {given!r}", given, self.names, kind=self._kind)


class Artifact(click.ParamType["str | Path"]):
    """A path of this machine, or an address, which is not one: two slashes would become one."""

    name = "path|address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str | Path:  # noqa: ANN401, ARG002
        """An address as text, anything else as a path."""
        return value if re.match(r"(https?|oci)://", str(value)) else Path(value)


def printable(text: str) -> str:
    """Names come from files of others: no control sequence reaches the terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def machines() -> list[str]:
    """What a kernel can be booted on."""
    from bootwright.lab.machines.machine import MACHINES

    return MACHINES.names()


def probes() -> list[str]:
    """What can be probed in a boot."""
    from bootwright.lab.probes.added import added_probes
    from bootwright.lab.probes.boot import PROBES

    return [*PROBES, *added_probes(), "all"]


def image_machines() -> list[str]:
    """What an image can be booted on, and the word for finding out which."""
    from bootwright.image_boot.machine import BOARD_MACHINES, VIRT
    from bootwright.image_boot.start import AUTO

    return [AUTO, VIRT, *BOARD_MACHINES.names()]


def firmware_names() -> list[str]:
    """The firmware that QEMU's virt can be given."""
    from bootwright.lab.machines.firmware import FIRMWARE

    return FIRMWARE.names()


def refuse_given(names: Iterable[str], why: str) -> None:
    """Raise a usage error for an option of these parameters that was given, though it would do nothing."""
    context = click.get_current_context()
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in names and source is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{parameter.opts[0]} {why}")
