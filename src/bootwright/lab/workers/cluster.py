"""The engine for many machines: a scheduler of Dask distributed, by its address.

Nothing else in the program knows of it. The scheduler notices a lost worker and hands its work to another;
how often is its own setting (`distributed.scheduler.allowed-failures`). What it gives up comes back here,
where the queue's bound counts (docs/cluster.md compares the engines that there are).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from queue import Empty, SimpleQueue
from typing import Any

from bootwright.foundation.errors import BootwrightError, Missing, Refused
from bootwright.lab.workers.engine import Ended, Perform, Work, ended_by, error_as_json, place_wanted
from bootwright.lab.workers.process import answer_of, named_function
from bootwright.lab.workers.queue import QueuedCell

_ADDRESS = re.compile(r"(?:tcp|tls|ws|wss)://[^/\s:]+(?::[^/\s:]+)*:\d{1,5}/?")
_AHEAD = 2
"""Cells in flight for each thread of a worker: the next is there when one ends."""
_CONNECT_SECONDS = 10
_LOOK_AGAIN = 1.0
"""Seconds between two questions for the workers there are."""


class Cluster:
    """Work on the workers of a scheduler."""

    def __init__(self, perform: Perform, address: str) -> None:
        """`perform` is a function of a module, which the workers import.

        Raises `Refused` for what is no address, `Missing` where the package or the scheduler is not there.
        """
        if _ADDRESS.fullmatch(address) is None:
            raise Refused(f"{address!r} is no scheduler's address", hint="it looks like tcp://HOST:8786")
        try:
            distributed = import_module("distributed")
        except ImportError as error:
            raise Missing(
                "Dask distributed is not installed", hint="pip install 'bootwright[cluster]'"
            ) from error
        self._function = f"{perform.__module__}:{perform.__qualname__}"
        self._address = address
        try:
            self._client: Any = distributed.Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else "no answer"
            raise Missing(
                f"no scheduler answers at {address}: {reason}", hint="dask scheduler starts one"
            ) from error
        self._ended: SimpleQueue[Any] = SimpleQueue()
        self._futures: dict[str, Any] = {}
        self._capacity = 0
        self._looked = 0.0
        self._tokens = 0

    def take(self, cells: Sequence[QueuedCell]) -> Sequence[tuple[QueuedCell, str]]:
        """As many as the workers have threads for, and one more for each."""
        free = self._threads() * _AHEAD - len(self._futures)
        able = [cell for cell in cells if not cell.wants]
        return [(cell, self._address) for cell in able[: max(0, free)]]

    def start(self, cell: QueuedCell) -> None:
        """Hand it to the scheduler."""
        self._tokens += 1
        future = self._client.submit(
            perform_named,
            self._function,
            dict(cell.work),
            key=f"{cell.name}-{self._tokens}-{time.time_ns()}",
            pure=False,
            retries=0,
        )
        self._futures[cell.name] = future
        future.add_done_callback(lambda done, name=cell.name: self._ended.put((name, done)))

    def stop(self, cell: str) -> None:
        """The scheduler forgets it; a worker that has begun it goes on to its end, for nobody."""
        future = self._futures.pop(cell, None)
        if future is not None:
            with suppress(Exception):
                future.cancel()

    def wait(self, seconds: float) -> list[Ended]:
        """What has ended."""
        ended: list[Ended] = []
        timeout: float | None = seconds
        while True:
            try:
                name, future = self._ended.get(timeout=timeout) if timeout else self._ended.get_nowait()
            except Empty:
                return ended
            timeout = None
            if self._futures.get(name) is future:
                del self._futures[name]
                ended.append(_ended(name, future))

    def lacking(self, cell: QueuedCell) -> str:
        """A worker of a cluster is no board."""
        return place_wanted(cell, "workers of a cluster")

    def close(self) -> None:
        """Forget what was begun, and leave the scheduler."""
        for name in list(self._futures):
            self.stop(name)
        with suppress(Exception):
            self._client.close(timeout=2)

    def _threads(self) -> int:
        """Threads of all workers; 0 while the scheduler does not answer."""
        now = time.monotonic()
        if now - self._looked > _LOOK_AGAIN:
            self._looked = now
            try:
                self._capacity = sum(self._client.nthreads().values())
            except Exception:  # noqa: BLE001 - its comm errors have no common base; cells wait for it
                self._capacity = 0
        return self._capacity


def perform_named(function: str, work: Work) -> dict[str, Any]:
    """Do a cell's work; what a worker of the cluster runs."""
    from distributed import get_worker

    worker = str(get_worker().address)
    try:
        answer = named_function(function)(work)
    except BootwrightError as error:
        return {"worker": worker, "error": error_as_json(error)}
    return {
        "worker": worker,
        "facts": dict(answer.facts),
        "notes": list(answer.notes),
        "console": answer.console,
    }


def _ended(name: str, future: Any) -> Ended:  # noqa: ANN401 - the library has no types
    if future.status != "finished":
        error = None
        with suppress(Exception):
            error = future.exception(timeout=5)
        return Ended(name, "", lost=_reason(error))
    try:
        document: Mapping[str, Any] = future.result(timeout=15)
    except Exception as error:  # noqa: BLE001 - the worker died after it had answered
        return Ended(name, "", lost=f"its answer was lost: {type(error).__name__}")
    worker = str(document["worker"])
    if "error" in document:
        return ended_by(name, worker, document["error"])
    return Ended(name, worker, answer_of(dict(document), document["console"]))


def _reason(error: BaseException | None) -> str:
    """Why the scheduler has no answer, in a line."""
    if error is None:
        return "the scheduler lost it"
    last = getattr(error, "last_worker", None)
    if last is not None:
        return f"the worker died: {getattr(last, 'address', last)}"
    return " ".join(f"{type(error).__name__}: {error}".split())
