"""A campaign's status as its folder keeps it, with nothing in it but its cells."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def status_of(cells: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """`status.json` of a run of talos-rpi5; `cells`: name → factor → level."""
    return {
        **dict.fromkeys(("title", "question", "source", "written_at"), "x"),
        **{key: [] for key in ("decision", "tasks", "points", "cells", "told")},
        "plan": "talos-rpi5",
        "plan_from": "talos-rpi5",
        "verdict": "unknown",
        "decided": False,
        "assume_no_board": False,
        "schema": "bootwright/status/1",
        "names": cells,
    }


def run_folder(parent: Path, status: Mapping[str, Any]) -> Path:
    """A new folder `run` in `parent` that holds this `status.json`."""
    folder = parent / "run"
    folder.mkdir()
    (folder / "status.json").write_text(json.dumps(status))
    return folder
