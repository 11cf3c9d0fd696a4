"""`bootwright predict`: what becomes of every node of a devicetree under a kernel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bootwright.predict.model import NodePrediction

SCHEMA = "bootwright/predict/1"

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
    from bootwright.foundation.choices import no_such
    from bootwright.foundation.progress import Lines, Silent
    from bootwright.kernels.given_config import read_config
    from bootwright.predict.api import facts_of, predict, read_tree
    from bootwright.predict.given.initramfs import early_modules
    from bootwright.predict.given.inputs import kernel_at
    from bootwright.predict.solving.configured import configured
    from bootwright.predict.start.arguments import Arguments

    progress = Silent() if quiet else Lines()
    chosen = kernel_at(kernel, progress, modules=modules, config=config)
    early = early_modules(initramfs) if initramfs is not None else None
    facts = facts_of(
        chosen,
        early.of(chosen.release) if early is not None else None,
        Arguments(cmdline, "--cmdline") if cmdline is not None else None,
        (early.modprobe if early is not None else None, None),
    )
    if config is not None:
        facts = configured(facts, config, read_config(config, chosen), alone=False)
    solved = predict(facts, read_tree(dtb, overlays))
    found = solved.nodes
    if nodes:
        found = [node for node in found if node.path in nodes]
        paths = {node.path for node in found}
        for path in nodes:
            if path not in paths:
                known = [node.path for node in solved.nodes]
                raise no_such(f"{dtb} has no node {path!r}", path, known, kind="nodes")
    if as_json:
        import json

        document = {
            "schema": SCHEMA,
            "kernel": chosen.name,
            "release": chosen.release,
            "dtb": str(dtb),
            "nodes": [node.as_json() for node in found],
        }
        click.echo(json.dumps(document, indent=1))
    else:
        _print(found, links=bool(nodes))
    return 0


def _print(found: list[NodePrediction], *, links: bool) -> None:
    for node in found:
        if node.device.word == "no" and not links:
            continue
        driver = f"{node.driver} ({node.where})" if node.driver is not None else ""
        tail = f"  {node.reason}" if node.reason else ""
        click.echo(f"{node.bound.word:8}{node.path}  {driver}{tail}".rstrip())
        if links:
            for link in node.links:
                click.echo(f"    {link.verdict.value:8}{link.needs}  {link.because}")
