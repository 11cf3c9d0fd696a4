"""Every guest program builds: what is shared between them is changed for one and breaks another."""

from __future__ import annotations

import shutil

import pytest

from bootwright.foundation.guest import PROGRAMS, program


@pytest.mark.skipif(
    not any(shutil.which(name) for name in ("aarch64-linux-gnu-gcc", "clang")),
    reason="needs a compiler for arm64",
)
@pytest.mark.parametrize("name", PROGRAMS)
def test_it_builds(name: str) -> None:
    assert program(name).path.read_bytes()[:4] == b"\x7fELF"
