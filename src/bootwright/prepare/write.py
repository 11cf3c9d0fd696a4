"""A candidate as an image: made beside the output, verified and checked, and only then given its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from pathlib import Path

from attrs import evolve, frozen

from bootwright.formats.filesystems.filesystem import EntryKind, lookup
from bootwright.foundation import atomic
from bootwright.foundation.errors import BootwrightError, Unequipped
from bootwright.foundation.progress import Progress
from bootwright.foundation.verdict import Verdict
from bootwright.image_boot.boot import on_disk
from bootwright.images.change.swap import swap
from bootwright.images.manifest_model import beside, sha256_of
from bootwright.images.opened import open_image
from bootwright.images.verify.verify import Verified, verify
from bootwright.images.write.output import work_folder
from bootwright.images.write.raw_image import compress, is_compressed
from bootwright.predict.given.gathered import Gathered
from bootwright.prepare.board_image import BoardImage, gathered_of
from bootwright.prepare.mends.search import why_not
from bootwright.prepare.model import Judged, Trial, together
from bootwright.prepare.seen.record import Record, keep_record
from bootwright.prepare.seen.record import beside as record_beside


@frozen
class Written:
    """An image that was made, verified and found to work."""

    image: Path
    judged: Judged
    """What is predicted of the file itself."""
    notes: tuple[str, ...]
    cautions: tuple[str, ...]
    """What the user must know before it is used."""
    record: Record


@frozen
class Work:
    """What making an image needs beside the image."""

    judge: Callable[[Gathered], Judged]
    describe: Callable[[Gathered, Judged, tuple[str, int]], Record]
    """(what the file holds, what is predicted of it, its SHA-256 and size in bytes) → its record."""
    progress: Progress
    handed_over: tuple[Path, ...] = ()
    """Devicetrees that the board's firmware may bring, where the image has none."""


class Rejected(Exception):
    """The image that was made is not the answer; the message says why."""


def write(image: BoardImage, trial: Trial, output: Path, doing: Work) -> Written:
    """Make the image with a trial's changes under the name `output`, with manifest and record beside it.

    Raises `Rejected`, and nothing is written, where the changes cannot be made or the image does not check
    out; `Unequipped` where the disk is full or a program is not installed.
    """
    progress = doing.progress
    changes = reduce(together, (mend.changes() for mend in trial.mends))
    with work_folder(output, progress) as work, ThreadPoolExecutor(1) as pool:
        made = work / "prepared.img"
        try:
            swapped = swap(image.path, made, changes, board=image.target.board, progress=progress)
        except Unequipped as error:
            raise Unequipped(error.message.replace(str(made), str(output)), hint=error.hint) from error
        except BootwrightError as error:
            raise Rejected(error.message) from error
        # Beside what is read of it below: hashing releases Python's lock, and takes as long for gigabytes.
        hashed = pool.submit(on_disk, made) if not is_compressed(output) else None
        with progress.step("verify the new image"):
            verified = verify(made, board=image.target.board, progress=progress)
        _check_sound(image, verified)
        gathered = gathered_of(str(made), image.target, progress, handed_over=doing.handed_over)
        judged = doing.judge(gathered)
        if judged.verdict is not Verdict.WORKS:
            raise Rejected(f"in the image that was made {why_not(judged, trial.judged or judged)}")
        manifest = evolve(swapped.manifest, image=output.name)
        whole = made if hashed is not None else compress(made, output, progress)
        with progress.step(f"hash {output.name}"):
            digest = hashed.result()[1] if hashed is not None else sha256_of(whole)
        record = doing.describe(gathered, judged, (digest, whole.stat().st_size))
        # What is beside it goes first: a record names its image by its hash, and is of no other.
        keep_record(record_beside(output), record)
        atomic.write_text(beside(output), manifest.text())
        try:
            whole.replace(atomic.final(output))
        except OSError as error:
            raise atomic.explained(error, output) from error
        cautions = (*_unverified(verified), *_left_behind(output, record.kernel, progress))
    return Written(output, judged, swapped.notes, cautions, record)


def _unverified(verified: Verified) -> Iterator[str]:
    """What could not be verified, and why."""
    for check in verified.checks:
        if check.verdict is Verdict.UNKNOWN:
            yield f"not verified: {check.name}: {check.detail}"


def _left_behind(image: Path, release: str, progress: Progress) -> Iterator[str]:
    """Root file systems of their own that have modules, and none of the kernel that boots now."""
    for volume in open_image(image, progress).volumes:
        releases: set[str] = set()
        for place in ("/usr/lib/modules", "/lib/modules"):
            folder = lookup(volume.files, place)
            if folder is not None and folder.kind is EntryKind.DIRECTORY:
                releases |= {entry.name for entry in volume.files.children(folder)}
        if releases and release not in releases:
            held = ", ".join(sorted(releases))
            yield (
                f"{volume.title} has modules of {held} only: what the initramfs does not bring of {release} "
                "cannot be loaded there until its package is installed"
            )


def _check_sound(image: BoardImage, verified: Verified) -> None:
    """Raise `Rejected` for a check that fails, unless it did before the change as well."""
    failing = [check for check in verified.checks if check.verdict is Verdict.FAILS]
    if not failing:
        return
    before = {
        (check.name, check.where)
        for check in verify(image.path, board=image.target.board).checks
        if check.verdict is Verdict.FAILS
    }
    new = [check for check in failing if (check.name, check.where) not in before]
    if new:
        raise Rejected(f"the image that was made does not verify: {new[0].name}: {new[0].detail}")


def made_by(output: Path, image: str, trial: Trial, board: str) -> tuple[str, ...]:
    """The `image swap` command that makes the same change."""
    changes = reduce(together, (mend.changes() for mend in trial.mends))
    words = ["bootwright", "image", "swap", image]
    if changes.kernel:
        words += ["--kernel", changes.kernel]
    if changes.modules:
        words += ["--modules", changes.modules]
    for name in changes.added_modules:
        words += ["--add-module", name]
    for path in changes.trees:
        words += ["--dtb", str(path)]
    for place, path in changes.files:
        words += ["--file", f"{place}={path}"]
    if changes.arguments:
        edits = (f"{'+' if edit.add else '-'}{edit.text}" for edit in changes.arguments)
        words += ["--cmdline", " ".join(edits)]
    for edit in changes.config:
        words += ["--config-txt", edit.text]
    return (*words, "--board", board, "-o", str(output))
