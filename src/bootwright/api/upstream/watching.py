"""What changed upstream that touches an open question of a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bootwright.api._common import reporter, texts

if TYPE_CHECKING:
    from bootwright.api.investigation import Investigated
    from bootwright.foundation.progress import Progress
    from bootwright.foundation.verdict import Verdict
    from bootwright.investigate.plans.further import Further, FurtherKernel
    from bootwright.investigate.plans.plan import Plan
    from bootwright.kernels.catalogue import Library
    from bootwright.upstream.presets import Upstream
    from bootwright.upstream.recent import Bound
    from bootwright.upstream.relevance.model import Judged
    from bootwright.upstream.relevance.subject import Subject
    from bootwright.upstream.watch.cells import NewRelease
    from bootwright.upstream.watch.look import BranchLook, Tagged, UpstreamLook
    from bootwright.upstream.watch.seen import Seen
    from bootwright.workshop.repository import Repository

SCHEMA = "bootwright/upstream-watch/1"
MAX_FETCH = 1000
"""MB of a large repository's newest commits that are fetched at once."""


@frozen
class Watched:
    """What `watch_upstream` found."""

    folder: Path
    outcomes: tuple[str, ...]
    """The questions that were open."""
    looks: tuple[UpstreamLook, ...]
    unread: Mapping[str, str]
    """Upstream, source of kernels or question → why nothing is known of it."""
    not_followed: Mapping[str, str]
    """Upstreams that are only looked at when a copy is given."""
    kernels: tuple[FurtherKernel, ...]
    """Kernels that archives have since the last look and the plan can use."""
    releases: tuple[NewRelease, ...]
    investigated: Investigated | None
    """What running the further cells came to, where that was asked for."""

    @property
    def named(self) -> tuple[Judged, ...]:
        """Every commit that touches an open question."""
        return tuple(judged for look in self.looks for judged in look.named)

    @property
    def is_news(self) -> bool:
        """Whether there is anything that a person would want to know."""
        return bool(self.named or self.kernels or self.releases)

    @property
    def exit_status(self) -> int:
        """0 nothing new, 1 something new touches a question, 3 not everything could be looked at."""
        if self.is_news:
            return 1
        return 3 if self.unread else 0

    @property
    def verdict(self) -> Verdict | None:
        """Of what was run; None where nothing was."""
        return self.investigated.verdict if self.investigated is not None else None

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/upstream-watch.schema.json."""
        return {
            "schema": SCHEMA,
            "folder": str(self.folder),
            "outcomes": list(self.outcomes),
            "news": self.is_news,
            "upstreams": [
                {
                    "name": look.upstream.id,
                    "repository": look.where,
                    "first_look": look.is_first,
                    "lost": list(look.lost),
                    "branches": [_branch(branch) for branch in look.branches],
                }
                for look in self.looks
            ],
            "unread": dict(self.unread),
            "not_followed": dict(self.not_followed),
            "kernels": [
                {"name": kernel.name, "version": kernel.version, "page_size": kernel.page_size}
                for kernel in self.kernels
            ],
            "releases": [
                {
                    "version": new.release.version,
                    "kernel": new.release.kernel or None,
                    "factors": new.further.factors if new.further is not None else None,
                    "because": new.because,
                }
                for new in self.releases
            ],
            "verdict": self.verdict.value if self.verdict is not None else None,
        }


def _branch(look: BranchLook) -> dict[str, Any]:
    return {
        "branch": look.branch,
        "before": look.before or None,
        "after": look.after,
        "commits": look.count,
        "touching": [_judged(judged) for judged in look.judged if not judged.sweeping],
        "sweeping": [_judged(judged) for judged in look.judged if judged.sweeping],
    }


def _judged(judged: Judged) -> dict[str, Any]:
    return {
        "commit": judged.commit.name,
        "subject": judged.commit.subject,
        "author": judged.commit.author,
        "date": judged.commit.date,
        "touches": [
            {"outcome": touch.outcome, "by": touch.kind.value, "path": touch.path, "what": touch.what}
            for touch in judged.touches
        ],
    }


def watch_upstream(
    plan: str | Path,
    *,
    upstreams: str | Sequence[str] = (),
    repositories: Mapping[str, str] | None = None,
    since: Mapping[str, str] | None = None,
    outcomes: str | Sequence[str] = (),
    run: str | Path | None = None,
    remember: bool = True,
    investigate: bool = False,
    fetch: str | Sequence[str] = (),
    max_fetch: int = MAX_FETCH,
    archive: str | None = None,
    offline: bool = False,
    progress: Progress | None = None,
) -> Watched:
    """Which commits, kernels and releases since the last look touch an open question of a plan.

    `upstreams` limits the look to these of `data/upstreams/`; `repositories` gives a folder or an address for
    a name, one of them or one of the caller's own. `since` names a commit for an upstream, in place of the
    last look. `run` is the plan's run, `out/PLAN` without; what was looked at is remembered there unless
    `remember` is false, and what new kernels and releases make possible is added to it. `investigate` runs
    it. Of the large ones that are named in `fetch` the newest commits are fetched, `max_fetch` MB at most,
    now and by each later look; without it they are looked at where a copy is given.

    Returns a `Watched`. Raises `Refused` for an unknown name or commit, and what reading the plan raises; an
    upstream that cannot be reached is in `unread`.

        watch_upstream("talos-rpi5", repositories={"linux": "~/linux"}, since={"linux": "v6.18"}).named
    """
    from datetime import UTC, datetime

    from bootwright.api.investigation import run_folder
    from bootwright.foundation.errors import Missing
    from bootwright.investigate.plans.further import Further, read_further, with_further, write_further
    from bootwright.investigate.plans.plan_file import load_plan
    from bootwright.kernels.catalogue import open_library
    from bootwright.upstream.recent import Bound
    from bootwright.upstream.subjects import subjects_of
    from bootwright.upstream.watch.seen import Seen, read_seen, write_seen

    progress = reporter(progress)
    folder = run_folder(plan, run)
    before, further = read_seen(folder), read_further(folder)
    loaded = load_plan(str(plan))
    asked = _open_outcomes(loaded, folder, texts(outcomes))
    here = open_library(archive=archive, offline=True)
    subjects = subjects_of(with_further(loaded, further), asked, here)
    unread = {text.partition(":")[0]: text.partition(": ")[2] for text in subjects.lacks}
    followed, not_followed = _followed(
        texts(upstreams), repositories or {}, since or {}, texts(fetch), max_fetch
    )
    for name, reason in not_followed.items():
        progress.note(f"{name} is not looked at: {reason}")
    looks: list[UpstreamLook] = []
    releases: list[NewRelease] = []
    for upstream, where in followed:
        try:
            look, new = _look(
                loaded,
                upstream,
                where,
                subjects.subjects,
                before.branches.get(upstream.id, {}),
                since=(since or {}).get(upstream.id),
                offline=offline,
                bound=Bound(max_fetch) if where == upstream.repository and upstream.large else None,
                progress=progress,
            )
        except Missing as error:
            unread[upstream.id] = error.message
            continue
        looks.append(look)
        releases += [release for release in new if _is_new(release, further)]
    library = open_library(archive=archive, offline=offline, progress=progress)
    listed, kernels = _kernels(loaded, library, before, unread)
    more = Further(list(kernels), [new.further for new in releases if new.further is not None])
    if remember:
        branches = dict(before.branches) | {
            look.upstream.id: {branch.branch: branch.after for branch in look.branches} for look in looks
        }
        now = datetime.now(UTC).isoformat(timespec="seconds")
        if more.kernels or more.releases:
            write_further(folder, further.with_more(more))
        write_seen(folder, Seen(branches, {**before.kernels, **listed}, now))
    investigated = None
    if investigate and remember and (more.kernels or more.releases):
        from bootwright.api.investigation import investigate as run_plan

        investigated = run_plan(plan, out=folder, archive=archive, offline=offline, progress=progress)
    return Watched(folder, asked, tuple(looks), unread, not_followed, kernels, tuple(releases), investigated)


def _open_outcomes(plan: Plan, folder: Path, asked: Sequence[str]) -> tuple[str, ...]:
    """The outcomes asked for; without, the plan's goals unless boards have answered the whole question."""
    from bootwright.foundation.choices import one_of
    from bootwright.foundation.verdict import Verdict
    from bootwright.investigate.analysis.observations import Source
    from bootwright.investigate.campaign.model import find_status

    for name in asked:
        one_of(name, list(plan.outcome), what="outcome of the plan", kind="outcomes")
    if asked:
        return tuple(dict.fromkeys(asked))
    campaign = find_status(folder)
    if campaign is None:
        return plan.goals
    answered = campaign.verdict is Verdict.WORKS and campaign.source == Source.BENCH.word
    return () if answered else plan.goals


