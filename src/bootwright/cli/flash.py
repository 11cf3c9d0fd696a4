"""`bootwright flash`: write an image to a card, safely, and prove that it is there."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bootwright.foundation.errors import Refused

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress
    from bootwright.images.flash.devices import Device
    from bootwright.images.flash.flash import Flashed
    from bootwright.images.flash.source import Image
    from bootwright.images.flash.target import BlockTarget, FileTarget

SCHEMA = "bootwright/flash/1"

_EPILOG = """\b
Examples:
  bootwright flash --list
  sudo bootwright flash metal-arm64.raw.xz /dev/sdb
  sudo bootwright flash https://example.org/metal-arm64.raw.zst /dev/mmcblk0
  sudo bootwright flash metal-arm64.raw.xz /dev/sdb --resume
  bootwright flash metal-arm64.raw.xz card.img

IMAGE is a file or an http(s) URL: raw, .xz, .zst, .gz or .bz2. DEVICE is a whole disk or card, or a file.
The running system's disk and anything mounted, read-only or too small is always refused; a disk that is not
there to be taken out, and a file that exists, only with --yes-really DEVICE.

Exit status: 0 written and verified, 2 refused or failed, 130 interrupted.
"""


@click.command(name="flash", epilog=_EPILOG)
@click.argument("image", required=False)
@click.argument("device", required=False, type=click.Path(path_type=Path))
@click.option("--list", "show_list", is_flag=True, help="List disks and cards, and which can be written to.")
@click.option(
    "--yes-really",
    "named_twice",
    metavar="DEVICE",
    type=click.Path(path_type=Path),
    help="Name DEVICE a second time: overwrite a disk that is not removable, or a file that exists.",
)
@click.option("--resume", is_flag=True, help="Go on with a write of the same image that was interrupted.")
@click.option("--any-content", is_flag=True, help="Write it even where it does not look like a disk image.")
@click.option("--no-eject", is_flag=True, help="Leave the card in the drive.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/flash.schema.json).")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    *,
    image: str | None,
    device: Path | None,
    show_list: bool,
    named_twice: Path | None,
    resume: bool,
    any_content: bool,
    no_eject: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Write IMAGE to DEVICE, read it back, and say whether it is there."""
    from bootwright.foundation.progress import Lines, Silent
    from bootwright.images.flash.source import check_disk_image, open_image

    if show_list or device is None:
        return _list(as_json=as_json, asked=show_list or image is None)
    if image is None:  # click fills IMAGE first
        raise click.UsageError("give an IMAGE and a DEVICE")
    opened = open_image(image)
    if not any_content:
        check_disk_image(opened)
    target = open_target(image, opened, device, named_twice, resume=resume)
    report = write_image(
        opened, target, Silent() if quiet else Lines(), resume=resume, eject=not no_eject, as_json=as_json
    )
    if report is None:
        return 130
    if as_json:
        click.echo(json.dumps(report, indent=1, ensure_ascii=False))
    return 0


def write_image(
    image: Image,
    target: BlockTarget | FileTarget,
    progress: Progress,
    *,
    resume: bool = False,
    eject: bool = True,
    as_json: bool = False,
) -> dict[str, Any] | None:
    """Write and verify, and say so, unless `as_json`; what was done, or None where it was interrupted."""
    from bootwright.images.flash.flash import Written, flash
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
            done = flash(image, target, journal=journal, start=start, progress=progress, state=state)
            target.finish(done.size)
            keep = True
        finally:
            if isinstance(sys.exception(), KeyboardInterrupt):
                keep = True
            target.close(keep=keep)
    except KeyboardInterrupt:
        if not state.began:
            raise
        click.echo(
            f"bootwright: interrupted after {state.position / 1e6:.0f} MB: {target.name} is not usable as it "
            f"is\n  hint: the same command with --resume goes on from {state.durable / 1e6:.0f} MB",
            err=True,
        )
        return None
    ejected = eject and not isinstance(target, FileTarget) and eject_medium(Path(target.name))
    if not as_json:
        _print(target.name, done, ejected=ejected, file=isinstance(target, FileTarget))
    return _report(image, target.name, done, ejected=ejected)


