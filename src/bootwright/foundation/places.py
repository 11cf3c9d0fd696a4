"""Where things are kept: the cache, the package's own data, and the settings of the environment.

`BOOTWRIGHT_CACHE` moves the cache; otherwise it follows the XDG Base Directory Specification 0.8.
"""

from __future__ import annotations

import os
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent / "data"


def cache_dir() -> Path:
    """The folder for everything that can be fetched or made again, keyed by content."""
    chosen = os.environ.get("BOOTWRIGHT_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    root = Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache"
    return root / "bootwright"


def state_dir() -> Path:
    """The folder for what has to outlast a process and is no cache: boards that were left powered on."""
    base = os.environ.get("XDG_STATE_HOME")
    root = Path(base) if base and Path(base).is_absolute() else Path.home() / ".local" / "state"
    return root / "bootwright"


def data_files(area: str, pattern: str = "*.toml") -> list[Path]:
    """The knowledge files of one area (`plans`, `kernels`, …), sorted by name."""
    return sorted((DATA / area).glob(pattern))


def source_tree() -> Path | None:
    """The checkout this package runs from, or None when it was installed from a wheel."""
    root = DATA.parents[2]
    return root if (root / "pyproject.toml").is_file() and (root / "probes").is_dir() else None
