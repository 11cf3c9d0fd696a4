"""`bootwright lab truth`: boot a kernel with all its modules and state which driver each node really has."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bootwright.kernels.model import Kernel
    from bootwright.lab.truth.machines import TruthMachine

_MOST_MUTATIONS = 10_000
_OF_ONE_BOOT = {
    "timeout": "--timeout",
    "settle": "--settle",
    "arguments": "--arguments",
    "show": "--console",
    "as_json": "--json",
}
_OF_MUTATIONS = {"listing": "--list", "most": "--most"}

_EPILOG = """\b
Examples:
  bootwright lab truth raspi3b debian-6.18.15-4k
  bootwright lab truth virt debian-6.18.15-16k --out truth.json
  bootwright lab truth raspi3b debian-6.18.15-4k --mutate 1:50 --out broken/raspi3b.jsonl
  python benchmarks/score_predict.py --verbose truth.json

With --mutate the machine is booted intact and then once for each of COUNT single mutations that SEED chooses
(docs/truth.md), and --out, which is needed, gets a line a mutation. Killed at any point, the same
command goes on.

MACHINE is a file of data/truth. KERNEL is a name of `bootwright kernels list`, a .deb or a folder; it needs
its modules.

Exit status: 0 the guest stated its devices, 2 it did not, or bad input.
"""


@click.command(name="truth", epilog=_EPILOG)
@click.argument("machine", metavar="MACHINE")
@click.argument("kernel", metavar="KERNEL")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the recording there.")
@click.option("--force", is_flag=True, help="Replace a recording that is there already.")
@click.option("--mutate", metavar="SEED:COUNT", help="Boot that many mutated machines.")
@click.option(
    "--list", "listing", is_flag=True, help="With --mutate: list what is booted; boot the intact one."
)
@click.option("--most", type=click.IntRange(0), help="With --mutate: stop after so many boots.")
@click.option("--timeout", type=click.FloatRange(1), default=900.0, show_default=True, help="Guest seconds.")
@click.option("--settle", type=click.IntRange(1, 600), default=12, show_default=True, help="Quiet seconds.")
@click.option("--arguments", default="", metavar="TEXT", help="Further kernel arguments.")
@click.option("--console", "show", is_flag=True, help="Show the console on stderr as it comes.")
@click.option("--json", "as_json", is_flag=True, help="Print the recording (docs/schemas/truth.schema.json).")
@click.pass_context
def command(
    context: click.Context,
    *,
    machine: str,
    kernel: str,
    out: Path | None,
    force: bool,
    mutate: str | None,
    listing: bool,
    most: int | None,
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

    _fits(context, _OF_ONE_BOOT if mutate is not None else _OF_MUTATIONS, mutated=mutate is not None)
    if out is not None and mutate is None:
        check_new(out, force=force)
    progress = Lines()
    named = truth_machine(machine)  # before the kernel, which may take long
    chosen = kernel_at(kernel, progress)
    if mutate is not None:
        return _mutated(named, chosen, mutate, out, most=0 if listing else most, listing=listing)
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
        for interface in truth.interfaces:
            parts = (interface.name, interface.node or "-", interface.driver or "-", interface.dhcp)
            click.echo(f"interface {'  '.join(str(part) for part in parts)}".rstrip())
    return 0


def _fits(context: click.Context, others: dict[str, str], *, mutated: bool) -> None:
    """Raise `Refused` where an option was given that says nothing with, or without, --mutate."""
    from bootwright.foundation.errors import Refused

    for name, option in others.items():
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise Refused(
                f"{option} cannot be given {'with' if mutated else 'without'} --mutate",
                hint="all boots of mutated machines are alike; see docs/truth.md"
                if mutated
                else "add --mutate SEED:COUNT",
            )


def _mutated(
    target: TruthMachine, kernel: Kernel, mutate: str, out: Path | None, *, most: int | None, listing: bool
) -> int:
    """Boot the mutated machines, and say how each fared."""
    from bootwright.foundation.errors import Refused
    from bootwright.foundation.progress import Lines
    from bootwright.lab.mutation.truth import Campaign

    seed, colon, count = mutate.partition(":")
    if not (colon and seed.isdecimal() and count.isdecimal() and 0 < int(count) <= _MOST_MUTATIONS):
        raise Refused(
            f"--mutate {mutate} is no SEED:COUNT",
            hint=f"two numbers, as in 1:50; at most {_MOST_MUTATIONS} mutations",
        )
    if out is None:
        raise Refused("--mutate needs a file for the recordings", hint="add --out FILE.jsonl")
    campaign = Campaign(kernel, target, int(seed), int(count), out)
    recorded = campaign.run(Lines(), most=most)
    done = {boot.mutation.name: boot for boot in recorded.boots}
    for mutation in campaign.mutations(recorded.machine):
        boot = done.get(mutation.name)
        if boot is None:
            fared = "not booted yet"
        elif not boot.booted:
            fared = "did not boot"
        else:
            lost = ", ".join(fate.node for fate in boot.lost())
            fared = f"breaks {lost}" if lost else "breaks nothing"
        if listing or boot is not None:
            click.echo(f"{mutation.stratum:26} {mutation.name}: {fared}")
    return 0


def _show(chunk: bytes) -> None:
    text = chunk.decode(errors="replace").replace("\r", "")
    sys.stderr.write("".join(char if char.isprintable() or char in "\n\t" else "�" for char in text))
