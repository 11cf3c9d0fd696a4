"""Kernels tried for a goal: built once, booted as often as the noise asks, everything kept as it comes.

Each outcome is one row of the run's database (`foundation.run_folder`), written when the boot has ended;
the same command goes on behind the last one, however it was stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from attrs import define, field, frozen

from bootwright.foundation.errors import Refused
from bootwright.foundation.progress import Progress
from bootwright.foundation.run_folder import Store
from bootwright.foundation.verdict import Verdict
from bootwright.kernels.model import Kernel
from bootwright.workshop.trials.noise import Noise

_ABOUT = "trials-about"
_MOST_UNKNOWN = 2
"""Boots that tell nothing, after which a kernel is given up, where boots are noisy."""
_MOST_BOOTS = 200
_LOG_TAIL = 200_000


class Unbuildable(Exception):
    """A kernel that cannot be made: its patches do not apply, or it does not compile."""

    def __init__(self, reason: str, log: bytes = b"") -> None:
        super().__init__(reason)
        self.reason = reason
        self.log = log


class Subject(Protocol):
    """A kernel to be tried, which may have to be built first."""

    @property
    def key(self) -> str:
        """The same for the same kernel: what it is made of."""
        ...

    @property
    def title(self) -> str:
        """For the user."""
        ...

    def kernel(self) -> Kernel:
        """The kernel itself; raises `Unbuildable`."""
        ...


@frozen
class Observation:
    """What one boot showed."""

    verdict: Verdict
    reason: str
    console: bytes = field(default=b"", repr=False)
    facts: Mapping[str, Any] = field(factory=dict, repr=False)
    """What was run: kernel and probe hashes, emulator, seconds."""


Oracle = Callable[[Kernel], Observation]
"""Boots a kernel once."""


@frozen
class Decision:
    """What is known of a subject."""

    verdict: Verdict
    """`unknown` where it could not be built, or its boots say nothing of the goal."""
    reason: str
    passes: int = 0
    fails: int = 0
    built: bool = True


@define
class Trials:
    """Decides subjects, from what is kept and by what is missing."""

    store: Store
    oracle: Oracle
    noise: Noise
    progress: Progress
    builds: int = 0
    """Kernels that were decided: each had to be made, in this run or before it, or could not be."""
    boots: int = 0
    """Boots in this run."""
    kept_boots: int = 0
    """Boots of earlier runs that were used."""
    _decided: dict[str, Decision] = field(factory=dict)

    def decide(self, subject: Subject, *, keep_failure: bool = True) -> Decision:
        """What becomes of the goal with this subject.

        Without `keep_failure` the next run tries again to build it: the cause may be this machine.
        """
        known = self._decided.get(subject.key)
        if known is None:
            known = self._decide(subject, keep_failure=keep_failure)
            self._decided[subject.key] = known
            self.builds += 1
        return known

    def observe(self, subject: Subject, number: int, *, keep_failure: bool = True) -> Observation:
        """The boot of that number, from 0: kept, or made now. Raises `Unbuildable`."""
        kept = self.store.find(f"{subject.key}#{number}")
        if kept is not None:
            self.kept_boots += 1
            return Observation(Verdict(kept.facts["verdict"]), str(kept.facts["reason"]))
        failed = self.store.find(f"{subject.key}#build")
        if failed is not None:
            raise Unbuildable(str(failed.facts["reason"]))
        try:
            kernel = subject.kernel()
        except Unbuildable as error:
            if keep_failure:
                facts = {"verdict": str(Verdict.UNKNOWN), "reason": error.reason, "subject": subject.title}
                self._keep(f"{subject.key}#build", facts, error.log[-_LOG_TAIL:])
            raise
        with self.progress.step(f"boot {subject.title}"):
            seen = self.oracle(kernel)
        self.boots += 1
        facts = {**seen.facts, "verdict": str(seen.verdict), "reason": seen.reason, "subject": subject.title}
        self._keep(f"{subject.key}#{number}", facts, seen.console)
        return seen

    def _keep(self, key: str, facts: Mapping[str, Any], console: bytes) -> None:
        self.store.keep(key, facts, console, datetime.now(UTC).isoformat())

    def _decide(self, subject: Subject, *, keep_failure: bool) -> Decision:
        passes = fails = silent = 0
        reasons: dict[Verdict, str] = {}
        for number in range(_MOST_BOOTS):
            try:
                seen = self.observe(subject, number, keep_failure=keep_failure)
            except Unbuildable as error:
                return Decision(Verdict.UNKNOWN, error.reason, built=False)
            reasons[seen.verdict] = seen.reason
            passes += seen.verdict is Verdict.WORKS
            fails += seen.verdict is Verdict.FAILS
            silent += seen.verdict is Verdict.UNKNOWN
            verdict = self.noise.decide(passes, fails)
            if verdict is not None:
                return Decision(verdict, reasons[verdict], passes, fails)
            if silent >= (_MOST_UNKNOWN if self.noise.some else 1):
                return Decision(Verdict.UNKNOWN, reasons[Verdict.UNKNOWN], passes, fails)
        return Decision(
            Verdict.UNKNOWN,
            f"{passes} boots reach the goal and {fails} do not: it lies more often than --noise says",
            passes,
            fails,
        )


def begin(store: Store, about: Mapping[str, str]) -> None:
    """Note what the folder's answers are about; raises `Refused` where it has some about something else."""
    identity = json.dumps(dict(about), sort_keys=True)
    kept = store.get(_ABOUT)
    # One that was refused, as with a patch that does not apply, has no answers: mended, it goes on here.
    if kept is None or next(store.boots(), None) is None:
        store.put(_ABOUT, identity)
    elif kept != identity:
        before = json.loads(kept)
        differing = [name for name in {*before, *about} if before.get(name) != about.get(name)]
        raise Refused(
            f"{store.folder} holds answers to another question: {', '.join(sorted(differing))} differ",
            hint="choose another folder with --out, or forget them with --fresh",
        )


def digest(*parts: str) -> str:
    """A short name of some texts together."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]
