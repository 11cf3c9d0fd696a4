"""Boots on boards through labgrid: a local serial port, and a remote place of a real coordinator.

The board is a stand-in that prints the log of a real boot (board_kit): no board can be here.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import board_kit
import jsonschema
import lab_kit
import pytest
import yaml
from command_kit import in_process
from isolate_kit import make_image

from bootwright import api
from bootwright.bench.console import read_times
from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.foundation.verdict import Verdict

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/bench.schema.json").read_text())
READY = (
    b"[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x414fd0b1]\r\n"
    b"[    0.000000] Linux version 6.12.10 (x@y) (gcc 13) #1 SMP\r\n"
    b"[    4.100000] macb 1f00100000.ethernet end0: Link is Up - 1Gbps/Full - flow control off\r\n"
    b"[    5.000000] Run /sbin/init as init process\r\n"
    b"Debian GNU/Linux 13 pi ttyAMA10\r\n\r\npi login: "
)
GARBAGE = bytes(range(256)) * 8
PANIC = (
    b"[    0.000000] Linux version 6.12.10 (x@y) (gcc 13) #1 SMP\r\n"
    b"[    2.100000] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n"
    b"[    2.200000] ---[ end Kernel panic - not syncing: VFS: Unable to mount root fs ]---\r\n"
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def image(home: Path) -> Path:
    path = home / "card.raw"
    path.write_bytes(board_kit.disk(os.urandom(1 << 16)))
    return path


@contextlib.contextmanager
def printing(folder: Path, console: bytes) -> Iterator[Path]:
    """A stand-in that prints a console, and then stays on."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "console").write_bytes(console)
    with board_kit.board(folder, ["sh", "-c", "cat console; exec sleep 1000"]) as board:
        yield board


def local(board: Path, **section: object) -> Path:
    """An environment file with a serial port of this machine."""
    path = board / "bench.yaml"
    port = {"port": os.path.realpath(board / board_kit.TTY), "speed": 115200}
    drivers = {"SerialDriver": {}, "ExternalPowerDriver": board_kit.power_words(board)}
    deploy = {"command": ["cp", "{image}", str(board / "card.img")]}
    document = {
        "targets": {"main": {"resources": {"RawSerialPort": port}, "drivers": drivers}},
        "bootwright": {"main": {"deploy": deploy, "seconds_off": 0.0, **section}},
    }
    path.write_text(yaml.safe_dump(document))
    return path


def test_a_boot_on_a_board_is_recorded_byte_for_byte(home: Path, image: Path) -> None:
    with printing(home / "board", READY) as board:
        booted = api.bench_run(image=image, environment=local(board), until=["link", "login"])
        assert (board / "card.img").read_bytes() == image.read_bytes()
        assert board_kit.switched(board) == ["off", "on", "off"]
    record = booted.record
    assert booted.verdict is Verdict.WORKS
    assert record.ended == "reached"
    assert (booted.folder / "console.bin").read_bytes() == READY
    assert record.console_bytes == len(READY)
    times = list(read_times(booted.folder))
    assert times == sorted(times)
    assert all(milestone.seconds >= 0 for milestone in record.milestones)
    assert record.criteria.keys() == {"link", "login"}
    jsonschema.validate(booted.as_json(), SCHEMA)
    assert not list((home / "state").rglob("*.json"))


def test_a_panic_is_a_result_and_the_board_is_off_after_it(home: Path, image: Path) -> None:
    with printing(home / "board", PANIC) as board:
        booted = api.bench_run(image=image, environment=local(board), until="login")
        assert board_kit.power(board, "get") == "off"
    assert booted.verdict is Verdict.FAILS
    assert booted.record.ended == "dead end"
    assert booted.record.reason.startswith("it stopped at kernel panic before login")


