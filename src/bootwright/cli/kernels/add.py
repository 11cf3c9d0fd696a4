"""`bootwright kernels add`: a kernel of your own, beside those of the archive."""

from __future__ import annotations

from inspect import cleandoc
from pathlib import Path

import click

from bootwright.cli._parts.documents import print_json
from bootwright.cli._parts.values import Artifact
from bootwright.cli.kernels._common import library, shared_options

_EXAMPLES = """
\b
Examples:
  bootwright kernels add arch/arm64/boot/Image --name mine
  bootwright kernels add vmlinuz.efi --config .config --modules /tmp/mods/lib/modules/6.18.6
  bootwright kernels add oci://ghcr.io/siderolabs/installer:v1.12.6 --name talos-1.12.6
  bootwright kernels add linux-image-6.18.5+deb13-arm64_6.18.5-1_arm64.deb
"""


@click.command(name="add", epilog="Exit status: 0, or 2 when the file is no arm64 kernel.")
@click.argument("file", type=Artifact())
@click.option("--name", help="It will be called added-NAME [from its release and page size].")
@click.option(
    "--modules", type=click.Path(path_type=Path), help="Its modules: the folder that holds kernel/."
)
@click.option("--config", type=click.Path(path_type=Path), help="Its configuration [the one inside, if any].")
@shared_options
def command(
    file: str | Path,
    *,
    name: str | None,
    modules: Path | None,
    config: Path | None,
    archive: str | None,
    offline: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Add an arm64 kernel: an Image (bare, gzip, xz, zstd, EFI zboot), a Debian kernel package, or the kernel
    that an image in a registry or on a web server holds (oci://HOST/NAME:TAG, https://…).

    It is copied, so FILE may go away. Nothing about it is verified but that image, config and modules
    belong together as far as they say.
    """
    from bootwright.kernels.added import add_from, add_kernel

    kernels, progress = library(archive, offline=offline, quiet=quiet)
    if isinstance(file, str):
        if modules is not None or config is not None:
            raise click.UsageError("--modules and --config are for a file; an address is taken as it is")
        manifest = add_from(kernels.store, file, name=name, sources=kernels.archives, progress=progress)
    else:
        manifest = add_kernel(
            kernels.store,
            file,
            name=name,
            modules=modules,
            config=config,
            sources=kernels.archives,
            progress=progress,
        )
    kernel = kernels.get(manifest.name)
    if as_json:
        print_json({"schema": "bootwright/kernel/1", "kernels": [kernel.as_json()]})
    else:
        click.echo(f"{kernel.name}: Linux {kernel.release}, {kernel.page_size // 1024}K pages")
    return 0


command.help = f"{cleandoc(command.help or '')}\n{_EXAMPLES}"
