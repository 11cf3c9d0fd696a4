"""`bootwright inspect`: what an artifact holds, and where each fact was read."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bootwright.bootchain.model import Chain


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

    ARTIFACT is a file, a directory or an http(s) URL: a disk image, a file system, a kernel, a UKI, an
    initramfs, a DTB, a configuration, a .deb, a container image; bare or compressed. What it holds is
    followed: disk image, partition, file system, kernel, initramfs, root file system.

    Nothing is mounted and nothing is written outside the cache; root is not needed.

    \b
    Examples:
      bootwright inspect metal-arm64.raw.xz
      bootwright inspect --json metal-arm64.raw.xz | jq '.tree.children[].name'
      bootwright inspect raspios.img --board raspberrypi-5
      bootwright inspect --where bcm2712-rpi-5-b.dtb
      bootwright inspect https://example.org/metal-arm64.raw.xz
    """
    from bootwright.formats.sources.compressed import Growth
    from bootwright.foundation.progress import Lines, Silent

    progress = Silent() if quiet else Lines()
    with Growth() as growth:
        growth.begin(artifact, progress)  # before the imports, which take longer than one would think

        from bootwright.boards.model import board as board_named
        from bootwright.foundation.errors import BootwrightError, Missing
        from bootwright.inspect.booted import boot_of, chains_of
        from bootwright.inspect.explore import Explorer

        item = Explorer(progress=progress, growth=growth).artifact(artifact)
    boot, stopped = None, ""
    ways: tuple[Chain, ...] = ()
    try:
        chosen = board_named(board) if board is not None else None
        ways = chains_of(item, chosen)
        boot = boot_of(item, board=chosen)
    except BootwrightError as error:
        # A configuration that cannot be read is a problem of its item as well.
        stopped = "" if type(error) is Missing else error.message
    problems = sum(len(each.problems) for each in item.walk())
    if as_json:
        document: dict[str, object] = {"format": "bootwright.inspect/1", "artifact": artifact}
        document |= {"boots": boot.as_json() if boot else None, "chains": [each.as_json() for each in ways]}
        document |= {"does_not_boot": stopped or None, "tree": item.as_json()}
        json.dump(document, sys.stdout, indent=1, ensure_ascii=True)
        sys.stdout.write("\n")
    else:
        from bootwright.report.facts_tree import print_boot, print_no_boot, print_tree

        print_tree(item, where=where, everything=everything)
        if boot is not None and boot.kernel is not item:
            print_boot(boot)
        elif stopped:
            print_no_boot(stopped)
    return 1 if problems else 0
