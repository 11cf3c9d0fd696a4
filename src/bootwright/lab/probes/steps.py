"""Which probe has which steps, known without a boot, and what to say of a name that is none of them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from bootwright.foundation.choices import hint_for, near, no_such
from bootwright.foundation.errors import Refused
from bootwright.lab.probes import export
from bootwright.lab.probes.boot import PROBES
from bootwright.lab.probes.export import Step
from bootwright.lab.probes.filesystems import FILESYSTEMS, cases


def known_steps() -> Mapping[str, tuple[str, ...]]:
    """Probe → its steps, of bootwright's own probes: those that packages add say theirs in a boot only.

    Raises `Missing` where the probes' sources are not here, `Malformed` for a damaged file of
    `data/filesystems/`.
    """
    made = {FILESYSTEMS.folder: tuple(case.name for case in cases())}
    return {probe: made.get(probe) or tuple(row["name"] for row in export.rows(probe)) for probe in PROBES}


def probe_of(step: str) -> str | None:
    """The probe that has this step; None where none has it."""
    return next((probe for probe, names in known_steps().items() if step in names), None)


def exportable(name: str) -> Step:
    """The step of that name that can be a program of its own; raises `Refused` for any other."""
    known = {step.name: step for step in export.steps()}
    if name in known:
        return known[name]
    owner = probe_of(name)
    if owner is not None:
        raise Refused(
            f"{name} cannot be exported: a step of the probe {owner} needs more than the kernel",
            hint=f"`bootwright boot --probe {owner}` runs it; `bootwright probe list` has those that can",
        )
    otherwise = "see `bootwright probe list`"
    raise no_such(
        f"there is no step {name!r} that can be exported", name, known, kind="steps", otherwise=otherwise
    )


def check_step(probe: str, step: str, *, where: str = "", other: str) -> None:
    """Raise `Refused` where the probe is known not to have the step; the hint says what to give instead.

    `where` goes before the message; `other`, with `{probe}` and `{step}` in it, is how the user names a step
    of another probe.
    """
    known = known_steps()
    own = [*chain.from_iterable(known.values())] if probe == "all" else known.get(probe)
    if own is None or step in own:
        return
    owner, meant = probe_of(step), near(step, own)
    hint = hint_for(step, own, kind="steps")
    if owner is not None:
        hint = f"it is a step of {owner}: {other.format(probe=owner, step=step)}"
    elif not meant:
        for group, names in known.items():
            for name in near(step, names, most=1):
                hint = f"did you mean {name}? It is a step of {group}: {other.format(probe=group, step=name)}"
    raise Refused(f"{where}the probe {probe} has no step {step!r}", hint=hint)
