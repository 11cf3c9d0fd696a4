"""Any bytes are taken or refused as a module, by a kernel of any bytes; none raises."""

from __future__ import annotations

import contextlib

from bootwright.formats.kernel.exports import read_exports
from bootwright.formats.modules.elf_object import read_object
from bootwright.formats.modules.module_file import salvaged
from bootwright.formats.modules.module_symbols import module_symbols
from bootwright.foundation.errors import Malformed
from bootwright.kernels.module_rules import Enforcement, ModuleRules

_RELEASE = "6.18.15+deb13-arm64"
_RULES = [
    ModuleRules(lambda: b"", _RELEASE, Enforcement(on, "fuzz", checks=True), vermagic=vermagic)
    for on in (False, True)
    for vermagic in (None, f"{_RELEASE} SMP preempt mod_unload modversions aarch64")
]


def one_input(data: bytes) -> None:
    """Ask four kernels about the bytes as a module, and read them as an image."""
    for rules in _RULES:
        for provided in (None, {}):
            refusal = rules.refusal("fuzz.ko", data, provided)
            assert refusal is None or (refusal.reason and refusal.remedy and refusal.rule)
    with contextlib.suppress(Malformed):
        symbols = module_symbols(read_object(data, "fuzz.ko"))
        assert all(symbols.wants)
    with contextlib.suppress(Malformed):
        read_exports(data, _RELEASE, "fuzz")
    for values in salvaged(data, "fuzz.ko").values():
        assert all(values)


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
