"""`bootwright wait`: until a node takes a configuration."""

from __future__ import annotations

import click

from bootwright.cli._parts.documents import print_json

_HELP = """Wait until a Talos node is in maintenance mode, and print the command that configures it.

Looked at is the API's port: whether the machine answers at all, whether something listens there, whether it
speaks TLS and goes on without a client certificate, which is maintenance mode. A node that demands one has a
configuration already. Nothing is sent but a greeting, and nothing is configured.

\b
Examples:
  bootwright wait 192.168.1.23
  bootwright wait talos-pi5.local --timeout 300
  bootwright wait 192.168.1.23 --json
"""


@click.command(
    "wait",
    help=_HELP,
    epilog="Exit status: 0 it waits for a configuration, 1 it has one already, 2 bad input, 3 neither was "
    "seen in time; the last thing that was seen is said.",
)
@click.argument("host", metavar="HOST")
@click.option(
    "--timeout", type=click.FloatRange(0, 86400), default=600, show_default=True, metavar="SECONDS",
    help="How long to wait.",
)  # fmt: skip
@click.option("--port", type=click.IntRange(1, 65535), help="The API's port [50000].")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/wait.schema.json).")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(host: str, *, timeout: float, port: int | None, as_json: bool, quiet: bool) -> int:
    """See `_HELP`."""
    from bootwright import api
    from bootwright.cli._parts.values import printable
    from bootwright.foundation.progress import Lines, Silent

    waited = api.wait(host, timeout=timeout, port=port, progress=Silent() if quiet else Lines())
    if as_json:
        print_json(waited.as_json())
        return waited.verdict.exit_status
    click.echo(printable(f"{waited.verdict}: {waited.seen.text} (after {waited.seconds:.0f} s)"))
    if waited.then:
        click.echo(f"  {waited.then}")
        if waited.seen.fingerprint:
            click.echo(f"  its certificate: --cert-fingerprint '{waited.seen.fingerprint}'")
    elif waited.verdict.exit_status == 1:
        click.echo(
            "  talosctl reaches it with the talosconfig that it was configured with, without --insecure"
        )
    else:
        click.echo(
            "  look at the lights of the Ethernet socket and at the router's list, and tell what is there:\n"
            "  bootwright observe --board NAME --lights off --address none (or --text, the text of a photo)"
        )
    return waited.verdict.exit_status
