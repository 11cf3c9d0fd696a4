"""`bootwright kernel trace`: where in a kernel the error of a probe's step comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bootwright.cli._parts.booting import machine_option
from bootwright.cli._parts.values import OneOf, probes

if TYPE_CHECKING:
    from bootwright.lab.trace.trace import ErrnoTrace, Place

_EPILOG = """\b
Examples:
  bootwright kernel trace debian-6.12.117-4k --call talos-1.12-etc-hosts
  bootwright kernel trace debian-7.3.4-4k --call mount-setattr-refuses-long --json
  bootwright kernel trace ./Image --call clone-detached-root

KERNEL is a name of `bootwright kernels list`, or a file: an arm64 Image or a package that holds one.

Exit status: 0 the origin was found, 2 usage, bad input or a step that does not fail, 3 it is unknown.
"""


@click.command(name="trace", epilog=_EPILOG)
@click.argument("kernel", metavar="KERNEL")
@click.option(
    "--call",
    "step",
    required=True,
    metavar="STEP",
    help="A step of the probe that ends with an errno, as `bootwright boot` prints them.",
)
@click.option(
    "--probe",
    type=OneOf(probes, "probe"),
    default="mounts",
    show_default=True,
    help="The probe it is of.",
)
@machine_option
@click.option("--timeout", type=click.FloatRange(1), default=None, help="Seconds for each boot.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/kernel-trace.schema.json).")
def command(*, kernel: str, step: str, probe: str, machine: str, timeout: float | None, as_json: bool) -> int:
    """Name the function and instruction of KERNEL that made the error a step sees, and the branch before it.

    The kernel is booted in QEMU as it is. Every instruction of the failing system call is recorded, and the
    error number followed backwards from the call's return.
    """
    from bootwright import api
    from bootwright.foundation.progress import Lines

    traced = api.trace_error(
        kernel, step=step, probe=probe, machine=machine, timeout=timeout, progress=Lines()
    )
    if as_json:
        import json

        click.echo(json.dumps(traced.as_json(), indent=1, ensure_ascii=False))
    else:
        _print(traced.trace)
    return traced.verdict.exit_status


def _print(trace: ErrnoTrace) -> None:
    click.echo(f"{trace.kernel.name}: {trace.step}, {trace.call}: {trace.errno}")
    if trace.origin is None:
        click.echo(f"unknown: {trace.unknown}")
    else:
        click.echo(f"  made at     {_line(trace.origin)}")
    guard = trace.guard
    if guard is not None:
        way = "taken" if guard.taken else "not taken"
        click.echo(f"  decided at  {_line(guard.place)}, {way}")
        values = ", ".join(f"{register} = {value:#x}" for register, value in guard.tested)
        compared = f"{guard.compare}: " if guard.compare is not None else ""
        click.echo(f"              {compared}{values}")
    elif trace.origin is not None:
        click.echo("  decided at  no branch of the functions on the way: they always fail so")
    for number, place in enumerate(reversed(trace.chain)):
        click.echo(f"  {'called from' if not number else '':11} {place}")
    if trace.other_tasks:
        click.echo("  another task ran meanwhile: the calls above may be that one's")
    click.echo(f"  {trace.instructions:,} instructions recorded on {trace.machine} ({trace.emulator})")


def _line(place: Place) -> str:
    return f"{place}  {place.assembly or ''}".rstrip()
