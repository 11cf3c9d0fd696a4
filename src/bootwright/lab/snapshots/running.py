"""A probe's run: from a snapshot where a cold boot has given the same answers, else by a cold boot.

A cold boot is one from the machine's first instruction, with everything on the kernel's command line. Its
recording is kept under all that it depends on. What is run from a snapshot counts only when a cold boot of
the very same kernel, initramfs, machine, arguments and emulator answered alike: a snapshot saves time, and
decides nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial

from bootwright.foundation.cache import ANSWERS, SNAPSHOTS
from bootwright.foundation.errors import Malformed, Missing, ToolFailed
from bootwright.lab.machines.recorded import ANSWERED, Recording
from bootwright.lab.machines.recording import load as load_recording
from bootwright.lab.machines.recording import save as save_recording
from bootwright.lab.probes.boot import SILENCE, TIMEOUT, PlannedBoot, mark
from bootwright.lab.probes.ktap import read
from bootwright.lab.snapshots import making, saved
from bootwright.lab.snapshots.answering import answers_from
from bootwright.lab.snapshots.door import at_door, fits
from bootwright.lab.snapshots.restoring import run_from
from bootwright.lab.snapshots.saved import Snapshot

Note = Callable[[str], None]
_POWERED_OFF = "powered-off"


def run(
    planned: PlannedBoot,
    *,
    cold: bool = False,
    timeout: float = TIMEOUT,
    silence: float = SILENCE,
    on_console: Callable[[bytes], None] | None = None,
    console: bool = True,
    note: Note = lambda _: None,
) -> Recording:
    """What the probe says: the run from a snapshot that a cold boot confirms, or the cold boot.

    With `cold`, or where the console is to be seen as it comes, a cold boot. `timeout` and `silence` are in
    seconds of guest time; without `console` only the answers are of interest, and a run from a snapshot may
    hand them over in memory. `note` is told, in a line, what is out of the ordinary. Raises as
    `lab.probes.boot.boot`.
    """
    confirmed = None if cold or on_console is not None else kept_cold(planned)
    if confirmed is not None:
        together = _ends_by_itself(confirmed)
        from_snapshot = partial(run_from, timeout=timeout, silence=silence, together=together)
        if together and not console and confirmed.ended == _POWERED_OFF:
            from_snapshot = partial(_answers_or, from_snapshot)
        recording = _restored(planned, from_snapshot, timeout=timeout, silence=silence, note=note)
        if recording is not None:
            if _answers(recording) == _answers(confirmed):
                return recording
            note(f"{planned.kernel.name}: a run from its snapshot answers differently; booted cold again")
    recording = planned.run(timeout=timeout, silence=silence, on_console=on_console)
    keep_cold(planned, recording)
    return recording


def kept_cold(planned: PlannedBoot) -> Recording | None:
    """The recording of the last cold boot of which nothing differs, where it is kept and whole."""
    folder = ANSWERS.folder() / planned.identity
    with contextlib.suppress(Missing, Malformed):  # never kept, gone since, or damaged
        recording = load_recording(folder)
        ANSWERS.used(folder)
        return recording
    return None


def keep_cold(planned: PlannedBoot, recording: Recording) -> None:
    """Keep the recording of a cold boot whose report is whole."""
    if read(recording).complete:
        ANSWERS.drop(planned.identity)
        ANSWERS.kept_folder(planned.identity, lambda folder: save_recording(recording, folder))


def snapshot_of(
    planned: PlannedBoot, *, timeout: float = TIMEOUT, silence: float = SILENCE, note: Note = lambda _: None
) -> Snapshot:
    """The snapshot that `planned` can run from, made where it is not there or damaged.

    Raises `Missing` where the kernel does not come to the door, and `ToolFailed` when QEMU itself fails.
    """
    door = at_door(planned)
    key = door.identity
    folder = SNAPSHOTS.folder() / key
    if not fits(planned, mark()):
        raise Missing("the arguments for init are too long for a snapshot", hint="boot it with --cold")
    try:
        snapshot = saved.load(folder, key)
    except Malformed as error:
        note(f"the snapshot of {planned.kernel.name} is damaged and made again: {error.message}")
        snapshot = None
    if snapshot is not None:
        SNAPSHOTS.used(folder)
        return snapshot
    SNAPSHOTS.drop(key)
    SNAPSHOTS.kept_folder(key, lambda empty: making.make(door, key, empty, timeout=timeout, silence=silence))
    made = saved.load(folder, key)
    if made is None:
        raise Missing(f"{folder} is gone", hint="another program changed the cache")
    return made


def drop_snapshot(planned: PlannedBoot) -> None:
    """Remove the snapshot that `planned` runs from."""
    SNAPSHOTS.drop(at_door(planned).identity)


Runner = Callable[[Snapshot, PlannedBoot], Recording]


def _answers_or(otherwise: Runner, snapshot: Snapshot, planned: PlannedBoot) -> Recording:
    """The answers out of memory; a run of another kind where they do not come that way."""
    return answers_from(snapshot, planned) or otherwise(snapshot, planned)


def _restored(
    planned: PlannedBoot, runner: Runner, *, timeout: float, silence: float, note: Note
) -> Recording | None:
    """A run from the snapshot; None where this kernel cannot be run from one."""
    for again in (True, False):
        try:
            snapshot = snapshot_of(planned, timeout=timeout, silence=silence, note=note)
        except Missing as error:
            note(f"{error.message}; booted cold")
            return None
        try:
            return runner(snapshot, planned)
        except ToolFailed as error:
            reason = error.message.splitlines()[0]
            what = "made again" if again else "left; booted cold"
            note(f"the snapshot of {planned.kernel.name} cannot be taken over and is {what}: {reason}")
            drop_snapshot(planned)
    return None


def _ends_by_itself(recording: Recording) -> bool:
    """Whether no test had to be ended, or was killed: then none needs a process of its own to be outlived."""
    return not any(test.errno == "ETIMEDOUT" or test.call == "killed" for test in read(recording).tests)


def _answers(recording: Recording) -> object:
    result = read(recording)
    tests = [(test.group, test.name, test.ok, test.call, test.errno) for test in result.tests]
    ended = _POWERED_OFF if recording.ended == ANSWERED else recording.ended
    return ended, result.complete, result.release, result.page_size, tests
