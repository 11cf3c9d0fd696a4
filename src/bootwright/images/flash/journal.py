"""How far a write to a card has come, kept so that it can go on after anything, a power cut included."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from attrs import frozen

from bootwright.foundation.atomic import write_text
from bootwright.foundation.cache import FLASH
from bootwright.foundation.errors import Refused


@frozen
class Journal:
    """The record of one target. It says only what is certainly on the medium."""

    target: str
    """`Target.identity`."""
    source: str
    """`Source.identity`."""

    @property
    def path(self) -> Path:
        """One file a target, in the cache."""
        return FLASH.folder() / f"{hashlib.sha256(self.target.encode()).hexdigest()[:32]}.json"

    def position(self) -> int:
        """Bytes known to be on the medium; raises `Refused` when there is nothing to resume."""
        try:
            kept = json.loads(self.path.read_bytes())
            source, position = str(kept["source"]), int(kept["position"])
        except (OSError, ValueError, KeyError, TypeError):
            raise Refused("there is no unfinished write to resume here", hint="leave out --resume") from None
        if source != self.source:
            raise Refused(
                "the unfinished write was of another image, or the image has changed since",
                hint="leave out --resume to start over",
            )
        return position

    def keep(self, position: int) -> None:
        """Record that everything before `position` is on the medium (but for the head, written last)."""
        write_text(
            self.path,
            json.dumps({"target": self.target, "source": self.source, "position": position}),
        )

    def forget(self) -> None:
        """The write has ended."""
        self.path.unlink(missing_ok=True)
