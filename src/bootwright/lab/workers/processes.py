"""The engine that is always there: worker processes on this machine, which end with it."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import IO, Any

from attrs import define, field

from bootwright.foundation.errors import Missing
from bootwright.lab.workers.engine import Ended, Perform, Work, ended_by, place_wanted
from bootwright.lab.workers.process import answer_of
from bootwright.lab.workers.queue import QueuedCell

_WORKER = (sys.executable, "-P", "-m", "bootwright.lab.workers.process")
_CHUNK = 1 << 16
_MOST_SAID = 4096


@define(eq=False)
class _Worker:
    """One process, and the cell that it has."""

    name: str
    process: subprocess.Popen[bytes]
    messages: IO[bytes]
    cell: str = ""
    token: int = 0
    received: bytearray = field(factory=bytearray)
    document: dict[str, Any] | None = None
    """The line of the answer that is coming."""

    def said(self) -> str:
        """The last line that it printed."""
        with contextlib.suppress(OSError):
            end = self.messages.seek(0, os.SEEK_END)
            self.messages.seek(max(0, end - _MOST_SAID))
            lines = self.messages.read().decode(errors="replace").strip().splitlines()
            return lines[-1] if lines else ""
        return ""


class Processes:
    """Worker processes, started as they are needed, at most `count` of them."""

    def __init__(self, perform: Perform, count: int) -> None:
        """`perform` is a function of a module, which the workers import."""
        self._function = f"{perform.__module__}:{perform.__qualname__}"
        self._count = count
        self._workers: dict[str, _Worker] = {}
        self._selector = selectors.DefaultSelector()
        self._ended: list[Ended] = []
        self._tokens = 0
        self._taken: dict[str, str] = {}

    def take(self, cells: Sequence[QueuedCell]) -> Sequence[tuple[QueuedCell, str]]:
        """As many as there are idle workers, and workers that could be started."""
        busy = {worker.name for worker in self._workers.values() if worker.cell}
        idle = [name for name in (f"process-{n}" for n in range(1, self._count + 1)) if name not in busy]
        pairs = list(zip([cell for cell in cells if not cell.wants], idle, strict=False))
        self._taken = {cell.name: worker for cell, worker in pairs}
        return pairs

    def start(self, cell: QueuedCell) -> None:
        """Hand it to the worker that it was taken for."""
        self.start_on(self._taken.pop(cell.name), cell.name, cell.work)

    def start_on(self, name: str, cell: str, work: Work) -> None:
        """Hand a cell's work to the worker of that name, which is idle, or begun now."""
        worker = self._workers.get(name) or self._begin(name)
        self._tokens += 1
        worker.cell, worker.token = cell, self._tokens
        line = json.dumps({"token": worker.token, "work": dict(work)}).encode() + b"\n"
        try:
            if worker.process.stdin is not None:
                worker.process.stdin.write(line)
                worker.process.stdin.flush()
        except OSError:
            self._lose(worker)

    def stop(self, cell: str) -> None:
        """End the process that has it: work cannot be interrupted otherwise."""
        for worker in [worker for worker in self._workers.values() if worker.cell == cell]:
            worker.cell = ""
            self._end(worker)

    def wait(self, seconds: float) -> list[Ended]:
        """What has ended."""
        if not self._selector.get_map():
            time.sleep(0 if self._ended else seconds)
        else:
            for key, _ in self._selector.select(0 if self._ended else seconds):
                self._receive(key.data)
        ended, self._ended = self._ended, []
        return ended

    def lacking(self, cell: QueuedCell) -> str:
        """A process here is no board."""
        return place_wanted(cell, "processes")

    def close(self) -> None:
        """End every worker."""
        for worker in list(self._workers.values()):
            self._end(worker)
        self._selector.close()

    def _begin(self, name: str) -> _Worker:
        messages = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        try:
            process = subprocess.Popen(
                # It ends with us by itself (`children.end_with`).
                [*_WORKER, self._function, str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=messages,
                bufsize=-1,
                # It imports what we can import.
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                start_new_session=True,  # Ctrl-C is for us: we end the workers
            )
        except OSError as error:
            messages.close()
            raise Missing(f"cannot start a worker: {error.strerror}", hint="free some memory") from error
        worker = self._workers[name] = _Worker(name, process, messages)
        if process.stdout is not None:
            self._selector.register(process.stdout, selectors.EVENT_READ, worker)
        return worker

    def _receive(self, worker: _Worker) -> None:
        stdout = worker.process.stdout
        chunk = os.read(stdout.fileno(), _CHUNK) if stdout is not None else b""
        if not chunk:
            self._lose(worker)
            return
        worker.received += chunk
        if worker.document is None:
            line, newline, rest = bytes(worker.received).partition(b"\n")
            if not newline:
                return
            worker.document, worker.received = json.loads(line), bytearray(rest)
        if len(worker.received) < worker.document["console_bytes"]:
            return
        document, console = worker.document, bytes(worker.received)
        worker.document, worker.received = None, bytearray()
        cell, worker.cell = worker.cell, ""
        if document["token"] == worker.token and cell:
            error = document.get("error")
            self._ended.append(
                ended_by(cell, worker.name, error)
                if error
                else Ended(cell, worker.name, answer_of(document, console))
            )

    def _lose(self, worker: _Worker) -> None:
        cell, worker.cell = worker.cell, ""
        said = worker.said()
        self._end(worker)
        if cell:
            status = worker.process.returncode
            how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
            self._ended.append(
                Ended(cell, worker.name, lost=f"the worker {how}{f': {said}' if said else ''}")
            )

    def _end(self, worker: _Worker) -> None:
        self._workers.pop(worker.name, None)
        process = worker.process
        if process.stdout is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(process.stdout)
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, worker.messages):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
