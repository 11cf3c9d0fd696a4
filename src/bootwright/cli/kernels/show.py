"""`bootwright kernels show`: what a kernel on this machine is, and how far it was verified."""

from __future__ import annotations

import textwrap
from inspect import cleandoc
from typing import TYPE_CHECKING

import click

from bootwright.cli._parts.documents import print_json
from bootwright.cli.kernels._common import library, printable, shared_options

if TYPE_CHECKING:
    from bootwright.formats.kernel.arm64_image import KernelImage
    from bootwright.kernels.model import Kernel

_EXAMPLES = """
\b
Examples:
  bootwright kernels show debian-6.18-16k
  bootwright kernels show debian-6.18-16k --option NVME_CORE --option EXT4_FS --json
"""


@click.command(name="show", epilog="Exit status: 0, or 2 when the kernel is not here.")
@click.argument("name")
@click.option("--option", "asked", multiple=True, metavar="CONFIG", help="Also show this kernel option.")
@shared_options
def command(
    name: str, *, asked: tuple[str, ...], archive: str | None, offline: bool, as_json: bool, quiet: bool
) -> int:
    """Show a kernel: release, page size from the image's header, options, hash, and what was verified."""
    from bootwright.formats.kernel.arm64_image import read_kernel_image
    from bootwright.formats.sources.bytesource import FileBytes
    from bootwright.foundation.errors import Missing

    kernels, _ = library(archive, offline=offline, quiet=quiet)
    listed = kernels.resolve(name)
    if not listed.cached:
        raise Missing(f"{listed.name} is not on this machine", hint=f"bootwright kernels fetch {listed.name}")
    kernel = kernels.get(listed.name)
    image = read_kernel_image(FileBytes(kernel.image))
    options = _options(kernel, asked)
    if as_json:
        print_json(
            {
                "schema": "bootwright/kernel/1",
                "kernels": [
                    {
                        **kernel.as_json(),
                        "banner": image.banner,
                        "header_page_size": image.page_size,
                        "image_size": image.image_size,
                        "efi_stub": image.efi_stub,
                        "options": {option: value for option, (value, _) in options.items()},
                    }
                ],
            }
        )
        return 0
    _print(kernel, image, options, _strange(kernel, asked))
    return 0


def _options(kernel: Kernel, asked: tuple[str, ...]) -> dict[str, tuple[str | None, str]]:
    """Option → its value and what it is; empty without a config."""
    from bootwright.formats.kernel.config import read_kernel_config
    from bootwright.formats.sources.bytesource import FileBytes
    from bootwright.kernels.configuration.options import OPTIONS

    if kernel.config is None:
        return {}
    config = read_kernel_config(FileBytes(kernel.config))
    wanted: dict[str, str] = {}
    for listed in OPTIONS.all().values():
        wanted |= {option.name: option.what for option in listed.options}
    for name in asked:
        wanted.setdefault(name if name.startswith("CONFIG_") else f"CONFIG_{name}", "")
    return {name: (config.value(name), what) for name, what in wanted.items()}


def _strange(kernel: Kernel, asked: tuple[str, ...]) -> dict[str, str]:
    """Option asked for that the configuration does not name at all → a remark, with the one it may be.

    That is no error: an option whose dependencies are off is in no configuration either.
    """
    from bootwright.formats.kernel.config import read_kernel_config
    from bootwright.formats.sources.bytesource import FileBytes
    from bootwright.foundation.choices import near

    if kernel.config is None:
        return {}
    config = read_kernel_config(FileBytes(kernel.config))
    known = (*config.options, *sorted(config.unset))
    remarks: dict[str, str] = {}
    for name in asked:
        full = name if name.startswith("CONFIG_") else f"CONFIG_{name}"
        if full not in config.options and full not in config.unset:
            alike = near(full, known, most=1, alike=0.85)
            meant = f"; did you mean {alike[0]}?" if alike else ""
            remarks[full] = f" (its configuration does not name it{meant})"
    return remarks


def _print(
    kernel: Kernel, image: KernelImage, options: dict[str, tuple[str | None, str]], strange: dict[str, str]
) -> None:
    header = f"{image.page_size} by the image's header" if image.page_size else "unspecified in the header"
    rows = [
        ("release", kernel.release),
        ("banner", image.banner or "none"),
        ("pages", f"{kernel.page_size // 1024}K ({header})"),
        ("image", f"{kernel.image} ({image.file_size} bytes, {image.image_size} in memory)"),
        ("sha256", kernel.image_sha256),
        ("starts by", "EFI or boot loader" if image.efi_stub else "boot loader only (no EFI stub)"),
        ("config", str(kernel.config) if kernel.config else "not here"),
        ("modules", str(kernel.modules) if kernel.modules else "not here (kernels fetch --modules)"),
        ("devicetrees", str(kernel.dtbs) if kernel.dtbs else "not here"),
        *((key, value) for key, value in kernel.provenance.items()),
    ]
    click.echo(kernel.name)
    for key, value in rows:
        wrapped = textwrap.wrap(printable(value), 92, break_long_words=False, break_on_hyphens=False)
        label = key if len(key) <= 11 else ""
        if not label:
            click.echo(f"  {key}")
        for number, line in enumerate(wrapped or [""]):
            click.echo(f"  {label if number == 0 else '':11}  {line}")
    if options:
        click.echo("options")
        width = max(map(len, options))
        for option, (setting, what) in options.items():
            said = f"  {option:{width}}  {printable(setting or 'not set'):8} {what}".rstrip()
            click.echo(said + strange.get(option, ""))


command.help = f"{cleandoc(command.help or '')}\n{_EXAMPLES}"
