"""One thing that is said about an image before it is made."""

from __future__ import annotations

from attrs import frozen

from bootwright.foundation.verdict import Verdict


@frozen
class Remark:
    """Something about the image that follows from the schematic and the version."""

    verdict: Verdict
    """`fails` where the image will not do, `unknown` where it may not, `works` for what is only said."""
    text: str
    remedy: str = ""
    source: str = ""

    def as_json(self) -> dict[str, str]:
        """Part of docs/schemas/talos.schema.json."""
        return {
            "verdict": self.verdict.value,
            "text": self.text,
            "remedy": self.remedy,
            "source": self.source,
        }
