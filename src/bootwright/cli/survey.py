"""`bootwright survey`: what many kernels answer to the same probe."""

from __future__ import annotations

import string
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from bootwright.cli._parts.booting import cold_option, machine_option, probes_option, timeout_option
from bootwright.cli._parts.documents import print_json

if TYPE_CHECKING:
    from bootwright.api.probes.surveying import Surveyed
    from bootwright.lab.survey.differences import Column

_EPILOG = """\b
Examples:
  bootwright survey
  bootwright survey --kernels all --probe mounts --json
  bootwright survey --kernels debian-6.12-16k,debian-6.12-4k,debian-6.18-16k --probe overlays

Exit status: 0 every step ok on every kernel, 1 some step not ok on some kernel (a finding, not an error),
2 usage or bad input, 3 a kernel gave no whole answer or had to skip a step.
"""


@click.command(name="survey", epilog=_EPILOG)
@click.option(
    "--kernels",
    "names",
    multiple=True,
    metavar="all|NAME",
    default=("all",),
    show_default=True,
    help="Which: all on this machine, or names or files. May be repeated, or comma-separated.",
)
@probes_option
@machine_option
@click.option("--again", is_flag=True, help="Run the probe on every kernel, also where its answer is kept.")
@cold_option
@timeout_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/survey.schema.json).")
def command(
    *,
    names: tuple[str, ...],
    probes: tuple[str, ...],
    machine: str,
    again: bool,
    cold: bool,
    timeout: float | None,
    as_json: bool,
) -> int:
    """Boot many kernels with the same probe, and print the steps in which they differ.

    Each kernel is booted once: its answer is kept until the kernel, the probe, the machine or QEMU changes.
    Interrupted, the same command goes on where it stopped.
    """
    from bootwright import api
    from bootwright.foundation.progress import Lines

    surveyed = api.survey(
        [name for text in names for name in text.split(",")],
        probes=[name for text in probes for name in text.split(",")],
        machine=machine,
        again=again,
        cold=cold,
        timeout=timeout,
        progress=Lines(),
    )
    if as_json:
        print_json(surveyed.as_json())
    else:
        _print_survey(surveyed)
    return surveyed.verdict.exit_status


def _print_survey(surveyed: Surveyed) -> None:
    columns = surveyed.columns
    differing = [column for column in columns if column.differs]
    labels = [_label(number) for number in range(len(differing))]
    count = sum(len(column.steps) for column in columns)
    different = sum(len(column.steps) for column in differing)
    click.echo(
        f"{', '.join(surveyed.probes)} on {surveyed.machine}, {surveyed.qemu}: "
        f"{len(surveyed.kernels)} kernels, {count} steps, of which {different} differ"
    )
    kept = sum(kernel.answer is not None and kernel.answer.kept for kernel in surveyed.kernels)
    restored = f", {surveyed.restored} of them from snapshots," if surveyed.restored else ""
    click.echo(
        f"{surveyed.booted} booted{restored} in {surveyed.cpu_seconds:.1f} s of CPU time, {kept} kept\n"
    )
    rows = [("KERNEL", "PAGES", *labels)]
    for kernel in surveyed.kernels:
        size = kernel.answer.result.page_size if kernel.answer else None
        pages = f"{size // 1024}K" if size else "?"
        answers = [column.answers.get(kernel.name, "?") for column in differing]
        rows.append((kernel.name, pages, *answers))
    _print_rows(rows)
    click.echo()
    for label, column in zip(labels, differing, strict=True):
        click.echo(_steps(label, column))
    for column in columns:
        if not column.differs:
            click.echo(_steps(f"on all {next(iter(column.answers.values()))}", column))
    for kernel in surveyed.kernels:
        if kernel.trouble:
            click.echo(f"unknown: {kernel.name}: {kernel.trouble}")


def _steps(label: str, column: Column) -> str:
    return textwrap.fill(
        f"{label}: {', '.join(column.steps)}", 100, subsequent_indent="   ", break_on_hyphens=False
    )


def _label(number: int) -> str:
    """A, B, …, Z, AA, AB, …"""
    label = string.ascii_uppercase[number % 26]
    return label if number < 26 else _label(number // 26 - 1) + label


def _print_rows(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(line).rstrip())
