"""Fuzz Kconfig, fragments and conditions: `python fuzz/fuzz_kconfig.py CORPUS` with atheris installed."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from bootwright.foundation.errors import BootwrightError
from bootwright.workshop.configuring.explain import lost_options
from bootwright.workshop.configuring.expression import NotRead, level, parse, symbols, unmet
from bootwright.workshop.configuring.kconfig import read_kconfig
from bootwright.workshop.configuring.options import parse_fragment, written


def one_input(data: bytes) -> None:
    """Read as a fragment, as a condition, and as a tree's Kconfig of which each option is asked for."""
    with contextlib.suppress(BootwrightError):
        fragment = parse_fragment(data, "fuzz")
        again = parse_fragment(written(fragment.options).encode("utf-8", "surrogateescape"), "again")
        assert {name: option.value for name, option in again.options.items()} == {
            name: option.value for name, option in fragment.options.items()
        }
    with contextlib.suppress(NotRead):
        condition = parse(data.decode("utf-8", "replace"))
        for answer in ("n", "m", "y", '"text"', "12"):
            reached = level(condition, lambda _, answer=answer: answer)  # type: ignore[misc]
            assert reached in {None, 0, 1, 2}
            # What is met has nothing that fails, and what fails is a part of it.
            assert not (reached == 2 and list(unmet(condition, lambda _, answer=answer: answer, 2)))  # type: ignore[misc]
        assert set(symbols(parse(str(condition)))) == set(symbols(condition))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "Kconfig").write_bytes(data)
        options = read_kconfig(Path(folder))
        asked = parse_fragment(
            "".join(
                f"CONFIG_{name}=y\n" for name in options.by_name if name.isidentifier() and name.isascii()
            ).encode(),
            "asked",
        ).options
        for lost in lost_options(asked, {}, options):
            assert str(lost)


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