def _followed(
    names: Sequence[str],
    repositories: Mapping[str, str],
    since: Mapping[str, str],
    fetch: Sequence[str],
    max_fetch: int,
) -> tuple[list[tuple[Upstream, str]], dict[str, str]]:
    """((upstream, where it is) to look at, those that are only looked at with a copy → why)."""
    from bootwright.foundation.choices import no_such
    from bootwright.upstream.mirror import is_mirrored
    from bootwright.upstream.presets import UPSTREAMS, Upstream

    presets = UPSTREAMS.all()
    own = {
        name: Upstream(id=name, title=where, repository=where)
        for name, where in repositories.items()
        if name not in presets
    }
    known = presets | own
    for name in (*names, *since, *fetch):
        if name not in known:
            raise no_such(f"there is no upstream {name!r}", name, known, kind="upstreams")
    followed: list[tuple[Upstream, str]] = []
    not_followed: dict[str, str] = {}
    for name, upstream in known.items():
        if names and name not in names:
            continue
        asked = name in repositories or name in fetch
        if upstream.large and not asked and not is_mirrored(upstream.repository):
            not_followed[name] = (
                f"it is large: --fetch {name} fetches its newest commits, {max_fetch} MB at most; or give a "
                f"copy: git clone --bare {upstream.repository} FOLDER, --repository {name}=FOLDER"
            )
            continue
        followed.append((upstream, repositories.get(name, upstream.repository)))
    return followed, not_followed


