"""Options of the commands that boot a kernel with probes."""

from __future__ import annotations

import click

from bootwright.cli._parts.values import OneOf, machines

machine_option = click.option(
    "--machine",
    type=OneOf(machines, "machine"),
    default="virt",
    show_default=True,
    help="What to boot on: a file of data/machines.",
)
probes_option = click.option(
    "--probe",
    "probes",
    multiple=True,
    metavar="NAME",
    default=("mounts",),
    show_default=True,
    help="What to test: mounts, overlays, filesystems, network, all. May be repeated, or comma-separated.",
)
cold_option = click.option(
    "--cold", is_flag=True, help="Boot from the first instruction; use no snapshot of the machine."
)
timeout_option = click.option(
    "--timeout", type=click.FloatRange(1), default=None, help="Seconds of guest time for a boot."
)
