"""Running the steps of tasks: commands of this program, each in a process of its own, each once.

What a step printed and how it ended is kept in the run's store under what it was run with, so that a killed
campaign does not run it again. A step is run without a person only where it can do no harm: it never writes
to a device, and needs nothing that was not given.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from attrs import frozen

from bootwright import __version__
from bootwright.foundation.errors import ToolFailed
from bootwright.foundation.progress import Progress
from bootwright.foundation.run_folder import Store
from bootwright.investigate.plans.tasks import PLACEHOLDERS, Task, filled, missing

_HARMLESS = frozenset(
    {"boot", "check", "devicetrees", "diagnose", "diff", "inspect", "kernel", "kernels", "predict", "probe"}
    | {"survey", "talos", "image", "upstream"}
)
"""Commands that a step may run by itself; `flash` is never one."""
_MOST_OUTPUT = 4 << 20
_LIMIT = 6 * 3600.0
"""Seconds; a kernel's build on a slow machine takes hours."""


@frozen
class StepResult:
    """How a step ended."""

    command: str
    status: int
    seconds: float
    output: str
    """The end of what it printed, stderr too."""


class Steps:
    """Runs steps with what the user gave for placeholders (`IMAGE`, `REPOSITORY`)."""

    def __init__(self, store: Store | None, have: Mapping[str, str], progress: Progress) -> None:
        self._store = store
        self.have = dict(have)
        self._progress = progress

    def lacks(self, step: str) -> str:
        """What a step cannot be run without, in words; empty where it can be run here."""
        words = filled(step, self.have)
        absent = list(missing(step, self.have))
        if absent:
            return "; ".join(PLACEHOLDERS[word] for word in dict.fromkeys(absent))
        return "" if words[0] in _HARMLESS else f"{words[0]} is for a person to run"

    def recorded(self, step: str) -> StepResult | None:
        """How it ended, where it was run."""
        if self._store is None or self.lacks(step):
            return None
        return self._read(self._key(filled(step, self.have)))

    def run(self, step: str) -> StepResult:
        """Run it, unless it is recorded."""
        return self.run_words(filled(step, self.have))

    def run_words(self, words: Sequence[str]) -> StepResult:
        """Run a command line, unless it is recorded."""
        if (recorded := self._read(self._key(words))) is not None:
            return recorded
        command = shlex.join(["bootwright", *words])
        started = time.monotonic()
        with self._progress.step(command):
            try:
                done = subprocess.run(
                    [sys.executable, "-m", "bootwright", *words],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    timeout=_LIMIT,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise ToolFailed(command, f"it did not end in {_LIMIT / 3600:g} h") from error
        seconds = round(time.monotonic() - started, 3)
        output = done.stdout[-_MOST_OUTPUT:].decode(errors="replace")
        result = StepResult(command, done.returncode, seconds, output)
        if done.returncode >= 0:  # a step that was killed has not ended
            self.keep(words, result)
        return result

    def keep(self, words: Sequence[str], result: StepResult) -> None:
        """Record how a command line ended; what is recorded already stays."""
        if self._store is None:
            return
        facts = {"command": result.command, "status": result.status, "seconds": result.seconds}
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._store.keep(self._key(words), facts, result.output.encode(), now)

    def _read(self, key: str) -> StepResult | None:
        kept = self._store.find(key) if self._store is not None else None
        if kept is None or self._store is None:
            return None
        output = self._store.console(kept).decode(errors="replace")
        return StepResult(kept.facts["command"], kept.facts["status"], kept.facts["seconds"], output)

    def _key(self, words: Sequence[str]) -> str:
        """What makes it the same step: the command, this program's version, and the files that it names."""
        files = []
        for word in words:
            path = Path(word)
            if "/" in word and path.is_file():
                state = path.stat()
                files.append([word, state.st_size, state.st_mtime_ns])
        ingredients = json.dumps([list(words), __version__, files])
        return f"step-{hashlib.sha256(ingredients.encode()).hexdigest()[:20]}"


def runnable(steps: Steps, task: Task) -> list[str]:
    """The steps of a task that can be run here and were not yet, in order; up to the first that cannot."""
    ready = []
    for step in task.steps:
        if steps.lacks(step):
            break
        if steps.recorded(step) is None:
            ready.append(step)
    return ready
