"""`bootwright bench all`: the cells of a campaign on all boards of a labgrid coordinator."""

from __future__ import annotations

from pathlib import Path

import click

from bootwright.cli._parts.documents import print_json

_PATH = click.Path(path_type=Path)
_HELP = """Boot the cells of a campaign that wait and have an image on the boards of a labgrid coordinator.

Each CELL [all] goes to a free place whose tags say what it needs, such as board=rpi5-rev-1.1, is reserved and
booted there as `bootwright bench run` does, several side by side. What is lost, by an exporter, a board that
never answers or a process that is killed, is tried again, five times at most. What is done is not booted
again: the same command goes on where it was stopped.

The environment file names the place as  name: !template "$LG_PLACE"  (docs/cluster.md); one without, that has
several targets with their `levels`, has these for boards.

\b
Examples:
  labgrid-client -p pi5-a set-tags board=rpi5-rev-1.1
  bootwright bench all --env bench.yaml
  bootwright bench all --run talos-rpi5 --env bench.yaml --coordinator lab:20408 --repeat 3 --json
"""


@click.command(
    "all",
    help=_HELP,
    epilog="Exit status, of all boots: 0 works, 1 fails, 2 bad input or no place, 3 unknown or given up.",
)
@click.argument("cells", nargs=-1, metavar="[CELL]...")
@click.option("--env", "environment", type=_PATH, required=True, help="labgrid's environment file.")
@click.option("--target", metavar="NAME", help="Which of its targets, where it has several.")
@click.option("--run", type=_PATH, help="Folder of the campaign, or its plan's name.")
@click.option("--coordinator", metavar="HOST:PORT", help="labgrid's coordinator [as the file says].")
@click.option("--repeat", default=1, show_default=True, type=click.IntRange(1, 100), help="Boots of each.")
@click.option(
    "--patience",
    default=300.0,
    show_default=True,
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="How long cells wait for a place while nothing is being booted.",
)
@click.option("--retry", is_flag=True, help="Try again what was given up after repeated failure.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/bench-all.schema.json).")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    *,
    cells: tuple[str, ...],
    environment: Path,
    target: str | None,
    run: Path | None,
    coordinator: str | None,
    repeat: int,
    patience: float,
    retry: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """See `_HELP`."""
    from bootwright import api
    from bootwright.foundation.progress import Lines, Silent

    done = api.bench_all(
        environment=environment,
        target=target,
        run=run,
        cells=cells,
        coordinator=coordinator,
        repeat=repeat,
        patience=patience,
        retry=retry,
        progress=Silent() if quiet else Lines(),
    )
    if as_json:
        print_json(done.as_json())
        return done.verdict.exit_status
    from bootwright.cli._parts.values import printable

    for document in done.booted:
        click.echo(printable(f"{document['verdict']:8} {document['board']}  {document['folder']}"))
        if document["not_told"]:
            click.echo(printable(f"         not told to the campaign: {document['not_told']}"))
    for cell in done.given_up:
        click.echo(printable(f"given up {cell.work['cell']}: {'; '.join(dict.fromkeys(cell.reasons))}"))
    click.echo(f"{len(done.booted)} boots, {len(done.given_up)} given up; bootwright investigate weighs them")
    return done.verdict.exit_status
