"""`bootwright diff`: what differs between two artifacts, by meaning."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bootwright.inspect.facts import Item


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
    from bootwright.foundation.choices import one_of
    from bootwright.foundation.errors import Refused
    from bootwright.foundation.progress import Lines, Silent
    from bootwright.inspect.difference.compare import compare
    from bootwright.inspect.difference.model import Area
    from bootwright.inspect.explore import Explorer

    known = [area.value for area in Area]
    for area in areas:
        one_of(area, known, what="area", kind="areas")
    if (goal is None) != (board_name is None):
        raise Refused("a goal is one board's", hint="give both --goal and --board")
    progress = Silent() if quiet else Lines()
    given = dtbs
    one = None
    if board_name is not None:
        from bootwright.cli._values import asked_boards

        chosen, stepping = asked_boards([board_name], stepping=stepping, goals=[goal] if goal else [])
        one = chosen[0]
        if stepping is None and len(one.steppings) > 1:
            stepping = one.steppings[0].name
            progress.note(f"note: judged for stepping {stepping} of {one.name}; --stepping takes another")
        # Other boards' devicetrees are not on the chain.
        dtbs = dtbs or (one.stepping(stepping).dtb,)
    modules = None
    if goal is not None and one is not None:
        from bootwright.predict.goal_difference import chain_of, suspects

        chains = [chain_of(each, one, goal, stepping, progress) for each in (before, after)]
        modules = chains[0].modules | chains[1].modules
    first = Explorer(progress=progress).artifact(before)
    second = Explorer(progress=progress).artifact(after)
    for pattern in given:
        _check_pattern(pattern, first, second)
    with progress.step("comparing"):
        found = compare(first, second, dtbs=dtbs, modules=modules)
        differences = [each for each in found if not areas or each.area.value in areas]
    judged = None
    if goal is not None and one is not None:
        judged = (chains[0].verdict, chains[1].verdict, suspects(differences, *chains))
        differences = [each.difference for each in judged[2]]
    if as_json:
        document: dict[str, object] = {
            "format": "bootwright.diff/1",
            "before": before,
            "after": after,
            "differences": [each.as_json() for each in differences],
            "problems": {
                name: [problem.as_json() for each in item.walk() for problem in each.problems]
                for name, item in (("before", first), ("after", second))
            },
        }
        if judged is not None and one is not None:
            document["goal"] = {
                "name": goal,
                "board": board_name,
                "stepping": one.stepping(stepping).name,
                "before": judged[0].as_json(),
                "after": judged[1].as_json(),
                "suspicions": [{"rank": int(each.suspicion), "why": each.why} for each in judged[2]],
            }
        json.dump(document, sys.stdout, indent=1, ensure_ascii=True)
        sys.stdout.write("\n")
    else:
        from bootwright.report.facts_tree import print_differences, print_problems, print_suspects

        print_problems(first, second)
        if judged is not None:
            print_suspects(*judged, everything=everything)
        else:
            print_differences(differences, where=where, everything=everything)
    return 1 if differences else 0


def _check_pattern(pattern: str, *items: Item) -> None:
    """Raise `Refused` for a DTB that is on neither side: nothing would differ in it."""
    import fnmatch

    from bootwright.foundation.choices import no_such
    from bootwright.inspect.facts import ItemKind

    names = dict.fromkeys(
        each.name.rpartition("/")[2]
        for item in items
        for each in item.of_kind(ItemKind.DEVICETREE, ItemKind.OVERLAY)
    )
    if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
        raise no_such(f"neither side has a devicetree {pattern!r}", pattern, names, kind="devicetrees")
