"""Commands as a user types them, without the start of a process for each, which takes longer than most."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from unittest.mock import patch

from bootwright.cli.main import invoke


def in_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What `python -m bootwright ARGUMENTS` prints and how it exits; its errors are told as there."""
    outputs = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
    status: object = None
    with (
        patch.object(sys, "argv", ["bootwright", *arguments]),
        contextlib.redirect_stdout(outputs[0]),
        contextlib.redirect_stderr(outputs[1]),
    ):
        try:
            invoke()
        except SystemExit as exited:
            status = exited.code
    assert isinstance(status, int)
    texts = []
    for output in outputs:
        output.flush()
        texts.append(output.detach().getvalue().decode())  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(arguments, status, *texts)
