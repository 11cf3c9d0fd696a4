"""`bootwright kernel trace`: where in a kernel the error of a probe's step comes from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootwright.cli._parts.booting import cold_option, machine_option
from bootwright.cli._parts.documents import print_json
from bootwright.cli._parts.values import OneOf, probes

if TYPE_CHECKING:
    from bootwright.lab.trace.places import Place
    from bootwright.lab.trace.trace import ErrnoTrace, TracedGuard, Tried

_EPILOG = """\b
Examples:
  bootwright kernel trace debian-6.12.117-4k --call talos-1.12-etc-hosts
  bootwright kernel trace debian-7.3.4-4k --call mount-setattr-refuses-long --json
  bootwright kernel trace debian-6.12.117-16k --call clone-detached-root --prove
  bootwright kernel trace ./Image --call clone-detached-root --debug vmlinux --source ~/linux
  bootwright kernel trace debian-6.18.15-16k --probe filesystems --call squashfs-4K --debug ./package
  bootwright kernel trace ./Image --program ./fails --syscall openat --errno EINVAL

KERNEL is a name of `bootwright kernels list`, or a file: an arm64 Image or a package that holds one.

Exit status: 0 the origin was found (and a branch with which the call succeeds), 2 usage, bad input or a call
that does not fail, 3 it is unknown, or there is no such branch.
"""


@click.command(name="trace", epilog=_EPILOG)
@click.argument("kernel", metavar="KERNEL")
@click.option(
    "--call",
    "step",
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
@click.option(
    "--program",
    type=click.Path(path_type=Path, dir_okay=False),
    help="In place of a step: a static arm64 program that makes the call.",
)
@click.option("--syscall", metavar="NAME", help="The call of --program that fails, such as openat.")
@click.option("--errno", metavar="NAME", help="What it fails with, such as EINVAL.")
@click.option(
    "--prove",
    is_flag=True,
    help="Make the call again with the branch the other way, then those before it, until it succeeds.",
)
@click.option(
    "--debug",
    type=click.Path(path_type=Path),
    help="The kernel's vmlinux with debug information, or the folder of an unpacked debug package, for its "
    "modules too: adds source lines.",
)
@click.option(
    "--source",
    type=click.Path(path_type=Path, file_okay=False),
    help="The kernel's source tree: adds the lines' text and where the functions are defined.",
)
@machine_option
@cold_option
@click.option("--timeout", type=click.FloatRange(1), default=None, help="Seconds for each boot.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/kernel-trace.schema.json).")
def command(
    *,
    kernel: str,
    step: str | None,
    probe: str,
    program: Path | None,
    syscall: str | None,
    errno: str | None,
    prove: bool,
    debug: Path | None,
    source: Path | None,
    machine: str,
    cold: bool,
    timeout: float | None,
    as_json: bool,
) -> int:
    """Name the function and instruction of KERNEL that made the error a step sees, and the branch before it.

    The kernel is booted in QEMU as it is. Every instruction of the failing system call is recorded, and the
    error number followed backwards from the call's return. --prove changes one branch in the running kernel.
    """
    from bootwright import api
    from bootwright.foundation.progress import Lines

    if (step is None) == (program is None):
        raise click.UsageError("give --call STEP, or --program FILE with --syscall and --errno")
    if program is not None and (syscall is None or errno is None):
        raise click.UsageError("--program needs --syscall and --errno")
    if program is None and (syscall is not None or errno is not None):
        raise click.UsageError("--syscall and --errno are for --program")
    traced = api.trace_error(
        kernel,
        step=step,
        probe=probe,
        program=program,
        syscall=syscall,
        errno=errno,
        prove=prove,
        debug=debug,
        source=source,
        machine=machine,
        cold=cold,
        timeout=timeout,
        progress=Lines(),
    )
    if as_json:
        print_json(traced.as_json())
    else:
        _print(traced.trace)
    return traced.verdict.exit_status


def _print(trace: ErrnoTrace) -> None:
    click.echo(f"{trace.kernel.name}: {trace.step}, {trace.call}: {trace.errno}")
    if trace.origin is None:
        click.echo(f"unknown: {trace.unknown}")
    else:
        click.echo(f"  made at     {_line(trace.origin)}")
        _print_source(trace, trace.origin)
    if trace.guard is not None:
        _print_guard("decided at", trace.guard)
        _print_source(trace, trace.guard.place)
    elif trace.origin is not None:
        click.echo("  decided at  no branch of the functions on the way: they always fail so")
    for number, place in enumerate(reversed(trace.chain)):
        line = next(iter(trace.lines.get(place.address, ())), None)
        where = f"  {line.path}:{line.line}" if line is not None else ""
        click.echo(f"  {'called from' if not number else '':11} {place}{where}")
    for tried in trace.proof or ():
        _print_tried(tried, trace.call, decided=tried.guard == trace.guard)
    if trace.proof is not None and trace.cause is None:
        click.echo("  unproved    with no one branch the other way the call succeeds")
    if trace.other_tasks:
        click.echo("  another task ran meanwhile: the calls above may be that one's")
    click.echo(f"  {trace.instructions:,} instructions recorded on {trace.machine} ({trace.emulator})")


def _print_guard(label: str, guard: TracedGuard) -> None:
    way = "taken" if guard.taken else "not taken"
    click.echo(f"  {label:11} {_line(guard.place)}, {way}")
    values = ", ".join(f"{register} = {value:#x}" for register, value in guard.tested)
    compared = f"{guard.compare}: " if guard.compare is not None else ""
    if compared or values:
        click.echo(f"              {compared}{values}")


def _print_source(trace: ErrnoTrace, place: Place) -> None:
    """The line of an instruction; without one, where its function is defined and has the errno."""
    lines = trace.lines.get(place.address, ())
    for line in lines:
        text = f": {line.text}" if line.text else ""
        click.echo(f"              {line.path}:{line.line}, {line.function}{text}")
    defined = trace.definitions.get(place.function or "")
    if defined is not None and not lines:
        where = ", ".join(map(str, defined.with_errno))
        has = f"; {trace.errno} in lines {where}" if where else f"; {trace.errno} in none of its lines"
        click.echo(f"              {defined.path}:{defined.line}{has}")


def _print_tried(tried: Tried, call: str, *, decided: bool) -> None:
    """What happened with one branch the other way; `decided`: it is the one that decided."""
    flipped = tried.flipped
    if flipped.is_cause:
        _print_guard("proved" if decided else "a way round", tried.guard)
        click.echo(f"              the other way, {call} returns {flipped.returned}")
        if not decided:
            click.echo(
                "              this branch comes before the one that decided: it leads past the error,"
            )
            click.echo("              and need not be what is wrong")
    else:
        _print_guard("not it", tried.guard)
        ends = f"{call} fails with {flipped.errno}" if flipped.errno else flipped.why
        click.echo(f"              the other way, {ends}")
    step = flipped.step
    if step is not None and flipped.is_cause:
        seen = {True: "ok", False: "not ok", None: "skipped"}[step.ok]
        errno = f", {step.call}: {step.errno}" if step.call and step.errno else ""
        click.echo(f"              the step then is {seen}{errno}")


def _line(place: Place) -> str:
    return f"{place}  {place.assembly or ''}".rstrip()
