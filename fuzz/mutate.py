"""Feed mutated seeds to a fuzz target, where atheris is not installed.

    python fuzz/make_seeds.py /tmp/seeds
    python fuzz/mutate.py fat 100000 /tmp/seeds/fat

Prints how many inputs were tried, the slowest, and the peak memory; keeps every input that raised anything
but the project's own errors, or took longer than 10 s, beside the seeds. The same number gives the same
inputs.
"""

from __future__ import annotations

import importlib.util
import random
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

LONGEST = 10
"""Seconds for one input."""
MEMORY = 2 << 30
_EXTREMES = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\0\0\0\x80")


class _TooSlowError(BaseException):
    """Not an Exception, so that no reader catches it."""


def mutated(seed: bytes, chance: random.Random) -> bytes:
    """A few changes, rather where bytes are not zero and rather near the start, where headers are."""
    data = bytearray(seed)
    for _ in range(chance.choice((1, 1, 2, 3, 8, 30))):
        if not data:
            break
        at = chance.randrange(min(len(data), 1200) if chance.random() < 0.4 else len(data))
        if data[at] == 0 and chance.random() < 0.7:
            at = next((place for place in range(at, min(at + 4096, len(data))) if data[place]), at)
        kind = chance.random()
        if kind < 0.5:
            data[at] = chance.randrange(256)
        elif kind < 0.6:
            data[at] ^= 1 << chance.randrange(8)
        elif kind < 0.8:
            data[at : at + 4] = chance.choice(_EXTREMES)
        elif kind < 0.9:
            source, length = chance.randrange(len(data)), chance.randrange(1, 64)
            data[at : at + length] = data[source : source + length]
        elif kind < 0.95:
            del data[at : at + chance.randrange(1, 64)]
        else:
            del data[max(1, at) :]
    return bytes(data)


def load(name: str) -> Callable[[bytes], None]:
    """The `one_input` of `fuzz_NAME.py`."""
    path = Path(__file__).with_name(f"fuzz_{name}.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"there is no {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    target: Callable[[bytes], None] = module.one_input
    return target


def main(name: str, count: int, seeds: Path) -> int:
    """Run the target `count` times; 1 when any input was bad."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise _TooSlowError

    signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    target, chance = load(name), random.Random(count)
    inputs = [path.read_bytes() for path in sorted(seeds.iterdir()) if not path.name.startswith("bad-")]
    bad, slowest, started = 0, 0.0, time.monotonic()
    for number in range(count):
        data = mutated(chance.choice(inputs), chance)
        begun = time.monotonic()
        signal.alarm(LONGEST)
        try:
            target(data)
        except (_TooSlowError, Exception):  # noqa: BLE001  (whatever a reader lets out is what is looked for)
            bad += 1
            (seeds / f"bad-{number}").write_bytes(data)
            traceback.print_exc()
        finally:
            signal.alarm(0)
        slowest = max(slowest, time.monotonic() - begun)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{name}: {count} inputs in {time.monotonic() - started:.0f} s, {bad} bad, "
        f"slowest {slowest:.2f} s, peak {peak} MB"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
