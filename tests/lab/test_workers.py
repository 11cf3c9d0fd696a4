"""The leased queue, and the worker processes of this machine.

The work is a stand-in that sleeps or dies, since who does it is what is tested; the last test boots.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import worker_kit
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused
from bootwright.lab.workers.dispatch import Dispatcher
from bootwright.lab.workers.engine import Answer
from bootwright.lab.workers.processes import Processes
from bootwright.lab.workers.queue import MOST_ATTEMPTS, CellState, Queue, QueuedCell, read_queue

Kept = dict[str, list[Answer]]


def dispatch(
    folder: Path, processes: int = 2, names: list[str] | None = None, lease_seconds: float = 60.0
) -> tuple[Kept, list[QueuedCell]]:
    kept: Kept = {}
    engine = Processes(worker_kit.work, processes)
    try:
        with Queue(folder) as queue:
            dispatcher = Dispatcher(
                queue,
                engine,
                lambda cell, answer: kept.setdefault(cell.name, []).append(answer),
                lease_seconds=lease_seconds,
                patience=1.0,
            )
            return kept, dispatcher.run(names)
    finally:
        engine.close()


def fill(folder: Path, *works: dict[str, object]) -> None:
    with Queue(folder) as queue:
        for work in works:
            queue.add(str(work["name"]), work)


def test_every_cell_is_answered_once(tmp_path: Path) -> None:
    fill(tmp_path, *({"name": f"cell-{number}"} for number in range(20)))
    kept, given_up = dispatch(tmp_path, processes=3)
    assert not given_up
    assert {name: len(answers) for name, answers in kept.items()} == {f"cell-{n}": 1 for n in range(20)}
    (answer,) = kept["cell-7"]
    assert answer.console == b"console of cell-7\n"
    assert answer.notes == ("a note",)
    assert len({answers[0].facts["process"] for answers in kept.values()}) <= 3
    assert {cell.state for cell in read_queue(tmp_path)} == {CellState.DONE}
    again, _ = dispatch(tmp_path)
    assert not again
    with Queue(tmp_path) as queue:
        queue.add("cell-3", {"name": "cell-3"}, unanswered=True)
    again, _ = dispatch(tmp_path)
    assert list(again) == ["cell-3"]


def test_workers_killed_at_random_lose_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log"
    fill(tmp_path, *({"name": f"cell-{n}", "seconds": 0.1, "log": str(log)} for n in range(24)))
    ended = threading.Event()
    killed: list[int] = []

    def kill_some() -> None:
        chance = random.Random(5)
        while not ended.wait(0.3 + chance.random() * 0.4) and len(killed) < 5:
            last = log.read_text().split()[-1:] if log.exists() else []
            with contextlib.suppress(ProcessLookupError):
                for process in last:
                    os.kill(int(process), signal.SIGKILL)
                    killed.append(int(process))

    killer = threading.Thread(target=kill_some)
    killer.start()
    try:
        kept, given_up = dispatch(tmp_path, processes=2)
    finally:
        ended.set()
        killer.join()
    assert killed
    assert not given_up
    assert {name: len(answers) for name, answers in kept.items()} == {f"cell-{n}": 1 for n in range(24)}
    tried_again = [cell for cell in read_queue(tmp_path) if cell.attempts > 1]
    begun = Counter(line.split()[0] for line in log.read_text().splitlines())
    assert tried_again
    assert all(1 <= begun[cell.name] <= cell.attempts for cell in tried_again)
    assert all("signal 9" in reason for cell in tried_again for reason in cell.reasons)


def test_a_cell_that_kills_its_workers_is_given_up_with_the_reason(tmp_path: Path) -> None:
    fill(tmp_path, {"name": "deadly", "ends": "killed"}, {"name": "broken", "ends": "tool"}, {"name": "good"})
    kept, given_up = dispatch(tmp_path)
    assert list(kept) == ["good"]
    by_name = {cell.name: cell for cell in given_up}
    assert by_name.keys() == {"deadly", "broken"}
    assert len(by_name["deadly"].reasons) == MOST_ATTEMPTS
    assert "the worker was ended by signal 9" in by_name["deadly"].reasons[0]
    assert "cannot set up guest memory" in by_name["broken"].reasons[-1]
    fill(tmp_path, {"name": "deadly", "ends": "answers"})
    assert [cell.name for cell in dispatch(tmp_path)[1]] == ["deadly", "broken"]  # it stays given up
    with Queue(tmp_path) as queue:
        assert queue.release() == 2
    fill(tmp_path, {"name": "broken"})
    kept, given_up = dispatch(tmp_path)
    assert sorted(kept) == ["broken", "deadly"]
    assert not given_up


def test_what_never_answers_is_ended_at_its_deadline(tmp_path: Path) -> None:
    fill(tmp_path, {"name": "silent", "seconds": 600.0})
    kept, (silent,) = dispatch(tmp_path, processes=1, lease_seconds=0.3)
    assert not kept
    assert silent.reasons == ("process-1: no answer in 0.3 s",) * MOST_ATTEMPTS


def test_bad_input_is_the_users_and_not_tried_again(tmp_path: Path) -> None:
    fill(tmp_path, {"name": "bad", "ends": "refused"}, {"name": "good", "seconds": 0.2})
    with pytest.raises(Refused, match="bad is refused") as refused:
        dispatch(tmp_path)
    assert refused.value.hint == "ask for another"
    assert {cell.state for cell in read_queue(tmp_path)} <= {CellState.QUEUED, CellState.DONE}
    fill(tmp_path, {"name": "bad"})
    kept, given_up = dispatch(tmp_path)
    assert "bad" in kept
    assert not given_up


def test_what_wants_a_board_is_not_for_processes(tmp_path: Path) -> None:
    with Queue(tmp_path) as queue:
        queue.add("board-cell", {"name": "board-cell"}, {"board": "raspberrypi-5"})
    kept, (cell,) = dispatch(tmp_path)
    assert not kept
    assert "board=raspberrypi-5" in cell.reasons[0]


_DISPATCHER = """
import sys
from pathlib import Path
import worker_kit
from bootwright.lab.workers.dispatch import Dispatcher
from bootwright.lab.workers.processes import Processes
from bootwright.lab.workers.queue import Queue
with Queue(Path(sys.argv[1])) as queue:
    Dispatcher(queue, Processes(worker_kit.work, 2), lambda cell, answer: None).run()