@pytest.mark.parametrize(("console", "verdict"), [(b"", Verdict.UNKNOWN), (READY[:200], Verdict.FAILS)])
def test_silence(home: Path, image: Path, console: bytes, verdict: Verdict) -> None:
    with printing(home / "board", console) as board:
        booted = api.bench_run(image=image, environment=local(board), until="login", silence=1.0)
    assert booted.verdict is verdict
    assert ("serial line" in booted.record.reason) is (not console)


def test_a_board_that_cannot_take_an_image_is_not_switched(home: Path, image: Path) -> None:
    with printing(home / "board", READY) as board:
        path = local(board, deploy={})
        with pytest.raises(Refused, match="how an image comes to the board"):
            api.bench_run(image=image, environment=path)
        assert board_kit.switched(board) == []


def test_a_failed_deployment_leaves_the_board_off(home: Path, image: Path) -> None:
    with printing(home / "board", READY) as board:
        path = local(board, deploy={"command": ["cp", "{image}", "/nonexistent/card.img"]})
        done = _command("--image", image, "--env", path)
        assert board_kit.switched(board) == ["off"]
    assert done.returncode == 2
    assert done.stderr.startswith("bootwright: cp failed: ") or "\nbootwright: cp failed: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("drivers", "says"),
    [
        ({"SerialDriver": {}}, "nothing switches main"),
        ({"NoSuchDriver": {}}, "NoSuchDriver"),
        ({"ExternalPowerDriver": {"cmd_on": "true"}}, "cmd_off"),
    ],
)
def test_what_labgrid_says_is_one_error(
    home: Path, image: Path, drivers: dict[str, object], says: str
) -> None:
    with printing(home / "board", READY) as board:
        path = local(board)
        document = yaml.safe_load(path.read_text())
        document["targets"]["main"]["drivers"] = drivers
        path.write_text(yaml.safe_dump(document))
        done = _command("--image", image, "--env", path)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_board_that_cannot_be_switched_off(home: Path, image: Path) -> None:
    """What was seen is kept, and the next start tries again."""
    with printing(home / "board", READY) as board:
        path = local(board)
        document = yaml.safe_load(path.read_text())
        power = document["targets"]["main"]["drivers"]["ExternalPowerDriver"]
        switch = home / "switch"
        broken = f"test -e {home}/broken -a -e {board}/card.img && exit 1; {power['cmd_off']}"
        switch.write_text(f"#!/bin/sh\n{broken}\n")
        switch.chmod(0o755)
        power["cmd_off"] = str(switch)
        path.write_text(yaml.safe_dump(document))
        (home / "broken").touch()
        booted = api.bench_run(image=image, environment=path, until="login")
        assert booted.verdict is Verdict.WORKS
        assert "switch the board off" in booted.record.still_on
        assert board_kit.power(board, "get") == "on"
        jsonschema.validate(booted.as_json(), SCHEMA)
        (home / "broken").unlink()
        again = api.bench_run(image=image, environment=path, until="login")
        assert again.left_on == ("main",)
        assert again.record.still_on == ""
        assert board_kit.power(board, "get") == "off"


