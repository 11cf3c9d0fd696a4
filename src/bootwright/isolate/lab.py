"""Trying mixtures: booted here, or by a person with a board; every answer is kept and nothing asked twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from bootwright.foundation.errors import BootwrightError, Refused
from bootwright.foundation.progress import Progress, Silent
from bootwright.foundation.run_folder import Store
from bootwright.foundation.verdict import Verdict
from bootwright.isolate.model import Answer, Hybrids, Source, Waiting

_PENDING = "isolate-pending"
_REPORTED = "isolate-reported"
"""The image that the last report was about: the same report given twice counts once."""
_PATIENCE = 3.0
"""A mixture is given up after this many times the good image's longest silence, in guest seconds …"""
_LEAST_PATIENCE = 10.0
"""… and not before this many."""


@frozen
class Tried:
    """What one boot of a mixture showed."""

    verdict: Verdict
    reason: str
    console: bytes
    facts: Mapping[str, Any]


@define
class StoredLab:
    """See `isolate_model.Lab`.

    `about` is what answers depend on beside the mixture: the two images' hashes, the goal, the machine.
    `attempt` boots an image; None where a person has to (`Waiting`).
    """

    store: Store
    hybrids: Hybrids
    good: Path
    bad: Path
    everything: frozenset[str]
    complete: bool
    """Whether the mixture of everything is the bad image itself."""
    about: Mapping[str, str]
    attempt: Callable[[Path, float | None], Tried] | None
    """Boots an image, giving it up after so many seconds of silence (None: as usual)."""
    source: Source
    progress: Progress = field(factory=Silent)
    repeat: int = 1
    _patience: float | None = None

    def answer(self, from_bad: frozenset[str]) -> Answer:
        """See `Lab.answer`. A mixture that cannot be made is `unknown`, with the reason."""
        key = self._key(from_bad)
        kept = self.store.find(key)
        if kept is not None:
            self._learn(from_bad, kept.facts.get("boot", {}))
            return _answer(kept.facts)
        itself = self._itself(from_bad)
        if itself is not None and self.attempt is None:
            # That the one works and the other does not is what the user says by naming them so.
            verdict = Verdict.FAILS if from_bad else Verdict.WORKS
            answer = Answer(verdict, Source.GIVEN, "named so by you", str(itself))
            self._keep(key, from_bad, answer, b"", {})
            return answer
        image = itself or self.store.folder / "images" / f"{key[:12]}.img"
        if itself is None:
            try:
                with self.progress.step(f"mix {_words(from_bad)}"):
                    image.parent.mkdir(parents=True, exist_ok=True)
                    self.hybrids.build(from_bad, image)
            except Refused as error:
                return Answer(Verdict.UNKNOWN, Source.PREDICTED, f"cannot be mixed: {error.message}")
        if self.attempt is None:
            self.store.put(
                _PENDING, json.dumps({"key": key, "from_bad": sorted(from_bad), "image": str(image)})
            )
            raise Waiting(image, from_bad)
        try:
            answer = self._try(key, from_bad, image)
        finally:
            if itself is None:
                image.unlink(missing_ok=True)
        return answer

    def _try(self, key: str, from_bad: frozenset[str], image: Path) -> Answer:
        tried: list[Tried] = []
        for number in range(self.repeat):
            again = f" ({number + 1} of {self.repeat})" if self.repeat > 1 else ""
            with self.progress.step(f"boot with {_words(from_bad)} of the bad image{again}"):
                tried.append(self._attempted(image))
            self.progress.note(f"  {tried[-1].verdict}{f': {tried[-1].reason}' if tried[-1].reason else ''}")
        verdicts = {attempt.verdict for attempt in tried}
        verdict = tried[0].verdict if len(verdicts) == 1 else Verdict.UNKNOWN
        reason = tried[0].reason if len(verdicts) == 1 else "not the same each time"
        answer = Answer(
            verdict, self.source, reason, image.name if image.parent.name == "images" else str(image)
        )
        self._keep(key, from_bad, answer, tried[0].console, tried[0].facts)
        self._learn(from_bad, tried[0].facts)
        return answer

    def _learn(self, from_bad: frozenset[str], facts: Mapping[str, Any]) -> None:
        """How long the good image was ever silent says how long is long for a mixture."""
        gap = facts.get("longest_silence")
        if not from_bad and isinstance(gap, int | float):
            self._patience = max(_LEAST_PATIENCE, _PATIENCE * gap)

    def _attempted(self, image: Path) -> Tried:
        if self.attempt is None:
            raise Refused("no machine to boot the images on")
        return self.attempt(image, self._patience)

    def _keep(
        self, key: str, from_bad: frozenset[str], answer: Answer, console: bytes, facts: Mapping[str, Any]
    ) -> None:
        record = {
            "from_bad": sorted(from_bad),
            "verdict": answer.verdict.value,
            "source": answer.source.value,
            "reason": answer.reason,
            "image": answer.image,
            "about": dict(self.about),
            "boot": dict(facts),
        }
        self.store.keep(key, record, console, datetime.now(UTC).isoformat(timespec="seconds"))

    def _itself(self, from_bad: frozenset[str]) -> Path | None:
        if not from_bad:
            return self.good
        return self.bad if self.complete and from_bad == self.everything else None

    def _key(self, from_bad: frozenset[str]) -> str:
        text = json.dumps([dict(self.about), sorted(from_bad)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def report(
        self, verdict: Verdict, source: Source, reason: str, console: bytes, of: str | None = None
    ) -> frozenset[str] | None:
        """Enter what a person saw with the image that was waited for; what it was a mixture of.

        `of` is the image's file name: a report that was entered before (the command was killed, and is
        given again) is None then, and never counts for the next image. Raises `Refused` when nothing is
        waited for, or another image is.
        """
        if of is not None and of == self.store.get(_REPORTED):
            return None
        try:
            pending = json.loads(self.store.get(_PENDING) or "")
            key, names, image = (
                str(pending["key"]),
                frozenset(map(str, pending["from_bad"])),
                str(pending["image"]),
            )
        except (ValueError, KeyError, TypeError):
            raise Refused(
                "no image is waiting for a report", hint="run the same command without --report first"
            ) from None
        if key != self._key(names):
            raise Refused(
                "the image waiting for a report belongs to another isolation",
                hint="give the same --good, --bad and --until, or another --out",
            )
        name = Path(image).name
        if of is not None and of != name:
            raise Refused(
                f"{of} is not the image waiting for a report; {name} is",
                hint="report the outcome of that image",
            )
        self._keep(key, names, Answer(verdict, source, reason, image), console, {})
        self.store.put(_REPORTED, name)
        self.store.put(_PENDING, "")
        Path(image).unlink(missing_ok=True)
        return names


def _answer(facts: Mapping[str, Any]) -> Answer:
    try:
        return Answer(
            Verdict(facts["verdict"]), Source(facts["source"]), str(facts["reason"]), str(facts["image"])
        )
    except (KeyError, ValueError) as error:
        raise BootwrightError(
            f"a kept answer cannot be read: {error}", hint="start over with --fresh, or choose another --out"
        ) from error


def _words(names: frozenset[str]) -> str:
    if not names:
        return "nothing"
    ordered = sorted(names)
    more = f" and {len(ordered) - 3} more" if len(ordered) > 3 else ""
    return ", ".join(ordered[:3]) + more
