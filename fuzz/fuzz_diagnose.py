"""Fuzz the diagnosis of console text: any bytes give a diagnosis, in bounded time, that can be shown.

Run: python fuzz/fuzz_diagnose.py CORPUS_FOLDER (needs atheris). Tests call `one_input` without it.
"""

from __future__ import annotations

import json
import sys

from bootwright.diagnose.engine import Diagnoser
from bootwright.diagnose.jsonform import as_json
from bootwright.diagnose.knowledge import load
from bootwright.diagnose.page import as_html
from bootwright.diagnose.render import as_text

KNOWLEDGE = load()


def one_input(data: bytes) -> None:
    """The first byte says in pieces of what size the rest arrives and which engine looks at it."""
    size = 1 + (data[0] if data else 0) * 7
    diagnoser = Diagnoser("fuzz", KNOWLEDGE, use_re2=not (data and data[0] & 1))
    for place in range(1, len(data), size):
        diagnoser.feed(data[place : place + size])
    diagnoser.snapshot(live=True)
    diagnoser.flush()
    diagnosis = diagnoser.snapshot()
    json.dumps(as_json(diagnosis))
    text = as_text(diagnosis, every=True)
    assert "\x1b]" not in text
    assert "\0" not in text
    as_html(diagnosis, title="fuzz")


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
