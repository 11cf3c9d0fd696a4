"""How the program that runs is named in a command, so that it can be typed as it is printed."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

NAME = "bootwright"

_ROOTS_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where sudo looks for a program: `secure_path` of Debian's, Fedora's and Arch's sudoers(5); never the
folder of a virtual environment, also not of an activated one."""


def as_root() -> tuple[str, ...]:
    """The first words of a command that root runs: `sudo bootwright` where sudo finds it, else its path."""
    if shutil.which(NAME, path=_ROOTS_PATH) is not None:
        return ("sudo", NAME)
    path = _of_this_process()
    return ("sudo", NAME if path is None else str(path))


def _of_this_process() -> Path | None:
    """The program as it was called, or the one beside the interpreter; None where there is none, as in a
    browser."""
    beside = Path(sys.executable).parent / NAME if sys.executable else None
    for path in (Path(sys.argv[0] or "."), beside):
        if path is not None and path.name == NAME and path.is_file():
            return path.absolute()
    return None
