"""`bootwright knowledge check`: read every knowledge file, and report all that are not right."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from bootwright.cli._parts.values import OneOf
from bootwright.cli.knowledge._kinds import KINDS, kind_of, read
from bootwright.foundation.errors import EXIT_BAD_INPUT, BootwrightError

if TYPE_CHECKING:
    from pathlib import Path


@click.command("check", epilog="Exit status: 0 when every file is right, 2 when any is not.")
@click.argument("kind", required=False, type=OneOf(lambda: KINDS, "kind of knowledge", "kinds"))
@click.option("as_json", "--json", is_flag=True, help="What is not right as JSON on stdout.")
def command(kind: str | None, *, as_json: bool) -> int:
    """Read every file of one KIND, or of all, and report each that is not right: file, key, what was meant.

    \b
    Examples:
      bootwright knowledge check
      bootwright knowledge check boards
    """
    count = 0
    wrong: list[tuple[str, str, Path | None, BootwrightError]] = []
    folders = [kind] if kind else list(KINDS)
    for folder in folders:
        clean = True
        for name, path in kind_of(folder).files().items():
            count += 1
            try:
                read(folder, path)
            except BootwrightError as error:
                clean = False
                wrong.append((folder, name, path, error))
        if clean and folder in {"signatures", "stages"}:
            error_between = _between_signatures()
            if error_between is not None and (folder == "signatures" or kind is not None):
                wrong.append((folder, "", None, error_between))
    if as_json:
        rows = [
            {
                "kind": folder,
                "name": name,
                "path": str(path) if path is not None else None,
                "message": fault.message,
                "hint": fault.hint,
            }
            for folder, name, path, fault in wrong
        ]
        click.echo(
            json.dumps({"format": "bootwright.knowledge-check/1", "files": count, "wrong": rows}, indent=1)
        )
    else:
        for _, _, _, fault in wrong:
            click.echo(fault.message)
            if fault.hint:
                click.echo(f"  hint: {fault.hint}")
        kinds = f"{len(folders)} kinds" if len(folders) > 1 else folders[0]
        click.echo(f"{count} files of {kinds}: {f'{len(wrong)} not right' if wrong else 'all right'}")
    return EXIT_BAD_INPUT if wrong else 0


def _between_signatures() -> BootwrightError | None:
    """What is wrong between signatures and stages that are right by themselves."""
    from bootwright.diagnose.signatures.knowledge import load

    try:
        load()
    except BootwrightError as error:
        return error
    return None
