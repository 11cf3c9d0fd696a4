"""Cells on the workers of a real Dask scheduler on loopback, and what happens where workers die.

The work is a stand-in that sleeps or dies; the last test boots.
"""

import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import worker_kit
from cluster_kit import DaskCluster
from test_workers import PLAN, fill

from bootwright.foundation.errors import Missing, Refused
from bootwright.lab.workers.cluster import Cluster
from bootwright.lab.workers.dispatch import Dispatcher
from bootwright.lab.workers.queue import Queue, QueuedCell, read_queue


@pytest.fixture(scope="module")
def cluster() -> Iterator[DaskCluster]:
    with DaskCluster(2) as started:
        yield started


def dispatch(folder: Path, address: str) -> tuple[list[str], list[QueuedCell]]:
    kept: list[str] = []
    engine = Cluster(worker_kit.work, address)
    try:
        with Queue(folder) as queue:
            return kept, Dispatcher(queue, engine, lambda cell, _: kept.append(cell.name), patience=30).run()
    finally:
        engine.close()


def test_each_cell_once_while_workers_are_killed(cluster: DaskCluster, tmp_path: Path) -> None:
    log = tmp_path / "log"
    fill(tmp_path, *({"name": f"cell-{n}", "seconds": 0.1, "log": str(log)} for n in range(40)))
    ended = threading.Event()
    kills = 0

    def kill_some() -> None:
        nonlocal kills
        chance = random.Random(3)
        while not ended.wait(0.5 + chance.random()) and kills < 3:
            if log.exists():
                cluster.kill_worker(chance.randrange(2))
                kills += 1

    killer = threading.Thread(target=kill_some)
    killer.start()
    try:
        kept, given_up = dispatch(tmp_path, cluster.address)
    finally:
        ended.set()
        killer.join()
    assert kills
    assert not given_up
    assert sorted(kept) == sorted(f"cell-{n}" for n in range(40))
    workers = {cell.worker for cell in read_queue(tmp_path)}
    assert workers == {cluster.address}


def test_errors_keep_their_kind_over_the_wire(cluster: DaskCluster, tmp_path: Path) -> None:
    fill(tmp_path, {"name": "broken", "ends": "tool"}, {"name": "good"})
    kept, (broken,) = dispatch(tmp_path, cluster.address)
    assert kept == ["good"]
    assert "cannot set up guest memory" in broken.reasons[0]
    fill(tmp_path, {"name": "bad", "ends": "refused"})
    with pytest.raises(Refused, match="bad is refused"):
        dispatch(tmp_path, cluster.address)


def test_no_address_and_nobody_there() -> None:
    with pytest.raises(Refused, match="no scheduler's address"):
        Cluster(worker_kit.work, "lab")
    with pytest.raises(Missing, match="no scheduler answers at tcp"):
        Cluster(worker_kit.work, "tcp://127.0.0.1:9")


@pytest.mark.boot
@pytest.mark.download
def test_an_investigation_boots_on_a_cluster(cluster: DaskCluster, tmp_path: Path) -> None:
    plan = tmp_path / "two-boots.toml"
    plan.write_text(PLAN, encoding="utf-8")
    command = [sys.executable, "-m", "bootwright", "investigate", str(plan), "--cluster", cluster.address]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "run"), "--json"],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode in {0, 1, 3}, done.stderr
    assert '"source": "emulated"' in done.stdout
    assert {cell.worker for cell in read_queue(tmp_path / "run")} == {cluster.address}
