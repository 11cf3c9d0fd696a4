"""Cells on places of a real labgrid coordinator, reserved by tags, while exporters and workers are killed.

What a cell does is a stand-in (places_kit) that acquires and holds its place; the last test boots stand-ins
for boards through `bench all`, as a user does.
"""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import board_kit
import jsonschema
import lab_kit
import places_kit
import pytest

from bootwright.bench.many.coordinator import Coordinator, CoordinatorLost
from bootwright.bench.many.places import Places
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
    folder: Path, shelf: places_kit.Shelf, patience: float = 120.0, address: str | None = None
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
    with socket.socket() as taken:  # and nobody listens there, also while other tests look for free ports
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(CoordinatorLost):
            Coordinator(address)
        fill(tmp_path, shelf, 1, 0.05)
        with pytest.raises(Missing, match="1 cells wait and no worker came"):
            dispatch(tmp_path, shelf, patience=1.0, address=address)


STATUS = {
    "plan": "talos-rpi5",
    "plan_from": "talos-rpi5",
    "title": "t",
    "question": "q",
    "verdict": "unknown",
    "source": "",
    "decided": False,
    "decision": [],
    "tasks": [],
    "points": [],
    "told": [],
    "assume_no_board": False,
    "written_at": "2026-01-01T00:00:00+00:00",
    "schema": "bootwright/status/1",
}
FACTORS = {"kernel": "6.18.15", "page_size": "4K", "tree": "mainline", "dtb": "kernel", "talos": "1.12.1"}
CONSOLE = (
    b"[    0.000000] Linux version 6.18.15 (x@y) (gcc 13) #1 SMP\r\n"
    b"[    4.100000] macb 1f00100000.ethernet end0: Link is Up - 1Gbps/Full - flow control off\r\n"
    b"[    5.000000] Run /init as init process\r\n"
    b"udhcpc: lease of 192.0.2.7 obtained from 192.0.2.1, lease time 86400\r\n"
)
SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/bench-all.schema.json").read_text())


def test_all_cells_of_a_campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two revisions, a place for each: each cell is booted on the board that it is for, and told."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    run = tmp_path / "run"
    image = tmp_path / "card.raw"
    image.write_bytes(board_kit.disk(os.urandom(1 << 16)))
    cells = []
    for revision in ("1.0", "1.1"):
        factors = {**FACTORS, "board": f"rpi5-rev-{revision}"}
        cell = {"name": f"cell-{revision}", "factors": factors, "given": f"board={factors['board']}"}
        cell |= {"hours": 0.5, "because": [], "tasks": [], "why": "", "expects": {}, "how": "", "lacks": ""}
        cells.append(cell | {"image": str(image), "commands": [], "told": {}})
    names = {cell["name"]: cell["factors"] for cell in cells}
    run.mkdir()
    (run / "status.json").write_text(json.dumps(STATUS | {"cells": cells, "names": names}))
    boards = {}
    with contextlib.ExitStack() as stack:
        for name in ("a", "b"):
            folder = tmp_path / name
            folder.mkdir()
            (folder / "console").write_bytes(CONSOLE)
            boards[name] = stack.enter_context(board_kit.board(folder, ["cat", str(folder / "console")]))
        tags = {"a": {"board": "rpi5-rev-1.0"}, "b": {"board": "rpi5-rev-1.1"}}
        address = stack.enter_context(lab_kit.lab(tmp_path / "lab", boards, tags))
        switch = board_kit.power_words(tmp_path / "$LG_PLACE")
        environment = tmp_path / "lab.yaml"
        environment.write_text(
            f"""
options: {{coordinator_address: "{address}"}}
targets:
  pi5:
    resources: {{RemotePlace: {{name: !template "$LG_PLACE"}}}}
    drivers:
      SerialDriver: {{}}
      ExternalPowerDriver:
        cmd_on: !template "{switch["cmd_on"]}"
        cmd_off: !template "{switch["cmd_off"]}"
bootwright:
  pi5: {{deploy: {{command: [cp, "{{image}}", "{tmp_path}/card.img"]}}, seconds_off: 0.0, silence: 8.0}}
"""
        )
        words = [
            sys.executable,
            "-m",
            "bootwright",
            "bench",
            "all",
            "--run",
            run,
            "--env",
            environment,
            "--json",
        ]
        done = subprocess.run(words, capture_output=True, text=True, timeout=200, check=False)
        document = json.loads(done.stdout or "{}")
        assert done.returncode == 3, done.stderr  # Talos's mounts are not proved by such a console
        jsonschema.validate(document, SCHEMA)
        assert sorted(row["board"] for row in document["booted"]) == ["pi5 (place a)", "pi5 (place b)"]
        answers = [json.loads(path.read_text()) for path in (run / "told").glob("*.json")]
        assert {(row["cell"], row["by"]) for row in answers} == {
            ("cell-1.0", "pi5 (place a)"),
            ("cell-1.1", "pi5 (place b)"),
        }
        assert {row["outcomes"]["ethernet"] for row in answers} == {"works"}
        assert board_kit.switched(boards["a"])[-1] == board_kit.switched(boards["b"])[-1] == "off"
        # What is done is not booted again.
        again = subprocess.run(words, capture_output=True, text=True, timeout=200, check=False)
        assert json.loads(again.stdout)["booted"] == []
