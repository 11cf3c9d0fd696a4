"""How often the relations of `relations.py` hold, over every log that is here.

The logs: the gallery's boots, the golden logs of the signatures, and the corpus beside the checkout (see
score_diagnose.py) where there is one. More folders with `--logs FOLDER` (`index.jsonl` and `logs/`, as the
corpus has them, or plain `*.log` files, whose label is then what is diagnosed). Harmless kernel lines are
formats of level info and debug of the drivers in the table of kernels that ships (docs/messages.md), with
made-up values.

    python benchmarks/score_relations.py --show

A recording of the truth (docs/truth.md) keeps no console text, so none of them is among the logs.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.judging.device_roles import is_sign
from bootwright.diagnose.messages.speaker import kernel_formats
from bootwright.diagnose.model import Diagnosis, Outcome
from bootwright.diagnose.signatures.knowledge import load
from bootwright.formats.messages.model import DEBUG, INFO, Call
from bootwright.foundation.places import DATA
from relations import RELATIONS, Case, first_finding, serious

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"
MARK = 0.995

KNOWLEDGE = load()
_BEFORE = {Call.PRINTK: b"", Call.DEVICE: b"qzx 1f00990000.qzx: ", Call.NETWORK: b"qzx 1f00990000.qzx qzx0: "}
_A_FAULT = re.compile(
    rb"(?i)time.?d?[ _-]?out|\bhang\b|\bhung\b|expired|stall"
    rb"|\b(?:fail\w*|err|errors?|unable|cannot|can't|could ?n[o']t|could not|invalid|illegal|corrupt\w*"
    rb"|abort\w*|panic\w*|fatal|dead|lost|refused|denied|unsupported (?:\w+ )?module)\b"
)
_AN_END = re.compile(
    rb"(?i)\b(?:reboot\w*|restart\w*|reset\w*|shut(?:ting)? ?down|halt\w*"
    rb"|power(?:ing|ed)?[ -]?(?:off|down))\b"
)
"""What some drivers say at level info although it is no good sign: that something failed, or stops."""
_SPECIFIER = re.compile(
    rb"%[-+ #0]*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh|ll|[hlzjtL])?(%|p[A-Za-z0-9]{0,4}|[a-zA-Z])"
)


def harmless_lines() -> list[bytes]:
    """What modules of drivers say at level info and debug, of devices that are in no log.

    No faults and no ends: a driver that says at level info that something failed, or that the machine is
    reset, tells of no harmless thing.
    """
    chance = random.Random(1)
    lines: set[bytes] = set()
    for entry in kernel_formats():
        if entry.level in {INFO, DEBUG} and all(
            owner.module and owner.file.startswith(("drivers/", "net/", "sound/")) for owner in entry.owners
        ):
            text = filled(entry.text.encode(), chance)
            line = _BEFORE[entry.call] + text
            bad = _A_FAULT.search(text) or _AN_END.search(text)
            if len(text.strip()) >= 8 and not bad and not shows_success(line):
                lines.add(line)
    return sorted(lines)


def shows_success(line: bytes) -> bool:
    """Whether it says that a device of some role works or is made: then a failing one is not the only one."""
    return is_sign(line)


def filled(text: bytes, chance: random.Random) -> bytes:
    """A kernel format with values in place of its specifiers; its first line."""

    def value(match: re.Match[bytes]) -> bytes:
        kind = match[1]
        if kind == b"%":
            return b"%"
        if kind == b"s":
            return b"qzx%d" % chance.randrange(4)
        if kind == b"c":
            return b"c"
        if kind.startswith(b"p"):
            return b"%016x" % chance.getrandbits(40)
        return (b"%x" if kind in {b"x", b"X"} else b"%d") % chance.randrange(1, 100)

    return _SPECIFIER.sub(value, text.split(b"\n")[0])


def own_logs() -> Iterator[Case]:
    """The golden logs, recorded and written by hand."""
    for path in sorted(DATA.glob("signatures/*/golden/*/expected.json")) + sorted(
        DATA.glob("gallery/golden/*/expected.json")
    ):
        label = json.loads(path.read_text(encoding="utf-8"))
        data = (path.parent / "console.log").read_bytes()
        yield Case(
            f"{path.parts[-4]}/{path.parts[-2]}",
            data,
            label["outcome"] == "boot-ok",
            label.get("proof", "").encode(),
            diagnose_bytes(data, "log", KNOWLEDGE),
        )


def labelled_logs(folder: Path) -> Iterator[Case]:
    """`index.jsonl` with `logs/` beside it."""
    for line in (folder / "index.jsonl").read_text(encoding="utf-8").splitlines():
        label = json.loads(line)
        data = (folder / "logs" / f"{label['id']}.log").read_bytes()
        proof = label.get("decisive_line", "").strip().encode()
        diagnosis = diagnose_bytes(data, "log", KNOWLEDGE)
        yield Case(f"{folder.name}/{label['id']}", data, label["outcome"] == "boot-ok", proof, diagnosis)


def loose_logs(folder: Path) -> Iterator[Case]:
    """Files without labels: healthy is what is called so."""
    for path in sorted(folder.rglob("*.log")):
        data = path.read_bytes()
        diagnosis = diagnose_bytes(data, "log", KNOWLEDGE)
        yield Case(path.name, data, diagnosis.outcome is Outcome.BOOT_OK, b"", diagnosis)


def cause(diagnosis: Diagnosis) -> str | None:
    """The signature of the root cause."""
    return next((finding.signature for finding in serious(diagnosis)), None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--logs", type=Path, action="append", default=[], help="a further folder of logs")
    parser.add_argument("--show", action="store_true", help="say where a relation does not hold")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="make each copy with N seeds")
    given = parser.parse_args()
    cases = list(own_logs())
    for folder in [CORPUS, *given.logs]:
        if (folder / "index.jsonl").is_file():
            cases += labelled_logs(folder)
        elif folder.is_dir():
            cases += loose_logs(folder)
    noise = harmless_lines()
    print(f"{len(cases)} logs, {len(noise)} harmless formats, {given.seeds} seeds")
    print(f"{'relation':44} {'logs':>5} {'copies':>7} {'holds':>7} {'':7} {'same cause':>11}")
    broken: list[str] = []
    for relation in RELATIONS:
        count: Counter[str] = Counter()
        for case in cases:
            outcome = case.before.outcome
            made = (
                relation.copies(case, noise, random.Random(f"{seed} {case.name}"))
                for seed in range(given.seeds)
            )
            copies = list({copy.data: copy for some in made for copy in some}.values())
            count["logs"] += bool(copies)
            count["copies"] += len(copies)
            wrong = []
            for copy in copies:
                after = diagnose_bytes(copy.data, "log", KNOWLEDGE)
                count["same cause"] += cause(case.before) == cause(after)
                if not relation.allows(outcome, after.outcome):
                    wrong.append(f"{copy.change or 'whole'} {after.outcome} ({first_finding(after)})")
            count["wrong"] += len(wrong)
            if wrong:
                more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
                broken.append(
                    f"{relation.name:15} {case.name}: {outcome} ({first_finding(case.before)})\n"
                    f"{'':15} → {wrong[0]}{more}"
                )
        right = count["copies"] - count["wrong"]
        share = right / count["copies"] if count["copies"] else 1.0
        mark = "" if share >= MARK or not relation.must_hold else f"  below {MARK:.1%}"
        alike = (
            f"{count['same cause'] / max(count['copies'], 1):11.1%}" if relation.keeps_cause else f"{'-':>11}"
        )
        print(
            f"{relation.title:44} {count['logs']:5} {count['copies']:7} {right:7} {share:7.1%} {alike}{mark}"
        )
    if given.show:
        print("\n" + "\n".join(broken))
    elif broken:
        print(f"\n{len(broken)} logs where one does not hold: --show names them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
