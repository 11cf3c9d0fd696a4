"""The tab that diagnoses logs: the document of `bootwright diagnose --json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bootwright.api.diagnosis import diagnose
from bootwright.foundation.progress import Progress


def answer(request: Mapping[str, Any], files: Sequence[Path], progress: Progress) -> dict[str, Any]:
    """`{"diagnosis": …}` (docs/schemas/diagnose.schema.json) of the files.

    `request` may name the `board` (docs/boards.md). Raises what `api.diagnose` raises.
    """
    board = request.get("board")
    with progress.step("diagnosing"):
        diagnosed = diagnose(list(files), board=board if isinstance(board, str) and board else None)
    return {"diagnosis": diagnosed.as_json()}
