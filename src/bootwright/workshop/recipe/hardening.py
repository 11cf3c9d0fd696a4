"""What the build's own check of hardening options will say of a configuration.

The build runs kernel-hardening-checker and gives its JSON to a script of the checkout, which fails the build
for what it does not excuse (siderolabs/pkgs, kernel/build/pkg.yaml). Both are run here as they are there.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from attrs import frozen

from bootwright.foundation import tools
from bootwright.foundation.errors import Malformed, Missing, ToolFailed

_PROGRAM = "kernel-hardening-checker"
_SECONDS = 120.0


@frozen
class Hardening:
    """What the check says."""

    complaints: tuple[str, ...]
    """One line an option: the build stops at them."""
    unknown: str | None = None
    """Why it could not be asked."""


def find_checker(given: Path | None) -> list[str] | None:
    """How to run the checker: the program given, the one in a checkout given, or the one installed.

    None where none was given and none is installed; raises `Missing` for a place given that has none.
    """
    if given is None:
        program = tools.find(_PROGRAM)
        return [str(program)] if program is not None else None
    script = given / "bin" / _PROGRAM if given.is_dir() else given
    if not script.is_file():
        raise Missing(f"there is no {script}", hint=f"give {_PROGRAM} or a checkout of it")
    return [sys.executable, str(script)]


def check(config: Path, checker: list[str] | None, filter_script: Path, architecture: str) -> Hardening:
    """Ask the checker of a whole configuration, and the filter of its answer."""
    if checker is None:
        return Hardening(
            (),
            f"{_PROGRAM} is not here: give a checkout of it with --hardening-checker, at the build's commit",
        )
    if not filter_script.is_file():
        return Hardening((), f"the checkout has no {filter_script.name}")
    try:
        answer = tools.run([*checker, "-c", config, "-m", "json"], timeout=_SECONDS)
    except ToolFailed as error:
        return Hardening((), f"{_PROGRAM} failed: {error.output.strip().rpartition(chr(10))[2][:200]}")
    try:
        rows = json.loads(answer)
    except ValueError as error:
        raise Malformed(_PROGRAM, None, "JSON", repr(answer[:80])) from error
    if not isinstance(rows, list):
        raise Malformed(_PROGRAM, None, "a list of checks", type(rows).__name__)
    try:
        tools.run([sys.executable, "-I", filter_script, architecture], input_bytes=answer, timeout=_SECONDS)
    except ToolFailed as error:
        return Hardening(_complaints(error.output))
    return Hardening(())


def _complaints(output: str) -> tuple[str, ...]:
    """The rows of the filter's table: option, wanted value, decision and reason between `|`."""
    rows = []
    for line in output.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 4 and re.match(r"CONFIG_\w+$", cells[0]):
            rows.append(f"{cells[0]} should be {cells[1]} ({cells[2]}, {cells[3]})")
    return tuple(rows) or (output.strip().rpartition("\n")[2][:200],)
