"""A campaign with a board, killed again and again: nothing is lost or told twice, and the board gets off.

usage: benchmarks/bench_killed_board.py [KILLS]

The board is a stand-in behind a serial pty and an external power command that prints logs of boots
(tests/kits/board_kit.py): no board can be here. `investigate --on bench` is killed by SIGKILL at a random
point, 100 times; where the board was left on, another start, `bench run` of any image, has to switch it off.
At the end the campaign is walked to its end, and compared with one that was never killed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from bench_killed_campaign import decided

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "kits")]

import board_kit  # noqa: E402

PLAN = ROOT / "tests/bench/cards.toml"
_BANNER = "[    0.000000] Linux version 6.12.10 (x@y) (gcc 13) #1 SMP\n"
_LEASE = (
    f"{_BANNER}[    3.0] end0: Link is Up\n"
    "udhcpc: lease of 192.168.1.50 obtained from 192.168.1.1, lease time 3600\npi login: "
)
_PANIC = (
    f"{_BANNER}[    2.0] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n"
)
_SCRIPT = "if grep -q 'kernel new' card.img; then cat lease; else cat panic; fi; exec sleep 1000"


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "bootwright", *map(str, words), "--quiet"]


def ran(*words: object) -> int:
    return subprocess.run(
        command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    ).returncode


def environment(board: Path) -> Path:
    document = {
        "targets": {
            "main": {
                "resources": {
                    "RawSerialPort": {"port": os.path.realpath(board / board_kit.TTY), "speed": 115200}
                },
                "drivers": {"SerialDriver": {}, "ExternalPowerDriver": board_kit.power_words(board)},
            }
        },
        "bootwright": {
            "main": {
                "deploy": {"command": ["cp", "{image}", str(board / "card.img")]},
                "levels": {"board": "pi-a"},
                "seconds_off": 0.0,
                "silence": 20.0,
            }
        },
    }
    path = board / "bench.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def begin(folder: Path) -> None:
    """A campaign with an image for each of its cells."""
    ran("investigate", PLAN, "--out", folder, "--offline")
    status = json.loads((folder / "status.json").read_text(encoding="utf-8"))
    (folder / "cards").mkdir()
    for name, levels in status["names"].items():
        text = f"kernel {levels['kernel']}".encode()
        (folder / "cards" / f"{name}.raw").write_bytes(board_kit.disk(text))


def told(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "told").glob("*.json")}


def told_again(folder: Path) -> int:
    """How many answers there are beyond one for each boot that was recorded."""
    return max(0, len(told(folder)) - len(list((folder / "bench").glob("*/bench.json"))))


def main(kills: int) -> int:
    rng = random.Random(1)
    with tempfile.TemporaryDirectory(prefix="bootwright-") as place:
        home = Path(place)
        os.environ["XDG_STATE_HOME"] = str(home / "state")
        (home / "board").mkdir()
        (home / "board/lease").write_text(_LEASE, encoding="utf-8")
        (home / "board/panic").write_text(_PANIC, encoding="utf-8")
        (home / "any.raw").write_bytes(board_kit.disk(b"kernel new"))
        begin(home / "base")
        with board_kit.board(home / "board", ["sh", "-c", _SCRIPT]) as board:
            path = environment(board)

            def walk(folder: Path) -> list[str]:
                return command(
                    "investigate", PLAN, "--out", folder, "--offline", "--on", "bench", "--env", path
                )

            shutil.copytree(home / "base", home / "whole")
            started = time.monotonic()
            subprocess.run(walk(home / "whole"), stdout=subprocess.DEVNULL, check=False)
            takes = time.monotonic() - started
            killed = home / "killed"
            lost = twice = ended = left_on = still_on = 0
            for _ in range(kills):
                if not killed.exists():
                    shutil.copytree(home / "base", killed)
                before = told(killed)
                running = subprocess.Popen(walk(killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(rng.uniform(0.2, takes))
                at_its_end = running.poll() is not None
                running.send_signal(signal.SIGKILL)
                running.wait()
                now = told(killed)
                lost += sum(now.get(name) != answer for name, answer in before.items())
                twice = max(twice, told_again(killed))
                if board_kit.power(board, "get") == "on":
                    left_on += 1
                    ran("bench", "run", "--image", home / "any.raw", "--env", path, "--until", "login")
                    still_on += board_kit.power(board, "get") == "on"
                if at_its_end:
                    ended += 1
                    shutil.rmtree(killed)
            if not killed.exists():
                shutil.copytree(home / "base", killed)
            before = told(killed)
            subprocess.run(walk(killed), stdout=subprocess.DEVNULL, check=False)
            now = told(killed)
            lost += sum(now.get(name) != answer for name, answer in before.items())
            twice = max(twice, told_again(killed))
            same = decided(killed) == decided(home / "whole")
        print(
            f"killed                           {kills} times ({ended} had ended), a walk takes {takes:.1f} s"
        )
        print(f"board left on, after next start  {left_on}, {still_on}")
        print(f"told and lost                    {lost}")
        print(f"told twice                       {twice}")
        print(f"decides as one that was not      {'yes' if same else 'no'}")
    return 0 if same and not lost and not twice and not still_on else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
