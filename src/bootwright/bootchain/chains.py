"""Every way an image boots, in the order in which firmware and boot loader would try them."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from bootwright.boards.model import Board
from bootwright.bootchain.after_firmware import board_chains
from bootwright.bootchain.firmware_models import FirmwareModel, firmware_models, model_of
from bootwright.bootchain.model import Chain
from bootwright.bootchain.raspberrypi import config_volume, raspberry_pi_chains
from bootwright.bootchain.volumes import Volume, file_at


def chains(volumes: Sequence[Volume], board: Board | None = None) -> tuple[Chain, ...]:
    """The chains; those that start by themselves have `default`, and the first of them is the first of all.

    On a board whose firmware reads config.txt that says what starts. Without a board it counts where the
    image has one; where it leads boards to different kernels there is a default for each group of `boards`.
    Raises `Malformed` for a boot configuration that cannot be read.
    """
    model = model_of(board) if board is not None else None
    if board is None or model is not None:
        groups = _firmware_groups(volumes, model)
        if groups:
            defaults = [evolve(group[0], default=True) for group in groups]
            seen = {id(default) for default in defaults}
            return (*defaults, *(chain for group in groups for chain in group[1:] if id(chain) not in seen))
    remaining = board_chains(volumes)
    if model is not None and remaining:
        remaining[0] = evolve(remaining[0], unsure=not_by_firmware(model.name))
    return (evolve(remaining[0], default=True), *remaining[1:]) if remaining else ()


def not_by_firmware(name: str) -> str:
    """Why what boots is not certain on a board whose firmware starts nothing."""
    return f"the firmware of {name} starts nothing of it"


def _firmware_groups(volumes: Sequence[Volume], model: FirmwareModel | None) -> list[list[Chain]]:
    volume = config_volume(volumes)
    if volume is None and model is not None:
        # config.txt may be missing: then everything is as by default.
        readable = [
            candidate
            for candidate in volumes
            if candidate.partition is None or candidate.files.type == "vfat"
        ]
        names = [f"/{name}" for name in model.board.kernels]
        volume = next(
            (candidate for candidate in readable if any(file_at(candidate, name) for name in names)), None
        )
    if volume is None:
        return []
    return raspberry_pi_chains(volumes, volume, (model,) if model is not None else firmware_models())
