"""`bootwright upgrade-check`: what a node will be after an upgrade."""

from __future__ import annotations

from pathlib import Path

import click

from bootwright.cli._parts.documents import print_json

_HELP = """Predict what a Talos node will be after an upgrade: the new kernel with what stays on its card.

An upgrade writes kernel and initramfs anew and leaves the partitions; devicetrees, config.txt and the boot
loader change only where the installer's overlay brings them. --node takes what was saved of the node: a
folder with a copy of its EFI system partition (or a listing of it), lists of partitions (talosctl get disks,
discoveredvolumes or volumestatus -o yaml; lsblk -J, sfdisk -d, parted print), its kernel log, /proc/cmdline
and `talosctl version`. --to is the installer image, whose overlay is looked at, or its kernel, in any form
that check takes.

\b
Examples:
  bootwright upgrade-check --node esp/ --to talos-1.13.2-4k --overlay overlay/ --board raspberrypi-5
  bootwright upgrade-check --node esp/ --node volumes.yaml --node dmesg.txt \\
    --to oci://factory.talos.dev/metal-installer/ID:v1.13.2 --board raspberrypi-5 --revision e04171
"""


@click.command(
    "upgrade-check",
    help=_HELP,
    epilog="Exit status: 0 works after the upgrade, 1 something fails, 2 bad input, 3 it is not known.",
)
@click.option(
    "--node", "nodes", multiple=True, required=True, type=click.Path(path_type=Path, exists=True),
    metavar="FILE|FOLDER", help="What was saved of the node. May be repeated.",
)  # fmt: skip
@click.option("--to", required=True, metavar="IMAGE", help="The installer image, or its kernel.")
@click.option("--board", required=True, metavar="NAME|FILE", help="The board.")
@click.option("--revision", metavar="CODE", help="The board's revision code, such as e04171.")
@click.option("--stepping", metavar="NAME", help="The board's stepping, such as d0 [all].")
@click.option("--goal", "goals", multiple=True, metavar="NAME", help="Only this goal. May be repeated.")
@click.option(
    "--overlay",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A folder with what the installer's overlay puts on the boot partition.",
)
@click.option("--no-overlay", is_flag=True, help="The installer has no overlay: everything there stays.")
@click.option(
    "--os", "os_text", metavar="NAME=VERSION", help="The version upgraded to, such as talos=1.13.2."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/upgrade-check.schema.json).")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    *,
    nodes: tuple[Path, ...],
    to: str,
    board: str,
    revision: str | None,
    stepping: str | None,
    goals: tuple[str, ...],
    overlay: Path | None,
    no_overlay: bool,
    os_text: str | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """See `_HELP`."""
    from bootwright import api
    from bootwright.foundation.progress import Lines, Silent

    answer = api.upgrade_check(
        nodes,
        to,
        board=board,
        revision=revision,
        stepping=stepping,
        goals=goals,
        overlay=overlay,
        no_overlay=no_overlay,
        os=os_text,
        progress=Silent() if quiet else Lines(),
    )
    if as_json:
        print_json(answer.as_json())
    else:
        from bootwright.cli._parts.values import printable
        from bootwright.report.upgrade_text import lines

        judged = answer.checked.judged if answer.checked is not None else ()
        for line in lines(
            answer.node,
            answer.partition,
            judged,
            answer.verdict,
            steps=answer.steps,
            first_broken=answer.first_broken,
            notes=answer.notes,
            known=answer.overlay_known,
        ):
            click.echo(printable(line))
    return answer.verdict.exit_status
