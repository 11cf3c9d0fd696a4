"""What `bench run` costs beyond the boot, and how long its verdict takes, against labgrid alone.

The board is a stand-in that prints the log of a boot (tests/kits/board_kit.py), behind a serial pty and an
external power command. The reference is the usual script for labgrid: cycle the power, expect a text. Both
are timed from the call to the verdict, labgrid already imported; the board's own time is nothing.

    python benchmarks/bench_board.py
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import yaml
from labgrid import Environment
from labgrid.protocol import ConsoleProtocol, PowerProtocol

from bootwright import api

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/kits"))

READY = (
    b"[    0.000000] Linux version 6.12.10 (x@y) (gcc 13) #1 SMP\r\n[    3.0] end0: Link is Up\r\npi login: "
)
PANIC = (
    b"[    0.000000] Linux version 6.12.10 (x@y) (gcc 13) #1 SMP\r\n"
    b"[    2.0] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n"
    b"[    2.1] ---[ end Kernel panic - not syncing: VFS: Unable to mount root fs ]---\r\n"
)
TIMEOUT = 30.0
"""Seconds that the script waits for its text: it cannot know that a panic is the end."""
RUNS = 5


def labgrid_alone(environment: Path) -> str:
    target = Environment(str(environment)).get_target("main")
    power, console = target.get_driver(PowerProtocol), target.get_driver(ConsoleProtocol)
    power.off()
    power.on()
    try:
        console.expect("login: ", timeout=TIMEOUT)
        verdict = "works"
    except pexpect.TIMEOUT:
        verdict = "no login"
    power.off()
    target.cleanup()
    return verdict


def ours(environment: Path, image: Path) -> str:
    booted = api.bench_run(image=image, environment=environment, until="login")
    return f"{booted.verdict}: {booted.record.reason}".removesuffix(": ")


def timed(work: Callable[[], str], runs: int) -> tuple[float, float, str]:
    """Wall and CPU seconds in the median, children's too, and the verdict."""
    walls, processors, verdict = [], [], ""
    for _ in range(runs):
        wall, cpu = time.monotonic(), sum(os.times()[:4])
        verdict = work()
        walls.append(time.monotonic() - wall)
        processors.append(sum(os.times()[:4]) - cpu)
    return statistics.median(walls), statistics.median(processors), verdict


def main() -> None:
    import board_kit

    with tempfile.TemporaryDirectory(prefix="bootwright-bench-") as name:
        folder = Path(name)
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        image = folder / "card.raw"
        image.write_bytes(board_kit.disk(b"image" * 1000))
        board_folder = folder / "board"
        board_folder.mkdir()
        os.chdir(folder)
        with board_kit.board(board_folder, ["sh", "-c", "cat console; exec sleep 1000"]) as board:
            port = {"port": os.path.realpath(board / board_kit.TTY), "speed": 115200}
            drivers = {"SerialDriver": {}, "ExternalPowerDriver": board_kit.power_words(board)}
            document = {
                "targets": {"main": {"resources": {"RawSerialPort": port}, "drivers": drivers}},
                "bootwright": {
                    "main": {"deploy": {"command": ["cp", "{image}", "card.img"]}, "seconds_off": 0.0}
                },
            }
            environment = folder / "bench.yaml"
            environment.write_text(yaml.safe_dump(document))
            ours(environment, image)  # imports
            for title, console, runs in (("login", READY, RUNS), ("panic", PANIC, 1)):
                (board / "console").write_bytes(console)
                rows = {
                    "labgrid alone": timed(lambda: labgrid_alone(environment), runs),
                    "bench run": timed(lambda: ours(environment, image), runs),
                }
                for who, (wall, cpu, verdict) in rows.items():
                    print(f"{title:6} {who:14} {wall:6.2f} s  {cpu:5.2f} s CPU  {verdict}")
                reference, own = rows["labgrid alone"], rows["bench run"]
                print(f"{title:6} ratio of wall times, labgrid alone: {own[0] / reference[0]:.2f}")


if __name__ == "__main__":
    main()