"""


def test_killed_it_leaves_no_worker_and_blames_no_cell(tmp_path: Path) -> None:
    log = tmp_path / "log"
    fill(tmp_path, *({"name": f"cell-{n}", "seconds": 60.0, "log": str(log)} for n in range(2)))
    paths = os.pathsep.join(path for path in sys.path if path)
    for _ in range(MOST_ATTEMPTS + 1):
        log.unlink(missing_ok=True)
        dispatcher = subprocess.Popen(
            [sys.executable, "-c", _DISPATCHER, str(tmp_path)], env={**os.environ, "PYTHONPATH": paths}
        )
        try:
            wait_for(lambda: log.exists() and len(log.read_text().splitlines()) == 2)
            assert {cell.state for cell in read_queue(tmp_path)} == {CellState.LEASED}
        finally:
            dispatcher.kill()
            dispatcher.wait()
        for line in log.read_text().splitlines():
            process = int(line.split()[1])
            wait_for(lambda process=process: not is_alive(process))
    fill(tmp_path, {"name": "cell-0"}, {"name": "cell-1"})
    kept, given_up = dispatch(tmp_path)
    assert sorted(kept) == ["cell-0", "cell-1"]
    assert not given_up
    assert {cell.attempts for cell in read_queue(tmp_path)} == {1}


def wait_for(holds: object, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][:1]
    except OSError:
        return False
    return state not in {"Z", "X"}


def test_nobody_to_do_it_is_said(tmp_path: Path) -> None:
    class Nobody(Processes):
        def take(self, cells: object) -> list[tuple[QueuedCell, str]]:
            return []

    fill(tmp_path, {"name": "cell"})
    engine = Nobody(worker_kit.work, 1)
    with Queue(tmp_path) as queue, pytest.raises(Missing, match="1 cells wait and no worker came"):
        Dispatcher(queue, engine, lambda cell, answer: None, patience=0.1).run()
    engine.close()


@pytest.fixture(scope="module")
def whole_queue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("queue")
    fill(folder, {"name": "cell", "seconds": 1.0})
    return folder / "run.sqlite"


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_queue_is_one_error(whole_queue: Path, data: st.DataObject) -> None:
    folder = whole_queue.parent / "damaged"
    folder.mkdir(exist_ok=True)
    path = folder / "run.sqlite"
    content = bytearray(whole_queue.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(BootwrightError):
        read_queue(folder)
    column = data.draw(st.sampled_from(["work", "wants", "reasons", "state"]))
    with (
        contextlib.suppress(sqlite3.DatabaseError, ValueError),
        contextlib.closing(sqlite3.connect(path)) as db,
    ):
        db.execute("PRAGMA synchronous=OFF")
        db.execute(f"UPDATE cell SET {column} = ?", (data.draw(st.text()),))  # noqa: S608 - one of four
        db.commit()
    with contextlib.suppress(BootwrightError):
        read_queue(folder)


def test_a_column_that_a_damaged_record_lost(tmp_path: Path) -> None:
    fill(tmp_path, {"name": "cell"})
    path = tmp_path / "run.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as db:
        # As SQLite reads a record whose header was damaged: NULL, whatever the table allows.
        db.execute("PRAGMA writable_schema=ON")
        db.execute("UPDATE sqlite_master SET sql = replace(replace(sql, ' NOT NULL', ''), 'STRICT', '')")
        db.commit()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE cell SET work = NULL")
        db.commit()
    with pytest.raises(Malformed, match="not the columns of a cell"):
        read_queue(tmp_path)


def test_a_row_that_is_none(tmp_path: Path) -> None:
    fill(tmp_path, {"name": "cell"})
    with contextlib.closing(sqlite3.connect(tmp_path / "run.sqlite")) as db:
        db.execute("UPDATE cell SET wants = '3'")
        db.commit()
    with pytest.raises(Malformed, match="not the JSON of a cell"):
        read_queue(tmp_path)
    assert read_queue(tmp_path / "nowhere") == []


PLAN = """
schema = "bootwright/plan/1"
name = "two-boots"
title = "Two boots"
question = "Which kernel makes the mounts?"

