"""`bootwright image boot`: boot an image through its own boot loader and say how far it got."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootwright.cli._parts.values import Artifact, OneOf, firmware_names, image_machines

if TYPE_CHECKING:
    from bootwright.image_boot.outcome import Shown

_EPILOG = """\b
Examples:
  bootwright image boot metal-arm64.raw.xz --until 'entering maintenance'
  bootwright image boot card.img --until login --firmware uboot
  bootwright image boot card.img --until ktap --json
  bootwright image boot metal-arm64.raw.xz --kernel debian-6.12-16k --until 'entering maintenance'
  bootwright image boot raspios.img --machine raspi3b --until login

The image is never written to. --until is a text on the console, `login` for a login prompt, or `ktap` for the
end of a KTAP report. The machine is QEMU's virt, which has none of a real board's devices: this says whether
boot loader, kernel, initramfs and user space fit together. With --machine raspi3b the
image boots with its own config.txt, devicetree and overlays on that board: the firmware's stage is done by
bootwright, everything from the kernel or U-Boot on by QEMU. auto takes that board for an image that only its
firmware can start.

On virt, an image whose last console is a port that virt lacks gets console=ttyAMA0 in the copy that is
booted, which is said; --keep-cmdline forbids it.

Exit status: 0 the goal was reached, 1 it was not, 2 usage or bad input, 3 time ran out while still running.
"""


@click.command(name="boot", epilog=_EPILOG)
@click.argument("image", type=Artifact())
@click.option("--kernel", metavar="KERNEL", help="Boot a copy of the image with this kernel and its modules.")
@click.option(
    "--firmware",
    type=OneOf(firmware_names, "firmware", "firmware"),
    default="aavmf",
    show_default=True,
    help="aavmf (UEFI), or uboot (its EFI loader).",
)
@click.option(
    "--machine",
    type=OneOf(image_machines, "machine"),
    default="auto",
    show_default=True,
    help="virt, raspi3b, or auto.",
)
@click.option(
    "--keep-cmdline", is_flag=True, help="Never add the machine's console to the kernel's arguments."
)
@click.option("--until", metavar="GOAL", help="Stop there: a text on the console, login, or ktap.")
@click.option(
    "--timeout", type=click.FloatRange(1), default=300.0, show_default=True, help="Seconds of guest time."
)
@click.option("--memory", type=click.IntRange(128, 65536), default=2048, show_default=True, help="MiB.")
@click.option("--cpu", metavar="MODEL", help="The CPU model, instead of one that has every page size.")
@click.option("--no-network", is_flag=True, help="A machine without a network interface.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Keep the recording there.")
@click.option("--console", "show_console", is_flag=True, help="Show the console on stderr as it comes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/image-boot.schema.json).")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    *,
    image: str | Path,
    kernel: str | None,
    firmware: str,
    machine: str,
    keep_cmdline: bool,
    until: str | None,
    timeout: float,
    memory: int,
    cpu: str | None,
    no_network: bool,
    keep: Path | None,
    show_console: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Boot IMAGE in QEMU through its own boot loader and say how far it got."""
    from bootwright import api
    from bootwright.foundation.progress import Lines, Silent

    shown = api.boot_image(
        image,
        until=until,
        kernel=kernel,
        machine=machine,
        firmware=firmware,
        keep_cmdline=keep_cmdline,
        timeout=timeout,
        memory=memory,
        cpu=cpu,
        network=not no_network,
        keep=keep,
        on_console=_show if show_console else None,
        progress=Silent() if quiet else Lines(),
    )
    if as_json:
        click.echo(json.dumps(shown.as_json(str(image)), indent=1, ensure_ascii=False))
    else:
        _print(image, shown)
    return shown.verdict.exit_status


def _show(chunk: bytes) -> None:
    """The console is the guest's: only line ends and printable characters reach the terminal."""
    text = chunk.decode(errors="replace").replace("\r", "")
    sys.stderr.write("".join(char if char.isprintable() or char in "\n\t" else "�" for char in text))
    sys.stderr.flush()


def _print(image: str | Path, shown: Shown) -> None:
    from bootwright.diagnose.render import finding_lines
    from bootwright.image_boot.stage import MARK

    recording = shown.boot.recording
    click.echo(f"{image}: {shown.verdict}{f': {shown.reason}' if shown.reason else ''}")
    for milestone in shown.milestones:
        click.echo(f"  {milestone.seconds:7.1f} s  {milestone.stage:12} {milestone.name}")
    findings = [finding for boot in shown.diagnosis.boots for finding in boot.findings]
    for finding in findings:
        if finding.caused_by is None and finding.severity.rank <= 1:
            for line in finding_lines(finding):
                click.echo(line)
    for change in shown.changes:
        click.echo(f"changed in the copy that was booted: {change}")
    if shown.boot.stage:
        click.echo(f"({MARK})")
    click.echo(f"{recording.machine} ({recording.machine_version}), {recording.wall_seconds:.1f} s")
