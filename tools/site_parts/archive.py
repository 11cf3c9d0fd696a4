"""The archive that the page's Python is started with: our code and data, and the libraries that they need."""

from __future__ import annotations

import importlib.metadata
import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from bootwright.foundation.errors import Malformed, Missing
from bootwright.investigate.plans.plan_file import PLANS
from bootwright.investigate.running.recorded import read_cells

LIBRARIES = ("attrs", "cattrs", "typing-extensions", "jinja2", "markupsafe", "pyyaml")
"""Distributions whose Python files go along; markupsafe and pyyaml have a form in Python beside the compiled
one."""
_LEFT_OUT = ("cli", "data/gallery", "data/truth", "data/probes", "lab/mutation", "workshop")
"""Parts that need programs, a terminal, or boots; recorded boots are for tests and scores."""
_TIME = (1980, 1, 1, 0, 0, 0)
"""Of every file: the same input gives the same bytes."""


def archive(package: Path, recorded_runs: Mapping[str, bytes]) -> bytes:
    """The zip file, of the package's folder and the results that `recorded` read."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name, content in (*_ours(package), *_libraries(), *recorded_runs.items()):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            file.writestr(entry, content)
    return written.getvalue()


def recorded(runs: Sequence[Path]) -> dict[str, bytes]:
    """Name in the archive → the cells of a run, of the folders of runs (`investigate --out`).

    Raises `Missing` for a folder without a result, and `Malformed` for a damaged one.
    """
    results: dict[str, bytes] = {}
    for folder in runs:
        path = folder / "result.json"
        try:
            document = json.loads(path.read_bytes())
        except OSError as error:
            raise Missing(f"{folder} holds no result of a run", hint="bootwright investigate PLAN") from error
        except ValueError as error:
            raise Malformed(str(path), None, "JSON", str(error)[:200]) from error
        plan = document.get("plan") if isinstance(document, dict) else None
        if plan not in PLANS.names():
            raise Malformed(str(path), None, "the run of a plan that comes with bootwright", repr(plan)[:80])
        read_cells(document, str(path))
        kept = {name: document[name] for name in ("schema", "plan", "cells")}
        results[f"bootwright/browser/runs/{plan}.json"] = json.dumps(kept, sort_keys=True).encode()
    return results


def _ours(package: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(package.rglob("*")):
        name = path.relative_to(package).as_posix()
        left_out = any(name == part or name.startswith(f"{part}/") for part in _LEFT_OUT)
        # Logs and what is expected of them are tests' data, beside the signatures.
        golden = "golden" in path.parts
        if path.is_file() and path.suffix != ".pyc" and not left_out and not golden:
            yield f"bootwright/{name}", path.read_bytes()


def _libraries() -> Iterator[tuple[str, bytes]]:
    for name in LIBRARIES:
        try:
            files = importlib.metadata.files(name) or []
        except importlib.metadata.PackageNotFoundError as error:
            raise Missing(f"{name} is not installed", hint="run make setup") from error
        for path in sorted(files):
            pure = PurePosixPath(path)
            if pure.suffix == ".py" or (".dist-info" in pure.parts[0] and "licen" in str(pure).lower()):
                yield str(pure), path.read_binary()
