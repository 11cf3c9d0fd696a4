"""`bootwright predict`: what becomes of every node of a devicetree under a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bootwright.predict.model import NodePrediction

_EPILOG = """\b
Examples:
  bootwright predict --kernel debian-6.18.5-4k --dtb bcm2712-rpi-5-b.dtb
  bootwright predict --kernel ./Image --modules ./lib/modules/6.18.5 --dtb board.dtb --json
  bootwright predict --kernel linux-image-6.12.deb --dtb board.dtb --overlay can.dtbo --node /soc/serial@0

K is a name of `bootwright kernels list`, a .deb, a folder with an unpacked kernel, or an arm64 Image.

Exit status: 0 the prediction was made, 2 usage or bad input.
"""


@click.command(name="predict", epilog=_EPILOG)
@click.option("--kernel", required=True, metavar="K", help="The kernel.")
@click.option("--dtb", required=True, type=click.Path(path_type=Path), help="The devicetree Linux gets.")
@click.option(
    "--overlay", "overlays", multiple=True, type=click.Path(path_type=Path), help="Applied to it, in order."
)
@click.option("--initramfs", type=click.Path(path_type=Path), help="Which modules are there early.")
@click.option("--modules", type=click.Path(path_type=Path), help="The kernel's /lib/modules/RELEASE.")
@click.option("--config", type=click.Path(path_type=Path), help="The kernel's configuration.")
@click.option("--cmdline", metavar="TEXT", help="The kernel's command line.")
@click.option("--node", "nodes", multiple=True, metavar="PATH", help="Only these nodes, with every link.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/predict.schema.json).")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    *,
    kernel: str,
    dtb: Path,
    overlays: tuple[Path, ...],
    initramfs: Path | None,
    modules: Path | None,
    config: Path | None,
    cmdline: str | None,
    nodes: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> int:
    """Say for every node whether a device is made of it, whether a driver binds, and what it waits for."""
    from bootwright import api
    from bootwright.foundation.progress import Lines, Silent

    predicted = api.predict(
        kernel,
        dtb,
        overlays=overlays,
        initramfs=initramfs,
        modules=modules,
        config=config,
        cmdline=cmdline,
        nodes=nodes,
        progress=Silent() if quiet else Lines(),
    )
    if as_json:
        import json

        click.echo(json.dumps(predicted.as_json(), indent=1))
    else:
        _print(predicted.nodes, links=bool(nodes))
    return 0


def _print(predictions: Sequence[NodePrediction], *, links: bool) -> None:
    for node in predictions:
        if node.device.word == "no" and not links:
            continue
        driver = f"{node.driver} ({node.where})" if node.driver is not None else ""
        tail = f"  {node.reason}" if node.reason else ""
        click.echo(f"{node.bound.word:8}{node.path}  {driver}{tail}".rstrip())
        if links:
            for link in node.links:
                click.echo(f"    {link.verdict.value:8}{link.needs}  {link.because}")
