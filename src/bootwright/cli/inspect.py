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
@click.option("--where", is_flag=True, help="Show where each fact was read.")
@click.option("--all", "everything", is_flag=True, help="Show long lists in full.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(artifact: str, *, as_json: bool, where: bool, everything: bool, quiet: bool) -> int:
    """Show what ARTIFACT holds as a tree of facts.

    ARTIFACT is a file, a directory or an http(s) URL: a disk image, a file system, a kernel, a UKI, an
    initramfs, a DTB, a configuration, a .deb, a container image; bare or compressed. What it holds is
    followed: disk image, partition, file system, kernel, initramfs, root file system.

    Nothing is mounted and nothing is written outside the cache; root is not needed.

    \b
    Examples:
      bootwright inspect metal-arm64.raw.xz
      bootwright inspect --json metal-arm64.raw.xz | jq '.tree.children[].name'
      bootwright inspect --where bcm2712-rpi-5-b.dtb
      bootwright inspect https://example.org/metal-arm64.raw.xz
    """
    from bootwright.formats.sources.compressed import Growth
    from bootwright.foundation.progress import Lines, Silent

    progress = Silent() if quiet else Lines()
    with Growth() as growth:
        growth.begin(artifact, progress)  # before the imports, which take longer than one would think

        from bootwright.bootchain.booted import boot_of
        from bootwright.foundation.errors import Missing
        from bootwright.inspect.explore import Explorer

        item = Explorer(progress=progress, growth=growth).artifact(artifact)
    try:
        boot = boot_of(item)
    except Missing:
        boot = None
    problems = sum(len(each.problems) for each in item.walk())
    if as_json:
        document: dict[str, object] = {"format": "bootwright.inspect/1", "artifact": artifact}
        document |= {"boots": boot.as_json() if boot else None, "tree": item.as_json()}
        json.dump(document, sys.stdout, indent=1, ensure_ascii=True)
        sys.stdout.write("\n")
    else:
        from bootwright.report.facts_tree import print_boot, print_tree

        print_tree(item, where=where, everything=everything)
        if boot is not None and boot.kernel is not item:
            print_boot(boot)
    return 1 if problems else 0
