"""`bootwright lab truth`: boot a kernel with all its modules and state which driver each node really has."""

from __future__ import annotations

import sys
from pathlib import Path

import click

_EPILOG = """\b
Examples:
  bootwright lab truth raspi3b debian-6.18.15-4k
  bootwright lab truth virt debian-6.18.15-16k --out truth.json
  python benchmarks/score_predict.py --verbose truth.json

MACHINE is a file of data/truth. KERNEL is a name of `bootwright kernels list`, a .deb or a folder; it needs
its modules.

Exit status: 0 the guest stated its devices, 2 it did not, or bad input.
"""


@click.command(name="truth", epilog=_EPILOG)
@click.argument("machine", metavar="MACHINE")
@click.argument("kernel", metavar="KERNEL")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the recording there.")
@click.option("--force", is_flag=True, help="Replace a recording that is there already.")
@click.option("--timeout", type=click.FloatRange(1), default=900.0, show_default=True, help="Guest seconds.")
@click.option("--settle", type=click.IntRange(1, 600), default=12, show_default=True, help="Quiet seconds.")
@click.option("--arguments", default="", metavar="TEXT", help="Further kernel arguments.")
@click.option("--console", "show", is_flag=True, help="Show the console on stderr as it comes.")
@click.option("--json", "as_json", is_flag=True, help="Print the recording (docs/schemas/truth.schema.json).")
def command(
    *,
    machine: str,
    kernel: str,
    out: Path | None,
    force: bool,
    timeout: float,
    settle: int,
    arguments: str,
    show: bool,
    as_json: bool,
) -> int:
    """Boot KERNEL on MACHINE, load modules by modalias as udev does, and state what bound."""
    from bootwright.foundation.atomic import check_new, write_text
    from bootwright.foundation.progress import Lines
    from bootwright.lab.truth.machines import truth_machine
    from bootwright.lab.truth.record import record
    from bootwright.lab.truth.recording import to_json
    from bootwright.predict.given.inputs import kernel_at

    if out is not None:
        check_new(out, force=force)
    progress = Lines()
    named = truth_machine(machine)  # before the kernel, which may take long
    chosen = kernel_at(kernel, progress)
    target = named.with_devicetree(chosen)
    with progress.step(f"boot {chosen.name} on {machine} with all its modules"):
        truth, _ = record(
            chosen,
            target,
            arguments=arguments.split(),
            timeout=timeout,
            settle=settle,
            on_console=_show if show else None,
        )
    text = to_json(truth)
    if out is not None:
        write_text(out, text)
    if as_json:
        click.echo(text, nl=False)
    else:
        bound = truth.bound()
        for node in sorted(truth.present() | set(bound)):
            click.echo(f"{'bound' if node in bound else 'no':6}{node}  {bound.get(node, '')}".rstrip())
        for device, reason in truth.deferred:
            click.echo(f"deferred  {device}  {reason}".rstrip())
        for failure in truth.failures:
            click.echo(f"failed    {failure.device}  {failure.driver} -{failure.errno}")
        for one in truth.interfaces:
            click.echo(f"interface {one.name}  {one.node or '-'}  {one.driver or '-'}  {one.dhcp}".rstrip())
    return 0


def _show(chunk: bytes) -> None:
    text = chunk.decode(errors="replace").replace("\r", "")
    sys.stderr.write("".join(char if char.isprintable() or char in "\n\t" else "�" for char in text))
