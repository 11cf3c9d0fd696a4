"""Firmware that starts an image's own boot loader: one file each in `data/firmware/`."""

from __future__ import annotations

import hashlib
from pathlib import Path

from attrs import field, frozen

from bootwright.foundation.errors import Missing
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import STEM


@frozen
class Firmware:
    """A firmware that is installed on this machine."""

    name: str
    title: str
    machine: str
    """The only machine it runs on (a file of `data/machines/`)."""
    code: Path
    variables: Path | None
    """What the guest's firmware may write to; None where it keeps nothing."""

    def arguments(self) -> tuple[str, ...]:
        """QEMU's arguments. Variables are written to a throw-away overlay, never to the file."""
        if self.variables is None:
            return ("-bios", str(self.code))
        return (
            *("-drive", f"if=pflash,format=raw,readonly=on,file={_quoted(self.code)}"),
            *("-drive", f"if=pflash,format=raw,snapshot=on,file={_quoted(self.variables)}"),
        )

    def sha256(self) -> str:
        """Of the code."""
        with self.code.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


@frozen
class _Flash:
    code: str
    variables: str | None = None


@frozen
class Described:
    """One file: a firmware, installed or not."""

    name: str = field(metadata=STEM)
    title: str
    package: str
    source: str
    machine: str
    flash: tuple[_Flash, ...]
    """The first whose files are there is taken."""


FIRMWARE = Kind("firmware", "a firmware", Described, runs_programs=True)


def firmware(name: str) -> Firmware:
    """The firmware of that name; `Refused` for an unknown one, `Missing` where it is not installed."""
    return installed(FIRMWARE.get(name))


def installed(known: Described) -> Firmware:
    """A described firmware as it is installed here; raises `Missing`."""
    for flash in known.flash:
        code = Path(flash.code)
        variables = Path(flash.variables) if flash.variables is not None else None
        if code.is_file() and (variables is None or variables.is_file()):
            return Firmware(known.name, known.title, known.machine, code, variables)
    raise Missing(f"{known.title} is not installed", hint=f"install {known.package}")


def _quoted(path: Path) -> str:
    return str(path).replace(",", ",,")
