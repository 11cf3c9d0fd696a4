"""What `configTxt` and `configTxtAppend` of a schematic make of its start, by what the firmware loads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bootwright.boards.model import Board
from bootwright.bootchain.firmware_models import model_of
from bootwright.firmware.config_txt import ConfigTxt, read_config_txt
from bootwright.firmware.files import BootFiles, boot_files
from bootwright.foundation.verdict import Verdict
from bootwright.predict.by_release.remark import Remark
from bootwright.prepare.knowledge import Overlay

REPLACES, APPENDS = "configTxt", "configTxtAppend"


def config_remarks(options: Mapping[str, str], overlay: Overlay, board: Board) -> Iterator[Remark]:
    """Whether the boot loader that the overlay brings is still started; `options` has both options' texts."""
    model = model_of(board)
    loader = overlay.config_txt.get("kernel")
    if model is None or loader is None or not any(options.values()):
        return
    own = "".join(f"{name}={value}\n" for name, value in overlay.config_txt.items())
    base = options[REPLACES] or f"{own}[all]\n"
    # What lies on the partition is not known but for the boot loader and the board's devicetrees.
    names = (loader, *model.board.dtbs, *model.board.upstream_dtbs)
    there = {f"/{name}" for name in names}

    def files(text: str) -> tuple[ConfigTxt, BootFiles]:
        config = read_config_txt(text.replace("\0", " ").encode(), "config.txt")
        return config, boot_files(config, model.board, there.__contains__)

    config, whole = files(f"{base}\n{options[APPENDS]}")
    wrong = _wrong(whole, loader)
    if wrong:
        by_replaced = bool(options[REPLACES]) and bool(_wrong(files(base)[1], loader))
        if by_replaced:
            what = f"configTxt replaces the overlay's config.txt, and on {board.name} {wrong}"
            remedy = f"add the line kernel={loader}, or give only the lines to add, as configTxtAppend"
        else:
            what = f"configTxtAppend is added after the overlay's lines, and on {board.name} {wrong}"
            remedy = "leave that line out of configTxtAppend"
        yield Remark(
            Verdict.FAILS, f"{what}: the boot loader {loader} is not started", remedy, overlay.source
        )
    elif whole.devicetree is None:
        named = config.last("device_tree", model.board.facts)
        yield Remark(
            Verdict.UNKNOWN,
            f"device_tree={named} in config.txt is not the devicetree of {board.name}"
            if named
            else f"device_tree= in config.txt keeps {board.name} from getting a devicetree",
            "leave the line out: the firmware picks the board's own",
        )
    for problem in config.problems:
        yield Remark(Verdict.UNKNOWN, problem)


def _wrong(files: BootFiles, loader: str) -> str:
    """What keeps the firmware from starting the boot loader; empty where nothing does."""
    if files.kernel != f"/{loader}":
        return f"the firmware looks for {' or '.join(path.lstrip('/') for path in files.kernels)}"
    return "" if files.long_mode else "arm_64bit is not 1, which means 32-bit mode"
