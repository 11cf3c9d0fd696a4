"""`bootwright image manifest`: what an image is made of, with hashes and origins."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from bootwright.cli._parts.values import Artifact


@click.command("manifest", epilog="Exit status: 0 it could be read, 2 bad input.")
@click.argument("image", type=Artifact())
@click.option("--json", "as_json", is_flag=True, help="The manifest as JSON on stdout.")
def command(image: str | Path, *, as_json: bool) -> int:
    """List the parts of IMAGE with hash, size, version and origin.

    Parts inside parts are listed as well: kernel and initramfs of a UKI, the squashfs root and the modules in
    an initramfs. Where a part came from is known for images that bootwright composed or changed.

    \b
    Examples:
      bootwright image manifest talos.raw
      bootwright image manifest talos.raw --json | jq '.parts[] | select(.name == "kernel")'
    """
    from bootwright import api

    manifest = api.image_manifest(image)
    if as_json:
        json.dump(manifest.as_json(), sys.stdout, indent=1)
        sys.stdout.write("\n")
        return 0
    for part in manifest.parts:
        version = f"  {part.version}" if part.version else ""
        click.echo(f"{part.sha256[:16]}  {part.size:>10}  {part.name:<13}  {part.path}{version}")
    return 0
