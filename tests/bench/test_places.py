"""Cells on places of a real labgrid coordinator, reserved by tags, while exporters and workers are killed.

What a cell does is a stand-in (places_kit) that acquires and holds its place; the last test boots stand-ins
for boards through `bench all`, as a user does.
"""

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import lab_kit
import places_kit
import pytest

from bootwright.bench.coordinator import Coordinator, CoordinatorLost
from bootwright.bench.places import Places
from bootwright.foundation.errors import Missing
from bootwright.lab.workers.dispatch import Dispatcher
from bootwright.lab.workers.queue import Queue, QueuedCell, read_queue


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[places_kit.Shelf]:
    with places_kit.Shelf(tmp_path_factory.mktemp("shelf"), 4) as started:
        yield started


def fill(folder: Path, shelf: places_kit.Shelf, count: int, seconds: float, **tags: str) -> None:
    with Queue(folder) as queue:
        for number in range(count):
            work = {
                "name": f"cell-{number}",
                "seconds": seconds,
                "coordinator": shelf.address,
                "folder": str(folder),
                "log": str(folder / "log"),
            }
            queue.add(f"cell-{number}", work, {"board": "stand-in", **tags})


def dispatch(
    folder: Path, shelf: places_kit.Shelf, patience: float = 30.0, address: str | None = None
) -> tuple[list[str], list[QueuedCell]]:
    kept: list[str] = []
    engine = Places(places_kit.work, address or shelf.address, on_lost=lambda: shelf.release_dead(folder))
    try:
        with Queue(folder) as queue:
            return kept, Dispatcher(
                queue, engine, lambda cell, _: kept.append(cell.name), patience=patience
            ).run()
    finally:
        engine.close()


def test_a_place_by_its_tags(shelf: places_kit.Shelf, tmp_path: Path) -> None:
    fill(tmp_path, shelf, 4, 0.05, revision="r1")
    kept, given_up = dispatch(tmp_path, shelf)
    assert not given_up
    assert len(kept) == 4
    assert {cell.worker for cell in read_queue(tmp_path)} <= {"place-1", "place-3"}
    fill(tmp_path, shelf, 5, 0.05, revision="r9")
    _, (cell,) = dispatch(tmp_path, shelf, patience=0.5)
    assert cell.reasons == (f"no place of {shelf.address} has the tags board=stand-in, revision=r9",)


def test_each_cell_once_while_exporters_and_workers_are_killed(
    shelf: places_kit.Shelf, tmp_path: Path
) -> None:
    fill(tmp_path, shelf, 24, 0.3)
    ended = threading.Event()
    kills = Counter[str]()

    def kill_some() -> None:
        chance = random.Random(11)
        while not ended.wait(0.6 + chance.random() * 0.6) and kills.total() < 4:
            if chance.random() < 0.5:
                shelf.kill_exporter(f"place-{chance.randrange(4)}")
                kills["exporter"] += 1
            elif (tmp_path / "log").exists():
                process = int((tmp_path / "log").read_text().split()[-1])
                try:
                    os.kill(process, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                kills["worker"] += 1

    killer = threading.Thread(target=kill_some)
    killer.start()
    try:
        kept, given_up = dispatch(tmp_path, shelf)
    finally:
        ended.set()
        killer.join()
    assert kills.total()
    assert not given_up
    assert Counter(kept) == Counter(f"cell-{number}" for number in range(24))
    assert len({cell.worker for cell in read_queue(tmp_path)}) == 4
    assert not list(tmp_path.glob("*.held"))


def test_no_coordinator(tmp_path: Path, shelf: places_kit.Shelf) -> None:
    address = f"127.0.0.1:{lab_kit.free_port()}"
    with pytest.raises(CoordinatorLost):
        Coordinator(address)
    fill(tmp_path, shelf, 1, 0.05)
    with pytest.raises(Missing, match="1 cells wait and no worker came"):
        dispatch(tmp_path, shelf, patience=1.0, address=address)
