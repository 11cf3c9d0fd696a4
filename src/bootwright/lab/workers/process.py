"""A worker in a process of its own: cells come on stdin, answers go to stdout.

    python -m bootwright.lab.workers.process MODULE:FUNCTION PARENT

Both ways a line of JSON; an answer's line says how many bytes of console follow it. It ends when PARENT, the
process that started it, does.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any, BinaryIO, cast

from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.processes.children import end_with
from bootwright.lab.workers.engine import Answer, Perform, Work, error_as_json


def serve(perform: Perform, cells: BinaryIO, answers: BinaryIO) -> None:
    """Do what comes until there is no more."""
    for line in cells:
        request = json.loads(line)
        document, console = _done(perform, request["work"])
        document |= {"token": request["token"], "console_bytes": len(console)}
        answers.write(json.dumps(document).encode() + b"\n" + console)
        answers.flush()


def _done(perform: Perform, work: Work) -> tuple[dict[str, Any], bytes]:
    try:
        answer = perform(work)
    except BootwrightError as error:
        return {"error": error_as_json(error)}, b""
    return {"facts": dict(answer.facts), "notes": list(answer.notes)}, answer.console


def answer_of(document: dict[str, Any], console: bytes) -> Answer:
    """The answer in a worker's line and the bytes after it."""
    return Answer(document["facts"], console, tuple(document["notes"]))


def named_function(name: str) -> Perform:
    """The function that `module:function` names."""
    module, _, function = name.partition(":")
    return cast("Perform", getattr(importlib.import_module(module), function))


if __name__ == "__main__":
    end_with(int(sys.argv[2]))
    # Whatever the work prints goes to stderr, and never between two answers.
    with os.fdopen(os.dup(1), "wb") as answers_file:
        os.dup2(2, 1)
        serve(named_function(sys.argv[1]), sys.stdin.buffer, answers_file)
