"""What the functions of the public interface share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress


def texts(values: str | Path | Sequence[str | Path]) -> tuple[str, ...]:
    """One value or several as text; a single string is one value, never a sequence of characters."""
    if isinstance(values, str | Path):
        return (str(values),)
    return tuple(str(value) for value in values)


def paths(values: str | Path | Sequence[str | Path]) -> tuple[Path, ...]:
    """One path or several."""
    return tuple(Path(text) for text in texts(values))


def reporter(progress: Progress | None) -> Progress:
    """The caller's progress, or one that prints nothing."""
    from bootwright.foundation.progress import Silent

    return progress if progress is not None else Silent()
