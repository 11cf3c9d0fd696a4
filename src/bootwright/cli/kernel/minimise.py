"""`bootwright kernel minimise`: the fewest patches of a series that still do it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootwright.cli._parts.building import build_options, trial_options
from bootwright.cli._parts.documents import print_json
from bootwright.cli._parts.values import printable

if TYPE_CHECKING:
    from bootwright.api.workshop.minimising import FewestPatches

_EPILOG = """\b
Examples:
  bootwright kernel minimise --series backports/ --base linux-source-6.12 \\
      --goal mounts:talos-1.12-etc-hosts --out out/minimise
  bootwright kernel minimise --series v6.14..v6.15 --base ~/linux@v6.14 --page-size 16k \\
      --goal clone-detached-root --out out/minimise --json
  bootwright kernel minimise --series vendor/ --base ~/linux --goal boot --noise 0.1 --out out/minimise

Every test is a kernel that is built and booted: the base with some of the patches. The whole series reaches
the goal, the base alone does not. Patches that need others, by the lines they change or by what they say
(Fixes:, Stable-dep-of:), are never tried without them.

Exit status: 0 found and proved, 2 usage or bad input (the base reaches the goal, the series does not, a patch
does not apply), 3 found, but without one of them no kernel could be judged.
"""


@click.command(name="minimise", epilog=_EPILOG)
@click.option(
    "--series",
    multiple=True,
    required=True,
    metavar="DIR|FILE|RANGE",
    help="The patches, in order, as `kernel build --patches` takes them. May be repeated.",
)
@click.option(
    "--base", required=True, metavar="SOURCE", help="What they go onto, as `kernel build` takes it."
)
@trial_options
@build_options
@click.option("--offline", is_flag=True, help="Use no network.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/kernel-minimise.schema.json)."
)
def command(
    *,
    series: tuple[str, ...],
    base: str,
    goal: str,
    out: Path,
    noise: str,
    machine: str,
    timeout: float | None,
    fresh: bool,
    page_size: str,
    presets: tuple[str, ...],
    fragments: tuple[Path, ...],
    toolchain: str,
    jobs: int | None,
    offline: bool,
    as_json: bool,
) -> int:
    """Find the fewest patches of a series with which the base reaches a goal.

    They are written to minimal/ in the folder of the run. Interrupted, the same command goes on where it
    stopped.
    """
    from bootwright import api
    from bootwright.foundation.progress import Lines

    minimal = api.minimise_patches(
        series,
        base=base,
        goal=goal,
        out=out,
        page_size=page_size,
        fragments=fragments,
        presets=presets,
        toolchain=toolchain,
        jobs=jobs,
        machine=machine,
        noise=noise,
        timeout=timeout,
        offline=offline,
        fresh=fresh,
        progress=Lines(),
    )
    if as_json:
        print_json(minimal.as_json())
    else:
        _print(minimal)
    return minimal.verdict.exit_status


def _print(minimal: FewestPatches) -> None:
    fewest = minimal.minimised.fewest
    click.echo(f"{len(fewest.kept)} of {len(minimal.patches)} patches are needed for {minimal.goal}:")
    for number in fewest.kept:
        needs = [str(needed + 1) for needed in sorted(minimal.needs[number] & set(fewest.kept))]
        remark = f", needs {', '.join(needs)}" if needs else ""
        click.echo(f"  {number + 1:3}  {printable(minimal.patches[number].name)}{remark}")
    for proof in fewest.proof:
        reason = next(
            decision.reason
            for kept, decision in minimal.minimised.tests
            if kept == frozenset(fewest.kept) - {proof.left_out}
        )
        click.echo(f"  without {proof.left_out + 1}: {proof.verdict}, {printable(reason)}")
    if fewest.contradicted:
        click.echo("note: a set passed of which a part had failed to: patches work against each other")
    kept = f", {minimal.kept_boots} kept from before" if minimal.kept_boots else ""
    click.echo(f"{minimal.builds} kernels, {minimal.boots} boots{kept}; the patches are in {minimal.folder}")
