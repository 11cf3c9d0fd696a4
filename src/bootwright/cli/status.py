"""`bootwright status`: where a campaign is."""

from __future__ import annotations

from pathlib import Path

import click

from bootwright.cli._parts.documents import print_json

_HELP = """Show where a campaign is: its tasks, what waits for whom, the next best cell and why.

RUN is the folder of an investigation, or its plan's name; without it, the one in out/ that was assessed last.
Nothing is run. What people told since is named, and weighed by the next `bootwright investigate`.

\b
Examples:
  bootwright status
  bootwright status talos-rpi5
  bootwright status out/mine --json
  bootwright status talos-rpi5 --picture plan.svg
"""


@click.command(
    "status",
    help=_HELP,
    epilog="Exit status, of what is wanted: 0 works, 1 fails, 2 bad input or no campaign, 3 unknown.",
)
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option("--picture", type=click.Path(path_type=Path), metavar="FILE", help="Write it as SVG too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/status.schema.json).")
def command(run: Path | None, *, picture: Path | None, as_json: bool) -> int:
    """See `_HELP`."""
    from bootwright import api

    shown = api.status(run)
    if picture is not None:
        from bootwright.foundation.atomic import write_text
        from bootwright.report.campaign_picture import picture as drawn

        write_text(picture, drawn(shown.campaign))
    if as_json:
        print_json(shown.as_json())
    else:
        from bootwright.cli._parts.values import printable
        from bootwright.report.campaign_text import lines

        for line in lines(
            shown.campaign,
            process=shown.process,
            doing=shown.doing,
            not_weighed=shown.not_weighed,
            queue=shown.queue,
        ):
            click.echo(printable(line))
    return shown.verdict.exit_status
