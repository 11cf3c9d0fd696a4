"""Fuzz the closer look: any lines as a report, with levels before them, and as a boot's lines."""

from __future__ import annotations

from bootwright.diagnose.closer.devices import DeviceErrors
from bootwright.diagnose.closer.noted import noted
from bootwright.diagnose.closer.surroundings import surroundings
from bootwright.diagnose.closer.troubles import DeviceTroubles
from bootwright.diagnose.judging.state import BootState
from bootwright.diagnose.reading.levels import level_of


def one_input(data: bytes) -> None:
    """Read the same lines three ways."""
    lines = data.split(b"\n")
    context = surroundings(lines)
    assert context.pid == "" or context.pid.isdigit()
    assert context.taint == "" or context.taint.startswith(("Not tainted", "Tainted: "))
    assert all(level_of(line) in {None, *range(8)} for line in lines)
    errors, troubles, state = DeviceErrors(), DeviceTroubles(), BootState(1)
    for number, line in enumerate(lines, 1):
        note = noted(line, by_program=False)
        errors.read(number, line, line, note.device, wrong=note.wrong)
        troubles.read(number, line, line, note, kernels=bool(number % 2))
    assert errors.any in {True, False}
    troubles.tell(state)
    assert not state.tallies or troubles.any


if __name__ == "__main__":
    import sys

    import atheris

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
