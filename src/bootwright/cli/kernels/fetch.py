"""`bootwright kernels fetch`: bring kernels to this machine."""

from __future__ import annotations

from inspect import cleandoc

import click

from bootwright.cli._parts.documents import print_json
from bootwright.cli.kernels._common import library, shared_options

_EXAMPLES = """
\b
Examples:
  bootwright kernels fetch debian-6.12.107-4k debian-6.18-16k
  bootwright kernels fetch --modules debian-6.18.5-4k
"""


@click.command(name="fetch", epilog="Exit status: 0 all are here, 2 one cannot be had.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--modules", is_flag=True, help="With all modules and devicetree blobs; verifies whole packages."
)
@shared_options
def command(
    names: tuple[str, ...], *, modules: bool, archive: str | None, offline: bool, as_json: bool, quiet: bool
) -> int:
    """Fetch kernels, so that booting them needs no network.

    Of a kernel that comes as one large package only the front is read, as far as image and config; what
    was verified is in `kernels show`. An interrupted fetch goes on where it stopped.
    """
    kernels, progress = library(archive, offline=offline, quiet=quiet)
    fetched = []
    for name in names:
        before = kernels.received_bytes
        kernel = kernels.get(name, modules=modules)
        fetched.append(kernel)
        received = kernels.received_bytes - before
        how = f"{received / 1e6:.1f} MB received" if received else "it was here already"
        progress.note(f"{kernel.name}: Linux {kernel.release}, {kernel.page_size // 1024}K pages ({how})")
    if as_json:
        print_json({"schema": "bootwright/kernel/1", "kernels": [kernel.as_json() for kernel in fetched]})
    return 0


command.help = f"{cleandoc(command.help or '')}\n{_EXAMPLES}"
