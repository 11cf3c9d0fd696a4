"""A laboratory on loopback: labgrid's real coordinator and exporter, whose ports ser2net offers.

What it exports are stand-ins for boards (board_kit), each as a place of its own.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import board_kit
import yaml
from labgrid.remote.generated import labgrid_coordinator_pb2 as messages

from bootwright.bench.many.coordinator import Coordinator

_BIN = Path(sys.executable).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def client(address: str, *words: str) -> str:
    done = subprocess.run(
        [_BIN / "labgrid-client", "-x", address, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextlib.contextmanager
def _process(words: list[object], log: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as file:
        process = subprocess.Popen([str(word) for word in words], stdout=file, stderr=file, cwd=folder)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(ready: object, what: str) -> None:
    end = time.monotonic() + 60
    while not ready():  # type: ignore[operator]
        assert time.monotonic() < end, what
        time.sleep(0.1)


@contextlib.contextmanager
def lab(
    folder: Path, boards: Mapping[str, Path], tags: Mapping[str, Mapping[str, str]] | None = None
) -> Iterator[str]:
    """The coordinator's address; `boards` maps the name of a place to a stand-in's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{free_port()}"
    exported = {
        name: {"RawSerialPort": {"port": os.path.realpath(place / board_kit.TTY), "speed": 115200}}
        for name, place in boards.items()
    }
    (folder / "exporter.yaml").write_text(yaml.safe_dump(exported))
    coordinator = [_BIN / "labgrid-coordinator", "-l", address]
    exporter = [
        _BIN / "labgrid-exporter",
        "-c",
        address,
        "-n",
        "shelf",
        "--hostname",
        "127.0.0.1",
        "exporter.yaml",
    ]
    with _process(coordinator, folder / "coordinator.log", folder):
        _wait(lambda: listens(address), "the coordinator does not listen")
        with _process(exporter, folder / "exporter.log", folder):
            _wait(lambda: all(name in client(address, "resources") for name in boards), "nothing is exported")
            tell = Coordinator(address)
            for name in boards:
                match = messages.AddPlaceMatchRequest(placename=name, pattern=f"shelf/{name}/*")
                own = messages.SetPlaceTagsRequest(placename=name, tags=dict((tags or {}).get(name, {})))
                tell.call("AddPlace", messages.AddPlaceRequest(name=name))
                tell.call("AddPlaceMatch", match)
                tell.call("SetPlaceTags", own)
            tell.close()
            yield address


def listens(address: str) -> bool:
    host, port = address.split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def environment(path: Path, address: str, boards: Mapping[str, Path], **section: object) -> Path:
    """An environment file with a target for each board, at a remote place."""
    targets = {
        name: {
            "resources": {"RemotePlace": {"name": name}},
            "drivers": {"SerialDriver": {}, "ExternalPowerDriver": board_kit.power_words(place)},
        }
        for name, place in boards.items()
    }
    settings = {
        name: {
            "deploy": {"command": ["cp", "{image}", str(place / "card.img")]},
            "seconds_off": 0.0,
            **section,
        }
        for name, place in boards.items()
    }
    document = {"options": {"coordinator_address": address}, "targets": targets, "bootwright": settings}
    path.write_text(yaml.safe_dump(document))
    return path
