"""`bootwright boot`: boot one kernel with probes and say what they found."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootwright.cli._parts.booting import cold_option, machine_option, probes_option, timeout_option
from bootwright.cli._parts.documents import print_json

if TYPE_CHECKING:
    from bootwright.kernels.model import Kernel
    from bootwright.lab.machines.recorded import Recording
    from bootwright.lab.probes.ktap import ProbeResult

_EPILOG = """\b
Examples:
  bootwright boot debian-6.12-16k --probe mounts
  bootwright boot debian-6.18.5-4k --probe network --machine xlnx-versal-virt
  bootwright boot ./Image --probe mounts --json
  bootwright boot debian-6.18-4k --probe all --repeat 3 --keep recordings

KERNEL is a name of `bootwright kernels list`, or a file: an arm64 Image or a package that holds one.

Exit status: 0 all tests ok, 1 some test not ok (a finding, not an error), 2 usage or bad input, 3 the
report is not whole or a test had to be skipped.
"""


@click.command(name="boot", epilog=_EPILOG)
@click.argument("kernel", metavar="KERNEL")
@probes_option
@machine_option
@click.option("--cpu", metavar="MODEL", help="The CPU model, instead of the first that has the page size.")
@click.option("--repeat", type=click.IntRange(1, 1000), default=1, help="Boot so many times.")
@cold_option
@timeout_option
@click.option("--arguments", default="", metavar="TEXT", help="Further kernel arguments.")
@click.option("--plain", is_flag=True, help="Leave out the kernel arguments that only make boots quicker.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Keep the recordings there.")
@click.option("--console", "show_console", is_flag=True, help="Show the console on stderr as it comes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/boot.schema.json).")
def command(
    *,
    kernel: str,
    probes: tuple[str, ...],
    machine: str,
    cpu: str | None,
    repeat: int,
    cold: bool,
    timeout: float | None,
    arguments: str,
    plain: bool,
    keep: Path | None,
    show_console: bool,
    as_json: bool,
) -> int:
    """Boot KERNEL in QEMU with a small init that runs probes, and say what they found."""
    from bootwright import api
    from bootwright.foundation.progress import Lines

    booted = api.boot(
        kernel,
        probes=[name for text in probes for name in text.split(",")],
        machine=machine,
        cpu=cpu,
        repeat=repeat,
        cold=cold,
        timeout=timeout,
        arguments=arguments.split(),
        plain=plain,
        keep=keep,
        on_console=_show if show_console else None,
        progress=Lines(),
    )
    if as_json:
        print_json(booted.as_json())
    else:
        _print_table(booted.kernel, booted.runs)
    return booted.verdict.exit_status


def _show(chunk: bytes) -> None:
    """The console is the guest's: only line ends and printable characters reach the terminal."""
    text = chunk.decode(errors="replace").replace("\r", "")
    sys.stderr.write("".join(char if char.isprintable() or char in "\n\t" else "�" for char in text))
    sys.stderr.flush()


def _print_table(kernel: Kernel, runs: Sequence[tuple[Recording, ProbeResult]]) -> None:
    from bootwright.lab.probes.judge import trouble

    recording, result = runs[0]
    pages = f"{result.page_size // 1024}K pages" if result.page_size else "page size not reported"
    click.echo(
        f"{kernel.name}: {result.release or 'release not reported'}, {pages}, "
        f"{recording.machine} ({recording.machine_version}), {recording.wall_seconds:.1f} s"
        f"{' from a snapshot' if recording.snapshot else ''}"
    )
    states: dict[tuple[str, str], list[bool | None]] = {}
    for _, probe_result in runs:
        for test in probe_result.tests:
            states.setdefault((test.group, test.name), []).append(test.ok)
    width = max((len(name) for _, name in states), default=0)
    last = {(test.group, test.name): test for _, run in reversed(runs) for test in run.tests}
    shown = ""
    for (group, name), seen in states.items():
        if group != shown:
            shown = group
            click.echo(group)
        test = last[group, name]
        word = {True: "ok", False: "not ok", None: "skipped"}[seen[0]] if len(set(seen)) == 1 else "flaky"
        how_often = f" {sum(ok is True for ok in seen)}/{len(runs)} ok" if word == "flaky" else ""
        errno = f"{test.call}: {test.errno}" if test.call and test.errno else ""
        remarks = ", ".join(part for part in (errno, test.detail) if part)
        click.echo(f"  {word:7} {name:{width}}{how_often}  {remarks}".rstrip())
    for recording, result in runs:
        reason = trouble(recording, result)
        if reason:
            click.echo(f"unknown: {reason}")
