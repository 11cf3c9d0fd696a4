from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from bootwright.foundation import guest
from bootwright.foundation.errors import Missing, ToolFailed
from bootwright.foundation.places import source_tree
from bootwright.lab.machines.run import GuestClock, _waited
from bootwright.lab.probes import probe


@pytest.fixture
def sources() -> list[Path]:
    tree = source_tree()
    assert tree is not None
    return sorted((tree / "probes").glob("*.[ch]"))


def test_init_loads_at_every_granule_and_needs_nothing(sources: list[Path], tmp_path: Path) -> None:
    built = probe.build_with_any(sources)
    assert built is not None
    path = tmp_path / "init"
    path.write_bytes(built[0])
    with path.open("rb") as file:
        elf = ELFFile(file)
        assert elf["e_machine"] == "EM_AARCH64"
        kinds = [segment["p_type"] for segment in elf.iter_segments()]
        assert "PT_INTERP" not in kinds
        assert "PT_DYNAMIC" not in kinds
        loads = [segment for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD"]
        assert all(segment["p_align"] >= 65536 for segment in loads)
        assert len({segment["p_vaddr"] // 65536 for segment in loads}) == len(loads)
    assert len(built[0]) < 200_000


def test_the_same_sources_give_the_same_bytes(sources: list[Path], tmp_path: Path) -> None:
    copies = [Path(shutil.copy(path, tmp_path)) for path in sources]
    assert probe.build_with_any(sources) == probe.build_with_any(sorted(copies))


def test_init_is_compiled_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path))
    first = probe.init()
    monkeypatch.setattr(guest, "build", lambda *args: pytest.fail("compiled again"))
    assert probe.init() == first
    assert first.path.is_relative_to(tmp_path)


def test_without_a_compiler_the_carried_init_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(guest, "CARRIED", tmp_path)
    with pytest.raises(Missing, match="a compiler for arm64") as caught:
        probe.init()
    assert "gcc-aarch64-linux-gnu" in (caught.value.hint or "")
    (tmp_path / "init").write_bytes(b"carried")
    assert probe.init().origin == "carried by the wheel"


def test_a_source_that_does_not_compile_says_so(tmp_path: Path) -> None:
    (tmp_path / "broken.c").write_text("int main(void) { return missing; }\n")
    with pytest.raises(ToolFailed, match="failed"):
        probe.build_with_any([tmp_path / "broken.c"])


def test_guest_time_is_cpu_time_while_it_computes_and_wall_time_while_it_waits() -> None:
    clock = GuestClock(wall=100.0, cpu=0.0)
    clock.tick(104.0, 1.0)  # a quarter of a CPU was to be had
    assert clock.elapsed == pytest.approx(1.0)
    clock.tick(106.0, 1.01)  # halted
    assert clock.elapsed == pytest.approx(3.0)
    clock.tick(107.0, 5.0)  # several threads: no more than the wall
    assert clock.elapsed == pytest.approx(4.0)


def test_what_waits_for_a_processor_grows_no_older() -> None:
    clock = GuestClock(wall=100.0, cpu=0.0, waited=0.0)
    clock.tick(110.0, 0.5, 9.5)  # a twentieth of a CPU was to be had
    assert clock.elapsed == pytest.approx(0.5)
    clock.tick(112.0, 0.51, 9.6)  # halted
    assert clock.elapsed == pytest.approx(2.4)
    clock.tick(113.0, 1.51, 12.0)  # a thread computed all the time, others waited
    assert clock.elapsed == pytest.approx(3.4)
    clock.tick(114.0, 1.51, None)  # nothing is said of it any more: halted
    assert clock.elapsed == pytest.approx(4.4)


def test_a_process_that_is_kept_from_running_is_seen() -> None:
    before = _waited(os.getpid())
    if before is None:
        pytest.skip("this kernel does not say how long a thread waits (CONFIG_SCHED_INFO)")
    affinity = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(affinity)})
    spin = [sys.executable, "-c", "import time\nend = time.time() + 1\nwhile time.time() < end: pass"]
    rivals = [subprocess.Popen(spin) for _ in range(4)]
    try:
        while any(rival.poll() is None for rival in rivals):
            pass  # one processor for five
    finally:
        os.sched_setaffinity(0, affinity)
    after = _waited(os.getpid())
    assert after is not None
    assert after - before > 0.3
