"""Boot a kernel in the emulator with probes, and say what they found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bootwright.api._common import reporter, texts

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress
    from bootwright.foundation.verdict import Verdict
    from bootwright.kernels.model import Kernel
    from bootwright.lab.machines.recorded import Recording
    from bootwright.lab.probes.ktap import ProbeResult

SCHEMA = "bootwright/boot/1"


@frozen
class Booted:
    """The boots of a kernel, one or several."""

    kernel: Kernel
    runs: tuple[tuple[Recording, ProbeResult], ...]
    """What each boot showed, and what its probes found."""

    @property
    def verdict(self) -> Verdict:
        """The worst of all boots: `fails` before `unknown` before `works`."""
        from bootwright.foundation.verdict import Verdict
        from bootwright.lab.probes.judge import verdict

        verdicts = {verdict(result) for _, result in self.runs}
        return next(word for word in (Verdict.FAILS, Verdict.UNKNOWN, Verdict.WORKS) if word in verdicts)

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/boot.schema.json."""
        boots = [_facts(recording, result) for recording, result in self.runs]
        document: dict[str, Any] = {"schema": SCHEMA, "kernel": self.kernel.name, **boots[0]}
        if len(boots) > 1:
            document["boots"] = boots
        return document


def boot(
    kernel: str | Path,
    *,
    probes: str | Sequence[str] = "mounts",
    machine: str = "virt",
    cpu: str | None = None,
    repeat: int = 1,
    cold: bool = False,
    timeout: float | None = None,
    arguments: Sequence[str] = (),
    plain: bool = False,
    keep: str | Path | None = None,
    on_console: Callable[[bytes], None] | None = None,
    progress: Progress | None = None,
) -> Booted:
    """Boot a kernel in QEMU with a small init that runs probes.

    `kernel` is a catalogue name, an arm64 Image or a .deb. `probes` are `mounts`, `filesystems`, `network`
    or `all`. `timeout` is in seconds of guest time; `plain` leaves out the kernel arguments that only make
    boots quicker, `arguments` are added. `keep` is a folder for the recordings; `on_console` is given the
    console as it comes. The second run of the same goes on from a snapshot of the machine, unless `cold`,
    `keep` or `on_console` ask for a boot.

    Returns a `Booted`; a guest that hangs or panics is a result like any other. Raises `Refused` (unknown
    machine, probe or CPU), `Missing` (no QEMU, no kernel) and `ToolFailed` (QEMU itself fails).

        booted = boot("debian-6.18.15-4k", probes="mounts")
        booted.verdict
    """
    from bootwright.api.kernels import get_kernel
    from bootwright.lab.machines.recording import save
    from bootwright.lab.probes.boot import TIMEOUT, plan_boot, probe_names
    from bootwright.lab.probes.ktap import read
    from bootwright.lab.snapshots.running import run

    progress = reporter(progress)
    wanted = probe_names(texts(probes))
    chosen = get_kernel(
        kernel, modules=bool({"overlays", "filesystems", "network"} & set(wanted)), progress=progress
    )
    planned = plan_boot(chosen, probe=wanted, machine=machine, arguments=arguments, plain=plain, cpu=cpu)
    runs: list[tuple[Recording, ProbeResult]] = []
    for number in range(1, repeat + 1):
        again = f" ({number} of {repeat})" if repeat > 1 else ""
        with progress.step(f"boot {chosen.name} on {machine}{again}"):
            recording = run(
                planned,
                cold=cold or keep is not None,
                timeout=TIMEOUT if timeout is None else timeout,
                on_console=on_console,
                note=progress.note,
            )
        if keep is not None:
            save(recording, Path(keep) / f"{number:04d}" if repeat > 1 else Path(keep))
        runs.append((recording, read(recording)))
    return Booted(chosen, tuple(runs))


def _facts(recording: Recording, result: ProbeResult) -> dict[str, Any]:
    from bootwright.lab.probes.judge import trouble, verdict

    return {
        "release": result.release,
        "page_size": result.page_size,
        "verdict": str(verdict(result)),
        "complete": result.complete,
        "trouble": trouble(recording, result),
        "tests": [
            {
                "name": test.name,
                "group": test.group,
                "ok": test.ok,
                "errno": test.errno,
                "call": test.call,
                "detail": test.detail,
            }
            for test in result.tests
        ],
        "machine": recording.machine,
        "qemu": recording.machine_version,
        "ended": recording.ended,
        "kernel_arguments": recording.kernel_arguments,
        "command": list(recording.command),
        "kernel_sha256": recording.kernel_sha256,
        "initramfs_sha256": recording.initramfs_sha256,
        "probe_sha256": recording.probe_sha256,
        "snapshot": bool(recording.snapshot),
        "wall_seconds": round(recording.wall_seconds, 3),
        "cpu_seconds": round(recording.cpu_seconds, 3),
    }