[wanted]

[factor.kernel]
label = "kernel version"
levels = ["6.12.1", "6.18.1"]
fact = "version"

[outcome.mounts]
label = "the mounts are made"
goal = true

[[report]]
id = "report-1"
factors = { kernel = "6.12.1" }
outcomes = { mounts = "fails" }

[[experiment]]
name = "mounts"
source = "emulated"
machine = "virt"
probe = ["mounts"]
kernels = "debian"
only = ["debian-6.12-4k", "debian-6.18-4k"]
seconds = 3.0

[[experiment.yields]]
outcome = "mounts"
tests = ["mounts/talos-1.12-etc-hosts"]

[[task]]
id = "1"
priority = "P0"
title = "See what the kernel makes"
hypothesis = "A newer kernel makes them."
success = "the cause is known"
hours = 1.0
needs = ["emulator"]
steps = []

[[task.criterion]]
by = "cause"
outcome = "mounts"
"""


def command(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bootwright", *arguments],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        env={**os.environ, **(env or {})},
    )


@pytest.mark.boot
@pytest.mark.download
def test_boots_that_take_their_workers_along_are_given_up_and_shown(tmp_path: Path) -> None:
    plan = tmp_path / "two-boots.toml"
    plan.write_text(PLAN, encoding="utf-8")
    folder = tmp_path / "run"
    real = shutil.which("qemu-system-aarch64")
    deadly = tmp_path / "bin" / "qemu-system-aarch64"
    deadly.parent.mkdir()
    deadly.write_text(f'#!/bin/sh\ncase "$*" in\n  *-kernel*) kill -9 $PPID ;;\nesac\nexec {real} "$@"\n')
    deadly.chmod(0o755)
    path = {"PATH": f"{deadly.parent}:{os.environ['PATH']}"}
    walked = command("investigate", str(plan), "--out", str(folder), env=path)
    assert walked.returncode == 3, walked.stderr
    assert "given up: process-1: the worker was ended by signal 9" in walked.stderr
    shown = command("status", str(folder))
    assert "given up after 5 tries: mounts/debian-6.18" in shown.stdout
    assert "--retry tries again" in shown.stdout
    document = json.loads(command("status", str(folder), "--json").stdout)
    assert "quarantined" in {row["state"] for row in document["queue"]}
    # Whatever was given up stays so, until somebody says that it may be tried again.
    again = command("investigate", str(plan), "--out", str(folder), env=path)
    assert "queued again" not in again.stderr
    healed = command("investigate", str(plan), "--out", str(folder), "--retry", "--quiet")
    assert healed.returncode in {0, 1, 3}
    document = json.loads(command("status", str(folder), "--json").stdout)
    assert {row["state"] for row in document["queue"]} == {"done"}
    assert '"emulated"' in (folder / "result.json").read_text(encoding="utf-8")
