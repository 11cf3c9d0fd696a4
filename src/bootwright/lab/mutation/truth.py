"""Boot a machine many times, each time with one thing wrong, and keep what became of its devices.

The intact machine is booted first with all its kernel's modules, then twice with those that matter to it
(`truth_modules.wanted`): what differs between these two says nothing. Then each chosen mutation is booted.
The file is written after each boot, so that the same command goes on where it was stopped.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from attrs import evolve, frozen

from bootwright.formats.devicetree.fdt import parse_fdt
from bootwright.formats.kernel.built_in_store import read_once
from bootwright.formats.modules.module_index import ModuleIndex
from bootwright.foundation.errors import Malformed, Refused, ToolFailed
from bootwright.foundation.processes.work_folder import temporary_folder
from bootwright.foundation.progress import Progress
from bootwright.kernels.model import Kernel
from bootwright.lab.machines.machine import Machine
from bootwright.lab.mutation import recording
from bootwright.lab.mutation.candidates import Intact, choose
from bootwright.lab.mutation.mutations import Change, Mutation, apply
from bootwright.lab.mutation.recording import Broken, Recorded
from bootwright.lab.truth.machines import TruthMachine
from bootwright.lab.truth.modules import Archive, index_of, pack, wanted
from bootwright.lab.truth.record import record
from bootwright.lab.truth.recording import Truth
from bootwright.lab.truth.refusals import GUEST

ARGUMENTS = ("deferred_probe_timeout=3",)
"""Seconds after the last driver until the kernel gives up on suppliers without a driver; 10 by default."""
SETTLE = 5
_TIMEOUT = 120.0
_SILENCE = 45.0
_INTACT_BOOTS = 2
_LAST_WORDS = 300


@frozen
class Campaign:
    """What is booted, and where it is kept."""

    kernel: Kernel
    target: TruthMachine
    seed: int
    count: int
    file: Path

    def run(self, progress: Progress, *, most: int | None = None) -> Recorded:
        """Boot what has not been booted yet, `most` mutations at most.

        Raises `Refused` where the file is of another machine, kernel or seed, and what
        `lab.truth.record.record` raises for the intact machine.
        """
        recorded = self._started(progress)
        archive = pack(self.kernel, recorded.machine.modules)
        done = {boot.mutation.name for boot in recorded.boots}
        left = [mutation for mutation in self.mutations(recorded.machine) if mutation.name not in done]
        for mutation in left[:most]:
            with progress.step(f"boot {self.target.machine.name}: {mutation.name}"):
                boot = self._boot(recorded.machine, mutation, archive)
            recorded = evolve(recorded, boots=(*recorded.boots, boot))
            recording.save(self.file, recorded)
        return recorded

    def mutations(self, machine: recording.Machine) -> tuple[Mutation, ...]:
        """Those that the seed chooses, given the results of the intact machine."""
        return choose(intact(machine, self.kernel), self.seed, self.count)

    def _started(self, progress: Progress) -> Recorded:
        if self.file.is_file():
            recorded = recording.load(self.file)
            kept = recorded.machine
            recorded_as = (kept.machine, kept.kernel, kept.seed, kept.count)
            if recorded_as != (self.target.machine.name, self.kernel.name, self.seed, self.count):
                raise Refused(
                    f"{self.file} holds mutations {kept.seed}:{kept.count} of {kept.machine}, {kept.kernel}",
                    hint="give another --out, or the same machine, kernel, seed and count to go on",
                )
            return recorded
        with progress.step(
            f"boot {self.target.machine.name}, intact, with all modules of {self.kernel.name}"
        ):
            whole, _ = record(
                self.kernel, self.target.with_devicetree(self.kernel), arguments=ARGUMENTS, settle=SETTLE
            )
        archive = pack(
            self.kernel, wanted(index_of(self.kernel), parse_fdt(whole.fdt, whole.machine), whole.loaded)
        )
        boots: list[Truth] = []
        for number in range(_INTACT_BOOTS):
            with progress.step(
                f"boot {self.target.machine.name}, intact, with {len(archive.modules)} modules"
            ):
                boots.append(self._record(whole.fdt, archive, (), brief=number > 0))
        machine = recording.intact_machine(
            tuple(boots),
            arguments=ARGUMENTS,
            settle=SETTLE,
            seed=self.seed,
            count=self.count,
            modules=archive.modules,
        )
        recorded = Recorded(evolve(machine, initcalls=_initcalls(self.kernel, set(machine.bound().values()))))
        recording.save(self.file, recorded)
        return recorded

    def _boot(self, machine: recording.Machine, mutation: Mutation, archive: Archive) -> Broken:
        arguments: tuple[str, ...] = ()
        if mutation.change is Change.ARGUMENT:
            arguments = (mutation.value,)
        elif mutation.change is Change.MODULE:
            archive = pack(self.kernel, [module for module in machine.modules if module != mutation.value])
        try:
            truth = self._record(apply(machine.fdt, mutation), archive, arguments, brief=True)
        except (ToolFailed, Malformed) as error:
            if isinstance(error, ToolFailed) and error.tool != GUEST:
                raise
            output = error.output if isinstance(error, ToolFailed) else str(error)
            return Broken(mutation, booted=False, last=_last_words(output))
        return recording.broken_machine(machine, mutation, truth)

    def _record(self, fdt: bytes, archive: Archive, arguments: Iterable[str], *, brief: bool) -> Truth:
        with temporary_folder() as folder:
            dtb = folder / "mutated.dtb"
            dtb.write_bytes(fdt)
            truth, _ = record(
                self.kernel,
                _given(self.target.machine, dtb),
                archive=archive,
                arguments=(*ARGUMENTS, *arguments),
                timeout=_TIMEOUT,
                silence=_SILENCE,
                settle=SETTLE,
                brief=brief,
            )
        return truth


def intact(machine: recording.Machine, kernel: Kernel) -> Intact:
    """A recorded intact machine as `choose` takes it."""
    index = index_of(kernel)
    bound = machine.bound()
    drivers = set(bound.values())
    driving = {
        name
        for name in machine.loaded
        if name in index and any(driver.name in drivers for driver in index.modules[name].drivers)
    }
    driving.update(
        other for name in tuple(driving) for other in index.closure(name) if other in machine.loaded
    )
    return Intact(
        tree=parse_fdt(machine.fdt, machine.machine),
        bound=bound,
        present=frozenset(machine.became),
        modules=tuple(sorted(name for name in machine.loaded if name in index)),
        spare=tuple(sorted(set(machine.modules) - set(machine.loaded))),
        dependencies=_dependencies(index, machine.loaded),
        driving=frozenset(driving),
        initcalls=machine.initcalls,
    )


def _dependencies(index: ModuleIndex, loaded: Iterable[str]) -> frozenset[str]:
    return frozenset(other for name in loaded if name in index for other in index.closure(name))


def _initcalls(kernel: Kernel, drivers: set[str]) -> tuple[str, ...]:
    """Functions that register the built-in ones of these drivers."""
    built_in = read_once(kernel.image, kernel.image_sha256)
    named = {driver.registered_by for driver in built_in.drivers if driver.name in drivers}
    return tuple(sorted(filter(None, named)))


def _given(machine: Machine, dtb: Path) -> Machine:
    return evolve(machine, arguments=(*machine.arguments, "-dtb", str(dtb)))


def _last_words(output: str) -> str:
    """The end of what a console said, without what cannot be printed."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return "".join(char for char in " | ".join(lines[-4:]) if char.isprintable())[-_LAST_WORDS:]
