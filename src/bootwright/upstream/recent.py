"""The newest commits of a repository that is too large to be fetched whole, in a shallow mirror.

The first look fetches the tip of each branch that is followed (git-fetch(1), --depth=1); each later one what
was committed since `MARGIN_DAYS` before the last tip (--shallow-since): commits of a branch are older than
the merge that brings them. What is older is cut off, and never looked at.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path

from attrs import frozen

from bootwright.foundation import tools
from bootwright.foundation.errors import Missing, ToolFailed
from bootwright.workshop.repository import Repository

MARGIN_DAYS = 90
"""Linux merges a release's work within ten weeks of its being committed (process/2.Process.rst, 6.18)."""
_SECONDS = 7200.0
_POLL = 0.2
_MOST_BRANCHES = 100
# Always one pack, however few the objects are: a file that is too large is then one fetch that is.
_FETCH = ("-c", "fetch.unpackLimit=1", "fetch", "-q", "--no-tags", "--no-write-fetch-head")
# No file grows beyond so many blocks of 512 bytes (POSIX, ulimit): a fetch may end before it is looked at.
_BOUNDED = 'ulimit -f "$0" && exec "$@"'
_QUIET = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "LC_ALL": "C",
}


@frozen
class Bound:
    """How much may be fetched at once."""

    megabytes: int

    @property
    def blocks(self) -> int:
        """The least number of blocks of 512 bytes that is more."""
        return self.megabytes * 10**6 // 512 + 1

    def check(self, received: int, address: str) -> None:
        """Raises `Missing` where it is more."""
        if received > self.megabytes * 10**6:
            raise Missing(
                f"the newest commits of {address} take more than {self.megabytes} MB",
                hint="allow more with --max-fetch, or give a copy with --repository NAME=FOLDER",
            )


def update_recent(
    folder: Path, address: str, patterns: Sequence[str], bound: Bound, settings: Sequence[str]
) -> None:
    """Bring a shallow mirror up to date, or begin it; `settings` are git's own.

    Raises `ToolFailed` from git, `Missing` where more would be fetched than is allowed.
    """
    repository = Repository(folder)
    if not (folder / "HEAD").is_file():
        tools.run(["git", *settings, "init", "-q", "--bare", str(folder)], env=_QUIET)
        # What is cut off is not reachable; it stays until the mirror goes.
        repository.run("config", "gc.auto", "0")
    _sweep(folder)
    for branch, tip in _branches(address, patterns, settings).items():
        known = repository.try_lines("rev-parse", "--verify", "-q", f"refs/heads/{branch}")
        if known == [tip]:
            continue
        depth = ["--depth=1"]
        if known:
            stamp = int(repository.text("log", "-1", "--format=%ct", known[0]))
            since = datetime.fromtimestamp(stamp, UTC) - timedelta(days=MARGIN_DAYS)
            depth = [f"--shallow-since={since.date().isoformat()}"]
        reference = f"+refs/heads/{branch}:refs/heads/{branch}"
        _fetch(folder, [*settings, *_FETCH, *depth, "--", address, reference], bound, address)


def _branches(address: str, patterns: Sequence[str], settings: Sequence[str]) -> Mapping[str, str]:
    """Branch → its tip, of those that are followed; the default one where none is asked for."""
    listed = tools.run(
        ["git", *settings, "ls-remote", "--symref", "--", address, "HEAD", "refs/heads/*"],
        timeout=_SECONDS,
        env=_QUIET,
    ).decode(errors="replace")
    tips: dict[str, str] = {}
    default = ""
    for line in listed.splitlines():
        value, _, name = line.partition("\t")
        if name == "HEAD" and value.startswith("ref: refs/heads/"):
            default = value.removeprefix("ref: refs/heads/")
        elif name.startswith("refs/heads/"):
            tips[name.removeprefix("refs/heads/")] = value
    wanted = patterns or (default,)
    chosen = {name: tips[name] for name in sorted(tips) if any(fnmatchcase(name, glob) for glob in wanted)}
    if len(chosen) > _MOST_BRANCHES:
        raise ToolFailed("git", f"{address} has {len(chosen)} branches that fit, more than {_MOST_BRANCHES}")
    return chosen


def _fetch(folder: Path, words: Sequence[str], bound: Bound, address: str) -> None:
    """Run git in the mirror, and end it where it has received too much."""
    before = _size(folder)
    program = str(tools.need("git", purpose="follow a repository"))
    with subprocess.Popen(
        ["sh", "-c", _BOUNDED, str(bound.blocks), program, "-C", str(folder), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **_QUIET},
        start_new_session=True,
    ) as process:
        end = time.monotonic() + _SECONDS
        try:
            while True:
                try:
                    _, said = process.communicate(timeout=_POLL)
                    break
                except subprocess.TimeoutExpired:
                    bound.check(_size(folder) - before, address)
                    if time.monotonic() > end:
                        raise ToolFailed("git", f"it did not finish within {_SECONDS:.0f} s") from None
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            _sweep(folder)
            raise
    if process.returncode != 0:
        received = _size(folder) - before
        _sweep(folder)
        bound.check(received, address)
        raise ToolFailed("git", said.decode(errors="replace")[-4000:])


def _sweep(folder: Path) -> None:
    """Take away what a git that was killed left: nobody else works in the mirror, its lock is ours."""
    for path in (folder / "shallow.lock", *(folder / "objects" / "pack").glob("tmp_*")):
        path.unlink(missing_ok=True)


def _size(folder: Path) -> int:
    """Bytes of the mirror's objects, those that are just coming among them."""
    total = 0
    for path, _, names in os.walk(folder / "objects"):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_size  # noqa: PTH118 - in a hot loop
            except FileNotFoundError:
                continue  # it has its name now
    return total


def cut_off(repository: Repository) -> tuple[str, ...]:
    """The commits behind which nothing is there: of these it is not known what they change.

    gitrepository-layout(5), Git 2.39: `shallow`.
    """
    place = repository.text("rev-parse", "--path-format=absolute", "--git-path", "shallow").strip()
    try:
        return tuple(Path(place).read_text(encoding="ascii").split())
    except FileNotFoundError:
        return ()
