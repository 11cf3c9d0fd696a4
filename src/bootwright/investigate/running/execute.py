"""Running one boot of a plan, once: what is recorded already is read, not repeated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import cattrs
from attrs import evolve, frozen

from bootwright.foundation.errors import BootwrightError, Refused
from bootwright.foundation.progress import Progress
from bootwright.foundation.run_folder import Kept, Store
from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.investigate.analysis.observations import Observation, Source
from bootwright.investigate.plans.plan import Plan
from bootwright.investigate.plans.runs import Run, matching, page_size_level
from bootwright.investigate.running.trees import Folders
from bootwright.kernels.catalogue import Library
from bootwright.kernels.model import Kernel
from bootwright.lab.machines import machine as machines
from bootwright.lab.machines import qemu
from bootwright.lab.machines.recorded import Recording
from bootwright.lab.probes import ktap, probe
from bootwright.lab.workers.boot import boot_work, perform, recording_of
from bootwright.lab.workers.dispatch import Dispatcher
from bootwright.lab.workers.engine import Answer, Engine
from bootwright.lab.workers.processes import Processes
from bootwright.lab.workers.queue import Queue, QueuedCell


@frozen
class Done:
    """A boot that ended, and what its probes said."""

    run: Run
    repeat: int
    kernel: Mapping[str, str]
    """Name, release as packaged, and what was verified of it."""
    recording: Recording
    result: ktap.ProbeResult
    recorded_at: str
    fresh: bool
    """False when it was read from the run's folder."""


class Executor:
    """Boots kernels of a library on workers and keeps the recordings in a store. Close it after use."""

    def __init__(
        self,
        library: Library,
        store: Store,
        progress: Progress,
        folders: Folders | None = None,
        *,
        cold: bool = False,
        engine: Engine,
    ) -> None:
        """`folders` are devicetrees of the user's own, for predictions; with `cold` no snapshot is used."""
        self._library = library
        self._store = store
        self._progress = progress
        self._cold = cold
        self._engine = engine
        self._queue = Queue(store.folder)
        self._queue.reclaim()  # whoever had leased is gone: the folder is ours
        self.folders: Folders = folders or {}

    def close(self) -> None:
        """End the workers."""
        self._engine.close()
        self._queue.close()

    def __enter__(self) -> Executor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def release(self) -> None:
        """Try again what was given up."""
        self._queue.release()

    def prepare(self, run: Run) -> Kernel:
        """Fetch what the run boots; nothing is downloaded twice."""
        if run.kernel is None:
            raise Refused(f"{run.id} is for the bench", hint="do it on the board and add what you saw")
        return self._library.get(run.kernel.name, modules=run.experiment.modules)

    def key(self, run: Run, kernel: Kernel, repeat: int) -> str:
        """What makes a recording the same boot: kernel, probe, emulator, machine, and the repetition."""
        ingredients = [
            kernel.image_sha256,
            probe.init().sha256,
            qemu.find().title,
            run.experiment.machine,
            run.experiment.probe,
            run.experiment.modules,
            repeat,
        ]
        return f"{run.id}#{repeat}-{hashlib.sha256(json.dumps(ingredients).encode()).hexdigest()[:16]}"

    def recorded(self, run: Run, kernel: Kernel, repeat: int) -> Done | None:
        """The boot as the store has it, or None."""
        run_folder = self._store.find(self.key(run, kernel, repeat))
        return None if run_folder is None else self._done(run, repeat, run_folder, fresh=False)

    def boot_all(self, boots: Sequence[tuple[Run, Kernel, int]]) -> dict[tuple[str, int], Done]:
        """Boot what is not recorded yet; (run, repetition) → what came of it.

        A boot that was given up is not among them; the queue, and a note, say why.
        """
        keys = {self.key(run, kernel, number): (run, kernel, number) for run, kernel, number in boots}
        done = {key: self.recorded(*boot) for key, boot in keys.items()}
        missing = [key for key, recorded in done.items() if recorded is None]

        def keep(cell: QueuedCell, answer: Answer) -> None:
            run, kernel, number = keys[cell.name]
            done[cell.name] = self.keep(run, kernel, number, recording_of(answer))

        for key in missing:
            run, kernel, _ = keys[key]
            experiment = run.experiment
            work = boot_work(
                kernel,
                self._library,
                probe=experiment.probe,
                machine=experiment.machine,
                modules=experiment.modules,
                cold=self._cold,
            )
            self._queue.add(key, work, unanswered=True)
        if missing:
            names = ", ".join(dict.fromkeys(keys[key][1].name for key in missing))
            with self._progress.step(f"boot {names}"):
                Dispatcher(self._queue, self._engine, keep, progress=self._progress).run(missing)
        return {
            (run.id, number): recorded
            for key, (run, _, number) in keys.items()
            if (recorded := done[key]) is not None
        }

    def keep(self, run: Run, kernel: Kernel, repeat: int, recording: Recording) -> Done:
        """Record a boot that ended; raises `Refused` for the boot of another kernel or probe."""
        if (recording.kernel_sha256, recording.probe_sha256) != (kernel.image_sha256, probe.init().sha256):
            raise Refused(
                f"a worker booted another kernel or probe than {kernel.name}",
                hint="give all workers the same version of bootwright",
            )
        facts: dict[str, Any] = {
            "kernel": {
                "name": kernel.name,
                "release": kernel.release,
                "verified": str(kernel.provenance.get("verified", "")),
                "package": str(kernel.provenance.get("package", "")),
            },
            "recording": cattrs.unstructure(evolve(recording, console=b"")),
        }
        del facts["recording"]["console"]
        key = self.key(run, kernel, repeat)
        self._store.keep(key, facts, recording.console, datetime.now(UTC).isoformat(timespec="seconds"))
        run_folder = self._store.find(key)
        if run_folder is None:
            raise Refused(f"{key} was not recorded", hint="another program changed the run's folder")
        return self._done(run, repeat, run_folder, fresh=True)

    def _done(self, run: Run, repeat: int, run_folder: Kept, *, fresh: bool) -> Done:
        recording = cattrs.structure(
            {**run_folder.facts["recording"], "console": self._store.console(run_folder)}, Recording
        )
        return Done(
            run=run,
            repeat=repeat,
            kernel=run_folder.facts["kernel"],
            recording=recording,
            result=ktap.read(recording),
            recorded_at=run_folder.recorded_at,
            fresh=fresh,
        )


