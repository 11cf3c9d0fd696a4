"""Fuzz the diagnosis of console text: any bytes give a diagnosis, in bounded time, that can be shown.

    python fuzz/fuzz_diagnose.py --seeds SEEDS
    python fuzz/fuzz_diagnose.py SEEDS                    (needs atheris), or without it
    python fuzz/mutate.py diagnose 100000 SEEDS

Knowledge, automata and the page's template are read once, and seeds are small: some hundred inputs a second.
Tests call `one_input`.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path

from bootwright.boards.model import board
from bootwright.diagnose.engine import Diagnoser
from bootwright.diagnose.incoming import log_text
from bootwright.diagnose.jsonform import as_json
from bootwright.diagnose.page import as_html
from bootwright.diagnose.reading.numbered import numbered_lines
from bootwright.diagnose.render import as_text
from bootwright.diagnose.secrets import Secrets
from bootwright.diagnose.signatures.knowledge import load
from bootwright.evidence.board import with_board
from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.places import DATA

KNOWLEDGE = load()
BOARDS = (None, board("raspberrypi-5"))


def one_input(data: bytes) -> None:
    """The first byte says in pieces of what size the rest arrives, how it is searched, and of what board."""
    first = data[0] if data else 0
    size = 1 + first * 7
    with contextlib.suppress(BootwrightError):
        read = log_text(io.BytesIO(data[1:]).read, "fuzz")
        while read(1 << 16):
            pass
    diagnoser = Diagnoser("fuzz", KNOWLEDGE, use_re2=not first & 1)
    for place in range(1, len(data), size):
        diagnoser.feed(data[place : place + size])
    diagnoser.snapshot(live=True)
    diagnoser.flush()
    diagnosis = with_board(diagnoser.snapshot(), BOARDS[first >> 1 & 1], checked=False)
    json.dumps(as_json(diagnosis))
    text = as_text(diagnosis, every=True)
    assert "\x1b]" not in text
    assert "\0" not in text
    assert "<script" not in as_html(diagnosis, title="fuzz")
    assert Secrets().without(diagnosis).outcome == diagnosis.outcome
    numbers = [number for number, _ in numbered_lines(io.BytesIO(data[1:]).read)]
    assert numbers == sorted(set(numbers))


def make_seeds(folder: Path) -> None:
    """The ends of the golden logs, where failures are, and what terminals and paste make of text."""
    folder.mkdir(parents=True, exist_ok=True)
    logs = [path.read_bytes() for path in sorted(DATA.glob("**/golden/*/console.log"))]
    seeds = [b"".join(log.splitlines(keepends=True)[-14:])[:1500] for log in logs]
    seeds.append(
        b"\x1b[2J\x1b]0;x\x07[    0.0] Booting Linux\r\n<script>x</script>\0\xff Kernel panic - not: <b>\n"
    )
    seeds.append(b"\x08\x08x\x08[0m^[[1;31mOops\r\r" + b"A" * 1000)
    seeds.append("[    0.0] Linux version 6.1\n".encode("utf-16"))
    seeds += [
        b"".join(b"%d: [INFO] " % number + line for number, line in enumerate(seed.splitlines(keepends=True)))
        for seed in seeds[::8]
    ]
    for number, seed in enumerate(seeds):
        (folder / f"seed-{number:03}").write_bytes(bytes([number * 7 % 256]) + seed)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--seeds"]:
        make_seeds(Path(sys.argv[2]))
        raise SystemExit

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
