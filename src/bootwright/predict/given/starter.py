"""Whether a board's own firmware starts what an image boots."""

from __future__ import annotations

from bootwright.boards.model import Board
from bootwright.bootchain.chains import not_by_firmware
from bootwright.bootchain.firmware_models import model_of
from bootwright.bootchain.model import Chain
from bootwright.predict.model import Answer, Evidence, Link


def not_started(chain: Chain | None, board: Board) -> Link | None:
    """The link that stands before all others where the firmware, which reads config.txt, starts nothing of
    the image whose `chain` this is on the board: a loader from elsewhere may. None where it does, where the
    board's firmware is not known, and where there is no chain.
    """
    model = model_of(board)
    if model is None or chain is None or chain.by_raspberry_pi:
        return None
    return Link(
        "/",
        "a start by the board's firmware",
        Answer.UNKNOWN,
        Evidence(chain.stages[0].place or chain.name, "Raspberry Pi documentation, config.txt: kernel"),
        f"{not_by_firmware(board.name)}: no config.txt names a kernel, and {', '.join(model.board.kernels)} "
        "is not there; only a U-Boot or UEFI that is elsewhere starts it",
        remedy="put a config.txt and the kernel, or U-Boot or UEFI for the board, on its first FAT partition",
    )
