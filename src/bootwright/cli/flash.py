"""`bootwright flash`: write an image to a card, safely, and prove that it is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bootwright.api import FlashInterrupted, FlashReport
    from bootwright.images.flash.devices import Device

_EPILOG = """\b
Examples:
  bootwright flash --list
  sudo bootwright flash metal-arm64.raw.xz /dev/sdb
  sudo bootwright flash https://example.org/metal-arm64.raw.zst /dev/mmcblk0
  sudo bootwright flash metal-arm64.raw.xz /dev/sdb --resume
  bootwright flash metal-arm64.raw.xz card.img

IMAGE is a file, an http(s) URL or oci://…: raw, .xz, .zst, .gz or .bz2. DEVICE is a whole disk or card, or a
file. The running system's disk and anything mounted, read-only or too small is always refused; a disk that
is not there to be taken out, and a file that exists, only with --yes-really DEVICE.

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
@click.option(
    "--any-content",
    is_flag=True,
    help="Write it even where it does not look like a disk image, or a whole one.",
)
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
    from bootwright import api
    from bootwright.foundation.progress import Lines, Silent

    if show_list or device is None:
        return _list(as_json=as_json, asked=show_list or image is None)
    if image is None:  # click fills IMAGE first
        raise click.UsageError("give an IMAGE and a DEVICE")
    try:
        report = api.flash(
            image,
            device,
            yes_really=named_twice,
            resume=resume,
            any_content=any_content,
            eject=not no_eject,
            progress=Silent() if quiet else Lines(),
        )
    except api.FlashInterrupted as error:
        return interrupted(error)
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=1, ensure_ascii=False))
    else:
        show_report(report)
    return 0


def interrupted(error: FlashInterrupted) -> int:
    """Say how far it came and how to go on; the exit status."""
    click.echo(
        f"bootwright: interrupted after {error.position / 1e6:.0f} MB: {error.target} is not usable as it "
        f"is\n  hint: the same command with --resume goes on from {error.durable / 1e6:.0f} MB",
        err=True,
    )
    return 130


def show_report(report: FlashReport) -> None:
    """What was written, and whether the card can be taken out."""
    from bootwright.api.cards.flashing import gigabytes

    done = report.done
    rate = (done.size - done.resumed_at) / 1e6 / max(done.write_seconds, 0.001)
    resumed = f", of which {done.resumed_at / 1e6:.0f} MB before" if done.resumed_at else ""
    click.echo(
        f"{report.target}: {gigabytes(done.size)} written{resumed} in {done.write_seconds:.1f} s "
        f"({rate:.0f} MB/s), read back in {done.verify_seconds:.1f} s and the same"
    )
    click.echo(f"sha256 {done.sha256}")
    if not report.to_file:
        click.echo("ejected: it can be taken out" if report.ejected else "synced: it can be taken out")


def _list(*, as_json: bool, asked: bool) -> int:
    from bootwright import api
    from bootwright.api.cards.flashing import SCHEMA

    devices = api.list_disks()
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
    from bootwright.api.cards.flashing import gigabytes, title

    if device.refusal:
        state = f"refused: {device.refusal}"
    elif device.removable:
        state = "can be written to"
    else:
        state = "not removable: only when named twice"
    click.echo(f"{device.path}  {title(device)}  {state}")
    for part in device.partitions:
        words = [part.filesystem, part.label, *(f"on {place}" for place in part.mounted)]
        click.echo(
            f"  {part.name}  {gigabytes(part.size)}  {' '.join(word for word in words if word)}".rstrip()
        )
