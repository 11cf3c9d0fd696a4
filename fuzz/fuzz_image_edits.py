"""Any boot configuration and config.txt is edited, or refused with a reason."""

from __future__ import annotations

import contextlib

from bootwright.foundation.errors import BootwrightError
from bootwright.images.change.edits import EDITORS, ArgumentEdit, ConfigEdit, edit_config_txt

ARGUMENTS = [ArgumentEdit.parse("+loglevel=7"), ArgumentEdit.parse("-quiet")]
SETTINGS = [ConfigEdit.parse("[pi5] enable_uart=1"), ConfigEdit.parse("dtoverlay=x")]


def one_input(data: bytes) -> None:
    """Edit arbitrary bytes as each kind of configuration; editing config.txt twice changes nothing more."""
    for edit in EDITORS.values():
        for text in (data, b"linux /A/vmlinuz quiet " + data, b"append quiet " + data):
            with contextlib.suppress(BootwrightError):
                edit(text, ARGUMENTS, "fuzz")
    with contextlib.suppress(BootwrightError):
        once = edit_config_txt(data, SETTINGS, "config.txt")
        assert edit_config_txt(once, SETTINGS, "config.txt") == once


if __name__ == "__main__":
    import sys

    import atheris

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
