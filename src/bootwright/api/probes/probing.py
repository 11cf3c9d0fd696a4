"""Steps of probes by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bootwright.lab.probes.export import Step


def list_probe_steps() -> tuple[Step, ...]:
    """The steps of probes that `export_probe` makes a program of: those that need nothing but the kernel.

    Returns `Step` entries with `group` and `name`. Raises `Missing` where the probes' sources are not here.

        [step.name for step in list_probe_steps() if step.group == "overlays"]
    """
    from bootwright.lab.probes.export import steps

    return tuple(steps())


def export_probe(step: str) -> str:
    """The C source of a program that makes one step of a probe, and prints what was expected and seen.

    It builds with any C library on 64-bit Linux. Raises `Refused` for a step that there is not, with the one
    that was meant, and `Missing` where the probes' sources are not here.

        export_probe("talos-1.12-etc-hosts").splitlines()[2]
    """
    from bootwright.lab.probes.export import program
    from bootwright.lab.probes.steps import exportable

    return program(exportable(step))
