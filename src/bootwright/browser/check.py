"""The tab that checks an image, kernel, devicetree or folder: the document of `bootwright check --json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bootwright.api.checking import check
from bootwright.browser.asked import asked_text, board_meant, revision_or_stepping
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.formats.sources.compressed import is_expanded_whole
from bootwright.foundation.errors import Refused
from bootwright.foundation.progress import Progress
from bootwright.foundation.verdict import Verdict
from bootwright.predict.given.gathered import NoKernel
from bootwright.predict.given.image_kernel import lacks_configuration
from bootwright.predict.kernel.facts_file import kernel_of_facts
from bootwright.report.checked.chain_picture import chain_picture
from bootwright.report.checked.text import screens

if TYPE_CHECKING:
    from bootwright.api.checking import Checked
    from bootwright.predict.verdicts import BoardVerdicts

_MOST_IN_MEMORY = 16 << 20
"""Bytes of a compressed file that may be expanded in memory: images expand to a hundred times as much."""


def answer(request: Mapping[str, Any], files: Sequence[Path], progress: Progress) -> dict[str, Any]:
    """What `bootwright check` says of the files, and a picture of each goal's chain.

    `request` may have `board` (docs/boards.md), `revision` (a revision code, or a stepping's name), `os`
    (`talos=1.12.1`), `entry` and `cmdline` (of the boot entry), as the command's options. A file that was
    picked alone is an artifact; of a folder, the folder is. `has_kernels` says that the page has some, and
    `may_add_kernel` that it adds one where devicetrees come alone: then `{"needs_kernel": true}` asks for it.
    `images` has the SHA-256 of the Image of each of those kernels, by name: where one of them is in an image
    that does not say how it was built, `{"needs_facts": NAME}` asks for its facts, which are then the file
    that `facts` names. `on_disk` is false where the browser gives the page no storage, so that what is kept
    in the cache is kept in memory.

    Returns `check` (docs/schemas/check.schema.json), `verdict`, `titles` (of each board judged),
    `text` (lines of the command's answer) and `pictures`: for each board judged, goal → SVG. Raises what
    `api.check` raises.
    """
    facts = [path for path in files if str(path) == request.get("facts")]
    for path in facts:
        kernel_of_facts(path)  # which keeps its configuration where images are looked at
    artifacts = given([path for path in files if path not in facts])
    if not artifacts:
        raise Refused(
            "there is nothing to check", hint="pick an image, a kernel with a devicetree, or a folder"
        )
    if request.get("on_disk") is False:
        _check_room(files)
    board = board_meant(asked_text(request, "board"))
    revision, stepping = revision_or_stepping(board, asked_text(request, "revision"))
    with progress.step("reading"):
        try:
            checked = check(
                artifacts,
                boards=board or (),
                revision=revision,
                stepping=stepping,
                os=asked_text(request, "os") or None,
                entry=asked_text(request, "entry") or None,
                cmdline=asked_text(request, "cmdline") or None,
                progress=progress,
            )
        except NoKernel as error:
            if error.alone and request.get("may_add_kernel"):
                return {"needs_kernel": True}
            raise Refused("no kernel is among the files", hint=_hint(request, alone=error.alone)) from error
    needed = None if facts else _needed_facts(checked, request.get("images"))
    return document(checked) if needed is None else {"needs_facts": needed}


def _needed_facts(checked: Checked, images: object) -> str | None:
    """The kernel of the page whose facts tell more of an image's; None where nothing is unknown."""
    goals = [goal for verdicts in checked.judged for goal in verdicts.goals.values()]
    if not isinstance(images, dict) or all(goal.verdict is not Verdict.UNKNOWN for goal in goals):
        return None
    return next((name for name, digest in images.items() if lacks_configuration(str(digest))), None)


def _hint(request: Mapping[str, Any], *, alone: bool) -> str:
    """What to do where there is no kernel; `alone`: there are devicetrees, which any kernel may go with."""
    if alone and request.get("has_kernels"):
        return "choose one under “Kernel, for devicetrees alone”, or pick a kernel with them"
    return "pick a kernel (Image, vmlinuz, a .deb) with them, or an image that has one"


def _check_room(files: Sequence[Path]) -> None:
    """Raise `Refused` for a file whose whole content would be kept in memory."""
    for path in files:
        if path.stat().st_size > _MOST_IN_MEMORY and is_expanded_whole(FileBytes(path)):
            raise Refused(
                f"{path} would have to be expanded in memory: this browser gives the page no storage on disk",
                hint="expand it first and pick the result, or use a window that is not private",
            )


def document(checked: Checked) -> dict[str, Any]:
    """What the tab shows of a check."""
    return {
        "check": checked.as_json(),
        "verdict": checked.verdict.value,
        "titles": [_title(verdicts) for verdicts in checked.judged],
        "text": screens(checked.judged),
        "pictures": [
            {name: chain_picture(name, goal) for name, goal in verdicts.goals.items()}
            for verdicts in checked.judged
        ],
    }


def _title(verdicts: BoardVerdicts) -> str:
    """`Raspberry Pi 5, stepping d0`."""
    board = verdicts.board
    stepping = f", stepping {verdicts.stepping}" if len(board.steppings) > 1 and verdicts.stepping else ""
    return f"{board.name}{stepping}"


def given(files: Sequence[Path]) -> tuple[str, ...]:
    """The artifacts that picked files are: a folder once, in place of the files in it."""
    artifacts: dict[str, None] = {}
    for path in files:
        parts = path.parts
        artifacts[f"./{parts[0]}"] = None
    return tuple(artifacts)
