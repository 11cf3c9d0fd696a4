"""Machines that truth is recorded on: files of `data/truth/`, in the form of `data/machines/` and more.

`dtb` names the devicetree of the kernel's own that the machine is given (without it, the emulator makes
one); `fdtput` lists changes to it, as arguments of fdtput(1); `masked` lists nodes whose hardware the
emulator does not model, with the reason, which are not scored.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path

from attrs import evolve, frozen

from bootwright.foundation import tools
from bootwright.foundation.atomic import write_bytes
from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.foundation.places import cache_dir, data_files
from bootwright.kernels.model import Kernel
from bootwright.lab.machines import Machine, load


@frozen
class TruthMachine:
    """A machine, and what is known of its devicetree and of what the emulator lacks."""

    machine: Machine
    dtb: str | None
    changes: tuple[tuple[str, ...], ...]
    masked: Mapping[str, str]
    """Node → why it is not scored; nodes below it are not either."""

    def with_devicetree(self, kernel: Kernel) -> Machine:
        """The machine given the kernel's own devicetree, where it takes one.

        Raises `Missing` where the kernel comes without it.
        """
        if self.dtb is None:
            return self.machine
        found = next(iter(sorted(kernel.dtbs.rglob(self.dtb))), None) if kernel.dtbs is not None else None
        if found is None:
            raise Missing(f"{kernel.name} has no {self.dtb}", hint="fetch the kernel with its modules")
        return evolve(
            self.machine, arguments=(*self.machine.arguments, "-dtb", str(_changed(found, self.changes)))
        )


def truth_machine(name: str) -> TruthMachine:
    """The machine of that name; raises `Refused` when there is none."""
    for path in data_files("truth"):
        if path.stem == name:
            return load_truth_machine(path)
    known = ", ".join(path.stem for path in data_files("truth"))
    raise Refused(f"there is no machine {name} to record truth on", hint=f"known: {known}")


def load_truth_machine(path: Path) -> TruthMachine:
    """Read one file; raises `Malformed`."""
    machine = load(path)
    table = tomllib.loads(path.read_text())
    try:
        return TruthMachine(
            machine=machine,
            dtb=table.get("dtb"),
            changes=tuple(tuple(change) for change in table.get("fdtput", ())),
            masked={one["node"]: one["reason"] for one in table.get("masked", ())},
        )
    except (KeyError, TypeError) as error:
        raise Malformed(str(path), None, "a truth machine's description", repr(error)) from error


def _changed(dtb: Path, changes: tuple[tuple[str, ...], ...]) -> Path:
    """The devicetree with the changes made, kept by content."""
    if not changes:
        return dtb
    tool = tools.need("fdtput", purpose="change a devicetree")
    with tempfile.TemporaryDirectory(prefix="bootwright-") as folder:
        copy = Path(folder) / dtb.name
        shutil.copyfile(dtb, copy)
        for options, *rest in changes:
            tools.run([tool, *options.split(), copy, *rest])
        data = copy.read_bytes()
    kept = cache_dir() / "truth" / f"{hashlib.sha256(data).hexdigest()[:32]}.dtb"
    if not kept.is_file():
        write_bytes(kept, data)
    return kept
