"""How fast a large log is diagnosed, against a Python loop that tries one pattern after the other.

The logs are made of recorded boots (the gallery's), with time stamps that never repeat:
- running: one boot, then what the recorded kernels printed, line by line in random order, for ever;
- restarts: whole boots back to back, as of a board in a boot loop;
- failures: the failing logs that the signatures are tested with, back to back: much to say in few lines;
- flood: one message over and over.
Size in MB as argument (default 1000). CPU seconds, so that a busy machine matters less; memory is the
process's peak over all four.

    python benchmarks/bench_diagnose.py 200 --beside

reads each log from a file as the command does, with another process that scans ahead where there is a
second processor: wall time, and the CPU seconds of both. Of interest on an idle machine alone.

The failing logs change with the signatures: to compare two commits, give both those of one of them with
`--failing path/to/src/bootwright/data/signatures`.

None of the streams is what most users have: of 1059 logs that others posted half are below 17 kB and nine in
ten below 100 kB, of which the start of the command is most of the time (the last line). A long serial capture
is like `restarts`; `failures` is the worst case, since a boot of 70 lines leaves nothing to skip.
"""

from __future__ import annotations

import argparse
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bootwright.diagnose.engine import Diagnoser, diagnose_stream
from bootwright.diagnose.signatures.knowledge import load
from bootwright.diagnose.signatures.model import Knowledge
from bootwright.foundation.places import DATA

_STAMP = re.compile(rb"^\[ *\d+\.\d+\] ")
_PIECE = 4 << 20
_Stream = Callable[[list[list[bytes]]], Iterator[bytes]]


def recorded() -> list[list[bytes]]:
    paths = sorted(DATA.glob("**/golden/gallery-*/console.log")) + sorted(
        DATA.glob("gallery/golden/*/console.log")
    )
    boots = [path.read_bytes().replace(b"\r", b"").splitlines() for path in paths]
    return [boot for boot in boots if len(boot) > 100]


def pieces(lines: Iterator[bytes], size: int) -> Iterator[bytes]:
    done = 0
    out: list[bytes] = []
    length = 0
    for line in lines:
        out.append(line)
        length += len(line) + 1
        if length >= _PIECE:
            yield b"\n".join(out) + b"\n"
            done += length
            out, length = [], 0
            if done >= size:
                return


def running(boots: list[list[bytes]]) -> Iterator[bytes]:
    yield from boots[-1]
    texts = [_STAMP.sub(b"", line) for boot in boots for line in boot if _STAMP.match(line)]
    texts = [text for text in texts if not text.startswith((b"Booting Linux", b"Linux version"))]
    chance = random.Random(1)
    clock = 10.0
    while True:
        for text in chance.choices(texts, k=10_000):
            clock += 0.001
            yield b"[%12.6f] %s" % (clock, text)


def restarts(boots: list[list[bytes]]) -> Iterator[bytes]:
    number = 0
    while True:
        number += 1
        for line in boots[number % len(boots)]:
            yield line if not _STAMP.match(line) else line[:-1] + b"%d" % (number % 10)


def failures_of(signatures: Path) -> _Stream:
    """The failing logs in a folder of signatures."""

    def failures(_: list[list[bytes]]) -> Iterator[bytes]:
        logs = [path.read_bytes().splitlines() for path in sorted(signatures.glob("*/golden/*/console.log"))]
        number = 0
        while True:
            number += 1
            for log in logs:
                for line in log:
                    yield line if not _STAMP.match(line) else b"%s%d%s" % (line[:12], number % 10, line[13:])

    return failures


def flood(_: list[list[bytes]]) -> Iterator[bytes]:
    number = 0
    while True:
        number += 1
        yield b"[%12.6f] nvme nvme0: I/O tag %d QID 1 timeout, aborting req_op:READ(0) size:4096" % (
            number / 1000,
            number,
        )


def beside(make: _Stream, size: int, knowledge: Knowledge) -> str:
    """How fast a log in a file is diagnosed by the clock, and what both processes cost."""
    with tempfile.TemporaryFile() as file:
        file.writelines(pieces(make(recorded()), size))
        file.seek(0)
        begun, before = time.perf_counter(), cpu_seconds()
        diagnose_stream(file.read, make.__name__, knowledge)
        took, spent = time.perf_counter() - begun, cpu_seconds() - before
        seen = file.tell() / 1e6
    return f"{make.__name__:9} {seen:6.0f} MB: {seen / took:6.1f} MB/s, {took:.2f} s by {spent:.2f} CPU s"


def cpu_seconds() -> float:
    """Of this process and of those that it waited for."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def start_of_the_command() -> str:
    """What the longest failing log that ships takes from the start of the command to its answer."""
    logs = DATA.glob("signatures/*/golden/*/console.log")
    log = max(logs, key=lambda path: path.stat().st_size)
    before = cpu_seconds()
    subprocess.run(
        [sys.executable, "-m", "bootwright", "diagnose", log], stdout=subprocess.DEVNULL, check=False
    )
    spent = cpu_seconds() - before
    return f"a log of {log.stat().st_size / 1e3:.0f} kB: {spent:.2f} CPU s, the start of the command in"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("megabytes", type=float, nargs="?", default=1000.0, help="size of each log")
    parser.add_argument("--beside", action="store_true", help="by the clock, with a process that scans ahead")
    parser.add_argument(
        "--failing",
        type=Path,
        default=DATA / "signatures",
        metavar="SIGNATURES",
        help="take the failing logs of another checkout's signatures",
    )
    given = parser.parse_args()
    streams = (running, restarts, failures_of(given.failing), flood)
    size = int(given.megabytes * 1e6)
    boots = recorded()
    knowledge = load()
    if given.beside:
        for make in streams:
            print(beside(make, size, knowledge), flush=True)
        print(start_of_the_command())
        return 0
    slow = 0.0
    for make in streams:
        diagnoser = Diagnoser(make.__name__, knowledge)
        spent = 0.0
        seen = 0
        for piece in pieces(make(boots), size):
            before = time.process_time()
            diagnoser.feed(piece)
            spent += time.process_time() - before
            seen += len(piece)
        diagnosis = diagnoser.snapshot()
        rate = seen / spent / 1e6
        print(
            f"{make.__name__:9} {seen / 1e6:6.0f} MB, {diagnosis.lines} lines, "
            f"{len(diagnosis.boots) + diagnosis.boots_left_out} boots: {rate:6.1f} MB/s"
        )
        loop = pattern_at_a_time(next(pieces(make(boots), 1))[:400_000], knowledge.patterns)
        slow = rate / loop
        print(f"{'':9} {slow:6.0f} times a loop over {len(knowledge.patterns)} patterns ({loop:.2f} MB/s)")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {memory:.0f} MB")
    return 0


def pattern_at_a_time(text: bytes, patterns: object) -> float:
    """MB/s of the plain way: every pattern on every line."""
    compiled = [re.compile(pattern.expression.encode()) for pattern in patterns]  # type: ignore[attr-defined]
    before = time.process_time()
    for line in text.splitlines():
        for pattern in compiled:
            pattern.search(line)
    return len(text) / (time.process_time() - before) / 1e6


if __name__ == "__main__":
    sys.exit(main())
