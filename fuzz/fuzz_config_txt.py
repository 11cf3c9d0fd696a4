"""Fuzz the config.txt reader: `python fuzz/fuzz_config_txt.py CORPUS` with atheris installed."""

from __future__ import annotations

import contextlib

from bootwright.firmware.config_txt import BoardFacts, read_config_txt
from bootwright.foundation.errors import BootwrightError


def one_input(data: bytes) -> None:
    """Read it, every include being the file itself, and ask what applies to a board."""
    with contextlib.suppress(BootwrightError):
        config = read_config_txt(data, "config.txt", load=lambda name: data[: len(name) * 16])
        board = BoardFacts(models=frozenset({"pi5"}), board_type=0x17)
        for setting in config.settings:
            assert setting.condition.startswith("[")
            assert board.applies(setting.filters) in {True, False, None}
            assert setting in config.values(setting.key)


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
