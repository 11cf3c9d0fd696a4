"""Write every form of the report into a folder."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from bootwright.foundation.atomic import write_text
from bootwright.investigate.decision.decide import Decision
from bootwright.investigate.running.investigation import Investigation
from bootwright.report import html, markdown
from bootwright.report.result import result


def write(
    investigation: Investigation, decision: Decision, folder: Path, *, generated_at: str | None = None
) -> list[Path]:
    """Write report.html, report.md and result.json, each whole or not at all; returns their paths.

    All are made before the first is written. `generated_at` is shown in the page; now, in UTC, by default.
    """
    moment = generated_at or datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    contents = {
        "report.html": html.page(investigation, decision, generated_at=moment),
        "report.md": markdown.page(investigation, decision),
        "result.json": json.dumps(result(investigation, decision), indent=2, ensure_ascii=False) + "\n",
    }
    paths = [folder / name for name in contents]
    for path, text in zip(paths, contents.values(), strict=True):
        # A lone surrogate cannot be UTF-8; it can only come from a file name of the user's.
        write_text(path, text.encode(errors="replace").decode())
    return paths
