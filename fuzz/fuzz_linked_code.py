"""Fuzz walks through modules' code: `python fuzz/fuzz_linked_code.py CORPUS` with atheris installed."""

from __future__ import annotations

import contextlib
import zlib
from itertools import islice

from bootwright.formats.code.linked_code import ModuleCode
from bootwright.formats.modules.module_file import unpack_module
from bootwright.foundation.errors import BootwrightError
from bootwright.predict.probing.calls import calls
from bootwright.predict.probing.reach import Asking
from bootwright.predict.probing.terms import Ending, Entry, There
from bootwright.predict.probing.walk import Walk

_ANSWERS = tuple(There)


def one_input(data: bytes) -> None:
    """Lay the module out and walk through its first functions, with answers that the questions decide."""
    with contextlib.suppress(BootwrightError):
        code = ModuleCode(unpack_module(data, "fuzz.ko"), "fuzz.ko")
        asking = Asking(code, calls())
        for address in islice((start for start in code.functions if code.has_body(start)), 3):
            for at in islice(code.pointers(), 20):
                code.string(at)
            walked = Walk(
                code,
                calls(),
                Entry(address, 16, table=address),
                lambda question: _ANSWERS[zlib.crc32(question.encode()) % len(_ANSWERS)],
                asking,
            ).run()
            assert walked.ending in Ending


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
