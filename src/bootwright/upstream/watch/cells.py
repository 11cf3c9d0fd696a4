"""What new kernels and releases make possible: the cells that a plan could not have before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from attrs import frozen

from bootwright.foundation.versions import Version
from bootwright.investigate.plans.further import FurtherKernel, FurtherRelease, experiments_for
from bootwright.investigate.plans.plan import Plan
from bootwright.kernels.catalogue import variant_of
from bootwright.kernels.model import Listed
from bootwright.kernels.releases import RELEASES
from bootwright.upstream.watch.look import Tagged


@frozen
class NewRelease:
    """A release that the plan does not know."""

    release: Tagged
    further: FurtherRelease | None
    """What it adds to the plan; None where it may not stand for the plan's level."""
    because: str
    """Why it may, or may not."""


def new_kernels(
    plan: Plan, listed: Sequence[Listed], before: Mapping[str, Sequence[str]]
) -> tuple[FurtherKernel, ...]:
    """Kernels that were not listed before and that an experiment of the plan can take.

    A source of which nothing is remembered has nothing new: it is remembered from here on.
    """
    new = []
    for kernel in listed:
        if kernel.source not in before or kernel.name in before[kernel.source] or variant_of(kernel.name):
            continue
        further = FurtherKernel(kernel.name, kernel.source, str(kernel.version), kernel.page_size)
        if experiments_for(plan, further):
            new.append(further)
    return tuple(new)


def new_releases(
    plan: Plan, system: str, tagged: Sequence[Tagged], is_alike: Callable[[str, Tagged], bool | None]
) -> tuple[NewRelease, ...]:
    """Releases of a system that neither its table nor the plan has.

    The plan's releases stand for one level because what its questions touch is the same in all of them;
    `is_alike(tag of a known release, new one)` says whether that is so of a new one too, None where it is not
    known.
    """
    released = plan.released
    if released is None or released.system != system:
        return ()
    table = RELEASES.get(system)
    known = {str(release.version) for release in table.releases}
    ours = [
        release.version for release in table.releases if released.since <= release.version < released.before
    ]
    releases: list[NewRelease] = []
    for release in tagged:
        version = Version.parse(release.version)
        if version is None or release.version in known or not ours or version < released.since:
            continue
        same_series = [older for older in ours if older.series() == version.series()]
        if not same_series:
            releases.append(NewRelease(release, None, f"a release of another series than {ours[-1]}"))
            continue
        alike = is_alike(f"v{max(same_series)}", release)
        if not alike:
            reason = (
                "what a question touches differs from"
                if alike is False
                else "it is not known how it differs from"
            )
            releases.append(NewRelease(release, None, f"{reason} {max(same_series)}"))
            continue
        facts = {"kernel": release.kernel, "page_size": table.page_size, "kernel_tree": table.kernel_tree}
        # Which overlay it is had with its tag does not say: none older than that of the release before it.
        like = released.of(max(same_series))
        as_before = like.factors if like is not None else {}
        factors = released.factors | {
            factor: text
            for factor, what in released.told.items()
            for text in [facts[what] if what in facts else as_before.get(factor, "")]
            if text
        }
        title = f"{table.title.removesuffix(' Linux')} {release.version}"
        further = FurtherRelease(title, table.tag.format(version=release.version), dict(factors))
        releases.append(NewRelease(release, further, f"what the questions touch is as in {max(same_series)}"))
    return tuple(releases)
