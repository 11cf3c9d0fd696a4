"""`bootwright image verify`: is an image sound, complete, and the build one thinks it is?"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from bootwright.cli._parts.values import Artifact


@click.command(
    "verify", epilog="Exit status: 0 all is well, 1 a check failed, 2 bad input, 3 a check could not be made."
)
@click.argument("image", type=Artifact())
@click.option("--expect", "expected", multiple=True, metavar="PART=FILE", help="The build it must hold.")
@click.option("--board", "boards", multiple=True, metavar="NAME|FILE", help="It must work on this board too.")
@click.option("--revision", metavar="CODE", help="The board's revision code, such as e04171.")
@click.option("--stepping", metavar="NAME", help="The board's stepping, such as d0 [all].")
@click.option("--goal", "goals", multiple=True, metavar="NAME", help="Only this goal of the boards.")
@click.option("--json", "as_json", is_flag=True, help="The checks as JSON on stdout.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    image: str | Path,
    *,
    expected: tuple[str, ...],
    boards: tuple[str, ...],
    revision: str | None,
    stepping: str | None,
    goals: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> int:
    """Check IMAGE before it is released.

    Structure: both copies of the partition table, file systems (every file is read, and their own checkers
    run), UKIs, initramfs, squashfs roots, devicetrees. Boot chain: every file that boot loader, config.txt
    and boot entries name is there, and is what it is taken for; modules are the kernel's. --expect
    proves that a part is the very build you think it is: by hash, and by release, banner and build id
    where that differs. --board adds what `bootwright check` says of the image, for each goal and
    stepping of the board; what holds on one stepping only is unknown, unless --revision or --stepping
    says which one it is.

    \b
    Examples:
      bootwright image verify talos.raw
      bootwright image verify talos.raw --expect kernel=build/Image --expect dtb=build/dtbs
      bootwright image verify talos.raw --expect modules=build/lib/modules/6.18.6 --expect cmdline=pti=on
      bootwright image verify talos.raw --expect EFI:/u-boot.bin=u-boot.bin --json
      bootwright image verify talos.raw --board raspberrypi-5 --goal ethernet
    """
    from bootwright import api
    from bootwright.foundation.progress import Lines, Silent

    if (goals or revision or stepping) and not boards:
        raise click.UsageError("--goal, --revision and --stepping need a --board")
    result = api.verify_image(
        image,
        expect=expected,
        boards=boards,
        revision=revision,
        stepping=stepping,
        goals=goals,
        progress=Silent() if quiet else Lines(),
    )
    if as_json:
        json.dump(result.as_json(), sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        for check in result.checks:
            place = f" [{check.where}]" if check.where else ""
            click.echo(f"{check.verdict:<8} {check.name}: {check.detail}{place}")
            if check.hint:
                click.echo(f"         hint: {check.hint}")
        click.echo(f"{image}: {result.verdict}")
    return result.verdict.exit_status
