"""What came after a plan was written: kernels and releases that make further cells possible.

`further.json` of a run's folder; `upstream watch` adds to it, and `investigate` takes it in. It belongs to
the run, so that what is recorded there stays what was asked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cattrs
from attrs import evolve, field, frozen

from bootwright.foundation.atomic import write_text
from bootwright.foundation.documents import parse_document, read_kept
from bootwright.investigate.plans.plan import Experiment, Plan, Release
from bootwright.investigate.plans.runs import page_size_level

SCHEMA = "bootwright/further/1"
NAME = "further.json"
_MOST_BYTES = 4 << 20


@frozen
class FurtherKernel:
    """A kernel that an archive has since."""

    name: str
    """Of the catalogue: `debian-7.4.1-4k`."""
    source: str
    version: str
    page_size: int
    """Bytes."""


@frozen
class FurtherRelease:
    """A release that there is since."""

    name: str
    """`Talos 1.12.13`."""
    source: str
    """Where it is."""
    factors: dict[str, str]
    """The levels that it comes with."""


@frozen
class Further:
    """All of it."""

    kernels: list[FurtherKernel] = field(factory=list)
    releases: list[FurtherRelease] = field(factory=list)
    schema: str = SCHEMA

    def with_more(self, other: Further) -> Further:
        """With what another has and this one has not."""
        kernels = {kernel.name: kernel for kernel in (*other.kernels, *self.kernels)}
        releases = {release.name: release for release in (*other.releases, *self.releases)}
        return Further(
            [kernels[name] for name in sorted(kernels)], [releases[name] for name in sorted(releases)]
        )


def read_further(folder: Path) -> Further:
    """What a run's folder has; nothing where there is none.

    Raises `Malformed`, and `Missing` where it cannot be read.
    """
    path = folder / NAME
    data = read_kept(path, most=_MOST_BYTES)
    return Further() if data is None else parse_further(data, str(path))


def parse_further(data: bytes, where: str) -> Further:
    """Read the bytes of a `further.json`; raises `Malformed`."""
    hint = "remove it, and look upstream again"
    return parse_document(data, Further, where, schema=SCHEMA, most=_MOST_BYTES, hint=hint)


def write_further(folder: Path, further: Further) -> None:
    """Put it into a run's folder, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / NAME, json.dumps(cattrs.unstructure(further), indent=1) + "\n")


def with_further(plan: Plan, further: Further) -> Plan:
    """The plan with what came since: further runs with the kernels, further levels and releases.

    An experiment that is limited to some kernels takes a further one of the same page size as one of these.
    """
    known = {release.name for release in plan.release}
    releases = [
        Release(release.name, release.factors, release.source)
        for release in further.releases
        if release.name not in known and set(release.factors) <= set(plan.factor)
    ]
    versions = {name for name, factor in plan.factor.items() if factor.fact == "version"}
    levels = {
        name: [release.factors[name] for release in releases if name in release.factors] for name in versions
    }
    return evolve(
        plan,
        release=[*plan.release, *releases],
        experiment=[_with(experiment, further.kernels, levels) for experiment in plan.experiment],
    )


def experiments_for(plan: Plan, kernel: FurtherKernel) -> list[Experiment]:
    """The experiments that a kernel is a further run of."""
    return [experiment for experiment in plan.experiment if _takes(experiment, kernel)]


def _takes(experiment: Experiment, kernel: FurtherKernel) -> bool:
    if experiment.kernels != kernel.source:
        return False
    pages = page_size_level(kernel.page_size).lower()
    return not experiment.only or any(name.endswith(f"-{pages}") for name in experiment.only)


def _with(
    experiment: Experiment, kernels: Sequence[FurtherKernel], levels: dict[str, list[str]]
) -> Experiment:
    if experiment.source == "bench":
        more = {
            name: [*known, *(level for level in dict.fromkeys(levels.get(name, ())) if level not in known)]
            for name, known in experiment.levels.items()
        }
        return evolve(experiment, levels=more)
    names = [kernel.name for kernel in kernels if experiment.only and _takes(experiment, kernel)]
    return evolve(
        experiment, only=[*experiment.only, *(name for name in names if name not in experiment.only)]
    )
