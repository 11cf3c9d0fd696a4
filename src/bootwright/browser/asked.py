"""Values of a request, as the page's forms give them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_MOST = 4096
"""Letters of a form's field."""


def asked_text(request: Mapping[str, Any], name: str) -> str:
    """A field's text without space around it; empty where it was not filled in."""
    value = request.get(name)
    return value.strip()[:_MOST] if isinstance(value, str) else ""


def board_meant(text: str) -> str:
    """The id of the board that is called so, by its id or its name; `text` itself where none is.

    Capitals do not count, nor how often a space stands. Devicetrees' names and paths are left as they are.
    """
    from bootwright.boards.model import boards

    known = [(board.id, name) for board in boards() for name in (board.id, board.name)]
    return next((board for board, name in known if _plain(name) == _plain(text)), text)


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

        if not is_unlisted(board):
            stepping = _called(code, [stepping.name for stepping in board_named(board).steppings])
            if stepping is not None:
                return None, stepping
    elif (stepping := _called(code, _all_steppings())) is not None:
        return None, stepping
    return code, None


def _all_steppings() -> list[str]:
    from bootwright.api.asked import stepping_names

    return stepping_names()


def _called(text: str, names: Iterable[str]) -> str | None:
    return next((name for name in names if _plain(name) == _plain(text)), None)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