def engine_for(cluster: str | None, jobs: int) -> Engine:
    """What boots: the workers of a cluster's scheduler, or so many processes of this machine.

    Raises `Refused` for what is no address, `Missing` where no scheduler is there.
    """
    if cluster is None:
        return Processes(perform, jobs)
    from bootwright.lab.workers.cluster import Cluster

    return Cluster(perform, cluster)


def runnable(runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """The runs that this machine's emulator can do, and a line for each experiment that it cannot.

    Raises `Missing` when there is no emulator, before anything is fetched for it.
    """
    emulator = qemu.find()
    probe.init()
    able: list[Run] = []
    notes: dict[str, None] = {}
    for run in runs:
        if run.experiment.source != "emulated":
            able.append(run)
            continue
        try:
            machine = machines.MACHINES.get(run.experiment.machine)
            processor = machine.processor(run.kernel.page_size if run.kernel else 4096)
            qemu.check(emulator, machine, processor)
        except BootwrightError as error:
            notes[f"experiment {run.experiment.name} is not run here: {error.message}"] = None
        else:
            able.append(run)
    return able, list(notes)


def observe(plan: Plan, done: Done, number: Callable[[], int]) -> list[Observation]:
    """What a boot shows: one observation per cell that its probes looked at.

    The levels that come from the kernel are those the guest itself said (`uname`, AT_PAGESZ), never those
    of the package's name. A test that was skipped, or that the guest did not reach, leaves the outcome
    unknown.
    """
    cells: dict[tuple[tuple[str, str], ...], dict[str, Verdict]] = {}
    for outcome_yield in done.run.experiment.yields:
        values = {name: levels[0] for name, levels in done.run.values.items()} | outcome_yield.set
        for name, factor in plan.factor.items():
            measured = _measured(factor.fact, done)
            if factor.fact and measured:
                values[name] = measured
        verdict = verdict_of(outcome_yield.tests, done.result)
        cells.setdefault(tuple(sorted(values.items())), {})[outcome_yield.outcome] = verdict
    return [
        Observation(
            id=f"cell-{number()}",
            values={name: (level,) for name, level in cell},
            outcomes=outcomes,
            source=Source.EMULATED,
            evidence=_evidence(done),
            repeat=done.repeat,
        )
        for cell, outcomes in cells.items()
    ]


def verdict_of(patterns: Sequence[str], result: ktap.ProbeResult) -> Verdict:
    """Works when every test named by `patterns` is ok, fails when one is not ok, else unknown."""
    by_name = {f"{test.group}/{test.name}": test.ok for test in result.tests}
    results: list[bool | None] = []
    for pattern in patterns:
        names = matching(pattern, list(by_name))
        results += [by_name[name] for name in names] or [None]
    if False in results:
        return Verdict.FAILS
    return Verdict.UNKNOWN if None in results or not results else Verdict.WORKS


def _measured(fact: str, done: Done) -> str | None:
    result = done.result
    if fact == "page_size" and result.page_size:
        return page_size_level(result.page_size)
    if fact == "version" and result.release:
        # Where uname -r names the ABI (6.1.0-47-arm64), only the package says the version; the guest says
        # that it is this kernel.
        kernel = done.run.kernel
        if kernel is not None and result.release == done.kernel["release"]:
            return kernel.version
        return release_version(result.release)
    return None


def release_version(release: str) -> str | None:
    """`6.12.107` of `6.12.107+deb13-arm64-16k`, or None."""
    digits = release
    for index, char in enumerate(release):
        if not (char.isdigit() or char == "."):
            digits = release[:index]
            break
    version = Version.parse(digits.rstrip("."))
    return version.text if version else None


def _evidence(done: Done) -> dict[str, Any]:
    recording = done.recording
    return {
        "boot": f"{done.run.id}#{done.repeat}",
        "kernel": done.kernel["name"],
        "kernel_sha256": recording.kernel_sha256,
        "probe_sha256": recording.probe_sha256,
        "machine": recording.machine,
        "emulator": recording.machine_version,
        "release": done.result.release,
        "snapshot": bool(recording.snapshot),
        "ended": recording.ended,
        "complete": done.result.complete,
        "tests": [
            {"name": f"{test.group}/{test.name}", "ok": test.ok, "call": test.call, "errno": test.errno}
            for test in done.result.tests
        ],
        "limit": done.run.experiment.limit,
        "recorded_at": done.recorded_at,
    }
