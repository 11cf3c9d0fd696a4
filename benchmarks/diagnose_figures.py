"""How right a diagnosis of labelled logs is, as figures, and the history of those figures.

A set is a folder with `index.jsonl` and `logs/`. One line of the index is one log: `id` (its file is
`logs/<id>.log`), `outcome` (boot-ok, degraded, failed; unknown: cut off in progress), `category`,
`decisive_line` (text of the line that proves it), and optionally `also_right` (outcomes that are right too,
where a cut or a broken side device leaves room), `other_proof` (text of lines that prove it as well) and
`cause_words` (a regular expression that the signature, title or cause of what is blamed must match).

The history, `diagnose_figures.jsonl`, keeps the figures and nothing of the logs: one line for each set and
scoring. The first scoring of a set is the honest one; afterwards the set is known.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from attrs import asdict, define, field, frozen

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Diagnosis, Finding, Outcome, Severity
from bootwright.diagnose.signatures.model import Knowledge

HISTORY = Path(__file__).with_name("diagnose_figures.jsonl")

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
"""Category of a label without `cause_words` → area and signature of findings that name such a cause."""


@frozen
class Label:
    """What a log should give."""

    id: str
    data: bytes = field(repr=False)
    outcome: Outcome
    also_right: frozenset[Outcome]
    category: str
    decisive_line: str
    other_proof: tuple[str, ...]
    cause_words: str
    """Empty: the category's entry in `MEANS` decides."""

    @property
    def healthy(self) -> bool:
        return self.outcome is Outcome.BOOT_OK


@frozen
class Answer:
    """What was given for one log, judged."""

    label: Label
    diagnosis: Diagnosis = field(repr=False)
    serious: tuple[Finding, ...] = field(repr=False)
    """Findings that make a boot fail or degrade it, the root cause first."""
    outcome_right: bool
    kind_right: bool
    """What is blamed is of the kind that the label means; on a healthy log: nothing is."""
    line_right: bool
    """The proof of what is blamed holds a line that the label gives as proof."""
    anywhere: bool
    """The proof of any finding holds such a line."""
    first_right: bool
    """Of the label's kind, with such a line as proof, is the first finding that is told, serious or worth
    knowing; on a healthy log: nothing is judged."""

    @property
    def cause_right(self) -> bool:
        return self.kind_right and self.line_right

    @property
    def told_first(self) -> bool:
        """What somebody reads first is the trouble, whether the outcome calls it one or not."""
        return self.outcome_right and self.first_right

    @property
    def missed(self) -> bool:
        """A failure that was called healthy or unknown."""
        return not self.outcome_right and self.diagnosis.outcome in {Outcome.BOOT_OK, Outcome.UNKNOWN}

    @property
    def false_alarm(self) -> bool:
        """A healthy log that was called failed or degraded."""
        return not self.outcome_right and self.diagnosis.outcome in {Outcome.FAILED, Outcome.DEGRADED}


@define
class Figures:
    """Counts over a set, or over one kind of logs in it."""

    cases: int = 0
    healthy: int = 0
    outcome_right: int = 0
    cause_right: int = 0
    """Of the failing ones."""
    missed: int = 0
    false_alarms: int = 0
    cut: int = 0
    """Logs that end in the middle of progress: right is `unknown`, and there is no cause to name."""
    told_first: int = 0
    """Of the failing ones; not counted before the ninth round."""
    may_run: int = 0
    """Failing logs that may be called healthy as well: one thing fails in a machine that runs."""
    told_first_running: int = 0
    """Of those."""

    def add(self, answer: Answer) -> None:
        healthy = answer.label.healthy
        self.cases += 1
        self.healthy += healthy
        self.cut += answer.label.outcome is Outcome.UNKNOWN
        self.outcome_right += answer.outcome_right
        self.cause_right += answer.cause_right and not healthy
        failing = answer.label.outcome not in {Outcome.BOOT_OK, Outcome.UNKNOWN}
        self.missed += answer.missed and failing
        may_run = failing and Outcome.BOOT_OK in answer.label.also_right
        self.may_run += may_run
        self.told_first += answer.told_first and failing
        self.told_first_running += answer.told_first and may_run
        self.false_alarms += answer.false_alarm and healthy

    @property
    def failing(self) -> int:
        return self.cases - self.healthy - self.cut

    def row(self) -> str:
        counted = self.told_first or not self.cause_right  # a scoring of before has no such figure
        return (
            f"{share(self.outcome_right, self.cases)}  {share(self.cause_right, self.failing)}  "
            f"{share(self.missed, self.failing)}  {share(self.false_alarms, self.healthy)}  "
            f"{share(self.told_first, self.failing if counted else 0)}"
        )


