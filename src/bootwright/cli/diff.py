"""`bootwright diff`: what differs between two artifacts, by meaning."""

from __future__ import annotations

import json
import sys

import click


@click.command("diff", epilog="Exit status: 0 nothing differs, 1 something does, 2 bad input.")
@click.argument("before")
@click.argument("after")
@click.option("--json", "as_json", is_flag=True, help="The differences as JSON on stdout.")
@click.option("--where", is_flag=True, help="Show where both sides were read.")
@click.option("--all", "everything", is_flag=True, help="Show every difference of every area.")
@click.option(
    "--area", "areas", multiple=True, help="Only this area, such as `kernel` or `devicetree`; repeatable."
)
@click.option("--dtb", "dtbs", multiple=True, help="Only DTBs of this file name or pattern; repeatable.")
@click.option("--goal", help="Only what lies on this goal's chain, such as `ethernet`; needs --board.")
@click.option(
    "--board", "board_name", metavar="NAME|FILE", help="The board the goal is of, such as `raspberrypi-5`."
)
@click.option("--stepping", help="The board's stepping, such as `d0`.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    before: str,
    after: str,
    *,
    as_json: bool,
    where: bool,
    everything: bool,
    areas: tuple[str, ...],
    dtbs: tuple[str, ...],
    goal: str | None,
    board_name: str | None,
    stepping: str | None,
    quiet: bool,
) -> int:
    """Show what differs in meaning between the artifacts BEFORE and AFTER.

    Kernel release and page size, operating system, devicetree nodes and properties, command line,
    config.txt with its conditions, kernel options, drivers, modules, initramfs, firmware, partitions;
    what a boot depends on first. Bytes are compared only where nothing more is known.

    With --goal and --board, both sides are predicted, and only what lies on the goal's chain is shown, the
    most suspect first: what of an update broke it?

    Anything that `bootwright inspect` reads can be compared, also unlike things, such as a package with
    an image.

    \b
    Examples:
      bootwright diff talos-v1.12.0.raw.xz talos-v1.12.1.raw.xz
      bootwright diff --area devicetree old/bcm2712-rpi-5-b.dtb new/bcm2712-rpi-5-b.dtb
      bootwright diff --dtb 'bcm2712*' linux-image-6.18.deb linux-image-6.19.deb
      bootwright diff --goal ethernet --board raspberrypi-5 good.raw.xz bad.raw.xz
      bootwright diff --json a.raw b.raw | jq '.differences[] | select(.area == "kernel")'
    """
    from bootwright import api
    from bootwright.foundation.progress import Lines, Silent

    compared = api.diff(
        before,
        after,
        areas=areas,
        dtbs=dtbs,
        goal=goal,
        board=board_name,
        stepping=stepping,
        progress=Silent() if quiet else Lines(),
    )
    if as_json:
        json.dump(compared.as_json(), sys.stdout, indent=1, ensure_ascii=True)
        sys.stdout.write("\n")
    else:
        from bootwright.report.facts_tree import print_differences, print_problems, print_suspects

        print_problems(*compared.trees)
        judged = compared.goal
        if judged is not None:
            print_suspects(judged.before, judged.after, judged.suspects, everything=everything)
        else:
            print_differences(compared.differences, where=where, everything=everything)
    return 1 if compared.differences else 0
