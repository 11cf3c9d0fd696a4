"""Snapshots: what is kept, when it is not used, and that runs from one answer as cold boots do."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from pathlib import Path

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootwright.foundation.cache import ANSWERS, SNAPSHOTS, Part
from bootwright.foundation.errors import BootwrightError, Malformed, Missing
from bootwright.kernels.catalogue import open_library
from bootwright.lab.machines.machine import MACHINES
from bootwright.lab.machines.recorded import Recording
from bootwright.lab.probes.boot import PlannedBoot, plan_boot
from bootwright.lab.probes.ktap import read
from bootwright.lab.snapshots import answering, making, running, saved
from bootwright.lab.snapshots.door import Door, at_door, door_in, fits, words
from bootwright.lab.snapshots.saved import Snapshot, load, save


def _planned(*arguments: str, kernel: str = "debian-6.12-16k", machine: str = "virt") -> PlannedBoot:
    return plan_boot(open_library().get(kernel), probe=["mounts"], machine=machine, arguments=arguments)


def _saved(folder: Path) -> Snapshot:
    (folder / "memory").write_bytes(bytes(1 << 20) + b"kernel" + bytes(5 << 20))
    (folder / "state").write_bytes(b"QEVM" + bytes(range(256)))
    (folder / "kernel").write_bytes(b"MZ")
    snapshot = Snapshot("aa" * 32, folder, 128, Door(0x4B5000, 0x401000), "01", 1.25)
    save(snapshot, b"bootwright: # bootwright: door 4935680 4198400\r\n")
    return snapshot


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    snapshot = _saved(tmp_path)
    assert load(tmp_path, snapshot.key) == snapshot
    assert load(tmp_path / "none", snapshot.key) is None
    # Files that were copied, or written again with the same bytes, are compared once.
    whole = (tmp_path / "memory").read_bytes()
    (tmp_path / "memory").unlink()
    (tmp_path / "memory").write_bytes(whole)
    assert load(tmp_path, snapshot.key) == snapshot
    facts = json.loads((tmp_path / "snapshot.json").read_text())
    assert facts["files"]["memory"]["touched"][0] == (tmp_path / "memory").stat().st_ino


def test_damage_is_told(tmp_path: Path) -> None:
    snapshot = _saved(tmp_path)
    with pytest.raises(Malformed, match="expected key"):
        load(tmp_path, "bb" * 32)
    with (tmp_path / "memory").open("r+b") as file:
        file.seek(1 << 20)
        file.write(b"K")
    with pytest.raises(Malformed, match=r"memory: expected the bytes that were saved, found others"):
        load(tmp_path, snapshot.key)
    (tmp_path / "state").write_bytes(b"QEVM")
    with pytest.raises(Malformed, match=r"others|expected 260 bytes, found 4"):
        load(tmp_path, snapshot.key)
    (tmp_path / "snapshot.json").unlink()
    with pytest.raises(Malformed, match=r"snapshot\.json"):
        load(tmp_path, snapshot.key)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_any_facts_load_or_are_malformed(tmp_path: Path, data: st.DataObject) -> None:
    snapshot = _saved(tmp_path)
    facts = bytearray((tmp_path / "snapshot.json").read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        facts[data.draw(st.integers(0, len(facts) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "snapshot.json").write_bytes(facts[: data.draw(st.integers(0, len(facts)))])
    with contextlib.suppress(Malformed):
        load(tmp_path, snapshot.key)


@given(st.binary(max_size=200))
def test_a_door_is_init_s_own_line(console: bytes) -> None:
    if b"# bootwright: door " not in console:
        assert door_in(console) is None
    assert door_in(console + b"\n[ 1.0] bootwright: # bootwright: door 4935680 4198400\r\n") is not None


@pytest.mark.download
def test_what_differs_between_runs_is_told_at_the_door() -> None:
    planned = _planned("bootwright.step=classic-bind", "debug")
    door = at_door(planned)
    assert words(planned) == ("bootwright.probe=mounts", "bootwright.step=classic-bind")
    assert door.kernel_arguments[-2:] == ("debug", "bootwright.door=1")
    assert door.identity == at_door(_planned("debug")).identity
    others = {
        at_door(_planned()).identity,
        at_door(_planned("debug", kernel="debian-6.12-4k")).identity,
        at_door(_planned("debug", kernel="debian-6.12-4k", machine="xlnx-versal-virt")).identity,
        attrs.evolve(door, archive_sha256="0" * 64).identity,
        attrs.evolve(door, memory=256).identity,
        attrs.evolve(
            door, emulator=attrs.evolve(door.emulator, version=attrs.evolve(door.emulator.version, text="9"))
        ).identity,
    }
    assert len(others | {door.identity}) == 7
    assert fits(planned, "bootwright.mark=x")
    assert not fits(_planned(f"bootwright.step={'x' * 1000}"), "bootwright.mark=x")


@pytest.mark.boot
@pytest.mark.download
def test_runs_from_a_snapshot_answer_as_the_cold_boot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "ANSWERS", Part(str(tmp_path / "answers"), "", ANSWERS.limit))
    monkeypatch.setattr(running, "SNAPSHOTS", Part(str(tmp_path / "snapshots"), "", SNAPSHOTS.limit))
    planned, notes = _planned(), list[str]()

    def run(planned: PlannedBoot, *, cold: bool = False) -> Recording:
        return running.run(planned, cold=cold, note=notes.append)

    first = run(planned)
    assert first.snapshot == ""  # nothing confirms it yet
    again = run(planned)
    assert again.snapshot == at_door(planned).identity
    assert again.cpu_seconds < first.cpu_seconds / 3
    assert read(again) == attrs.evolve(read(first), diagnostics=read(again).diagnostics)
    assert read(again).page_size == 16384
    # Nothing of it needed a process of its own; with one for each it is the same.
    assert "bootwright.together=1" in again.kernel_arguments
    apart = running.run_from(running.snapshot_of(planned), planned, timeout=120, silence=30)
    assert "bootwright.together=1" not in apart.kernel_arguments
    assert read(apart).tests == read(again).tests
    assert run(planned, cold=True).snapshot == ""

    # Where nobody looks at the console, init hands its lines over in memory: no kernel prints them.
    answered = running.run(planned, console=False, note=notes.append)
    assert (answered.snapshot, answered.ended) == (again.snapshot, "answered")
    assert read(answered) == attrs.evolve(read(again), diagnostics=read(answered).diagnostics)
    assert re.match(rb"bw[0-9a-f]{10}: KTAP version 1\n", answered.console)
    # Interrupts are held back meanwhile; a kernel that waits for one is given them again.
    with monkeypatch.context() as patched:
        patched.setattr(answering, "_HELD", 0.001)
        interrupted = answering.answers_from(running.snapshot_of(planned), planned)
    assert interrupted is not None
    assert read(interrupted).tests == read(again).tests
    # One that does not come to where it is waited for is run so that its console says more.
    monkeypatch.setattr(answering, "_WAIT", 3.0)
    door = attrs.evolve(running.snapshot_of(planned).door, ready_at=0x1000)
    elsewhere = attrs.evolve(running.snapshot_of(planned), door=door)
    assert answering.answers_from(elsewhere, planned) is None
    assert notes == []

    # Another machine's state, and memory that was written to.
    folder = tmp_path / "snapshots" / again.snapshot
    facts = json.loads((folder / "snapshot.json").read_text())
    (folder / "state").write_bytes(b"QEVM" + bytes(400))
    facts["files"]["state"] = saved._described(folder / "state")
    (folder / "snapshot.json").write_text(json.dumps(facts))
    assert run(planned).snapshot == again.snapshot
    assert "cannot be taken over and is made again" in notes[0]
    with (folder / "memory").open("r+b") as file:
        file.truncate(1 << 20)
    assert run(planned).snapshot == again.snapshot
    assert "is damaged and made again" in notes[1]

    # What had to be ended needs a process of its own, to be ended in.
    kept = running.kept_cold(planned)
    assert kept is not None
    stuck = kept.console.replace(b"ok 6 classic-bind", b"not ok 6 classic-bind # mount: ETIMEDOUT")
    assert running._ends_by_itself(kept)
    assert not running._ends_by_itself(attrs.evolve(kept, console=stuck))

    # An answer that a cold boot does not confirm counts for nothing.
    wrong = attrs.evolve(kept, console=kept.console.replace(b"ok 6 classic-bind", b"not ok 6 classic-bind"))
    running.keep_cold(planned, wrong)
    assert run(planned).snapshot == ""
    assert "answers differently" in notes[2]
    assert len(notes) == 3
    shutil.rmtree(tmp_path / "snapshots")  # 60 MB, which pytest would keep


@pytest.mark.boot
@pytest.mark.download
def test_modules_that_are_loaded_before_the_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "ANSWERS", Part(str(tmp_path / "answers"), "", ANSWERS.limit))
    monkeypatch.setattr(running, "SNAPSHOTS", Part(str(tmp_path / "snapshots"), "", SNAPSHOTS.limit))
    kernel = open_library().get("debian-6.12-4k", modules=True)
    planned, notes = plan_boot(kernel, probe=["overlays"]), list[str]()
    cold, restored = (running.run(planned, note=notes.append) for _ in range(2))
    assert (cold.snapshot, restored.snapshot) == ("", at_door(planned).identity)
    assert read(cold).tests == read(restored).tests
    assert any(test.ok for test in read(restored).tests)  # none is without the module
    assert notes == []
    shutil.rmtree(tmp_path / "snapshots")


@pytest.mark.boot
@pytest.mark.download
def test_a_kernel_that_does_not_come_to_the_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "SNAPSHOTS", Part(str(tmp_path), "", SNAPSHOTS.limit))
    with pytest.raises(Missing, match="did not come to where a snapshot is taken"):
        running.snapshot_of(_planned("init=/none", "rdinit=/none"))
    assert [path for path in tmp_path.iterdir() if not path.name.startswith(".")] == []


@pytest.mark.download
def test_a_machine_whose_memory_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "SNAPSHOTS", Part(str(tmp_path), "", SNAPSHOTS.limit))
    planned = attrs.evolve(_planned(), target=attrs.evolve(MACHINES.get("virt"), arguments=()), memory=None)
    with pytest.raises(BootwrightError, match="does not say how much memory it has"):
        running.snapshot_of(planned)


@pytest.mark.download
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "SNAPSHOTS", Part(str(tmp_path), "", SNAPSHOTS.limit))
    # A disk that is really full would take the other tests along.
    monkeypatch.setattr(making.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 9**9, 10**8))
    with pytest.raises(Missing, match="no room for a snapshot: 95 MiB are free"):
        running.snapshot_of(_planned())
