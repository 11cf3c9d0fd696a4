"""`bootwright upstream draft`: a report or a cover letter, to be sent by a person."""

from __future__ import annotations

from pathlib import Path

import click

from bootwright.cli._parts.documents import print_json
from bootwright.cli._parts.values import OneOf, printable

_EPILOG = """\b
Examples:
  bootwright upstream draft talos talos-rpi5 --outcome talos-mounts
  bootwright upstream draft linux talos-rpi5 --outcome ethernet --repository ~/linux -o report.txt
  bootwright upstream draft linux talos-rpi5 --series series/ --base v6.18 --repository ~/linux
  bootwright upstream draft talos talos-rpi5 --json

TARGET is an upstream of `bootwright upstream list`; PLAN one that was investigated. Nothing is sent: a person
reads it, tries the newest kernel, and sends it. What is still missing is said on stderr.

Exit status: 0 written, 2 usage or bad input, 3 nothing was seen to fail.
"""


def _targets() -> list[str]:
    from bootwright.upstream.presets import UPSTREAMS

    return UPSTREAMS.names()


@click.command(name="draft", epilog=_EPILOG)
@click.argument("target", type=OneOf(_targets, "upstream"))
@click.argument("plan")
@click.option("--run", type=click.Path(path_type=Path), help="Folder of the plan's run [out/PLAN].")
@click.option("--outcome", help="What failed [the plan's first goal that did].")
@click.option(
    "--repository",
    type=click.Path(path_type=Path),
    help="A git tree of the target's: for the maintainers, and the history between good and bad.",
)
@click.option(
    "--series",
    type=click.Path(path_type=Path),
    help="Folder of patches: write their cover letter (bootwright kernel patches --out).",
)
@click.option("--base", default="", metavar="COMMIT", help="The commit that the series is made on.")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="[stdout]")
@click.option("--force", is_flag=True, help="Replace FILE.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/upstream-draft.schema.json).")
def command(
    target: str,
    plan: str,
    *,
    run: Path | None,
    outcome: str | None,
    repository: Path | None,
    series: Path | None,
    base: str,
    out: Path | None,
    force: bool,
    as_json: bool,
) -> int:
    """Write a report for TARGET from what the run of PLAN has seen: by its own rules, with evidence.

    In it are the environment, what was expected and seen, the smallest program that shows it, every cell with
    the hashes of what ran there, since when it is so, and what was ruled out and how.
    """
    from bootwright import api
    from bootwright.foundation.atomic import check_new, write_text
    from bootwright.foundation.progress import Lines

    if base and series is None:
        raise click.UsageError("--base is the base of a --series")
    if out is not None:
        check_new(out, force=force)
    draft = api.draft_report(
        target,
        plan,
        run=run,
        outcome=outcome,
        repository=repository,
        series=series,
        base=base,
        progress=Lines(),
    )
    if as_json:
        print_json(draft.as_json())
    elif out is not None and draft.text:
        write_text(out, draft.text)
    elif draft.text:
        click.echo("\n".join(_shown(line) for line in draft.text.split("\n")), nl=False)
    for note in draft.notes:
        click.echo(printable(f"before you send it: {note}" if draft.text else note), err=True)
    return draft.exit_status


def _shown(line: str) -> str:
    """Tabs belong to a C program; anything else that is no text does not reach a terminal."""
    return "\t".join(printable(part) for part in line.split("\t"))
