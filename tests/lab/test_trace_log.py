"""QEMU's log of a CPU: read at even steps where records are alike, else one by one; never one cut short."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.foundation.errors import ToolFailed, Unequipped
from bootwright.lab.machines.debugger import Registers
from bootwright.lab.trace import record
from bootwright.lab.trace.log import SP, CpuLog

_AFTER = Registers(tuple(range(31)), 0x31, 0x4000)
_RET = (0xD65F03C0).to_bytes(4, "little")


def _record(pc: int, *, further: str = "") -> bytes:
    """As target/arm/cpu.c writes it, aarch64_cpu_dump_state (QEMU 7.2); registers are pc + number."""
    words = [f" PC={pc:016x} X00={pc:016x}"]
    gaps = " \n  "
    words += [f"{gaps[number % 3]}X{number:02d}={pc + number:016x}" for number in range(1, 31)]
    return ("".join(words) + f" SP={pc + 31:016x}\nPSTATE=60000005 -ZC- EL1h\n{further}").encode()


@given(st.lists(st.integers(0, (1 << 64) - 64), min_size=1, max_size=20), st.integers(-1, 19))
def test_records_are_the_same_at_even_steps_or_not(pcs: list[int], odd: int) -> None:
    text = b"".join(_record(pc, further="IN: \n" if at == odd else "") for at, pc in enumerate(pcs))
    log = CpuLog(text, _AFTER)
    assert log.pcs == pcs
    for at, pc in enumerate(pcs):
        assert [log.register(at, number) for number in (0, 1, 18, 30, SP)] == [
            pc + number for number in (0, 1, 18, 30, 31)
        ]
        assert log.flags(at) == 0b0110
    assert (log.pc(len(pcs)), log.register(len(pcs), 5)) == (0x4000, 5)


@given(st.binary(max_size=300), st.integers(0, 900))
def test_any_log_is_read_or_refused(data: bytes, at: int) -> None:
    whole = _record(0x1000) + _record(0x1004)
    for text in (data, whole[:at] + data + whole[at:], whole[:at]):
        try:
            log = CpuLog(text, _AFTER)
        except ToolFailed:
            continue
        assert len(log) > 0


def test_a_log_that_is_cut_short_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    path.write_bytes(_record(0x1000) + _record(0x1004))
    log = record._whole(path, _AFTER)
    assert isinstance(log._text, mmap.mmap)
    assert record._ends_with_return(log, {0x1000: b"\0\0\0\0" + _RET + bytes(4088)})
    assert not record._ends_with_return(log, {0x1000: _RET + bytes(4092)})
    assert not record._ends_with_return(log, {})
    assert isinstance(record._cut_short(path), ToolFailed)
    # The disk is full: QEMU says nothing of what it could not write.
    monkeypatch.setattr(record, "_room", lambda _: False)
    path.write_bytes(b"")
    with pytest.raises(Unequipped, match=r"no space left in .* for the record .*\(0\.0 MiB fitted\)"):
        record._whole(path, _AFTER)
