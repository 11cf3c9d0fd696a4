"""Boards whose closed firmware reads config.txt: one file for each processor in `data/firmware-models/`."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from attrs import evolve, frozen

from bootwright.boards.model import Board
from bootwright.firmware.board import FirmwareBoard
from bootwright.firmware.filters import BoardFacts
from bootwright.foundation.errors import Malformed
from bootwright.foundation.places import data_files


@frozen
class FirmwareModel:
    """One model, with what its firmware does where config.txt leaves it to itself."""

    name: str
    board: FirmwareBoard

    @property
    def filters(self) -> frozenset[str]:
        """Model filters that hold: a Compute Module 5 sees `[pi5]` and `[cm5]`."""
        return self.board.facts.models


@cache
def firmware_models() -> tuple[FirmwareModel, ...]:
    """Every model, the newest processor first."""
    found: list[tuple[int, list[FirmwareModel]]] = [_read(path) for path in data_files("firmware-models")]
    return tuple(model for _, models in sorted(found, key=lambda each: each[0]) for model in models)


def model_of(board: Board) -> FirmwareModel | None:
    """The model a board is, None where its firmware reads no config.txt.

    A user's own board takes the defaults of the known model whose filters it shares most of.
    """
    if not board.firmware_models:
        return None
    wanted = set(board.firmware_models)
    nearest = max(firmware_models(), key=lambda each: (len(each.filters & wanted), each.filters == wanted))
    named = dict.fromkeys((*(each.dtb for each in board.steppings), *nearest.board.dtbs))
    facts = _facts(frozenset(wanted), _type_of(board))
    return FirmwareModel(board.name, evolve(nearest.board, facts=facts, dtbs=tuple(named)))


def _facts(filters: frozenset[str], board_type: int | None) -> BoardFacts:
    """What its filters ask about; starting by `tryboot` is a thing of one start."""
    return BoardFacts(models=filters, board_type=board_type, other={"none": False, "tryboot": False})


def _type_of(board: Board) -> int | None:
    if board.revision is None:
        return None
    low, high = board.revision.board.get("type", (0, -1))
    return low if low == high else None


def _read(path: Path) -> tuple[int, list[FirmwareModel]]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        kernels, long = tuple(map(str, table["kernels"])), bool(table["arm_64bit"])
        return int(table["order"]), [
            FirmwareModel(
                str(each["name"]),
                FirmwareBoard(
                    facts=_facts(frozenset(map(str, each["filters"])), int(each["board_type"])),
                    kernels=kernels,
                    arm_64bit=long,
                    dtbs=tuple(map(str, each["dtbs"])),
                    upstream_dtbs=tuple(map(str, each.get("upstream_dtbs", each["dtbs"]))),
                ),
            )
            for each in table["model"]
        ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise Malformed(str(path), None, "a description of firmware models", repr(error)) from error