def _look(
    plan: Plan,
    upstream: Upstream,
    where: str,
    subjects: Sequence[Subject],
    known: Mapping[str, str],
    *,
    since: str | None,
    offline: bool,
    bound: Bound | None,
    progress: Progress,
) -> tuple[UpstreamLook, tuple[NewRelease, ...]]:
    from bootwright.upstream.mirror import open_upstream
    from bootwright.upstream.watch.cells import new_releases
    from bootwright.upstream.watch.look import look_at, releases_of

    recent = upstream.branches if bound is not None else None
    repository = open_upstream(where, progress, offline=offline, recent=recent, bound=bound)
    look = look_at(repository, upstream, subjects, known, since=since, progress=progress)
    if plan.released is None or upstream.releases != plan.released.system:
        return look, ()
    tagged = releases_of(repository, upstream, plan.released.since)

    def is_alike(tag: str, release: Tagged) -> bool | None:
        return _alike(repository, upstream, subjects, tag, release)

    return look, new_releases(plan, upstream.releases, tagged, is_alike)


def _alike(
    repository: Repository, upstream: Upstream, subjects: Sequence[Subject], tag: str, release: Tagged
) -> bool | None:
    """Whether nothing that a question touches, but versions, differs between two tags."""
    from bootwright.foundation.errors import Refused
    from bootwright.upstream.relevance.judge import Judge
    from bootwright.upstream.relevance.model import Kind

    try:
        start = repository.commit(f"refs/tags/{tag}")
    except Refused:
        return None
    looked = Judge(repository, upstream, subjects, [start, release.commit]).look(release.commit, f"^{start}")
    return not any(touch.kind is not Kind.VERSION for judged in looked.judged for touch in judged.touches)


def _is_new(release: NewRelease, further: Further) -> bool:
    return release.further is None or all(known.name != release.further.name for known in further.releases)


def _kernels(
    plan: Plan, library: Library, before: Seen, unread: dict[str, str]
) -> tuple[dict[str, list[str]], tuple[FurtherKernel, ...]]:
    """(source → names that its list has now, the kernels that are new and of use)."""
    from bootwright.foundation.errors import Missing
    from bootwright.upstream.watch.cells import new_kernels

    names: dict[str, list[str]] = {}
    every = []
    for source in dict.fromkeys(experiment.kernels for experiment in plan.experiment if experiment.kernels):
        try:
            listed = library.listed({source})
        except Missing as error:
            unread[source] = error.message
            continue
        if not library.has_list(source):
            unread[source] = "its list of kernels cannot be had"
            continue
        names[source] = sorted(kernel.name for kernel in listed if kernel.source == source)
        every += listed
    return names, new_kernels(plan, every, before.kernels)


def list_upstreams() -> tuple[Upstream, ...]:
    """The upstreams of `data/upstreams/` and the user's own, by name. Raises `Malformed`.

    [upstream.id for upstream in list_upstreams() if not upstream.large]
    """
    from bootwright.upstream.presets import UPSTREAMS

    return tuple(UPSTREAMS.all().values())
