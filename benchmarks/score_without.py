"""What is left of the answers where the signatures that gave them are taken out.

For each failing log whose outcome is right, the signatures of its findings are removed together with their
patterns, and the log is diagnosed again. What is still right then is right by mechanism: how the log ends,
what it is about, which need of a boot was not met. It says what becomes of failures in words that no
signature knows. Without folders it takes the corpus beside the checkout, where there is one.

    python benchmarks/score_without.py FOLDER...     # sets, as score_diagnose.py takes them
    python benchmarks/score_without.py --show FOLDER...
    python benchmarks/score_without.py --singly FOLDER...    # what each signature carries alone

What every kernel and system says when it ends, in words that have not changed for decades, stays (`KEPT`); so
do the signatures that are mechanisms themselves.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import evolve, field, frozen

from bootwright.diagnose.model import Outcome
from bootwright.diagnose.signatures.knowledge import load
from bootwright.diagnose.signatures.model import Knowledge, Rule
from diagnose_figures import Answer, answer, read_labels, share
from signature_worth import Worth, known_logs, worth_of_all

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"
KEPT = frozenset(
    {"kernel-panic", "kernel-oops", "kernel-bug", "kernel-warning", "emergency-shell", "init-killed"}
)


@frozen
class Left:
    """One log without what named its failure."""

    before: Answer = field(repr=False)
    removed: frozenset[str]
    after: Answer = field(repr=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sets", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--show", action="store_true", help="each log whose outcome is not right any more")
    parser.add_argument("--singly", action="store_true", help="take each signature out alone, on all logs")
    parser.add_argument(
        "--loose", type=Path, action="append", default=[], help="with --singly: unlabelled logs"
    )
    given = parser.parse_args()
    here = [CORPUS] if (CORPUS / "index.jsonl").is_file() else []
    if given.singly:
        tell_worth(worth_of_all(known_logs([*here, *given.sets], given.loose)), show=given.show)
        return 0
    left = [entry for folder in given.sets or here for entry in without_their_signatures(folder)]
    right = sum(entry.after.outcome_right for entry in left)
    serious = (Outcome.FAILED, Outcome.DEGRADED)
    seen = sum(entry.after.diagnosis.outcome in serious for entry in left)
    print(f"outcome still right           {share(right, len(left))}")
    print(f"still failed or degraded      {share(seen, len(left))}")
    for entry in left if given.show else ():
        if not entry.after.outcome_right:
            outcome = entry.after.diagnosis.outcome.value
            print(f"{entry.before.label.id[:44]:44} {outcome:9} without {', '.join(sorted(entry.removed))}")
    return 0


def tell_worth(worth: Mapping[str, Worth], *, show: bool) -> None:
    """How many signatures something hangs on; with `show` those on which nothing does."""
    idle = {name: entry for name, entry in worth.items() if not entry.changed}
    implied = [name for name, entry in idle.items() if not entry.needed_by_golden]
    print(f"needed on another log than its own golden ones  {share(len(worth) - len(idle), len(worth))}")
    print(f"needed on its own golden ones alone             {share(len(idle) - len(implied), len(worth))}")
    print(f"said by something general too                   {share(len(implied), len(worth))}")
    for name in implied if show else ():
        print(f"{name:44} shown by {worth[name].logs} logs")


def without_their_signatures(folder: Path) -> Iterator[Left]:
    """The failing logs of a set that are answered right by signatures that can be taken out."""
    knowledge = load()
    stays = KEPT | {entry.name for entry in knowledge.signatures if entry.fallback}
    reduced: dict[frozenset[str], Knowledge] = {}
    for label in read_labels(folder):
        before = answer(label, knowledge)
        removed = frozenset(finding.signature for finding in before.serious) - stays
        if label.healthy or not removed or not before.outcome_right:
            continue
        if removed not in reduced:
            reduced[removed] = without(knowledge, removed)
        yield Left(before, removed, answer(label, reduced[removed]))


def without(knowledge: Knowledge, names: frozenset[str]) -> Knowledge:
    """The knowledge in which these signatures match and hold nothing."""
    signatures = tuple(
        evolve(entry, patterns=(), rule=Rule(seen=("@never",)), cases=()) if entry.name in names else entry
        for entry in knowledge.signatures
    )
    return Knowledge(signatures, knowledge.markers, knowledge.facts, knowledge.components, knowledge.ends)


if __name__ == "__main__":
    sys.exit(main())
