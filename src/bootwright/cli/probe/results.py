"""`bootwright probe results`: what the boot of a laboratory showed."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bootwright.cli._parts.documents import print_json

_EPILOG = """\b
Examples:
  bootwright probe results lava-console.log
  bootwright probe results lava-console.log --kcidb mylab > report.json
  bootwright probe results report.json --json

Exit status, of the tests: 0 works, 1 fails, 2 bad input, 3 unknown.
"""


@click.command(name="results", epilog=_EPILOG)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--kcidb", "origin", metavar="ORIGIN", help="Print a report for KernelCI's database instead.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/probe-results.schema.json).")
def command(*, file: Path, origin: str | None, as_json: bool) -> int:
    """Read the results of probes from a console with KTAP, or from a report for KernelCI's database (kcidb).

    --kcidb writes such a report, checked by the schema of kcidb-io (pip install 'bootwright[kernelci]').
    """
    from bootwright import api
    from bootwright.cli._parts.values import printable

    results = api.read_probe_results(file)
    if origin is not None:
        click.echo(json.dumps(results.as_kcidb(origin), indent=1))
    elif as_json:
        print_json(results.as_json())
    else:
        click.echo(printable(f"{results.result.release or 'unknown release'}: {results.verdict}"))
        for test in results.result.tests:
            state = {True: "ok", False: "not ok", None: "skipped"}[test.ok]
            why = " ".join(part for part in (test.call, test.errno, test.detail) if part)
            click.echo(printable(f"  {state:8} {test.group}/{test.name}  {why}".rstrip()))
    return results.verdict.exit_status
