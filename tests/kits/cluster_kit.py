"""A real scheduler of Dask distributed with workers, all on loopback."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path


class DaskCluster:
    """Processes of one cluster; `with` ends them all."""

    def __init__(self, workers: int) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="cluster-")
        self.address = ""
        self.workers: list[subprocess.Popen[bytes]] = []
        self._count = workers

    def __enter__(self) -> "DaskCluster":
        log = Path(self.folder.name) / "scheduler.log"
        self.scheduler = self._start(
            log, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show"
        )
        end = time.monotonic() + 60
        while not self.address:
            assert time.monotonic() < end, log.read_text()
            assert self.scheduler.poll() is None, log.read_text()
            match = re.search(r"Scheduler at:\s+(tcp://\S+)", log.read_text())
            self.address = match[1] if match else ""
            time.sleep(0.05)
        for _ in range(self._count):
            self.add_worker()
        return self

    def add_worker(self) -> None:
        number = len(self.workers)
        self.workers.append(
            self._start(
                Path(self.folder.name) / f"worker-{number}.log",
                *("worker", self.address, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny"),
                *("--no-dashboard", "--memory-limit", "0", "--local-directory", self.folder.name),
            )
        )

    def kill_worker(self, number: int) -> None:
        """As the out-of-memory killer does it; another takes its place."""
        self.workers[number].kill()
        self.workers[number].wait()
        del self.workers[number]
        self.add_worker()

    def __exit__(self, *_: object) -> None:
        for process in [*self.workers, self.scheduler]:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
        self.folder.cleanup()

    def _start(self, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
        paths = os.pathsep.join(path for path in sys.path if path)
        with log.open("wb") as file:
            return subprocess.Popen(
                [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]],
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={
                    **os.environ,
                    "PYTHONPATH": paths,
                    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
                },
            )
