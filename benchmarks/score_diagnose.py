"""Diagnose the boot-log corpus beside the checkout and say, case by case, what was right.

The corpus (../shared/corpus) is not part of the repository; without it there is nothing to score. For each
case: the stage reached, the outcome, whether the cause named first is the established one, and whether the
decisive line is among its proof lines (or only among those of another finding). The corpus states a cause
as prose and a category: the cause is right when the first finding is of a kind that the category means
(`MEANS`) and its proof holds the decisive line. A boot-ok case is right when nothing fatal or degrading is
reported.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import STAGES, Diagnosis, Finding, Severity
from bootwright.diagnose.signatures.knowledge import load

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"


MEANS: Mapping[str, str] = {
    "16k-pages": r"\w+/page-size-.*",
    "decompress-error": r".*/decompression-failed|root/initramfs-.*",
    "deferred-probe": r".*/(?:deferred-|supplier-).*",
    "early-hang": r"kernel/silent.*|kernel/.*",
    "eeprom-.*": r"firmware/eeprom-.*",
    "firmware-reset-loop": r"firmware/.*",
    "grub": r"boot-loader/(?:grub|uboot|efi)-.*",
    "initramfs-unpack": r"root/init(?:ramfs|rd)-.*",
    "lockup": r"kernel/.*lockup.*",
    "macb-link-flap": r"network/link.*",
    "module": r".*/module-.*",
    "module-signature": r".*/module-signature",
    "network-no-device": r"network/.*",
    "no-init": r"init/.*",
    "nvme": r"storage/nvme-.*",
    "oops": r"kernel/.*",
    "pcie-link-down": r".*/.*pcie.*",
    "rcu-stall": r"kernel/rcu-stall",
    "rootfs": r"(?:root|storage)/.*",
    "rp1": r".*/.*rp1.*",
    "sd-card": r"storage/mmc-.*|firmware/eeprom-sd",
    "serror": r"kernel/serror",
    "talos-.*": r"talos/.*",
    "thermal": r"power/thermal-.*",
    "uboot.*": r"boot-loader/.*",
    "ubsan-warning": r"kernel/ubsan",
    "undervoltage": r"power/under-voltage",
    "watchdog-reset-loop": r"power/watchdog-.*|kernel/silent-.*",
}
"""Category of the corpus → area and signature of findings that name such a cause."""


def main() -> int:
    if not (CORPUS / "index.jsonl").is_file():
        print("no corpus beside the checkout: nothing to score")
        return 0
    knowledge = load()
    totals: Counter[str] = Counter()
    print(f"{'case':48} {'stage':11} {'outcome':22} {'cause':5} {'line':5} first finding")
    for line in (CORPUS / "index.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        data = (CORPUS / "logs" / f"{case['id']}.log").read_bytes()
        diagnosis = diagnose_bytes(data, case["id"], knowledge)
        totals.update(report(case, diagnosis, data))
    cases, failing = totals["cases"], totals["cases"] - totals["healthy"]
    print()
    share("outcome right", totals["outcome"], cases)
    share("cause right (kind and decisive line)", totals["cause"], cases)
    share("  of the failing ones", totals["cause"] - totals["quiet"], failing)
    share("kind of cause right", totals["kind"], cases)
    share("decisive line proves the first finding", totals["line"], cases)
    share("decisive line proves any finding", totals["any"], cases)
    share("failures reported on boot-ok cases", totals["alarm"], totals["healthy"])
    return 0


def share(what: str, right: int, of: int) -> None:
    print(f"{what:40} {right:3}/{of} = {right / of if of else 1:.0%}")


def report(case: dict[str, str], diagnosis: Diagnosis, data: bytes) -> Counter[str]:
    findings = [finding for boot in diagnosis.boots for finding in boot.findings]
    serious = [each for each in findings if each.severity in {Severity.FATAL, Severity.DEGRADING}]
    root = serious[0] if serious else None
    lines = data.decode(errors="replace").splitlines()
    wanted = {number for number, text in enumerate(lines, 1) if case["decisive_line"].strip() in text}
    healthy = case["outcome"] == "boot-ok"
    outcome = diagnosis.outcome.value == case["outcome"]
    kind = not serious if healthy else root is not None and names(case["category"], root)
    line = not serious if healthy else root is not None and holds(root, wanted)
    anywhere = not serious if healthy else any(holds(each, wanted) for each in serious)
    stage = max((boot.stage for boot in diagnosis.boots), key=("unknown", *STAGES).index)
    change = diagnosis.outcome.value if outcome else f"{diagnosis.outcome} not {case['outcome']}"
    marks = f"{yes(kind and line)} {'other' if anywhere and not line else yes(line)}"
    print(f"{case['id'][:48]:48} {stage:11} {change:22} {marks} {root.signature if root else '-'}")
    if root is not None:
        print(f"{'':49}{root.cause[:150]}")
    if not (kind and line and outcome):
        print(f"{'':49}wanted ({case['category']}): {case['decisive_line'][:140]}")
        for each in serious[1:5]:
            print(f"{'':49}also {each.signature} ({each.severity}, by {each.caused_by}): {each.cause[:110]}")
    return Counter(
        {
            "cases": 1,
            "healthy": healthy,
            "outcome": outcome,
            "kind": kind,
            "line": line,
            "any": anywhere,
            "cause": kind and line,
            "quiet": healthy and not serious,
            "alarm": healthy and bool(serious),
        }
    )


def yes(right: bool) -> str:
    return "yes  " if right else "NO   "


def names(category: str, root: Finding) -> bool:
    """Whether the finding is of a kind that the category means."""
    found = f"{root.area}/{root.signature}"
    return any(re.fullmatch(key, category) and re.fullmatch(kind, found) for key, kind in MEANS.items())


def holds(finding: Finding, wanted: set[int]) -> bool:
    return any(line.number in wanted for line in finding.lines)


if __name__ == "__main__":
    sys.exit(main())
