"""Any console and any recording gives a truth or a clear error, and what is written is read back the same."""

from __future__ import annotations

import contextlib

from bootwright.foundation.errors import Malformed, ToolFailed
from bootwright.lab.truth.outcomes import outcomes
from bootwright.lab.truth.recording import Truth, from_json, parse, to_json
from bootwright.lab.truth.refusals import Given, refuse

MARK = "bw0123456789abcdef"


def one_input(data: bytes) -> None:
    """Read arbitrary bytes as a console, with every line marked as the guest's, and as a recording."""
    marked = b"\n".join(f"[ 1.0] {MARK}: truth ".encode() + line for line in data.split(b"\n"))
    for console in (data, marked):
        with contextlib.suppress(ToolFailed):
            refuse(console, MARK, Given(modules=2, aliases=3))
    try:
        truth = parse(marked, MARK, machine="m", kernel="k", release="r", emulator="e")
    except Malformed:
        truth = None
    if truth is not None:
        _check(truth)
    with contextlib.suppress(Malformed):
        _check(from_json(data.decode(errors="replace"), "fuzz"))


def _check(truth: Truth) -> None:
    assert set(truth.bound()) <= set(truth.present())
    assert set(outcomes(truth)) == set(truth.present())
    assert from_json(to_json(truth), "again") == truth


if __name__ == "__main__":
    import sys

    import atheris

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
