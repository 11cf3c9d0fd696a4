"""200 cells over a labgrid coordinator with four places, and over a Dask cluster with two workers.

    python benchmarks/bench_cells.py [--cells 200] [--seconds 2]

The coordinator, the exporters, the scheduler and its workers are real; the cells are stubs that hold a place,
or a worker, for some seconds, since what is measured is all but the boot. Each engine does them twice:
undisturbed, for the time beyond the cells' own and the share of ideal scaling; and while exporters and
workers are killed at random, for what is lost or done twice. Fails where the marks are missed: 0.5 s a cell,
0.9 of ideal, each cell once.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "kits"))

import cluster_kit
import places_kit
import worker_kit

from bootwright.bench.many.places import Places
from bootwright.lab.workers.cluster import Cluster
from bootwright.lab.workers.dispatch import Dispatcher
from bootwright.lab.workers.engine import Engine
from bootwright.lab.workers.queue import Queue, QueuedCell, read_queue

MOST_OVERHEAD = 0.5
LEAST_SCALING = 0.9


@contextlib.contextmanager
def disturbed(kill: Callable[[random.Random], str], kills: Counter[str], pause: float) -> Iterator[None]:
    """While the block runs, something is killed every `pause` seconds or so."""
    ended = threading.Event()
    chance = random.Random(7)

    def work() -> None:
        while not ended.wait(pause * (0.5 + chance.random())):
            kills[kill(chance)] += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def run(
    engine: Engine, folder: Path, works: list[dict[str, object]], wants: dict[str, str]
) -> tuple[float, Counter[str], list[QueuedCell]]:
    """(seconds, cell → how often an answer was kept, what was given up)."""
    kept: Counter[str] = Counter()
    with Queue(folder) as queue:
        for work in works:
            queue.add(str(work["name"]), work, wants)
        started = time.monotonic()

        def keep(cell: QueuedCell, _: object) -> None:
            kept[cell.name] += 1

        given_up = Dispatcher(queue, engine, keep, patience=120).run()
        return time.monotonic() - started, kept, given_up


def report(title: str, workers: int, cells: int, seconds: float, wall: float) -> bool:
    ideal = cells * seconds / workers
    overhead = (wall * workers - cells * seconds) / cells
    print(
        f"{title}: {wall:.1f} s for {cells} cells of {seconds:g} s on {workers}: ideal {ideal:.1f} s, "
        f"{ideal / wall:.3f} of ideal scaling, {overhead:.3f} s overhead a cell"
    )
    return overhead < MOST_OVERHEAD and ideal / wall >= LEAST_SCALING


def report_killed(
    title: str,
    cells: int,
    kept: Counter[str],
    given_up: list[QueuedCell],
    kills: Counter[str],
    folder: Path,
    wall: float,
) -> bool:
    again = sum(cell.attempts - 1 for cell in read_queue(folder))
    twice = sum(number > 1 for number in kept.values())
    print(
        f"{title}, killed {dict(kills)}: {len(kept)} of {cells} cells done, {twice} twice, "
        f"{len(given_up)} given up, {again} leases repeated, {wall:.1f} s"
    )
    return len(kept) == cells and not twice and not given_up


def on_places(cells: int, seconds: float) -> bool:
    good = True
    with (
        tempfile.TemporaryDirectory(prefix="cells-") as name,
        places_kit.Shelf(Path(name) / "shelf", 4) as shelf,
    ):
        for killing in (False, True):
            folder = Path(name) / str(killing)
            folder.mkdir()
            common = {"seconds": seconds, "coordinator": shelf.address, "folder": str(folder)}
            works = [{"name": f"cell-{n}", "log": str(folder / "log"), **common} for n in range(cells)]
            kills: Counter[str] = Counter()

            def kill(chance: random.Random, folder: Path = folder) -> str:
                if chance.random() < 0.5 or not list(folder.glob("*.held")):
                    shelf.kill_exporter(f"place-{chance.randrange(4)}")
                    return "exporters"
                with contextlib.suppress(OSError, ValueError):
                    os.kill(int(chance.choice(list(folder.glob("*.held"))).read_text()), signal.SIGKILL)
                return "workers"

            engine = Places(places_kit.work, shelf.address, on_lost=partial(shelf.release_dead, folder))
            wants = {"board": "stand-in"}
            try:
                if killing:
                    with disturbed(kill, kills, 10.0):
                        wall, kept, given_up = run(engine, folder, works, wants)
                    good &= report_killed("coordinator", cells, kept, given_up, kills, folder, wall)
                else:
                    # Starting the workers is part of no cell: a first one on each place goes before.
                    run(
                        engine,
                        folder,
                        [{**works[0], "name": f"first-{n}", "seconds": 1.0} for n in range(4)],
                        wants,
                    )
                    wall, _, _ = run(engine, folder, works, wants)
                    good &= report("coordinator", 4, cells, seconds, wall)
            finally:
                engine.close()
    return good


def on_cluster(cells: int, seconds: float) -> bool:
    good = True
    with tempfile.TemporaryDirectory(prefix="cells-") as name, cluster_kit.DaskCluster(2) as cluster:
        for killing in (False, True):
            folder = Path(name) / str(killing)
            folder.mkdir()
            works = [{"name": f"cell-{n}", "seconds": seconds} for n in range(cells)]
            kills: Counter[str] = Counter()

            def kill(chance: random.Random) -> str:
                cluster.kill_worker(chance.randrange(2))
                return "workers"

            engine = Cluster(worker_kit.work, cluster.address)
            try:
                if killing:
                    with disturbed(kill, kills, 10.0):
                        wall, kept, given_up = run(engine, folder, works, {})
                    good &= report_killed("cluster", cells, kept, given_up, kills, folder, wall)
                else:
                    run(engine, folder, [{"name": f"first-{n}", "seconds": 0.5} for n in range(2)], {})
                    wall, _, _ = run(engine, folder, works, {})
                    good &= report("cluster", 2, cells, seconds, wall)
            finally:
                engine.close()
    return good


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--engine", choices=["coordinator", "cluster", "both"], default="both")
    options = parser.parse_args()
    done = []
    if options.engine != "cluster":
        done.append(on_places(options.cells, options.seconds))
    if options.engine != "coordinator":
        done.append(on_cluster(options.cells, options.seconds))
    sys.exit(0 if all(done) else 1)
