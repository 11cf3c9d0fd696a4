"""BugDoc's stacked shortcut on planted causes (Lourenço, Freire, Shasha, SIGMOD 2020; `bugdoc` 0.1).

It asks for cells over ZeroMQ on two fixed ports of this machine, and takes outcomes for true. It is not told
the two reports that the others begin with, since it takes none that it has not asked for. What it answers are
conjunctions of levels: they are exact where they fail in just the cells in which the planted cause does.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import os
import random
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

from bootwright.foundation.verdict import Verdict
from noisy import MOST_CELLS, Ended
from planted import Planted

_TO_WORKERS, _FROM_WORKERS = 5557, 5558


def bugdoc() -> Any:  # noqa: ANN401 - it has no types
    """Its module; raises `ImportError` where it is not installed."""
    module = importlib.import_module("bugdoc.algos.stacked_shortcut")
    importlib.import_module("logging").getLogger().setLevel("ERROR")  # it sets the root logger's
    return module


def search_by_bugdoc(planted: Planted, noise: float, seed: int) -> Ended:
    """As `noisy.search`, by BugDoc."""
    lies = random.Random(f"lies {seed}")
    names = [factor.name for factor in planted.space.factors]
    asked = 0

    def outcome(levels: list[str]) -> bool:
        nonlocal asked
        asked += 1
        values = {name: (level,) for name, level in zip(names, levels, strict=True)}
        works = planted.truth(values) is Verdict.WORKS
        return works != (lies.random() < noise)

    random.seed(seed)
    with tempfile.TemporaryDirectory() as folder, _workers(outcome):
        search = bugdoc().AutoDebug(max_iter=MOST_CELLS)
        levels = {factor.name: list(factor.levels) for factor in planted.space.factors}
        conjunctions, _, _ = search.run(os.path.join(folder, "runs.vt"), levels, ["outcome"])  # noqa: PTH118
    said = [{names[index]: value for index, value in conjunction} for conjunction in conjunctions]
    exact = bool(said) and all(
        any(all(cell[name] == (value,) for name, value in row.items()) for row in said)
        == (planted.truth(cell) is Verdict.FAILS)
        for cell in planted.cells
    )
    return Ended(exact=exact, gave_up=not said, cells=asked)


@contextlib.contextmanager
def _workers(outcome: Any) -> Iterator[None]:  # noqa: ANN401
    """Answers what it asks for."""
    zmq = importlib.import_module("zmq")
    context = zmq.Context()
    ended = threading.Event()

    def serve() -> None:
        questions, answers = context.socket(zmq.PULL), context.socket(zmq.PUSH)
        questions.connect(f"tcp://127.0.0.1:{_TO_WORKERS}")
        answers.connect(f"tcp://127.0.0.1:{_FROM_WORKERS}")
        while not ended.is_set():
            if questions.poll(50):
                levels = ast.literal_eval(questions.recv_string().split("|")[1])
                answers.send_string(str([*levels, str(outcome(levels))]))
        for channel in (questions, answers):
            channel.close(linger=0)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        context.term()
