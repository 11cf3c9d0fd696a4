"""The archive that the page's Python is started with: our code and data, and the libraries that they need."""

from __future__ import annotations

import importlib.metadata
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from bootwright.foundation.errors import Missing

LIBRARIES = ("attrs", "cattrs", "typing-extensions", "jinja2", "markupsafe")
"""Distributions whose Python files go along; markupsafe has a form in Python beside its compiled one."""
_LEFT_OUT = ("cli", "data/gallery", "data/truth", "data/probes", "lab/mutation", "workshop")
"""Parts that need programs, a terminal, or boots; recorded boots are for tests and scores."""
_TIME = (1980, 1, 1, 0, 0, 0)
"""Of every file: the same input gives the same bytes."""


def archive(package: Path) -> bytes:
    """The zip file, of the package's folder."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name, content in (*_ours(package), *_libraries()):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            file.writestr(entry, content)
    return written.getvalue()


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
