"""`bootwright inspect`: what an artifact holds, and where each fact was read."""

from __future__ import annotations

import json
import sys

import click


@click.command(
    "inspect",
    epilog="Exit status: 0 it could be read, 1 parts of it could not be read, 2 bad input.",
)
@click.argument("artifact")
@click.option("--json", "as_json", is_flag=True, help="The whole tree as JSON on stdout.")
@click.option(
    "--board", metavar="NAME|FILE", help="What boots on this board, where that depends on the board."
)
@click.option("--where", is_flag=True, help="Show where each fact was read.")
@click.option("--all", "everything", is_flag=True, help="Show long lists in full.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    artifact: str, *, board: str | None, as_json: bool, where: bool, everything: bool, quiet: bool
) -> int:
    """Show what ARTIFACT holds as a tree of facts.

    ARTIFACT is a file, a directory, an http(s) URL or oci://HOST/NAME:TAG: a disk image, a file system, a
    kernel, a UKI, an initramfs, a DTB, a configuration, a .deb, a container image; bare or compressed. What
    it holds is followed: disk image, partition, file system, kernel, initramfs, root file system.

    Nothing is mounted and nothing is written outside the cache; root is not needed.

    \b
    Examples:
      bootwright inspect metal-arm64.raw.xz
      bootwright inspect --json metal-arm64.raw.xz | jq '.tree.children[].name'
      bootwright inspect raspios.img --board raspberrypi-5
      bootwright inspect --where bcm2712-rpi-5-b.dtb
      bootwright inspect https://example.org/metal-arm64.raw.xz
      bootwright inspect oci://ghcr.io/siderolabs/installer:v1.12.6
    """
    from bootwright import api
    from bootwright.foundation.progress import Lines, Silent

    inspected = api.inspect(artifact, board=board, progress=Silent() if quiet else Lines())
    if as_json:
        json.dump(inspected.as_json(), sys.stdout, indent=1, ensure_ascii=True)
        sys.stdout.write("\n")
    else:
        from bootwright.report.facts_tree import print_boot, print_no_boot, print_tree

        print_tree(inspected.tree, where=where, everything=everything)
        if inspected.boot is not None and inspected.boot.kernel is not inspected.tree:
            print_boot(inspected.boot)
        elif inspected.does_not_boot:
            print_no_boot(inspected.does_not_boot)
    return 1 if inspected.problems else 0
