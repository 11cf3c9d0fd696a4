"""Firmware that starts an image's own boot loader: one file each in `data/firmware/`."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

from attrs import frozen

from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.foundation.places import data_files


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


def names() -> list[str]:
    """Every firmware known, installed or not."""
    return [path.stem for path in data_files("firmware")]


def firmware(name: str) -> Firmware:
    """The firmware of that name; `Refused` for an unknown one, `Missing` where it is not installed."""
    for path in data_files("firmware"):
        if path.stem == name:
            return load(path)
    raise Refused(f"there is no firmware {name!r}", hint=f"known: {', '.join(names())}")


def load(path: Path) -> Firmware:
    """Read one firmware's file and find it here; raises `Malformed` or `Missing`."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        title, package, machine = str(table["title"]), str(table["package"]), str(table["machine"])
        places = [
            (Path(each["code"]), Path(each["variables"]) if "variables" in each else None)
            for each in table["flash"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed(str(path), None, "a firmware's file", f"{type(error).__name__} {error}") from error
    for code, variables in places:
        if code.is_file() and (variables is None or variables.is_file()):
            return Firmware(path.stem, title, machine, code, variables)
    raise Missing(f"{title} is not installed", hint=f"install {package}")


def _quoted(path: Path) -> str:
    return str(path).replace(",", ",,")
