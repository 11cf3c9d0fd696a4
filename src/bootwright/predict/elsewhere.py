"""Which other kernels on this machine have a driver that one lacks: the remedy nearest at hand."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from attrs import evolve

from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.places import cache_dir
from bootwright.foundation.versions import Version
from bootwright.kernels.store import Store
from bootwright.predict.kernel.drivers import KernelFacts, is_read, kernel_facts
from bootwright.predict.model import GoalVerdict, Link

_MOST = 12
"""Kernels that are asked; each takes some 10 ms."""


def with_remedy(verdict: GoalVerdict, kernel: KernelFacts) -> GoalVerdict:
    """The verdict with a remedy that names kernels here which have the driver its first broken link lacks."""
    broken = verdict.first_broken
    if broken is None or not broken.lacks:
        return verdict
    told = remedy(broken.lacks, kernel)
    if not told:
        return verdict
    text = told if broken.remedy == "use a kernel that has one" else f"{broken.remedy}; {told}"
    mended: Link = evolve(broken, remedy=text)
    chain = tuple(mended if link is broken else link for link in verdict.chain)
    return evolve(verdict, chain=chain, first_broken=mended)


def remedy(compatibles: Sequence[str], kernel: KernelFacts) -> str:
    """In words, the kernels on this machine that have a driver for one of these; empty where none has."""
    found: list[str] = []
    for other in _others(kernel):
        for compatible in compatibles:
            candidates = other.by_compatible(compatible)
            if not candidates:
                continue
            module = candidates[0].module
            if other.release == kernel.release and module is not None:
                return (
                    f"the same kernel on this machine ({other.name}) has it in the module {module}: add that"
                )
            found.append(other.name)
            break
    if not found:
        return ""
    return f"of the kernels on this machine {', '.join(found[:3])} {'has' if len(found) == 1 else 'have'} one"


def _others(kernel: KernelFacts) -> Iterator[KernelFacts]:
    """Kernels of the library whose drivers are known, those of the same release and the newest first."""
    store = Store(cache_dir() / "kernels")
    manifests = [one for name in store.names() if (one := store.manifest(name)) is not None and one.modules]
    manifests = [one for one in manifests if one.name != kernel.name]
    least = Version("0", ((0,), 0))
    manifests.sort(key=lambda one: Version.parse(one.version) or least, reverse=True)
    manifests.sort(key=lambda one: one.release != kernel.release)
    for manifest in manifests[:_MOST]:
        with contextlib.suppress(BootwrightError):
            other = store.kernel(manifest)
            if is_read(other):  # to read it first would take seconds
                yield kernel_facts(other)
