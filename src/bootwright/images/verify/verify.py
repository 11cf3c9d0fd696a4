"""Verifies an image: structure sound, everything the boot chain names is there, the parts belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attrs import frozen

from bootwright.boards.model import Board
from bootwright.bootchain.model import Chain
from bootwright.formats.devicetree.fdt import read_fdt
from bootwright.formats.disks.gpt import is_gpt
from bootwright.formats.disks.mbr import read_partition_table
from bootwright.formats.filesystems.filesystem import EntryKind
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation import tools
from bootwright.foundation.errors import BootwrightError, ToolFailed
from bootwright.foundation.processes.work_folder import temporary_folder
from bootwright.foundation.progress import Progress, Silent
from bootwright.foundation.verdict import Verdict
from bootwright.images.opened import OpenImage, Volume, all_files, open_image
from bootwright.images.verify.verify_boot import boot_checks
from bootwright.images.verify.verify_expect import Expectation, expectation_checks
from bootwright.images.verify.verify_model import Check, fails, unknown, works
from bootwright.images.write.sparse import extract

_CHECKERS: dict[str, tuple[str, ...]] = {
    "vfat": ("fsck.vfat", "-n"),
    "xfs": ("xfs_repair", "-n"),
    "ext2": ("e2fsck", "-fn"),
    "ext3": ("e2fsck", "-fn"),
    "ext4": ("e2fsck", "-fn"),
}
_CHUNK = 4 << 20


@frozen
class Verified:
    """What was found."""

    image: Path
    checks: tuple[Check, ...]
    chains: tuple[Chain, ...] = ()
    """How the image boots, what starts by itself first."""

    @property
    def verdict(self) -> Verdict:
        """`fails` when one check does, else `unknown` when one could not be made."""
        verdicts = {check.verdict for check in self.checks}
        if Verdict.FAILS in verdicts:
            return Verdict.FAILS
        return Verdict.UNKNOWN if Verdict.UNKNOWN in verdicts else Verdict.WORKS

    def as_json(self) -> dict[str, object]:
        """The documented form (docs/schemas/verify.schema.json)."""
        return {
            "format": "bootwright.image-verify/1",
            "image": str(self.image),
            "verdict": str(self.verdict),
            "chains": [chain.as_json() for chain in self.chains],
            "checks": [check.as_json() for check in self.checks],
        }


def verify(
    path: Path,
    *,
    expected: Sequence[Expectation] = (),
    board: Board | None = None,
    progress: Progress | None = None,
    work: Path | None = None,
) -> Verified:
    """Check an image; raises `Malformed` or `Refused` only for what is not a disk image at all.

    Without `board`, what boots on any board is checked.

    `work` is a folder for partitions that checkers need as a file (default: the system's temporary one).
    """
    progress = progress or Silent()
    image = open_image(path, progress)
    checks = list(_table(image.raw, path))
    checks += [fails("file system", problem) for problem in image.problems]
    with temporary_folder(work) as folder:
        for volume in image.volumes:
            with progress.step(f"check {volume.title} ({volume.files.type})"):
                checks += _volume(image, volume, folder)
    with progress.step("check the boot chain"):
        checks += _guarded("boot chain", lambda: boot_checks(image, board))
    with progress.step("check the devicetrees"):
        checks += _guarded("devicetrees", lambda: tree_checks(image))
    with progress.step("compare with what is expected"):
        checks += expectation_checks(image, expected)
    try:
        chains = image.chains(board)
    except BootwrightError:
        chains = ()  # the check of the boot chain says why
    return Verified(path, tuple(checks), chains)


def _guarded(name: str, make: Callable[[], Iterator[Check]]) -> list[Check]:
    """The checks up to the first that cannot be made because of what the image holds."""
    checks: list[Check] = []
    try:
        checks.extend(make())
    except BootwrightError as error:
        checks.append(fails(name, error.message, hint=error.hint))
    return checks


def _table(raw: Path, path: Path) -> Iterator[Check]:
    source = FileBytes(raw)
    try:
        table = read_partition_table(source)
    except BootwrightError as error:
        yield fails("partition table", error.message, where=str(path))
        return
    bad = [copy for copy in table.copies if ": good" not in copy]
    for problem in (*bad, *table.problems):
        yield fails("partition table", problem, where=str(path))
    if is_gpt(source) and source.read(510, 2) != b"\x55\xaa":
        yield fails("partition table", "the protective MBR has no signature", where=str(path))
    elif not bad and not table.problems:
        copies = "both copies and their checksums agree" if table.scheme.startswith("gpt") else "sound"
        yield works("partition table", f"{table.scheme}, {len(table.partitions)} partitions, {copies}")


def _volume(image: OpenImage, volume: Volume, work_folder: Path) -> Iterator[Check]:
    name = f"file system {volume.title}"
    files = amount = 0
    where = volume.title
    try:
        for entry in all_files(volume.files):
            if entry.kind is EntryKind.FILE:
                where = volume.path(entry.path)
                source = volume.files.open(entry)
                for start in range(0, source.size, _CHUNK):
                    source.read(start, min(_CHUNK, source.size - start))
                files += 1
                amount += entry.size
    except BootwrightError as error:
        yield fails(name, error.message, where=where, hint=error.hint)
        return
    checker = _CHECKERS.get(volume.files.type)
    summary = f"{volume.files.type}, {files} files, {amount / 1e6:.1f} MB, all read"
    if checker is None:
        yield works(name, summary)
        return
    program = tools.find(checker[0])
    if program is None:
        package = tools.PACKAGES.get(checker[0], checker[0])
        yield unknown(name, f"{summary}; {checker[0]} is not installed", hint=f"install {package}")
        return
    part = work_folder / f"partition-{volume.partition.number}"
    extract(image.raw, volume.partition.offset, volume.partition.size, part)
    try:
        tools.run([program, *checker[1:], part], timeout=600)
    except ToolFailed as error:
        yield fails(
            name, f"{' '.join(checker)}: {error.output.strip()[-300:] or error.message}", where=volume.title
        )
    else:
        yield works(name, f"{summary}; clean by {' '.join(checker)}")
    finally:
        part.unlink(missing_ok=True)


def tree_checks(image: OpenImage) -> Iterator[Check]:
    """Every devicetree and overlay by its name: can it be read?"""
    count = 0
    for volume, entry in image.trees():
        count += 1
        try:
            read_fdt(volume.files.open(entry))
        except BootwrightError as error:
            yield fails("devicetree", error.message, where=volume.path(entry.path))
    if count:
        yield works(
            "devicetrees",
            f"{count} files read; none states its build (compare with --expect dtb=DIR)",
        )
