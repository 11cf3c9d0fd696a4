"""`bootwright wait`: until a node takes a configuration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from bootwright.cli._parts.documents import print_json

if TYPE_CHECKING:
    from bootwright.api import Waited

_HELP = """Wait until a Talos node is in maintenance mode, and print the command that configures it.

Looked at is the API's port: whether the machine answers at all, whether something listens there, whether it
speaks TLS with the certificate of the maintenance service and goes on without one of ours. A node that
demands one has a configuration already. Nothing is sent but a greeting, and nothing is configured.

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
    for line in _lines(waited):
        click.echo(printable(line))
    return waited.verdict.exit_status


def _lines(waited: Waited) -> Iterator[str]:
    from bootwright.foundation.screen import line_width
    from bootwright.report.words import command_lines, wrapped

    yield from wrapped("", f"{waited.verdict}: {waited.seen.text} (after {waited.seconds:.0f} s)")
    if not waited.then:
        advice, command = _next(waited)
        yield from wrapped("  ", advice)
        yield from command_lines(command, line_width()) if command else ()
        return
    yield f"  {waited.then}"
    if waited.seen.fingerprint:
        yield f"  its certificate: --cert-fingerprint '{waited.seen.fingerprint}'"


def _next(waited: Waited) -> tuple[str, str]:
    """What to do where it waits for no configuration, and the command for that."""
    from bootwright.prepare.maintenance import Stage

    observe = "bootwright observe --board NAME"
    photo = f"{observe} --address {waited.host} --service silent --text FILE"
    return {
        Stage.NO_NAME: (
            "give the address that the router's list has for it; where it has none, look at the lights of "
            "the Ethernet socket (on or off) and tell that:",
            f"{observe} --lights off --address none",
        ),
        Stage.SILENT: (
            "look at the lights of the Ethernet socket and at the router's list, and tell what is there (or "
            "the text of a photo, --text FILE):",
            f"{observe} --lights off --address none",
        ),
        Stage.THERE: (
            "something has this address, so that lights and cable are in order. If it is the node, Talos is "
            "still starting or does not come to its service: take a photo of the screen and give its text:",
            photo,
        ),
        Stage.LISTENS: (
            "if that is the node's address (the router's list has it), wait again: it may be still starting; "
            "then take a photo of the screen and give its text:",
            photo,
        ),
        Stage.CONFIGURED: (
            "talosctl reaches it with the talosconfig that it was configured with, without --insecure",
            "",
        ),
        Stage.WAITS: ("", ""),
    }[waited.seen.stage]
