"""Repositories to look at: a copy of the user's, read where it is, or one that is fetched into the cache."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from bootwright.foundation import tools
from bootwright.foundation.cache import UPSTREAMS as CACHED
from bootwright.foundation.errors import Missing, Refused, ToolFailed
from bootwright.foundation.processes.locks import locked
from bootwright.foundation.progress import Progress
from bootwright.upstream.presets import Upstream
from bootwright.upstream.recent import Bound, update_recent
from bootwright.workshop.repository import Repository, open_repository

_ADDRESS = re.compile(r"(?:https?|git|ssh|file)://")
_SECONDS = 3600.0
_REFS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
# Of what a server may send, only the transports that were asked for; and no program but git's own.
_SAFE = ("-c", "protocol.ext.allow=never", "-c", "core.hooksPath=/dev/null", "-c", "fetch.fsckObjects=true")


def is_address(text: str) -> bool:
    """Whether a repository is named by an address rather than by a folder."""
    return _ADDRESS.match(text) is not None


def is_mirrored(where: str) -> bool:
    """Whether something of the repository at an address was fetched before."""
    return is_address(where) and (_mirror(where) / "HEAD").is_file()


def _mirror(address: str) -> Path:
    return CACHED.folder() / f"{hashlib.sha256(address.encode()).hexdigest()[:20]}.git"


def open_upstream(
    where: str,
    progress: Progress,
    *,
    offline: bool,
    recent: Sequence[str] | None = None,
    bound: Bound | None = None,
) -> Repository:
    """The repository in a folder, or a mirror of the one at an address, brought up to date unless `offline`.

    With `recent`, patterns of branches, only their newest commits are fetched, `bound` at most.

    Raises `Refused` for a folder that is none, `Missing` where the address cannot be reached and there is no
    mirror from before, or it is offline and there is none, and where more would be fetched than is allowed.
    """
    if not is_address(where):
        return open_repository(Path(where).expanduser())
    folder = _mirror(where)
    tools.need("git", purpose="follow a repository")
    if offline:
        if not (folder / "HEAD").is_file():
            raise Missing(f"{where} was never fetched", hint="run it once without --offline")
        return open_repository(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_suffix(".lock"), progress), progress.step(f"fetch {where}"):
        try:
            if recent is not None and bound is not None:
                update_recent(folder, where, recent, bound, _SAFE)
            else:
                _update(folder, where)
        except ToolFailed as error:
            reason = str(error).removeprefix("git failed: ")
            raise Missing(
                f"cannot fetch {where}: {reason}",
                hint="look at the network, or give a copy with --repository NAME=FOLDER",
            ) from error
    return open_repository(folder)


def _update(folder: Path, address: str) -> None:
    quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    if not (folder / "HEAD").is_file():
        tools.run(["git", *_SAFE, "init", "-q", "--bare", str(folder)], env=quiet)
    tools.run(
        [
            "git",
            "-C",
            folder,
            *_SAFE,
            "fetch",
            "-q",
            "--prune",
            "--no-write-fetch-head",
            "--",
            address,
            *_REFS,
        ],
        timeout=_SECONDS,
        env=quiet,
    )
    # Which branch is the default one: it is followed where nothing else is asked for.
    lines = tools.run(
        ["git", "-C", folder, *_SAFE, "ls-remote", "--symref", "--", address, "HEAD"],
        timeout=_SECONDS,
        env=quiet,
    ).decode(errors="replace")
    head = re.search(r"^ref: (refs/heads/\S+)\tHEAD$", lines, re.MULTILINE)
    if head:
        tools.run(["git", "-C", folder, *_SAFE, "symbolic-ref", "HEAD", head[1]], env=quiet)


def branches_of(repository: Repository, upstream: Upstream) -> Mapping[str, str]:
    """Branch → its commit, of those that are followed; a copy's remote-tracking branches count as its own."""
    followed: dict[str, str] = {}
    lines = repository.lines(
        "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/remotes"
    )
    for line in lines:
        commit, _, reference = line.partition(" ")
        name = reference.removeprefix("refs/heads/")
        if reference.startswith("refs/remotes/"):
            name = reference.split("/", 3)[3]
            if name in followed or name == "HEAD":
                continue
        if any(fnmatchcase(name, pattern) for pattern in upstream.branches):
            followed[name] = commit
    if not followed:
        try:
            followed["HEAD"] = repository.commit("HEAD")
        except Refused as error:
            raise Missing(
                f"{repository.folder} has no commit to look at",
                hint=f"branches wanted: {', '.join(upstream.branches) or 'its HEAD'}",
            ) from error
    return dict(sorted(followed.items()))


def tags_of(repository: Repository, upstream: Upstream) -> Mapping[str, str]:
    """Version → tag, of the releases."""
    if upstream.tags is None:
        return {}
    names = repository.lines("for-each-ref", "--format=%(refname:strip=2)", "refs/tags")
    return {match[1]: name for name in names if (match := upstream.tags.search(name))}
