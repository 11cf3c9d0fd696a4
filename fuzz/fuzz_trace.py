"""Any file is a program or a module with named code, or refused; any log of a CPU is read, or refused."""

from __future__ import annotations

import contextlib
from io import BytesIO

from bootwright.formats.code.module_symbols import text_symbols
from bootwright.foundation.errors import Malformed, Refused, ToolFailed
from bootwright.lab.machines.debugger import Registers
from bootwright.lab.probes.program import check_program
from bootwright.lab.trace.debug_files import elf_build_id
from bootwright.lab.trace.log import CpuLog
from bootwright.lab.trace.places import loaded_modules
from bootwright.lab.trace.sources import parse_lines


def one_input(data: bytes) -> None:
    """Read arbitrary bytes as each of what a trace reads."""
    with contextlib.suppress(Malformed, Refused):
        check_program(data, "fuzz")
    with contextlib.suppress(Malformed):
        symbols = text_symbols(data, "fuzz")
        for offset in (0, symbols.size - 1, symbols.size, 1 << 64):
            assert symbols.find(offset) is None or offset < symbols.size
    with contextlib.suppress(Malformed):
        elf_build_id(BytesIO(data), "fuzz")
    assert all(0 <= address < 1 << 64 for address in loaded_modules(data).values())
    parse_lines(data.decode(errors="replace"))
    with contextlib.suppress(ToolFailed):
        assert len(CpuLog(data, Registers((0,) * 31, 0, 0))) > 0


if __name__ == "__main__":
    import sys

    import atheris

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
