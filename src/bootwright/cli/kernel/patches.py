"""`bootwright kernel patches`: what one kernel tree has and another lacks, as patches that apply."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootwright.cli._parts.documents import print_json
from bootwright.cli._parts.values import printable

if TYPE_CHECKING:
    from bootwright.api.workshop.patching import PatchSeries
    from bootwright.workshop.patches.series import Placed

_EPILOG = """\b
Examples:
  bootwright kernel patches v6.12..v6.18 --repository linux --paths drivers/net/ethernet/cadence
  bootwright kernel patches v6.18..rpi/rpi-6.18.y --paths drivers/net --out series
  bootwright kernel patches v6.12..v6.18 --paths drivers/misc/rp1 --resolve --out series
  bootwright kernel patches base..topic --json

FROM and TO are two commits of one git repository (branches, tags, names): what TO has and FROM lacks is
wanted. Nothing is written to the repository, and nothing is checked out.

Exit status: 0 all of it applies to FROM, 1 a commit conflicts, 2 usage or bad input.
"""


@click.command(name="patches", epilog=_EPILOG)
@click.argument("span", metavar="FROM..TO")
@click.option(
    "--repository",
    type=click.Path(path_type=Path),
    default=Path(),
    help="The git repository; the current folder without.",
)
@click.option("--paths", multiple=True, metavar="PATH", help="Only commits that touch it. May be repeated.")
@click.option(
    "--fixes/--no-fixes",
    default=True,
    show_default=True,
    help="Take commits of the range that mend one of those, whatever they touch.",
)
@click.option("--resolve", is_flag=True, help="Take what a commit that conflicts needs, where that is found.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the patches, new or empty.")
@click.option("--force", is_flag=True, help="Replace the patches that are in it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/kernel-patches.schema.json).")
def command(
    *,
    span: str,
    repository: Path,
    paths: tuple[str, ...],
    fixes: bool,
    resolve: bool,
    out: Path | None,
    force: bool,
    as_json: bool,
) -> int:
    """List the commits that FROM lacks, in an order in which they apply to it, and write them as patches.

    A commit that FROM has as another one (a back-port) is left out. Each of the others is put onto FROM; of
    one that conflicts, the commits are named that would have to come first.
    """
    from bootwright import api
    from bootwright.foundation.progress import Lines

    patch_series = api.kernel_patches(
        span,
        repository=repository,
        paths=paths,
        fixes=fixes,
        resolve=resolve,
        out=out,
        force=force,
        progress=Lines(),
    )
    if as_json:
        print_json(patch_series.as_json())
    else:
        _print(patch_series)
    return patch_series.verdict.exit_status


def _print(patch_series: PatchSeries) -> None:
    series = patch_series.series
    numbers = {placed.commit.name: number for number, placed in enumerate(series.applied, 1)}
    for placed in series.placed:
        number = numbers.get(placed.commit.name)
        lead = f"{number:4}" if number is not None else "   -"
        click.echo(f"{lead}  {placed.fit:8}  {placed.commit.name[:12]}  {printable(placed.commit.subject)}")
        for remark in _remarks(placed, patch_series, numbers):
            click.echo(f"      {printable(remark)}")
    for there_already in patch_series.difference.present:
        how = "the same" if there_already.same else "changed"
        click.echo(
            f"   =  present   {there_already.commit.name[:12]}  {printable(there_already.commit.subject)}: "
            f"{how} as {there_already.there.name[:12]}"
        )
    span = patch_series.difference.span
    click.echo(
        f"{len(series.applied)} of {len(series.placed)} commits apply to {span.start}, "
        f"{len(series.conflicts)} conflict, {len(patch_series.difference.present)} are there already"
    )
    if patch_series.difference.merges:
        click.echo(
            f"{patch_series.difference.merges} merges touch these paths: what only they change is in no patch"
        )
    if patch_series.written:
        click.echo(f"written: {len(patch_series.written)} patches in {patch_series.written[0].parent}")


def _remarks(placed: Placed, patch_series: PatchSeries, numbers: dict[str, int]) -> list[str]:
    commit = placed.commit
    remarks: list[str] = []
    if placed.chosen.reason != "touches the paths":
        remarks.append(f"in the series because: {placed.chosen.reason}")
    needs = [str(numbers[name]) for name in patch_series.series.needs.get(commit.name, ())]
    if needs:
        remarks.append(f"needs {', '.join(needs)}")
    for label, names in (
        ("fixes", commit.fixes),
        ("made for", commit.stable_dep_of),
        ("reverts", commit.reverts),
    ):
        if names:
            remarks.append(f"{label} {', '.join(names)}")
    if placed.conflict:
        remarks.append(placed.conflict)
        resolution = placed.resolution
        if resolution is None:
            remarks.append("no commit of the range is known that would resolve it")
        else:
            word = "changes lines of (not enough)"
            if resolution.enough:
                word = "applies with"
            elif resolution.left_out:
                word = "waits for one that conflicts itself,"
            remarks += [f"{word} {commit.short}" for commit in resolution.commits]
    return remarks
