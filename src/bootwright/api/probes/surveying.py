"""The same probe on many kernels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bootwright.api._common import reporter, texts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bootwright.foundation.errors import BootwrightError
    from bootwright.foundation.progress import Progress
    from bootwright.foundation.verdict import Verdict
    from bootwright.kernels.model import Kernel
    from bootwright.lab.survey.answers import Answer
    from bootwright.lab.survey.differences import Column

SCHEMA = "bootwright/survey/1"
ALL = "all"
"""Every kernel on this machine."""


@frozen
class SurveyedKernel:
    """One kernel of a survey."""

    name: str
    answer: Answer | None
    """None: it could not be booted."""
    trouble: str | None
    """Why there is no answer, or only part of one."""

    @property
    def verdict(self) -> Verdict:
        """Fails when a step is not ok, unknown when there is no whole answer."""
        from bootwright.foundation.verdict import Verdict
        from bootwright.lab.survey.answers import verdict

        return Verdict.UNKNOWN if self.answer is None else verdict(self.answer.result)


@frozen
class Surveyed:
    """What kernels answered to the same probes on the same machine."""

    probes: tuple[str, ...]
    machine: str
    qemu: str
    kernels: tuple[SurveyedKernel, ...]
    """Newest first, or in the order they were asked for."""

    @property
    def verdict(self) -> Verdict:
        """The worst of all kernels': `fails` before `unknown` before `works`."""
        from bootwright.foundation.verdict import worst

        return worst(kernel.verdict for kernel in self.kernels)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The steps, those that all kernels answer alike among themselves together."""
        from bootwright.lab.survey.differences import columns

        return columns({kernel.name: kernel.answer.result for kernel in self.kernels if kernel.answer})

    @property
    def booted(self) -> int:
        """How many kernels were booted, or run from a snapshot; the answers of others were kept."""
        return sum(kernel.answer is not None and not kernel.answer.kept for kernel in self.kernels)

    @property
    def restored(self) -> int:
        """How many of these were run from a snapshot."""
        return sum(bool(kernel.answer and kernel.answer.recording.snapshot) for kernel in self.kernels)

    @property
    def cpu_seconds(self) -> float:
        """User and system seconds of the emulator in these boots."""
        answers = [kernel.answer for kernel in self.kernels if kernel.answer]
        return sum(answer.recording.cpu_seconds for answer in answers if not answer.kept)

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/survey.schema.json."""
        return {
            "schema": SCHEMA,
            "probes": list(self.probes),
            "machine": self.machine,
            "qemu": self.qemu,
            "verdict": str(self.verdict),
            "booted": self.booted,
            "cpu_seconds": round(self.cpu_seconds, 3),
            "kernels": [_kernel_facts(kernel) for kernel in self.kernels],
            "columns": [
                {"steps": list(column.steps), "differs": column.differs, "answers": dict(column.answers)}
                for column in self.columns
            ],
        }


def survey(
    kernels: str | Path | Sequence[str | Path] = ALL,
    *,
    probes: str | Sequence[str] = "mounts",
    machine: str = "virt",
    again: bool = False,
    cold: bool = False,
    timeout: float | None = None,
    progress: Progress | None = None,
) -> Surveyed:
    """What kernels answer to the same probes, each by one boot that is kept.

    `kernels` are `all` (those on this machine) or what `get_kernel` takes. `probes` and `machine` as for
    `boot`; `timeout` is in seconds of guest time for a boot. A kernel is booted only where its answer is not
    kept, or with `again`: an interrupted survey goes on where it stopped.

    Returns a `Surveyed`; a kernel that hangs, or that this machine cannot boot, is a row with the reason.
    Raises `Refused` for an unknown machine, probe or kernel, and `Missing` where there is no QEMU or, for
    `all`, no kernel.

        survey("debian-6.18.15-4k").columns[0].answers
    """
    from bootwright.foundation.errors import BootwrightError
    from bootwright.lab.machines.machine import MACHINES
    from bootwright.lab.machines.qemu import find
    from bootwright.lab.probes.boot import TIMEOUT, probe_names
    from bootwright.lab.survey.answers import answer

    progress = reporter(progress)
    wanted = probe_names(texts(probes))
    MACHINES.get(machine)
    emulator = find()
    surveyed: list[SurveyedKernel] = []
    for name, kernel in _kernels(texts(kernels), modules=wanted != ("mounts",), progress=progress):
        if isinstance(kernel, BootwrightError):
            surveyed.append(SurveyedKernel(name, None, kernel.message))
            continue
        try:
            with progress.step(f"{name} on {machine}"):
                given = answer(
                    kernel,
                    probe=wanted,
                    machine=machine,
                    timeout=TIMEOUT if timeout is None else timeout,
                    again=again,
                    cold=cold,
                    note=progress.note,
                )
        except BootwrightError as error:
            surveyed.append(SurveyedKernel(name, None, error.message))
        else:
            surveyed.append(SurveyedKernel(name, given, given.trouble))
    return Surveyed(wanted, machine, emulator.title, tuple(surveyed))


def _kernels(
    names: Sequence[str], *, modules: bool, progress: Progress
) -> Iterable[tuple[str, Kernel | BootwrightError]]:
    """Each kernel by its name, once; of `all` those on this machine, without fetching anything."""
    from bootwright.api.kernels import get_kernel, list_kernels
    from bootwright.foundation.errors import BootwrightError, Missing

    kernels_by_name: dict[str, Kernel | BootwrightError] = {}
    for name in names:
        if name != ALL:
            kernel = get_kernel(name, modules=modules, progress=progress)
            kernels_by_name.setdefault(kernel.name, kernel)
            continue
        here = [listed for listed in list_kernels(offline=True, progress=progress) if listed.cached]
        if not here:
            raise Missing("no kernel is on this machine", hint="bootwright kernels fetch NAME")
        for listed in here:
            try:
                kernels_by_name.setdefault(
                    listed.name, get_kernel(listed.name, modules=modules, offline=True)
                )
            except BootwrightError as error:
                kernels_by_name.setdefault(listed.name, error)
    return kernels_by_name.items()


def _kernel_facts(kernel: SurveyedKernel) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": kernel.name,
        "verdict": str(kernel.verdict),
        "trouble": kernel.trouble,
        "kept": kernel.answer is not None and kernel.answer.kept,
        "snapshot": kernel.answer is not None and bool(kernel.answer.recording.snapshot),
        "release": None,
        "page_size": None,
        "kernel_sha256": None,
        "probe_sha256": None,
    }
    if kernel.answer is not None:
        facts["release"] = kernel.answer.result.release
        facts["page_size"] = kernel.answer.result.page_size
        facts["kernel_sha256"] = kernel.answer.recording.kernel_sha256
        facts["probe_sha256"] = kernel.answer.recording.probe_sha256
    return facts
