"""The folder that an output image gets where it is not there."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from bootwright.foundation.errors import Refused
from bootwright.images.write.output import work_folder


class Notes:
    """A progress that keeps what is noted."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def step(self, text: str) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def advance(self, done: float, total: float | None, unit: str) -> None:
        pass

    def note(self, text: str) -> None:
        self.texts.append(text)


def test_a_new_folder_is_said_and_kept_with_what_is_in_it(tmp_path: Path) -> None:
    notes = Notes()
    for _ in range(2):
        with work_folder(tmp_path / "cards/x.raw", notes) as work:
            (work / "made").touch()
            (work / "made").rename(tmp_path / "cards/x.raw")
    assert notes.texts == [f"the folder {tmp_path}/cards was not there and is made"]
    assert [path.name for path in (tmp_path / "cards").iterdir()] == ["x.raw"]


def test_a_new_folder_goes_where_nothing_came_of_it(tmp_path: Path) -> None:
    with pytest.raises(Refused), work_folder(tmp_path / "slip/x.raw", Notes()):
        raise Refused("no image")
    assert not (tmp_path / "slip").exists()
