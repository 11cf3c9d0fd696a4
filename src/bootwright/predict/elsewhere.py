"""Which other kernels on this machine have a driver that one lacks: the remedy nearest at hand."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence

from attrs import evolve

from bootwright.formats.kernel.built_in_store import is_kept
from bootwright.formats.modules.module_facts import module_name
from bootwright.formats.modules.module_index import is_indexed
from bootwright.foundation.cache import KERNELS
from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.versions import Version
from bootwright.kernels.model import Kernel
from bootwright.kernels.store import Store
from bootwright.predict.kernel.candidates import Candidate
from bootwright.predict.kernel.drivers import KernelFacts, kernel_facts
from bootwright.predict.kernel.options import option_like, option_of
from bootwright.predict.model import Answer, GoalVerdict, Link, first_broken, fold
from bootwright.predict.rules.knowledge import NO_REMEDY

_MOST = 12
"""Kernels that are asked; each takes some 10 ms."""


def with_remedy(verdict: GoalVerdict, kernel: KernelFacts, *, devicetree_beside: bool = False) -> GoalVerdict:
    """The verdict with a remedy that names kernels here which have the driver its first broken link lacks.

    With `devicetree_beside` the devicetree was given beside the kernel: where no kernel has such a driver, it
    may be the devicetree that is of another tree.
    """
    broken = verdict.first_broken
    if broken is None or not broken.lacks:
        return verdict
    holders = [*_kernels_with(broken.lacks, kernel)]
    mended = _unread(broken, holders, kernel)
    if mended is None:
        advice = _advice(holders, kernel, broken.lacks, broken.remedy) if holders else _alike(broken, kernel)
        if not advice and not (devicetree_beside and broken.remedy == NO_REMEDY):
            return verdict
        advice = advice or f"{NO_REMEDY}, or the devicetree that came with this kernel"
        text = advice if broken.remedy == NO_REMEDY else f"{broken.remedy}; {advice}"
        mended = evolve(broken, remedy=text)
    chain = tuple(mended if link is broken else link for link in verdict.chain)
    return evolve(verdict, verdict=fold(chain).verdict, chain=chain, first_broken=first_broken(chain))


def _unread(
    broken: Link, holders: Sequence[tuple[KernelFacts, Candidate]], kernel: KernelFacts
) -> Link | None:
    """The link where the driver's module is one whose file here cannot be read: then it certainly fails."""
    index = kernel.modules
    if index is None or broken.answer is not Answer.UNKNOWN:
        return None
    damaged = {module_name(entry.path): entry for entry in index.unreadable}
    for other_kernel, candidate in holders:
        if candidate.module in damaged:
            unreadable = damaged[candidate.module]
            return evolve(
                broken,
                answer=Answer.NO,
                reason=f"the driver is in the module {candidate.module} (so in {other_kernel.name}), "
                f"whose file {unreadable.path} cannot be read: {unreadable.reason}",
                remedy=f"put {unreadable.path} there again, as the kernel's package has it",
            )
    return None


def remedy(compatibles: Sequence[str], kernel: KernelFacts) -> str:
    """In words, the kernels on this machine that have a driver for one of these; empty where none has."""
    holders = [*_kernels_with(compatibles, kernel)]
    return _advice(holders, kernel, compatibles) if holders else ""


def _kernels_with(compatibles: Sequence[str], kernel: KernelFacts) -> Iterator[tuple[KernelFacts, Candidate]]:
    for other_kernel in _other_kernels(kernel):
        for compatible in compatibles:
            candidates = other_kernel.by_compatible(compatible)
            if candidates:
                yield other_kernel, candidates[0]
                break


def _advice(
    holders: Sequence[tuple[KernelFacts, Candidate]],
    kernel: KernelFacts,
    lacks: Sequence[str],
    remedy_told: str = "",
) -> str:
    """`remedy_told` is what the user reads before it: an option that it names is not named again."""
    for other_kernel, candidate in holders:
        if other_kernel.release == kernel.release and candidate.module is not None:
            return (
                f"the same kernel on this machine ({other_kernel.name}) has it in the module "
                f"{candidate.module}: add that"
            )
    names = ", ".join(other_kernel.name for other_kernel, _ in holders[:3])
    advice = f"of the kernels on this machine {names} {'has' if len(holders) == 1 else 'have'} one"
    module = next(
        (other_candidate.module for _, other_candidate in holders if other_candidate.module is not None), None
    )
    place = f"in the module {module}" if module is not None else "built in"
    option = next(
        (
            name
            for other_kernel, other_candidate in holders
            if (name := _option(other_kernel, other_candidate, kernel, lacks))
        ),
        None,
    )
    if option is None or option in re.findall(r"\w+", remedy_told):
        return f"{advice} ({place})"
    mine = f"; this kernel has {option} off: build it with {option}=m or y" if kernel.is_off(option) else ""
    return f"{advice} ({place}; by its name {option}){mine}"


def _alike(broken: Link, kernel: KernelFacts) -> str:
    """By names alone, where no kernel here has the driver: an option of this version that is off."""
    if broken.remedy != NO_REMEDY or kernel.config is None:
        return ""
    option = option_like(broken.lacks, kernel.config)
    if option is None:
        return ""
    return f"use a kernel that has one: {option}, which is off here, has the same words"


def _option(
    other_kernel: KernelFacts, candidate: Candidate, kernel: KernelFacts, lacks: Sequence[str]
) -> str | None:
    with contextlib.suppress(BootwrightError):
        other_config = other_kernel.config
        if other_config is None:
            return None
        if candidate.module is not None and other_kernel.modules is not None:
            option = option_of(other_kernel.modules.path(candidate.module), other_config, kernel.config)
            if option is not None:
                return option
        return option_like(lacks, kernel.config, other_config) if kernel.config is not None else None
    return None


def _other_kernels(kernel: KernelFacts) -> Iterator[KernelFacts]:
    """Kernels of the library whose drivers are known, those of the same release and the newest first."""
    store = Store(KERNELS.folder())
    manifests = [
        candidate
        for name in store.names()
        if (candidate := store.manifest(name)) is not None and candidate.modules
    ]
    manifests = [candidate for candidate in manifests if candidate.name != kernel.name]
    least = Version("0", ((0,), 0))
    manifests.sort(key=lambda entry: Version.parse(entry.version) or least, reverse=True)
    manifests.sort(key=lambda entry: entry.release != kernel.release)
    for manifest in manifests[:_MOST]:
        with contextlib.suppress(BootwrightError):
            other_kernel = store.kernel(manifest)
            if _is_read(other_kernel):  # to read it first would take seconds
                yield kernel_facts(other_kernel)


def _is_read(kernel: Kernel) -> bool:
    """Whether all that `kernel_facts` reads is in the cache already."""
    return is_kept(kernel.image_sha256) and (kernel.modules is None or is_indexed(str(kernel.modules)))