def open_target(
    given: str, image: Image, device: Path, named_twice: Path | None, *, resume: bool = False
) -> BlockTarget | FileTarget:
    """What `image`, which the user named `given`, is written to; raises as `check_target`."""
    from bootwright.images.flash.target import BlockTarget, FileTarget

    found = check_target(given, image.size, device, named_twice)
    return FileTarget(device, resume=resume) if found is None else BlockTarget(found, device)


def check_target(given: str, size: int | None, device: Path, named_twice: Path | None) -> Device | None:
    """The disk to be written to; None for a file. Nothing is opened or changed.

    Raises `Refused` or `Missing` with the reason why it is not written to; `size` is the image's, in bytes,
    None where it is not known yet.
    """
    from bootwright.foundation.errors import Missing
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
        raise Refused(f"{path} ({_title(device)}) is not written to: {device.refusal}", hint=_way_out(device))
    if size is not None and size > device.size:
        raise Refused(
            f"{path} ({_title(device)}) is too small: the image has {_gb(size)}",
            hint="use a larger card",
        )
    if not device.removable and named_twice != path:
        raise Refused(
            f"{path} ({_title(device)}) is not a removable medium",
            hint=f"everything on it would be lost; if you mean it, add --yes-really {path}",
        )
    return device


def _way_out(device: Device) -> str:
    if device.system:
        return "name the card; see `bootwright flash --list`"
    if device.mounted:
        return f"unmount it first: umount {device.path}*"
    return "see `bootwright flash --list`"


def _list(*, as_json: bool, asked: bool) -> int:
    from bootwright.images.flash.devices import Machine

    devices = Machine().devices()
    if as_json:
        document = {"schema": SCHEMA, "devices": [_facts(device) for device in devices]}
        click.echo(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        for device in devices:
            _show(device)
        if not devices:
            click.echo("no disk or card found")
    if asked:
        return 0
    click.echo("bootwright: name the DEVICE to write to", err=True)
    return 2


def _facts(device: Device) -> dict[str, Any]:
    return {
        "name": device.name,
        "path": str(device.path),
        "model": device.model,
        "size": device.size,
        "bus": device.bus,
        "removable": device.removable,
        "read_only": device.read_only,
        "system": device.system,
        "mounted": list(device.mounted),
        "refused": device.refusal,
        "partitions": [
            {
                "name": part.name,
                "size": part.size,
                "filesystem": part.filesystem,
                "label": part.label,
                "mounted": list(part.mounted),
            }
            for part in device.partitions
        ],
    }


def _show(device: Device) -> None:
    if device.refusal:
        state = f"refused: {device.refusal}"
    elif device.removable:
        state = "can be written to"
    else:
        state = "not removable: only when named twice"
    click.echo(f"{device.path}  {_title(device)}  {state}")
    for part in device.partitions:
        words = [part.filesystem, part.label, *(f"on {place}" for place in part.mounted)]
        click.echo(f"  {part.name}  {_gb(part.size)}  {' '.join(word for word in words if word)}".rstrip())


def _title(device: Device) -> str:
    return ", ".join(word for word in (device.model or "no model", _gb(device.size), device.bus) if word)


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def _print(name: str, done: Flashed, *, ejected: bool, file: bool) -> None:
    rate = (done.size - done.resumed_at) / 1e6 / max(done.write_seconds, 0.001)
    resumed = f", of which {done.resumed_at / 1e6:.0f} MB before" if done.resumed_at else ""
    click.echo(
        f"{name}: {_gb(done.size)} written{resumed} in {done.write_seconds:.1f} s ({rate:.0f} MB/s), "
        f"read back in {done.verify_seconds:.1f} s and the same"
    )
    click.echo(f"sha256 {done.sha256}")
    if not file:
        click.echo("ejected: it can be taken out" if ejected else "synced: it can be taken out")


def _report(image: Image, name: str, done: Flashed, *, ejected: bool) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "image": image.name,
        "target": name,
        "bytes": done.size,
        "data_bytes": done.data,
        "resumed_at": done.resumed_at,
        "sha256": done.sha256,
        "verified": True,
        "write_seconds": round(done.write_seconds, 3),
        "verify_seconds": round(done.verify_seconds, 3),
        "ejected": ejected,
    }
