from __future__ import annotations

import contextlib
from pathlib import Path

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootwright.foundation.errors import BootwrightError, Malformed, Missing
from bootwright.lab.machines.recorded import Recording
from bootwright.lab.machines.recording import load, save
from bootwright.lab.probes.judge import trouble
from bootwright.lab.probes.ktap import read

RECORDING = Recording(
    console=b"[    0.000000] Booting Linux\r\n\xff\x00\x1b[31mred\r\n",
    times=((0, 0.25), (30, 1.5)),
    ended="timeout",
    command=("qemu-system-aarch64", "-machine", "virt"),
    machine="virt",
    machine_version="QEMU 7.2.22",
    kernel_sha256="aa",
    initramfs_sha256="bb",
    probe_sha256="cc",
    kernel_arguments="console=ttyAMA0",
    wall_seconds=30.5,
    cpu_seconds=29.0,
)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    save(RECORDING, tmp_path / "one")
    assert load(tmp_path / "one") == RECORDING
    assert (tmp_path / "one/console.bin").read_bytes() == RECORDING.console


def test_no_recording_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Missing):
        load(tmp_path)


def test_a_console_changed_since_is_malformed(tmp_path: Path) -> None:
    save(RECORDING, tmp_path)
    (tmp_path / "console.bin").write_bytes(RECORDING.console[:-1])
    with pytest.raises(Malformed, match=r"console\.bin"):
        load(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.data())
def test_any_facts_load_or_are_malformed(tmp_path: Path, data: st.DataObject) -> None:
    save(RECORDING, tmp_path)
    facts = bytearray((tmp_path / "recording.json").read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        facts[data.draw(st.integers(0, len(facts) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "recording.json").write_bytes(facts[: data.draw(st.integers(0, len(facts)))])
    with contextlib.suppress(BootwrightError):
        load(tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"console": b"", "ended": "timeout"}, "no console output in 30 s"),
        ({}, "the guest hung, ended after 30 s; last line: \ufffdred"),
        (
            {
                "console": b"Kernel panic - not syncing: VFS: Unable\x1b[0m to mount\r\n---[ end",
                "ended": "reset",
            },
            "panicked: VFS: Unable to mount",
        ),
        ({"ended": "reset"}, "reset itself"),
        ({"console": "\u202eevil\u0085".encode(), "ended": "reset"}, "last line: \ufffdevil"),
        ({"ended": "machine-exited"}, "emulator exited"),
        ({"ended": "powered-off"}, "cut short"),
        ({"ended": "stopped"}, "printed without end"),
    ],
)
def test_why_there_are_no_results_is_said(change: dict[str, object], says: str) -> None:
    recording = attrs.evolve(RECORDING, **change)
    reason = trouble(recording, read(recording))
    assert reason is not None
    assert says in reason
    assert reason.isprintable()
