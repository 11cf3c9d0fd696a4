"""Commits that one kernel tree has and another lacks, as patches that apply to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bootwright.api._common import reporter, texts

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress
    from bootwright.foundation.verdict import Verdict
    from bootwright.workshop.patches.compare import Difference
    from bootwright.workshop.patches.series import Placed, Series

SCHEMA = "bootwright/kernel-patches/1"


@frozen
class PatchSeries:
    """What `kernel_patches` found."""

    difference: Difference
    series: Series
    files: Mapping[str, bytes]
    """File name → patch, of all that apply, in order."""
    merged: Mapping[str, str]
    """Commit → how its patch was changed to fit (git-range-diff(1)), where it was."""
    written: tuple[Path, ...]

    @property
    def verdict(self) -> Verdict:
        """`works` where every commit applies, else `fails`."""
        from bootwright.foundation.verdict import Verdict

        return Verdict.FAILS if self.series.conflicts else Verdict.WORKS

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/kernel-patches.schema.json."""
        span = self.difference.span
        names = {
            placed.commit.name: name for placed, name in zip(self.series.applied, self.files, strict=True)
        }
        return {
            "schema": SCHEMA,
            "from": {"name": span.start, "commit": span.start_commit},
            "to": {"name": span.end, "commit": span.end_commit},
            "verdict": str(self.verdict),
            "patches": [self._patch(placed, names) for placed in self.series.placed],
            "present": [
                {
                    **there_already.commit.as_json(),
                    "there": there_already.there.name,
                    "same": there_already.same,
                    "range_diff": there_already.range_diff or None,
                }
                for there_already in self.difference.present
            ],
            "merges": self.difference.merges,
            "written": [str(path) for path in self.written],
        }

    def _patch(self, placed: Placed, names: Mapping[str, str]) -> dict[str, Any]:
        name = placed.commit.name
        resolution = placed.resolution
        return {
            **placed.commit.as_json(),
            "reason": placed.chosen.reason,
            "fit": str(placed.fit),
            "needs": list(self.series.needs.get(name, ())),
            "file": names.get(name),
            "range_diff": self.merged.get(name) or None,
            "conflict": placed.conflict or None,
            "resolution": None
            if resolution is None
            else {
                "enough": resolution.enough,
                "left_out": resolution.left_out,
                "commits": [
                    {"commit": commit.name, "subject": commit.subject} for commit in resolution.commits
                ],
            },
        }


def kernel_patches(
    span: str,
    *,
    repository: str | Path = ".",
    paths: str | Sequence[str] = (),
    fixes: bool = True,
    resolve: bool = False,
    out: str | Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> PatchSeries:
    """The commits of `FROM..TO` that FROM lacks, as a series of patches that applies to FROM.

    `span` names two commits of the git repository `repository`, which is only read. `paths` keeps commits
    that touch one of them; `fixes` adds those of the range that say that they mend one of those. Every
    patch is really applied, in an index of its own; `resolve` takes in what a conflict needs. `out` is a
    folder for the patches, which has to be new or empty (or hold patches, with `force`).

    Returns a `PatchSeries`; a conflict is a result. Raises `Refused` for what is no repository, an unknown
    commit and an empty range.

        kernel_patches("v6.12..v6.18", repository="linux", paths="drivers/net/ethernet/cadence").files
    """
    from bootwright.workshop.patches.compare import compare
    from bootwright.workshop.patches.export import changed_by_merging, format_series, write_series
    from bootwright.workshop.patches.series import place
    from bootwright.workshop.repository import open_repository

    progress = reporter(progress)
    opened = open_repository(Path(repository))
    ends = opened.span(span)
    with progress.step(f"compare {ends.start} and {ends.end}"):
        difference = compare(opened, ends, paths=texts(paths), with_fixes=fixes)
    with opened.scratch() as scratch:
        series = place(opened, scratch, difference, resolve=resolve, progress=progress)
        files = format_series(opened, scratch, ends.start_commit, series)
        merged = changed_by_merging(scratch, ends.start_commit, series)
    written = write_series(Path(out), files, force=force) if out is not None else ()
    return PatchSeries(difference, series, files, merged, written)
