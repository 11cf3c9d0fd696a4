"""Write an image to a card or a file, read it back, and say whether it is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bootwright.api._common import reporter

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress
    from bootwright.images.flash.devices import Device
    from bootwright.images.flash.flash import Flashed
    from bootwright.images.flash.source import Image
    from bootwright.images.flash.target import BlockTarget, FileTarget

SCHEMA = "bootwright/flash/1"


class FlashInterrupted(KeyboardInterrupt):
    """Ctrl-C after writing had begun: the target is not usable as it is; the same call with `resume` goes on.

    `position` is how far was written, `durable` from where it would go on, both in bytes.
    """

    def __init__(self, target: str, position: int, durable: int) -> None:
        super().__init__(target)
        self.target = target
        self.position = position
        self.durable = durable


@frozen
class FlashReport:
    """What was written and read back."""

    image: str
    target: str
    done: Flashed
    ejected: bool
    to_file: bool
    """Whether the target is a file rather than a disk."""

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/flash.schema.json."""
        return {
            "schema": SCHEMA,
            "image": self.image,
            "target": self.target,
            "bytes": self.done.size,
            "data_bytes": self.done.data,
            "resumed_at": self.done.resumed_at,
            "sha256": self.done.sha256,
            "verified": True,
            "write_seconds": round(self.done.write_seconds, 3),
            "verify_seconds": round(self.done.verify_seconds, 3),
            "ejected": self.ejected,
        }


def list_disks() -> tuple[Device, ...]:
    """The disks and cards of this machine; `.refusal` says why one is never written to.

    [disk.path for disk in list_disks() if disk.refusal is None and disk.removable]
    """
    from bootwright.images.flash.devices import Machine

    return tuple(Machine().devices())


def flash(
    image: str | Path,
    device: str | Path,
    *,
    yes_really: str | Path | None = None,
    resume: bool = False,
    any_content: bool = False,
    eject: bool = True,
    progress: Progress | None = None,
) -> FlashReport:
    """Write an image to a card or a file, and read it back.

    `yes_really` names the device a second time: for a disk that is not removable, or a file that exists.
    `resume` goes on with an interrupted write of the same image; `any_content` writes what does not look like
    a disk image, or is not all of one.

    Returns a `FlashReport`. Raises `Refused` or `Missing` with the reason why nothing is written,
    `FlashFailed` (a `BootwrightError`) where the medium fails, `FlashInterrupted` on Ctrl-C.

        flash("talos.raw.xz", "card.img").done.sha256
    """
    from bootwright.images.flash.source import check_disk_image, open_image

    opened = open_image(str(image))
    if not any_content:
        check_disk_image(opened)
    again = Path(yes_really) if yes_really is not None else None
    target = open_target(str(image), opened, Path(device), again, resume=resume)
    return write_image(opened, target, reporter(progress), resume=resume, eject=eject)


def write_image(
    image: Image,
    target: BlockTarget | FileTarget,
    progress: Progress,
    *,
    resume: bool = False,
    eject: bool = True,
) -> FlashReport:
    """Write and verify an opened image; raises `FlashInterrupted` where it was interrupted after it began."""
    import sys

    from bootwright.images.flash.flash import Written
    from bootwright.images.flash.flash import flash as flash_opened
    from bootwright.images.flash.journal import Journal
    from bootwright.images.flash.target import FileTarget
    from bootwright.images.flash.target import eject as eject_medium

    journal = Journal(target.identity, image.identity)
    state = Written()
    keep = False
    try:
        try:
            keep = resume
            start = journal.position() if resume else 0
            if not resume:
                journal.forget()
            keep = False
            done = flash_opened(image, target, journal=journal, start=start, progress=progress, state=state)
            target.finish(done.size)
            keep = True
        finally:
            if isinstance(sys.exception(), KeyboardInterrupt):
                keep = True
            target.close(keep=keep)
    except KeyboardInterrupt as error:
        if not state.began:
            raise
        raise FlashInterrupted(target.name, state.position, state.durable) from error
    to_file = isinstance(target, FileTarget)
    ejected = eject and not to_file and eject_medium(Path(target.name))
    return FlashReport(image.name, target.name, done, ejected, to_file)


def open_target(
    given: str, image: Image, device: Path, named_twice: Path | None, *, resume: bool = False
) -> BlockTarget | FileTarget:
    """What `image`, which the user named `given`, is written to; raises as `check_target`."""
    from bootwright.images.flash.target import BlockTarget, FileTarget

    block_device = check_target(given, image.size, device, named_twice)
    return FileTarget(device, resume=resume) if block_device is None else BlockTarget(block_device, device)


def check_target(given: str, size: int | None, device: Path, named_twice: Path | None) -> Device | None:
    """The disk to be written to; None for a file. Nothing is opened or changed.

    Raises `Refused` or `Missing` with the reason why it is not written to; `size` is the image's, in bytes,
    None where it is not known yet.
    """
    from bootwright.foundation.errors import Missing, Refused
    from bootwright.images.flash.target import is_block_device

    if is_block_device(device):
        return _disk(size, device, named_twice)
    if device.exists():
        if Path(given).exists() and device.samefile(given):
            raise Refused(f"{device} is the image itself", hint="name the card, or another file")
        if named_twice != device:
            raise Refused(f"{device} exists", hint=f"to replace it name it twice: --yes-really {device}")
    if not device.parent.is_dir():
        raise Missing(f"there is no folder {device.parent}", hint="make it first")
    return None


def _disk(size: int | None, path: Path, named_twice: Path | None) -> Device:
    from bootwright.foundation.errors import Refused
    from bootwright.images.flash.devices import Machine

    machine = Machine()
    device = machine.device(path)
    if device is None:
        whole = machine.whole_disk(path)
        raise Refused(
            f"{path} is not a whole disk",
            hint=f"an image has its own partitions: name /dev/{whole}"
            if whole
            else "see `bootwright flash --list`",
        )
    if device.refusal:
        raise Refused(f"{path} ({title(device)}) is not written to: {device.refusal}", hint=_way_out(device))
    if size is not None and size > device.size:
        raise Refused(
            f"{path} ({title(device)}) is too small: the image has {gigabytes(size)}",
            hint="use a larger card",
        )
    if not device.removable and named_twice != path:
        raise Refused(
            f"{path} ({title(device)}) is not a removable medium",
            hint=f"everything on it would be lost; if you mean it, add --yes-really {path}",
        )
    return device


def _way_out(device: Device) -> str:
    if device.system:
        return "name the card; see `bootwright flash --list`"
    if device.mounted:
        return f"unmount it first: umount {device.path}*"
    return "see `bootwright flash --list`"


def title(device: Device) -> str:
    """A disk for a person: model, size and bus."""
    return ", ".join(
        word for word in (device.model or "no model", gigabytes(device.size), device.bus) if word
    )


def gigabytes(size: int) -> str:
    """`31.9 GB`, or megabytes below a tenth of one."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
