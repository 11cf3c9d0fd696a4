"""Values of a request, as the page's forms give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MOST = 4096
"""Letters of a form's field."""


def asked_text(request: Mapping[str, Any], name: str) -> str:
    """A field's text without space around it; empty where it was not filled in."""
    value = request.get(name)
    return value.strip()[:_MOST] if isinstance(value, str) else ""


def revision_or_stepping(board: str, text: str) -> tuple[str | None, str | None]:
    """(revision code, stepping) of the one field that takes either; `text` may be a line of /proc/cpuinfo.

    Raises `Refused` for an unknown board.
    """
    if not text:
        return None, None
    code = text.rpartition(":")[2].strip()
    if board:
        from bootwright.api.asked import is_unlisted
        from bootwright.boards.model import board as board_named

        if not is_unlisted(board) and code in {stepping.name for stepping in board_named(board).steppings}:
            return None, code
    return code, None