HEADINGS = "  ".join(
    f"{name:>14}" for name in ("outcome right", "cause right", "failure missed", "false alarm", "told first")
)


@frozen
class Scoring:
    """One line of the history."""

    set: str
    date: str
    commit: str
    note: str
    first_try: bool
    figures: Figures


def share(count: int, total: int) -> str:
    return f"{count:3}/{total:<3} = {count / total:4.0%}" if total else f"{'-':>14}"


def read_labels(folder: Path) -> list[Label]:
    labels = []
    for line in (folder / "index.jsonl").read_text(encoding="utf-8").splitlines():
        form = json.loads(line)
        labels.append(
            Label(
                form["id"],
                (folder / "logs" / f"{form['id']}.log").read_bytes(),
                Outcome(form["outcome"]),
                frozenset(Outcome(name) for name in form.get("also_right", [])),
                form["category"],
                form["decisive_line"].strip(),
                tuple(form.get("other_proof", [])),
                form.get("cause_words", ""),
            )
        )
    return labels


def answer(label: Label, knowledge: Knowledge) -> Answer:
    """Diagnose the log and judge what came out."""
    diagnosis = diagnose_bytes(label.data, label.id, knowledge)
    serious = tuple(
        finding
        for boot in diagnosis.boots
        for finding in boot.findings
        if finding.severity in {Severity.FATAL, Severity.DEGRADING}
    )
    right = diagnosis.outcome in {label.outcome, *label.also_right}
    if label.healthy:
        none = not serious
        return Answer(label, diagnosis, serious, right, none, none, none, first_right=True)
    proofs = [proof for proof in (label.decisive_line, *label.other_proof) if proof]
    # As the product and `grep -n` count: a bare carriage return or form feed ends no line.
    lines = label.data.decode(errors="replace").split("\n")
    wanted = {number for number, text in enumerate(lines, 1) if any(proof in text for proof in proofs)}
    blame = diagnosis.blamed
    head = blame.finding if blame is not None else None
    first = head if head in serious else None
    if right and diagnosis.outcome is Outcome.UNKNOWN:
        # The label takes "cut off" as well as "hangs there"; what it says of the latter is its cause.
        first = diagnosis.if_silent
    return Answer(
        label,
        diagnosis,
        serious,
        right,
        first is not None and names(label, first),
        first is not None and holds(first, wanted),
        any(holds(finding, wanted) for finding in serious),
        head is not None and names(label, head) and holds(head, wanted),
    )


def names(label: Label, finding: Finding) -> bool:
    """Whether the finding names a cause of the kind that the label means."""
    if label.cause_words:
        wording = f"{finding.area}/{finding.signature} {finding.title} {finding.cause}"
        return re.search(label.cause_words, wording, re.IGNORECASE) is not None
    named = f"{finding.area}/{finding.signature}"
    return any(
        re.fullmatch(category, label.category) and re.fullmatch(kind, named)
        for category, kind in MEANS.items()
    )


def holds(finding: Finding, wanted: set[int]) -> bool:
    return any(line.number in wanted for line in finding.lines)


def figures_of(answers: Iterable[Answer]) -> Figures:
    figures = Figures()
    for judged in answers:
        figures.add(judged)
    return figures


def read_history() -> list[Scoring]:
    scorings = []
    for line in HISTORY.read_text(encoding="utf-8").splitlines():
        form = json.loads(line)
        scorings.append(Scoring(**{**form, "figures": Figures(**form["figures"])}))
    return scorings


def record(name: str, figures: Figures, note: str, *, first_try: bool) -> None:
    """Append a scoring of the sources as they are checked out."""
    folder = Path(__file__).parent
    commit = subprocess.run(
        ["git", "rev-parse", "--short=7", "HEAD"], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()
    scoring = Scoring(name, datetime.now(UTC).date().isoformat(), commit, note, first_try, figures)
    with HISTORY.open("a", encoding="utf-8") as history:
        history.write(json.dumps(asdict(scoring)) + "\n")
