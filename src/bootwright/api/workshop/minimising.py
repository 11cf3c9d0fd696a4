"""The fewest patches of a series with which a kernel reaches a goal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bootwright.api._common import reporter
from bootwright.api.workshop._trying import trying

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress
    from bootwright.foundation.verdict import Verdict
    from bootwright.kernels.model import Kernel
    from bootwright.workshop.minimise.minimise import Minimised
    from bootwright.workshop.trees.series import Patch

SCHEMA = "bootwright/kernel-minimise/1"


@frozen
class FewestPatches:
    """What `minimise_patches` found."""

    goal: str
    base: str
    """Where the source comes from."""
    patches: tuple[Patch, ...]
    """The whole series."""
    needs: tuple[frozenset[int], ...]
    """For each patch all earlier ones that it needs."""
    kept: tuple[Patch, ...]
    """The fewest patches, in order, as they apply to the base without the rest."""
    minimised: Minimised
    builds: int
    boots: int
    kept_boots: int
    folder: Path
    """Where the patches were written."""

    @property
    def verdict(self) -> Verdict:
        """`works` where it was shown that none of them can be left out, else `unknown`."""
        from bootwright.foundation.verdict import Verdict

        return Verdict.WORKS if self.minimised.fewest.proved else Verdict.UNKNOWN

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/kernel-minimise.schema.json."""
        fewest = self.minimised.fewest
        return {
            "schema": SCHEMA,
            "goal": self.goal,
            "base": self.base,
            "verdict": str(self.verdict),
            "patches": [
                {
                    "number": number + 1,
                    "name": patch.name,
                    "sha256": patch.digest,
                    "needs": sorted(needed + 1 for needed in self.needs[number]),
                    "kept": number in fewest.kept,
                }
                for number, patch in enumerate(self.patches)
            ],
            "kept": [number + 1 for number in fewest.kept],
            "proof": [
                {"without": proof.left_out + 1, "verdict": str(proof.verdict)} for proof in fewest.proof
            ],
            "contradicted": fewest.contradicted,
            "tests": [
                {
                    "patches": [number + 1 for number in sorted(kept)],
                    "verdict": str(decision.verdict),
                    "reason": decision.reason,
                    "passes": decision.passes,
                    "fails": decision.fails,
                    "built": decision.built,
                }
                for kept, decision in self.minimised.tests
            ],
            "builds": self.builds,
            "boots": self.boots,
            "kept_boots": self.kept_boots,
            "folder": str(self.folder),
        }


def minimise_patches(
    series: str | Path | Sequence[str | Path],
    *,
    base: str | Path,
    goal: str,
    out: str | Path,
    page_size: str = "4k",
    fragments: str | Path | Sequence[str | Path] = (),
    presets: str | Sequence[str] = ("probe",),
    toolchain: str = "gcc",
    jobs: int | None = None,
    machine: str = "virt",
    noise: str | float = 0,
    timeout: float | None = None,
    archive: str | None = None,
    offline: bool = False,
    fresh: bool = False,
    progress: Progress | None = None,
) -> FewestPatches:
    """The fewest patches of a series with which the base reaches a goal, each kernel built and booted.

    `series` and `base` are what `build_kernel` takes as `patches` and `source`, and so are the arguments of
    the build; `goal`, `noise`, `machine` and `timeout` are those of `bisect_releases`. `out` is the folder of
    the run: the same call goes on there, and the patches that are kept are written to `out/minimal`.

    Returns a `FewestPatches`. Raises `Refused` where the base reaches the goal alone, the whole series does
    not, or a patch does not apply, and what `build_kernel` raises before it compiles.

        minimise_patches("series", base="linux-source-6.12", goal="mounts", out="out/m").kept
    """
    from bootwright.foundation.errors import Refused
    from bootwright.workshop.minimise.minimise import minimise
    from bootwright.workshop.minimise.series import series_on
    from bootwright.workshop.patches.export import write_series

    progress = reporter(progress)
    folder = Path(out)
    with trying(
        base,
        goal,
        folder,
        {"what": "minimise"},
        patches=series,
        page_size=page_size,
        fragments=fragments,
        presets=presets,
        toolchain=toolchain,
        jobs=jobs,
        machine=machine,
        noise=noise,
        timeout=timeout,
        archive=archive,
        offline=offline,
        fresh=fresh,
        progress=progress,
    ) as attempt:
        patches = attempt.patches
        if not patches:
            raise Refused(
                "the series has no patches", hint="give a folder, files, or a range of commits A..B"
            )

        def build(chosen: Sequence[Patch]) -> Kernel:
            return attempt.build(tuple(chosen))

        with series_on(attempt.order.tree.folder, patches) as on_base:
            minimised = minimise(on_base, build, attempt.trials, progress)
            needs = on_base.needs
            kept = on_base.chosen(frozenset(minimised.fewest.kept))
    minimal = folder / "minimal"
    files = {f"{place:04}-{_slug(patch.name)}": patch.data for place, patch in enumerate(kept, 1)}
    write_series(minimal, files, force=True)
    trials = attempt.trials
    return FewestPatches(
        goal,
        attempt.order.tree.origin,
        patches,
        needs,
        kept,
        minimised,
        trials.builds,
        trials.boots,
        trials.kept_boots,
        minimal,
    )


def _slug(name: str) -> str:
    """A patch's name as a file's, without a number of its own."""
    import re

    stem = re.sub(r"^\d{1,6}-", "", name.removesuffix(".patch").removesuffix(".diff"))
    return f"{re.sub(r'[^A-Za-z0-9._+]+', '-', stem).strip('-.')[:60] or 'patch'}.patch"
