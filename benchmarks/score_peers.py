"""How far the test suites of other log readers are agreed with.

Give the folder of a checkout of each; nothing of them is in this repository:

    python benchmarks/score_peers.py --syzkaller DIR --abrt DIR --lava DIR --squad DIR --logspec DIR --show

- syzkaller: pkg/report/testdata/linux/report/*, each with the title its parser gives; a report without a
  title is none. Agreed: something is found, and it is of the title's kind (peer_expectations.toml).
- abrt: tests/examples/*.test, which hold an oops or none by its tests. Agreed: a finding of the kernel's,
  or none.
- logspec: tests/test_linux_boot.py and test_baseline.py say of each log whether a prompt was reached and
  what failed.
- LAVA, squad: peer_expectations.toml says what their tests expect of each log. Where that is a failure, the
  first finding that matters must be of its kind.

docs/diagnose-scores.md judges the disagreements.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from attrs import frozen

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Diagnosis, Finding, Outcome, Severity
from bootwright.diagnose.signatures.knowledge import load

EXPECTATIONS = tomllib.loads(Path(__file__).with_name("peer_expectations.toml").read_text(encoding="utf-8"))
KNOWLEDGE = load()
_ANY = frozenset(Outcome)
_NOT_HEALTHY = frozenset({Outcome.FAILED, Outcome.DEGRADED})
_SERIOUS = frozenset({Severity.FATAL, Severity.DEGRADING})
_TITLE = re.compile(rb"\ATITLE: ?(.*)\n")


@frozen
class Expected:
    """What a suite says of one of its logs."""

    path: Path
    outcomes: frozenset[Outcome]
    names: str
    """Searched in what the findings say; empty: they may say anything."""
    nothing: bool = False
    """No failure may be reported that says so."""
    kind: str = ""
    """Rows of the table."""


def findings(diagnosis: Diagnosis) -> list[Finding]:
    return [finding for boot in diagnosis.boots for finding in boot.findings]


def told(finding: Finding) -> str:
    return f"{finding.area}/{finding.signature} {finding.title} {finding.cause}"


def agrees(expected: Expected, diagnosis: Diagnosis) -> bool:
    everything = findings(diagnosis)
    if expected.nothing:
        return not any(
            finding.severity in _SERIOUS and re.search(expected.names, told(finding))
            for finding in everything
        )
    if diagnosis.outcome not in expected.outcomes:
        return False
    if Outcome.BOOT_OK not in expected.outcomes:
        everything = [finding for finding in everything if finding.severity in _SERIOUS][:1]
    return not expected.names or any(
        re.search(expected.names, told(finding), re.IGNORECASE) for finding in everything
    )


def syzkaller(folder: Path) -> Iterator[tuple[Expected, bytes]]:
    for path in sorted((folder / "pkg/report/testdata/linux/report").iterdir()):
        data = path.read_bytes()
        _, _, log = data.partition(b"\n\n")
        title = _TITLE.match(data)
        if title is None:
            continue
        text = title[1].decode(errors="replace").strip()
        if not text:
            yield Expected(path, _ANY, "", nothing=True, kind="no crash"), log
            continue
        entry = next((entry for entry in EXPECTATIONS["title"] if re.search(entry["match"], text)), None)
        kind = re.split(r" in | at |\(|: ", text)[0][:34] if entry is None else text.split(" in ")[0][:34]
        if entry is None:
            yield Expected(path, _NOT_HEALTHY, "", kind=f"other: {kind}"[:34]), log
        else:
            yield Expected(path, _ANY, entry["names"], kind=kind), log


def abrt(folder: Path) -> Iterator[tuple[Expected, bytes]]:
    for path in sorted((folder / "tests/examples").iterdir()):
        if "oops" not in path.name or not path.name.endswith((".test", ".test.template")):
            continue
        if path.name.startswith(("no_oops", "not_oops")):
            yield Expected(path, _ANY, "^kernel/", nothing=True, kind="no oops"), path.read_bytes()
        else:
            yield Expected(path, _ANY, "^kernel/|hardware", kind="oops"), path.read_bytes()


def logspec(folder: Path) -> Iterator[tuple[Expected, bytes]]:
    for test, logs in (("test_linux_boot.py", "linux_boot"), ("test_baseline.py", "test_baseline")):
        tree = ast.parse((folder / "tests" / test).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if (
                not isinstance(node, ast.Tuple)
                or len(node.elts) != 3
                or not isinstance(node.elts[2], ast.Dict)
            ):
                continue
            name, _, says = ast.literal_eval(node)
            path = folder / "tests" / "logs" / logs / name
            broke = any(
                error["error_type"] in {"linux.kernel.bug", "linux.kernel.panic"} for error in says["errors"]
            )
            if not says.get("linux.boot.prompt", False):
                yield Expected(path, frozenset({Outcome.FAILED}), "", kind="no prompt"), path.read_bytes()
            elif broke:
                yield Expected(path, _NOT_HEALTHY, "^kernel/", kind="prompt, kernel bug"), path.read_bytes()
            else:
                outcomes = frozenset({Outcome.BOOT_OK, Outcome.DEGRADED})
                yield Expected(path, outcomes, "", kind="prompt"), path.read_bytes()


def listed(suite: str) -> Callable[[Path], Iterator[tuple[Expected, bytes]]]:
    def read(folder: Path) -> Iterator[tuple[Expected, bytes]]:
        for entry in EXPECTATIONS["file"]:
            if entry["suite"] == suite:
                path = folder / entry["path"]
                outcomes = frozenset(Outcome(name) for name in entry.get("outcomes", list(Outcome)))
                expected = Expected(path, outcomes, entry.get("names", ""), kind=path.stem)
                yield expected, path.read_bytes()

    return read


SUITES: dict[str, Callable[[Path], Iterator[tuple[Expected, bytes]]]] = {
    "syzkaller": syzkaller,
    "abrt": abrt,
    "logspec": logspec,
    "lava": listed("lava"),
    "squad": listed("squad"),
}

WATCHED = frozenset({"logspec", "lava"})
"""Consoles of a laboratory that waited for the prompt: silence at their end is known to have lasted."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for suite in SUITES:
        parser.add_argument(f"--{suite}", type=Path, metavar="DIR")
    parser.add_argument("--show", action="store_true", help="say where there is no agreement")
    given = parser.parse_args()
    if not any(getattr(given, suite) for suite in SUITES):
        print("no suite given: nothing to compare with (--help)")
        return 0
    for suite, read in SUITES.items():
        if folder := getattr(given, suite):
            score(suite, folder, read, show=given.show)
    return 0


def score(
    suite: str,
    folder: Path,
    read: Callable[[Path], Iterator[tuple[Expected, bytes]]],
    *,
    show: bool,
) -> None:
    kinds: dict[str, list[bool]] = defaultdict(list)
    against: list[str] = []
    for expected, log in read(folder):
        diagnosis = diagnose_bytes(log, "log", KNOWLEDGE, watched=suite in WATCHED)
        agreed = agrees(expected, diagnosis)
        kinds[expected.kind].append(agreed)
        if not agreed:
            said = ", ".join(f"{finding.signature} ({finding.severity})" for finding in findings(diagnosis))
            against.append(
                f"  {expected.path.name} [{expected.kind}]: {diagnosis.outcome}: {said or 'nothing'}"
            )
    total = sum(len(row) for row in kinds.values())
    right = sum(sum(row) for row in kinds.values())
    print(f"{suite}: agreed on {right} of {total} = {right / total if total else 1:.1%}")
    for kind, row in sorted(kinds.items(), key=lambda item: sum(item[1]) - len(item[1])):
        if not all(row):
            print(f"    {kind:34} {sum(row):4} of {len(row)}")
    if show:
        print("\n".join(against))


if __name__ == "__main__":
    sys.exit(main())