class _Shelly(http.server.BaseHTTPRequestHandler):
    """A power switch with the RPC of Shelly's second generation, for the stand-in of its server."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/rpc"
        assert asked["method"] == "Switch.Set"
        assert isinstance(self.server, _ShellyServer)
        board_kit.power(self.server.board, "on" if asked["params"]["on"] else "off")
        body = json.dumps({"id": asked["id"], "result": {"was_on": False}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class _ShellyServer(http.server.ThreadingHTTPServer):
    board: Path


def test_power_by_a_switch_over_the_network(home: Path, image: Path) -> None:
    with printing(home / "board", READY) as board, _ShellyServer(("127.0.0.1", 0), _Shelly) as server:
        server.board = board
        threading.Thread(target=server.serve_forever, daemon=True).start()
        path = local(board)
        document = yaml.safe_load(path.read_text())
        target = document["targets"]["main"]
        host = f"http://127.0.0.1:{server.server_address[1]}"
        target["resources"]["NetworkPowerPort"] = {"model": "shelly_gen2", "host": host, "index": 0}
        target["drivers"] = {"SerialDriver": {}, "NetworkPowerDriver": {}}
        path.write_text(yaml.safe_dump(document))
        booted = api.bench_run(image=image, environment=path, until="login")
        server.shutdown()
        assert booted.verdict is Verdict.WORKS
        assert board_kit.switched(board) == ["off", "on", "off"]


def test_the_boot_partition_is_offered_for_a_boot_over_the_network(home: Path) -> None:
    files = {
        "/config.txt": b"kernel=kernel8.img\n",
        "/kernel8.img": b"kernel",
        "/overlays/a.dtbo": b"overlay",
    }
    image = make_image(home / "card.img", files, home, 8 << 20)
    root = home / "tftp"
    root.mkdir()
    (home / "board").mkdir()
    (home / "board/console").write_bytes(READY)
    seen = home / "seen"  # what the board could have fetched, as it is once it is on
    boots = f"cp -rL {root} {seen}; cat console; exec sleep 1000"
    with board_kit.board(home / "board", ["sh", "-c", boots]) as board:
        path = local(board, deploy={"boot_files": "12345678"})
        document = yaml.safe_load(path.read_text())
        target = document["targets"]["main"]
        target["resources"]["TFTPProvider"] = {"internal": str(root), "external": ""}
        target["drivers"]["TFTPProviderDriver"] = {}
        path.write_text(yaml.safe_dump(document))
        booted = api.bench_run(image=image, environment=path, until="login")
    assert booted.verdict is Verdict.WORKS
    served = {str(file.relative_to(seen)): file.read_bytes() for file in seen.rglob("*") if file.is_file()}
    assert served == {f"12345678{name}": data for name, data in files.items()}
    assert booted.record.facts["deployed"] == f"3 files served from {root}"


def test_a_board_in_use_is_refused_and_one_left_on_is_switched_off(home: Path, image: Path) -> None:
    with printing(home / "board", READY[:200]) as board:
        path = local(board)
        words = [sys.executable, "-m", "bootwright", "bench", "run", "--image", image, "--env", path, "-q"]
        first = subprocess.Popen([*map(str, words), "--until", "never"], start_new_session=True)
        try:
            _wait(lambda: board_kit.switched(board) == ["off", "on"])
            with pytest.raises(Refused, match=f"process {first.pid}"):
                api.bench_run(image=image, environment=path)
            assert board_kit.power(board, "get") == "on"
        finally:
            first.send_signal(signal.SIGKILL)
            first.wait()
        assert board_kit.power(board, "get") == "on"
        (board / "console").write_bytes(READY)
        booted = api.bench_run(image=image, environment=path, until="login")
        assert booted.left_on == ("main",)
        assert booted.verdict is Verdict.WORKS
        assert board_kit.power(board, "get") == "off"
    assert not list((home / "state").rglob("*.json"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_told_to_end_switches_the_board_off(
    home: Path, image: Path, number: signal.Signals
) -> None:
    """With a terminal that is gone by then, and nobody who reads what is said."""
    with printing(home / "board", READY[:200]) as board:
        words = [sys.executable, "-m", "bootwright", "bench", "run", "--image", image, "--env", local(board)]
        reader, writer = os.pipe()
        run = subprocess.Popen([*map(str, words), "--until", "never"], stderr=writer, stdout=writer)
        os.close(writer)
        try:
            _wait(lambda: board_kit.switched(board) == ["off", "on"])
            os.close(reader)
            run.send_signal(number)
            run.wait(60)
        finally:
            run.kill()
        # 128 + SIGPIPE: it noticed before the signal that nobody reads.
        assert run.returncode in {-number, 141}
        assert board_kit.power(board, "get") == "off"
    assert not list((home / "state").rglob("*.json"))


@pytest.mark.skipif(
    shutil.which("ser2net") is None and not Path("/usr/sbin/ser2net").exists(),
    reason="ser2net is not installed",
)
def test_a_remote_place_of_a_real_coordinator(home: Path, image: Path) -> None:
    with (
        printing(home / "a", GARBAGE + READY) as board,
        lab_kit.lab(home / "lab", {"a": board}) as lab,
    ):
        path = lab_kit.environment(home / "lab.yaml", lab, {"a": board})
        booted = api.bench_run(image=image, environment=path, until=["login", "link"])
        assert booted.verdict is Verdict.WORKS
        # As sent: what a telnet connection makes of 0xff and of carriage returns is undone.
        assert (booted.folder / "console.bin").read_bytes() == GARBAGE + READY
        assert booted.record.facts["places"] == ["a"]
        assert "acquired: None" in lab_kit.client(lab, "-p", "a", "show")
        # A place that is ours stays ours.
        lab_kit.client(lab, "-p", "a", "acquire")
        api.bench_run(image=image, environment=path, until="login")
        assert "acquired: None" not in lab_kit.client(lab, "-p", "a", "show")
        # A killed run leaves the place acquired and the board on; the next start mends both.
        lab_kit.client(lab, "-p", "a", "release")
        (board / "console").write_bytes(READY[:200])
        words = [sys.executable, "-m", "bootwright", "bench", "run", "--image", image, "--env", path, "-q"]
        killed = subprocess.Popen([*map(str, words), "--until", "never"])
        _wait(lambda: board_kit.power(board, "get") == "on")
        killed.kill()
        killed.wait()
        assert "acquired: None" not in lab_kit.client(lab, "-p", "a", "show")
        (board / "console").write_bytes(READY)
        again = api.bench_run(image=image, environment=path, until="login")
        assert again.left_on == ("a (place a)",)
        assert "acquired: None" in lab_kit.client(lab, "-p", "a", "show")
        # Somebody else's place is not taken.
        subprocess.run(
            [Path(sys.executable).parent / "labgrid-client", "-x", lab, "-p", "a", "acquire"],
            env=os.environ | {"LG_USERNAME": "somebody"},
            check=True,
        )
        with pytest.raises(Refused, match=r"acquired by .*/somebody"):
            api.bench_run(image=image, environment=path)


def test_a_coordinator_that_is_not_there_is_one_error(home: Path, image: Path) -> None:
    path = lab_kit.environment(home / "lab.yaml", "127.0.0.1:9", {"a": home})
    done = _command("--image", image, "--env", path)
    assert done.returncode == 2
    assert "Could not connect to coordinator" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_environment_that_is_not_there(image: Path) -> None:
    with pytest.raises(Missing, match=r"nowhere\.yaml"):
        api.bench_run(image=image, environment="nowhere.yaml")


def _wait(ready: object) -> None:
    end = time.monotonic() + 60
    while not ready():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.05)


def _command(*words: object) -> subprocess.CompletedProcess[str]:
    return in_process("bench", "run", *map(str, words))


def test_what_an_earlier_boot_left_in_the_line_is_not_this_one_s(home: Path, image: Path) -> None:
    with printing(home / "pi", READY) as board:
        board_kit.power(board, "on")
        time.sleep(0.5)
        board_kit.power(board, "off")  # nobody has read what it printed
        (board / "console").write_bytes(b"another boot\r\n")
        environment = local(board, timeout=2.0)
        booted = api.bench_run(image=image, environment=environment, until="login")
    assert booted.verdict is not Verdict.WORKS
    assert (booted.folder / "console.bin").read_bytes() == b"another boot\r\n"
    assert (booted.folder / "console.left").read_bytes() == READY


@pytest.mark.parametrize("data", [os.urandom(1 << 16), b"a text\n", b""], ids=["random", "text", "empty"])
def test_what_is_no_disk_goes_to_no_board(home: Path, data: bytes) -> None:
    (home / "card.raw").write_bytes(data)
    with pytest.raises(Malformed, match=r"card\.raw"):
        api.bench_run(image=home / "card.raw", environment=home / "no.yaml")
