"""What one tree has and another lacks: by what patches do, by the back-ports that name them, by subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen

from bootwright.foundation.errors import Refused, ToolFailed
from bootwright.workshop.patches.commits import Commit, Names, patch_ids, read_commits, touched_files
from bootwright.workshop.repository import Repository, Span


@frozen
class Present:
    """A commit that the older tree has too, as another commit."""

    commit: Commit
    there: Commit
    """The one that does it there."""
    same: bool
    """Whether both do the same (git-patch-id(1)); else it was changed on the way."""
    range_diff: str
    """How the two differ (git-range-diff(1)); empty where they do the same."""


@frozen
class Chosen:
    """A commit that the older tree lacks."""

    commit: Commit
    reason: str
    """Why it is in the series: `touches the paths`, `fixes …`, `…: made for it`."""


@frozen
class Difference:
    """Commits of `FROM..TO`, by whether FROM has what they do."""

    span: Span
    lacking: tuple[Chosen, ...]
    """Each behind those it was made on."""
    present: tuple[Present, ...]
    history: tuple[Commit, ...]
    """Every commit of the range, whatever it touches; merges are left out."""
    merges: int
    """Merges in the range that change these paths themselves; what only they do is in no patch."""


_BY_PATH = "touches the paths"


def compare(repository: Repository, span: Span, *, paths: Sequence[str], with_fixes: bool) -> Difference:
    """The commits of `span` that touch `paths` (all, where there are none), and which of them FROM lacks.

    `with_fixes` also those that say that they mend one of them, or were taken into a stable tree for one,
    whatever they touch. Raises `Refused` for an empty range.
    """
    theirs = f"{span.start_commit}..{span.end_commit}"
    history = read_commits(repository, theirs)
    if not history:
        raise Refused(
            f"{span.start}..{span.end} has no commits",
            hint=f"{span.end} has nothing that {span.start} lacks; is it the other way round?",
        )
    touching = read_commits(repository, theirs, paths=paths) if paths else history
    if not touching:
        raise Refused(
            f"no commit of {span.start}..{span.end} touches {' or '.join(paths)}",
            hint="check --paths: they are relative to the top of the source tree",
        )
    chosen = {commit.name: Chosen(commit, _BY_PATH) for commit in touching}
    if with_fixes:
        _add_fixes(chosen, history)
    ours = f"{span.end_commit}..{span.start_commit}"
    there = read_commits(repository, ours)
    present = _present(repository, chosen, there, theirs, ours)
    names_there = {there_already.commit.name for there_already in present}
    lacking = tuple(
        chosen[commit.name] for commit in history if commit.name in chosen and commit.name not in names_there
    )
    merges = repository.lines("rev-list", "--merges", theirs, "--", *paths)
    return Difference(span, lacking, tuple(present), history, len(merges))


def _add_fixes(chosen: dict[str, Chosen], history: Sequence[Commit]) -> None:
    """Commits that name a chosen one in `Fixes:` or `Stable-dep-of:`, and so on."""
    names = Names.of(commit.name for commit in history)
    by_name = {commit.name: commit for commit in history}
    for commit in history:
        for short in commit.fixes:
            fixed = names.find(short)
            if fixed in chosen and commit.name not in chosen:
                chosen[commit.name] = Chosen(commit, f"fixes {by_name[fixed].short}")
    # What a commit was made for comes behind it.
    for commit in reversed(history):
        for short in commit.stable_dep_of:
            served = names.find(short)
            if served in chosen and commit.name not in chosen:
                chosen[commit.name] = Chosen(commit, f"made for {by_name[served].short}")


def _present(
    repository: Repository, chosen: dict[str, Chosen], there: Sequence[Commit], theirs: str, ours: str
) -> list[Present]:
    if not there:
        return []
    names = Names.of(chosen)
    same = _same(repository, chosen, there, theirs, ours)
    by_upstream = {
        full: commit
        for commit in there
        for short in commit.upstream
        if (full := names.find(short)) is not None
    }
    by_subject = {(commit.subject, commit.author): commit for commit in there}
    present: list[Present] = []
    for name, choice in chosen.items():
        commit = choice.commit
        if name in same:
            present.append(Present(commit, same[name], same=True, range_diff=""))
            continue
        other = by_upstream.get(name) or by_subject.get((commit.subject, commit.author))
        if other is not None:
            present.append(
                Present(commit, other, same=False, range_diff=range_diff(repository, name, other.name))
            )
    return present


def _same(
    repository: Repository, chosen: Mapping[str, Chosen], there: Sequence[Commit], theirs: str, ours: str
) -> dict[str, Commit]:
    """Commit → the one of the other side that does the same."""
    files = touched_files(repository, theirs)
    wanted = frozenset[str]().union(*(files.get(name, frozenset()) for name in chosen))
    candidates = [name for name, paths in touched_files(repository, ours).items() if paths & wanted]
    by_id = {patch: name for name, patch in patch_ids(repository, candidates).items()}
    commits = {commit.name: commit for commit in there}
    return {
        name: commits[by_id[patch]] for name, patch in patch_ids(repository, chosen).items() if patch in by_id
    }


def range_diff(repository: Repository, first: str, second: str) -> str:
    """How two commits that do nearly the same differ; empty where git cannot say."""
    try:
        return repository.text(
            *("range-diff", "--no-color", "--no-ext-diff", "--creation-factor=100"),
            *(f"{first}^!", f"{second}^!"),
        ).strip("\n")
    except ToolFailed:
        return ""
