"""`bootwright kernels facts`: what prediction reads of a kernel, as one small file."""

from __future__ import annotations

from inspect import cleandoc
from pathlib import Path

import click

_EXAMPLES = """
\b
Examples:
  bootwright kernels facts debian-7.3-4k -o debian-7.3.facts
  bootwright kernels facts debian-7.3-4k --all-devicetrees -o debian-7.3.facts
  bootwright check debian-7.3.facts board.dtb

The file (half a megabyte for Debian's kernels of 90) has the kernel's drivers with their match tables, its
configuration, and what is known of its drivers' code; `check` takes it in place of the kernel, here or on
another machine, and so does the page in the browser.
"""


@click.command(name="facts", epilog="Exit status: 0, or 2 when the kernel is not here whole.")
@click.argument("name")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file."
)
@click.option(
    "--all-devicetrees",
    is_flag=True,
    help="First follow the drivers of every devicetree that the kernel comes with: minutes, once.",
)
@click.option("--offline", is_flag=True, help="Use what is here already; no network.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(name: str, *, output: Path, all_devicetrees: bool, offline: bool, quiet: bool) -> int:
    """Write what prediction reads of a kernel into one small file."""
    from bootwright import api
    from bootwright.foundation.progress import Lines, Silent

    written = api.write_kernel_facts(
        name,
        output,
        all_devicetrees=all_devicetrees,
        offline=offline,
        progress=Silent() if quiet else Lines(),
    )
    click.echo(f"{written.path}: {written.kernel}, {written.size / 1e6:.2f} MB")
    return 0


command.help = f"{cleandoc(command.help or '')}\n{_EXAMPLES}"
