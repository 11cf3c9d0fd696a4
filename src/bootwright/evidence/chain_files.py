"""What a change of an image does to the files of its boot chain: are they there, and what they are taken for?

The checks are those of `image verify`, made of the result, and of the image where the result fails one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from bootwright.boards.model import Board, boards
from bootwright.bootchain.efi.start import UNRECOGNISED
from bootwright.bootchain.firmware_models import firmware_models, model_of
from bootwright.bootchain.model import Chain, started
from bootwright.foundation.errors import BootwrightError, Refused
from bootwright.foundation.verdict import Verdict
from bootwright.images.change.changes import Changes
from bootwright.images.opened import OpenImage, open_image
from bootwright.images.parts.given_files import check_initramfs, check_kernel
from bootwright.images.verify.loader_files import firmware_files
from bootwright.images.verify.verify import tree_checks
from bootwright.images.verify.verify_boot import boot_checks
from bootwright.images.verify.verify_model import Check, fails

_ALL_THE_SAME = "write it all the same: --any-result"
_LINE = re.compile(r"\bline \d+\b")
_CONTENT = "boot loader"
"""A check of this name that cannot be made is one of a file that was not recognised."""


def check_given(changes: Changes) -> None:
    """Look at a kernel and an initramfs of the user's before anything is made of them.

    Raises `Refused` with the reason; what is not there, or is fetched, is looked at by those who take it.
    """
    try:
        if changes.initramfs is not None and changes.initramfs.is_file():
            check_initramfs(changes.initramfs)
        if changes.kernel is not None and Path(changes.kernel).is_file():
            check_kernel(Path(changes.kernel))
    except Refused as error:
        raise _refused(error.message, error.hint) from error


def check_result(before: Path, after: Path, board: Board | None) -> None:
    """Compare the checks of `after`, the changed copy, with those of the image.

    Raises `Refused` for the first that fails of the copy alone; `board` None: on any board.
    """
    made = open_image(after)
    failing = _failing(made, board)
    image = open_image(before)
    known = set(failing) and set(_failing(image, board))
    for key, check in failing.items():
        if key not in known:
            raise _refused(_words(check, str(after)), check.hint)
    _check_start(image, made, board)
    _check_firmware(image, made)


def _words(check: Check, path: str) -> str:
    """What the check found, where: `initramfs BOOT:/A/initramfs.xz: expected …`."""
    # The name of the file that is being made says nothing to the user.
    detail = check.detail.replace(f"{path}:", "").replace(path, "the result")
    detail = re.sub(r"\bpartition \d+ \(([^)]*)\):/", r"\1:/", detail)
    detail = detail.removeprefix(f"{check.where}: ")
    if not check.where or detail.startswith(check.where):
        return detail
    name = "" if check.where.endswith(check.name) else f"{check.name} "
    return f"{name}{check.where}: {detail}"


def _failing(image: OpenImage, board: Board | None) -> Mapping[tuple[str, str, str], Check]:
    """The checks that fail, each by what it says whatever the image is called."""
    checks: list[Check] = [fails("file system", problem) for problem in image.problems]
    for group in (boot_checks(image, board), tree_checks(image)):
        try:
            checks.extend(group)
        except BootwrightError as error:
            checks.append(fails("boot chain", error.message, hint=error.hint))
    return {
        _key(check, str(image.path)): check
        for check in checks
        if check.verdict is Verdict.FAILS or (check.verdict is Verdict.UNKNOWN and check.name == _CONTENT)
    }


def _key(check: Check, path: str) -> tuple[str, str, str]:
    """Of modules that the kernel never took, which kernel that is does not matter; nor do a line's number."""
    detail = "" if check.name == "modules" else _LINE.sub("", check.detail.replace(path, ""))
    return check.name, check.where or "", detail


def _check_start(image: OpenImage, made: OpenImage, board: Board | None) -> None:
    """Whether the kernel that was certain to start, on each board whose firmware decides it, still is."""
    candidates: Sequence[Board | None] = (board,) if board is not None else (None, *_with_firmware(image))
    for candidate in candidates:
        earlier, now = _start(image, candidate), _start(made, candidate)
        if earlier is None or earlier.unsure or earlier.kernel is None:
            continue
        on = f" on {candidate.name}" if candidate is not None else ""
        if now is None:
            raise _refused(f"{earlier.name or 'a kernel'} starts{on}, and nothing would any more")
        if now.unsure or now.kernel is None:
            why = now.unsure or "; ".join(now.unknown)
            raise _refused(f"{earlier.name or 'a kernel'} starts{on}, and would not for certain: {why}")
        programs = {stage.place: stage.name for stage in earlier.stages}
        for stage in now.stages:
            was = programs.get(stage.place, stage.name)
            if stage.name == UNRECOGNISED and was != stage.name:
                raise _refused(f"{stage.place} is {was}, and would be no boot loader that is recognised")


def _check_firmware(image: OpenImage, made: OpenImage) -> None:
    """Whether what each model's firmware is loaded from is there still, where it was."""
    earlier, now = image.config_txt(), made.config_txt()
    for model in firmware_models() if earlier is not None else ():
        for group in model.programs:
            gone = firmware_files(earlier, group) if earlier is not None else []
            if gone and (now is None or not firmware_files(now, group)):
                raise _refused(f"{model.name} starts by {', '.join(gone)}, which would not be there any more")


def _with_firmware(image: OpenImage) -> list[Board]:
    """The boards whose firmware says what starts, and that the image has a devicetree for."""
    names = {entry.name for _, entry in image.trees()}
    return [
        candidate
        for candidate in boards()
        if model_of(candidate) is not None and any(stepping.dtb in names for stepping in candidate.steppings)
    ]


def _start(image: OpenImage, board: Board | None) -> Chain | None:
    try:
        return next(iter(started(image.chains(board))), None)
    except BootwrightError:
        return None


def _refused(message: str, remedy: str | None = None) -> Refused:
    return Refused(message, hint=f"{remedy}; or {_ALL_THE_SAME}" if remedy else _ALL_THE_SAME)
