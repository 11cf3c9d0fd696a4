"""A real labgrid coordinator on loopback, and an exporter for each of its places, that may be killed.

What is exported is a network service, which is on no wire: a stand-in for a board's power and console. A
cell's work acquires the place by labgrid's own client, holds it for a while, and fails as a boot does where
the exporter goes away meanwhile.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from lab_kit import free_port, listens
from labgrid.remote.generated import labgrid_coordinator_pb2 as messages

from bootwright.bench.many.coordinator import Coordinator
from bootwright.foundation.errors import ToolFailed
from bootwright.lab.workers.engine import Answer, Work

_BIN = Path(sys.executable).parent


class Shelf:
    """Places `place-0` … of one coordinator; `with` ends all processes."""

    def __init__(self, folder: Path, places: int) -> None:
        self.folder = folder
        self.address = f"127.0.0.1:{free_port()}"
        self.exporters: dict[str, subprocess.Popen[bytes]] = {}
        self._names = [f"place-{number}" for number in range(places)]

    def __enter__(self) -> "Shelf":
        self.folder.mkdir(parents=True, exist_ok=True)
        self.coordinator = self._start("coordinator", "labgrid-coordinator", "-l", self.address)
        wait_for(lambda: listens(self.address))
        for name in self._names:
            self.export(name)
        self.tell = Coordinator(self.address)
        for number, name in enumerate(self._names):
            tags = {"board": "stand-in", "revision": f"r{number % 2}"}
            self.tell.call("AddPlace", messages.AddPlaceRequest(name=name))
            self.tell.call(
                "AddPlaceMatch", messages.AddPlaceMatchRequest(placename=name, pattern=f"{name}/*/*")
            )
            self.tell.call("SetPlaceTags", messages.SetPlaceTagsRequest(placename=name, tags=tags))
        return self

    def release_dead(self, folder: Path) -> None:
        """What switching off boards does that were left on: places of workers that are gone are let go."""
        for holding in folder.glob("*.held"):
            with contextlib.suppress(OSError):  # let go meanwhile
                if Path(f"/proc/{holding.read_text()}").exists():
                    continue
                request = messages.ReleasePlaceRequest(placename=holding.stem)
                self.tell.call("ReleasePlace", request)
                holding.unlink()

    def export(self, name: str) -> None:
        """Start the exporter of a place."""
        group = {"board": {"NetworkService": {"address": "192.0.2.1", "username": "root"}}}
        config = self.folder / f"{name}.yaml"
        config.write_text(yaml.safe_dump(group))
        self.exporters[name] = self._start(
            name, "labgrid-exporter", "-c", self.address, "-n", name, "--hostname", "127.0.0.1", config.name
        )

    def kill_exporter(self, name: str) -> None:
        """As a power cut does it; another is started at once."""
        self.exporters[name].kill()
        self.exporters[name].wait()
        self.export(name)

    def __exit__(self, *_: object) -> None:
        self.tell.close()
        for process in [*self.exporters.values(), self.coordinator]:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()

    def _start(self, name: str, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [_BIN / program, *arguments],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
            )


def wait_for(holds: object, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.1)


_SESSION: list[Any] = []


def work(work: Work) -> Answer:
    """Hold the place for `seconds`; fails where its resources go away, or somebody else has it."""
    from labgrid.remote.client import start_session

    if not _SESSION or _SESSION[0].stopping.is_set():
        _SESSION[:] = [start_session(work["coordinator"])]
    session = _SESSION[0]
    # One place, one boot at a time: a second would find this file.
    holding = Path(work["folder"]) / f"{work['place']}.held"
    try:
        session.loop.run_until_complete(_hold(session, work, holding))
    except ToolFailed:
        raise
    except Exception as error:
        raise ToolFailed(work["place"], f"{type(error).__name__}: {error}") from error
    return Answer({"name": work["name"], "place": work["place"]}, b"")


async def _hold(session: Any, work: Work, holding: Path) -> None:  # noqa: ANN401 - labgrid has no types
    place = work["place"]
    await session.stub.AcquirePlace(messages.AcquirePlaceRequest(placename=place))
    try:
        with holding.open("x") as file:
            file.write(str(os.getpid()))
        try:
            end = time.monotonic() + work["seconds"]
            while (left := end - time.monotonic()) > 0:
                await asyncio.sleep(min(left, 0.1))
                resources = session.resources.get(place, {}).get("board", {})
                if not any(entry.avail for entry in resources.values()):
                    raise ToolFailed(place, "the exporter went away")
            with Path(work["log"]).open("a", encoding="utf-8") as log:
                log.write(f"{work['name']} {place} {os.getpid()}\n")
        finally:
            holding.unlink()
    finally:
        await session.stub.ReleasePlace(messages.ReleasePlaceRequest(placename=place))
