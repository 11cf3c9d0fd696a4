"""Children end with us, and start beside threads of libraries."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bootwright.foundation.processes import children
from bootwright.foundation.processes.children import ending_with_us


@pytest.fixture(params=["setpriv", "python"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the two ways a child is started."""
    if request.param == "python":
        monkeypatch.setattr(children, "_setpriv", lambda: "")
    elif not children._setpriv():
        pytest.skip("util-linux' setpriv is not installed")
    return str(request.param)


def test_a_child_is_the_command_itself(way: str) -> None:
    process = subprocess.Popen(
        ending_with_us(["sh", "-c", 'echo $$ "$@"', "name", "two words", "*"]), stdout=subprocess.PIPE
    )
    assert process.communicate()[0].decode() == f"{process.pid} two words *\n"
    assert process.returncode == 0


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_ends_with_its_parent(way: str, by: signal.Signals, tmp_path: Path) -> None:
    program = (
        "import signal, subprocess, sys, time\n"
        "from bootwright.foundation.processes import children\n"
        + ("children._setpriv = lambda: ''\n" if way == "python" else "")
        + f"words = children.ending_with_us(['sleep', '100'], by=signal.Signals({int(by)}))\n"
        "child = subprocess.Popen(words)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(100)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert _until(lambda: _command(child).startswith(b"sleep"))
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    assert _until(lambda: not _command(child))


def test_a_child_of_a_dead_parent_does_not_start(way: str) -> None:
    words = ending_with_us(["echo", "started"])
    # Started by another than the process that the command was made for, as if that one were dead.
    other = f"import subprocess; print(subprocess.run({words!r}, capture_output=True).stdout)"
    said = subprocess.run([sys.executable, "-c", other], capture_output=True, check=True).stdout
    assert said == b"b''\n"


# An event loop of gRPC that calls without end, as labgrid's client does; in a process of its own, as its
# threads would stay in ours.
BESIDE_GRPC = """
import asyncio, subprocess, sys, threading
import grpc.aio
from bootwright.foundation.processes import children

async def call_without_end():
    call = grpc.aio.insecure_channel("127.0.0.1:9").unary_unary("/a/b")
    while True:
        try:
            await call(b"", timeout=0.05)
        except grpc.RpcError:
            pass

threading.Thread(target=lambda: asyncio.run(call_without_end()), daemon=True).start()
for _ in range(100):
    done = subprocess.run(children.ending_with_us(["true"]), capture_output=True, check=False)
    if done.returncode or done.stderr:
        sys.exit(f"{done.returncode} {done.stderr}")
with children.pool(2) as pool:
    print(list(pool.map(abs, [-1, -2])), flush=True)
"""


def test_children_start_beside_threads_of_a_library() -> None:
    pytest.importorskip("grpc", reason="labgrid is not installed")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GRPC_")}
    done = subprocess.run(
        [sys.executable, "-c", BESIDE_GRPC], capture_output=True, text=True, env=environment, check=False
    )
    assert (done.returncode, done.stdout) == (0, "[1, 2]\n"), done.stderr
    assert "fork" not in done.stderr, "no handler of the library ran"


def _until(condition: Callable[[], bool], seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def _command(process: int) -> bytes:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
        if status.rpartition(")")[2].split()[0] == "Z":
            return b""
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def test_no_code_of_ours_runs_between_fork_and_exec() -> None:
    source = Path(children.__file__).parents[1]
    assert [path for path in source.rglob("*.py") if "preexec_fn" in path.read_text()] == []
