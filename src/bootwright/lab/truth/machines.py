"""Machines that truth is recorded on: files of `data/truth/`, in the form of `data/machines/` and more.

`base` names another file whose entries hold where the file has none of its own. `dtb` names the devicetree of
the kernel's own that the machine is given (without it, the emulator makes one); `dts` is devicetree source
that is compiled after it, where `&{/path}` names a node of it. `masked` lists the failures that are the
emulator's and not the prediction's, which are not scored (`truth_masks`).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from bootwright.foundation import tools
from bootwright.foundation.cache import TRUTH
from bootwright.foundation.choices import no_such
from bootwright.foundation.errors import Malformed, Missing
from bootwright.foundation.knowledge import read_table
from bootwright.foundation.places import data_files
from bootwright.foundation.processes.work_folder import temporary_folder
from bootwright.foundation.structure import structure
from bootwright.kernels.model import Kernel
from bootwright.lab.machines import qemu
from bootwright.lab.machines.machine import Machine
from bootwright.lab.truth.masks import Mask

# What the emulator makes anew for each boot would make another devicetree of each dump.
_WITHOUT_SEEDS = "/ { chosen { /delete-property/ kaslr-seed; /delete-property/ rng-seed; }; };\n"


@frozen
class TruthMachine:
    """A machine, and what is known of its devicetree and of what the emulator lacks."""

    machine: Machine
    dtb: str | None
    dts: str
    """Source that changes the devicetree; empty to leave it as it is."""
    masks: tuple[Mask, ...]

    def with_devicetree(self, kernel: Kernel) -> Machine:
        """The machine given the kernel's own devicetree, where it takes one.

        Raises `Missing` where the kernel comes without it, `ToolFailed` where the change does not fit it.
        """
        if self.dtb is None and not self.dts:
            return self.machine
        devicetree = self._kernels(kernel) if self.dtb is not None else None
        with temporary_folder() as folder:
            if devicetree is None:
                devicetree = _made_by_emulator(self.machine, kernel.page_size, folder / "made.dtb")
            if self.dts:
                devicetree = _changed(
                    devicetree, self.dts if self.dtb is not None else _WITHOUT_SEEDS + self.dts
                )
        return evolve(self.machine, arguments=(*self.machine.arguments, "-dtb", str(devicetree)))

    def _kernels(self, kernel: Kernel) -> Path:
        assert self.dtb is not None  # noqa: S101 - asked for only then
        devicetree = (
            next(iter(sorted(kernel.dtbs.rglob(self.dtb))), None) if kernel.dtbs is not None else None
        )
        if devicetree is None:
            raise Missing(f"{kernel.name} has no {self.dtb}", hint="fetch the kernel with its modules")
        return devicetree


def machine_files() -> dict[str, Path]:
    """Name → file of every machine that truth is recorded on."""
    return {path.stem: path for path in data_files("truth")}


def truth_machine(name: str) -> TruthMachine:
    """The machine of that name; raises `Refused` when there is none."""
    files = machine_files()
    if name not in files:
        raise no_such(f"there is no machine {name} to record truth on", name, files, kind="machines")
    return load_truth_machine(files[name])


@frozen
class _Described(Machine):
    """One file with what its base says: a machine, and what is known of its devicetree."""

    dtb: str | None = None
    dts: str = ""
    masked: tuple[Mask, ...] = ()


def load_truth_machine(path: Path) -> TruthMachine:
    """Read one file; raises `Malformed`."""
    described = structure(_table(path), _Described, str(path), stem=path.stem)
    return TruthMachine(described, described.dtb, described.dts, described.masked)


def _table(path: Path, depth: int = 0) -> dict[str, Any]:
    """A file's entries and those of its base: masks of both count, and the base's devicetree source first."""
    table = read_table(path)
    base = table.pop("base", None)
    if base is None:
        return table
    above = path.with_name(f"{base}.toml")
    if depth > 4 or not above.is_file():
        raise Malformed(str(path), None, "the name of another file as base", repr(base))
    inherited = _table(above, depth + 1)
    return {
        **inherited,
        **table,
        "dts": f"{inherited.get('dts', '')}{table.get('dts', '')}",
        "masked": [*inherited.get("masked", ()), *table.get("masked", ())],
    }


def _made_by_emulator(machine: Machine, page_size: int, to: Path) -> Path:
    """The devicetree that the emulator makes for the machine (`-machine dumpdtb=`)."""
    emulator = qemu.find()
    processor = machine.processor(page_size)
    qemu.check(emulator, machine, processor)
    tools.run(
        [
            str(emulator.path),
            *("-machine", f"{machine.machine},dumpdtb={str(to).replace(',', ',,')}"),
            *(("-cpu", processor.model) if processor.model else ()),
            *machine.arguments,
            *machine.network.arguments,
            *("-nodefaults", "-no-user-config", "-display", "none"),
        ],
        timeout=60,
    )
    return to


def _changed(dtb: Path, source: str) -> Path:
    """The devicetree with the source compiled after its own, kept by content."""
    compiler = tools.need("dtc", purpose="change a devicetree")
    own = tools.run([compiler, "-q", "-I", "dtb", "-O", "dts", str(dtb)])
    data = tools.run(
        [compiler, "-q", "-I", "dts", "-O", "dtb", "-"], input_bytes=own + b"\n" + source.encode()
    )
    return TRUTH.kept(f"{hashlib.sha256(data).hexdigest()[:32]}.dtb", lambda: data)
