"""A source tree of the kernel's form, small enough to be built in a second: its Makefile, Kconfig and files.

Kconfig is evaluated by kconfiglib, which shares no code with what is tested; compiler, linker and the built
`Image` are real. What it lacks of a kernel is the kernel.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bootwright.workshop.configuring.presets import PRESETS

SMALL = Path(__file__).parent / "small_kernel"


def _init_kconfig() -> str:
    """Options that the presets `probe` and `board` ask for, with nothing that they depend on."""
    asked = dict(PRESETS.get("probe").options) | dict(PRESETS.get("board").options)
    names = [name.removeprefix("CONFIG_") for name in asked]
    texts = "".join(f'config {name}\n\tbool "{name.lower()}"\n\n' for name in names)
    return f'{texts}config LOCALVERSION\n\tstring "Behind the version"\n'


def kernel_tree(folder: Path, **changes: str | None) -> Path:
    """The tree in a folder; `changes` are files by path, None for one that is left out."""
    there = {
        str(path.relative_to(SMALL)): path.read_text() for path in sorted(SMALL.rglob("*")) if path.is_file()
    }
    files: dict[str, str | None] = {**there, "init/Kconfig": _init_kconfig(), **changes}
    for name, text in files.items():
        if text is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("PYTHON := python3", f"PYTHON := {sys.executable}"))
    return folder
