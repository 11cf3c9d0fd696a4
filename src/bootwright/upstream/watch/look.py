"""One look at one upstream: which of the new commits touch a question, which releases are new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen

from bootwright.foundation.errors import BootwrightError, ToolFailed
from bootwright.foundation.progress import Progress
from bootwright.foundation.versions import Version
from bootwright.upstream.mirror import branches_of, tags_of
from bootwright.upstream.presets import Upstream
from bootwright.upstream.recent import cut_off
from bootwright.upstream.relevance.judge import Judge
from bootwright.upstream.relevance.model import Judged
from bootwright.upstream.relevance.subject import Subject
from bootwright.workshop.repository import Repository


@frozen
class Tagged:
    """A release of an upstream, by its tag."""

    version: str
    tag: str
    commit: str
    kernel: str
    """The kernel's version that it says it has; empty where it says none."""


@frozen
class BranchLook:
    """What is new on one branch."""

    branch: str
    before: str
    """The commit of the last look; empty at the first."""
    after: str
    count: int
    """New commits."""
    judged: tuple[Judged, ...]
    """Those that touch a question, oldest first; those that another branch has too are with the first one."""


@frozen
class UpstreamLook:
    """What is new in one upstream."""

    upstream: Upstream
    where: str
    branches: tuple[BranchLook, ...]
    is_first: bool
    """Nothing was remembered: from here on there is something to compare with."""
    lost: tuple[str, ...] = ()
    """Branches whose commit of the last look is not there any more."""

    @property
    def named(self) -> tuple[Judged, ...]:
        """Commits that touch a question, without sweeping ones."""
        return tuple(judged for look in self.branches for judged in look.judged if not judged.sweeping)


def look_at(
    repository: Repository,
    upstream: Upstream,
    subjects: Sequence[Subject],
    known: Mapping[str, str],
    *,
    since: str | None,
    progress: Progress,
) -> UpstreamLook:
    """What is new since `known` (branch → commit), or since the commit `since`.

    Raises `Refused` for an unknown `since`, `ToolFailed` from git.
    """
    branches = branches_of(repository, upstream)
    where = str(repository.folder)
    if since is not None:
        start = repository.commit(since)
        known = dict.fromkeys(branches, start)
    if not known:
        return UpstreamLook(
            upstream,
            where,
            tuple(BranchLook(name, "", tip, 0, ()) for name, tip in branches.items()),
            is_first=True,
        )
    edge = cut_off(repository)
    lost = tuple(
        name
        for name, commit in known.items()
        if not _has(repository, commit) or (edge and not _leads_to(repository, commit, branches.get(name)))
    )
    old = {name: commit for name, commit in known.items() if name not in lost}
    changed = {name: tip for name, tip in branches.items() if known.get(name) != tip and name not in lost}
    looks: list[BranchLook] = []
    taken: set[tuple[str, str]] = set()
    for name, tip in branches.items():
        if name not in changed:
            looks.append(BranchLook(name, known.get(name, ""), tip, 0, ()))
            continue
        # Of what stands at the edge of a shallow copy it is not known what it changes.
        exclude = [f"^{commit}" for commit in sorted({*old.values(), *edge})]
        with progress.step(f"look at {upstream.id} {name}"):
            judge = Judge(repository, upstream, subjects, [tip, *([old[name]] if name in old else ())])
            looked = judge.look(tip, *exclude)
        new = tuple(judged for judged in looked.judged if _identity(judged) not in taken)
        taken |= {_identity(judged) for judged in new}
        looks.append(BranchLook(name, known.get(name, ""), tip, looked.count, new))
    return UpstreamLook(upstream, where, tuple(looks), is_first=False, lost=lost)


def _identity(judged: Judged) -> tuple[str, str]:
    """The same in the copies that were picked for other branches."""
    return judged.commit.author, judged.commit.subject


def _has(repository: Repository, commit: str) -> bool:
    try:
        repository.commit(commit)
    except BootwrightError:
        return False
    return True


def _leads_to(repository: Repository, commit: str, tip: str | None) -> bool:
    """Whether everything between two commits is there; a branch that is gone has nothing between."""
    if tip is None or commit == tip:
        return True
    try:
        repository.run("merge-base", "--is-ancestor", commit, tip)
    except ToolFailed:
        return False
    return True


def releases_of(repository: Repository, upstream: Upstream, since: Version | None) -> list[Tagged]:
    """The releases newer than `since`, in order, with the kernel that each says it has."""
    tagged: list[tuple[Version, Tagged]] = []
    for text, tag in tags_of(repository, upstream).items():
        version = Version.parse(text)
        if version is None or (since is not None and not version > since):
            continue
        commit = repository.commit(f"refs/tags/{tag}")
        tagged.append((version, Tagged(text, tag, commit, _kernel_of(repository, upstream, commit))))
    return [release for _, release in sorted(tagged, key=lambda pair: pair[0])]


def _kernel_of(repository: Repository, upstream: Upstream, commit: str) -> str:
    for pin in upstream.pins:
        if pin.boards:
            continue
        data = repository.file(commit, pin.file)
        match = pin.line.search(data.decode(errors="replace")) if data is not None else None
        if match:
            return match[1].rstrip(".")
    return ""
