"""Boards whose closed firmware reads config.txt: one file for each processor in `data/firmware-models/`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from attrs import evolve, field, frozen

from bootwright.boards.model import Board
from bootwright.firmware.board import FirmwareBoard
from bootwright.firmware.filters import BoardFacts
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import key


@frozen
class FirmwareModel:
    """One model, with what its firmware does where config.txt leaves it to itself."""

    name: str
    board: FirmwareBoard
    programs: tuple[tuple[str, ...], ...] = ()
    """Of each, one file is loaded from the boot partition before config.txt counts."""

    @property
    def filters(self) -> frozenset[str]:
        """Model filters that hold: a Compute Module 5 sees `[pi5]` and `[cm5]`."""
        return self.board.facts.models


@frozen
class _Board:
    """A table `[[model]]`."""

    name: str
    filters: frozenset[str]
    board_type: int
    dtbs: tuple[str, ...]
    upstream_dtbs: tuple[str, ...] | None = None
    """Names of mainline's devicetrees, where they differ."""


@frozen
class Processor:
    """A file of `data/firmware-models/`."""

    source: str
    order: int
    """The newest processor has the least."""
    kernels: tuple[str, ...]
    arm_64bit: bool
    boards: tuple[_Board, ...] = field(metadata=key("model"))
    only_64bit: bool = False
    """Whether `arm_64bit` is passed over, since it starts nothing else."""
    programs: tuple[tuple[str, ...], ...] = ()
    """See `FirmwareModel.programs`; none where the EEPROM holds the firmware."""

    def models(self) -> Iterator[FirmwareModel]:
        """The models with that processor."""
        for board in self.boards:
            yield FirmwareModel(
                board.name,
                FirmwareBoard(
                    facts=_facts(board.filters, board.board_type),
                    kernels=self.kernels,
                    arm_64bit=self.arm_64bit,
                    only_64bit=self.only_64bit,
                    dtbs=board.dtbs,
                    upstream_dtbs=board.dtbs if board.upstream_dtbs is None else board.upstream_dtbs,
                ),
                self.programs,
            )


FIRMWARE_MODELS = Kind("firmware-models", "a processor's firmware models", Processor)


@cache
def firmware_models() -> tuple[FirmwareModel, ...]:
    """Every model, the newest processor first."""
    processors = sorted(FIRMWARE_MODELS.all().values(), key=lambda processor: processor.order)
    return tuple(model for processor in processors for model in processor.models())


def model_of(board: Board) -> FirmwareModel | None:
    """The model a board is, None where its firmware reads no config.txt.

    A user's own board takes the defaults of the known model whose filters it shares most of.
    """
    if not board.firmware_models:
        return None
    wanted = set(board.firmware_models)
    nearest = max(firmware_models(), key=lambda model: (len(model.filters & wanted), model.filters == wanted))
    named = dict.fromkeys((*(stepping.dtb for stepping in board.steppings), *nearest.board.dtbs))
    facts = _facts(frozenset(wanted), _type_of(board))
    return FirmwareModel(board.name, evolve(nearest.board, facts=facts, dtbs=tuple(named)), nearest.programs)


def _facts(filters: frozenset[str], board_type: int | None) -> BoardFacts:
    """What its filters ask about; starting by `tryboot` is a thing of one start."""
    return BoardFacts(models=filters, board_type=board_type, other={"none": False, "tryboot": False})


def _type_of(board: Board) -> int | None:
    if board.revision is None:
        return None
    low, high = board.revision.board.get("type", (0, -1))
    return low if low == high else None
