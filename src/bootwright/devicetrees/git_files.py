"""Some files of one commit of a git repository, without the rest of it.

A partial clone (git-clone(1), --filter; Git 2.29): commit and folders first, then just the files wanted. Git
names every object by the hash of its bytes and checks that when it receives one, so that a commit's name
holds all that is read of it. Nothing is checked out and nothing of the repository is run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from attrs import frozen

from bootwright.foundation import tools
from bootwright.foundation.errors import Malformed, Missing, ToolFailed
from bootwright.foundation.processes.work_folder import temporary_folder

MOST_FILES = 5_000
MOST_BYTES = 4 << 20
"""Of one file. The largest devicetree of Linux 6.18 for arm64 has 300 kB."""
_SECONDS = 600.0
_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "GIT_LFS_SKIP_SMUDGE": "1"}
# Only what fetches from web servers; a connection that gives less than 1,000 bytes/s for 30 s has died.
_SETTINGS = (
    *("-c", "protocol.allow=never", "-c", "protocol.https.allow=always", "-c", "protocol.http.allow=always"),
    *("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=30", "-c", "credential.helper="),
)
_HINT = "check the network and the proxy (https_proxy)"


@frozen
class _Entry:
    """A file of the commit."""

    path: str
    """Relative to the folder asked for."""
    name: str
    """The object's: SHA-1 of `blob SIZE\\0` and its bytes."""


def read_files(repository: str, commit: str, folder: str, patterns: Sequence[str]) -> dict[str, bytes]:
    """Path below `folder` → bytes, of the files that a pattern fits, at `commit`.

    Raises `Missing` where git is not installed, the server cannot be reached, or has no such commit or no
    such files, and `Malformed` for files that are too many or too large.
    """
    where = f"{repository} at {commit[:12]}"
    with temporary_folder() as temporary:
        clone = _Clone(temporary, repository)
        clone.fetch(commit, where)
        entries = [
            entry
            for entry in clone.entries(commit, folder)
            if any(_fits(entry.path, pattern) for pattern in patterns)
        ]
        if not entries:
            raise Missing(
                f"{where} has no {' or '.join(patterns)} in {folder or 'its root'}", hint="check `files`"
            )
        if len(entries) > MOST_FILES:
            raise Malformed(where, None, f"at most {MOST_FILES} files", str(len(entries)))
        clone.fetch_objects([entry.name for entry in entries], where)
        return clone.contents(entries, where)


class _Clone:
    """A partial clone in a folder of its own."""

    def __init__(self, folder: Path, repository: str) -> None:
        self._folder = folder
        self._git = tools.need("git", purpose="fetch devicetrees of a repository")
        self._run("init", "-q", "--bare")
        self._run("config", "remote.origin.url", repository)
        self._run("config", "remote.origin.promisor", "true")
        self._run("config", "remote.origin.partialclonefilter", "blob:none")

    def _run(self, *arguments: str, input_bytes: bytes | None = None) -> bytes:
        return tools.run(
            [self._git, "-C", self._folder, *_SETTINGS, *arguments],
            timeout=_SECONDS,
            input_bytes=input_bytes,
            env=_ENVIRONMENT,
        )

    def fetch(self, commit: str, where: str) -> None:
        """The commit and its folders, without files."""
        try:
            self._run("fetch", "-q", "--depth=1", "--no-tags", "--filter=blob:none", "origin", commit)
        except ToolFailed as error:
            raise _explained(where, error) from error

    def entries(self, commit: str, folder: str) -> list[_Entry]:
        """The regular files below a folder."""
        place = f"{folder.strip('/')}/" if folder.strip("/") else ""
        listing = self._run("ls-tree", "-r", "-z", "--full-tree", commit, *([place] if place else []))
        entries = []
        for line in listing.decode("utf-8", "surrogateescape").split("\0"):
            head, tab, path = line.partition("\t")
            fields = head.split()
            if tab and len(fields) == 3 and fields[0].startswith("100"):  # no links, no submodules
                entries.append(_Entry(path.removeprefix(place), fields[2]))
        return entries

    def fetch_objects(self, names: Sequence[str], where: str) -> None:
        """Files by the names of their objects, in one go."""
        try:
            self._run(
                *("fetch", "-q", "--no-tags", "--no-write-fetch-head", "--filter=blob:none"),
                *("--stdin", "origin"),
                input_bytes="".join(f"{name}\n" for name in dict.fromkeys(names)).encode(),
            )
        except ToolFailed as error:
            raise _explained(where, error) from error

    def contents(self, entries: Sequence[_Entry], where: str) -> dict[str, bytes]:
        """The bytes of each, whose hash is its name."""
        output = self._run(
            "cat-file", "--batch", input_bytes="".join(f"{e.name}\n" for e in entries).encode()
        )
        files: dict[str, bytes] = {}
        at = 0
        for entry in entries:
            head, _, _ = output[at : at + 100].partition(b"\n")
            fields = head.split()
            if len(fields) != 3 or fields[1] != b"blob":
                raise Missing(f"{where}: {entry.path} did not come", hint="try again")
            size = int(fields[2])
            if size > MOST_BYTES:
                raise Malformed(f"{where}: {entry.path}", None, f"at most {MOST_BYTES} bytes", str(size))
            data = output[at + len(head) + 1 : at + len(head) + 1 + size]
            digest = hashlib.sha1(b"blob %d\0" % size + data, usedforsecurity=False).hexdigest()
            if digest != entry.name:
                raise Malformed(f"{where}: {entry.path}", None, f"the object {entry.name}", digest)
            files[entry.path] = data
            at += len(head) + 1 + size + 1
        return files


def _fits(path: str, pattern: str) -> bool:
    parts, wanted = path.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _explained(where: str, error: ToolFailed) -> Missing:
    """What git says, as an error of the network or of the commit."""
    said = [line.strip() for line in error.output.splitlines() if line.strip()]
    text = next((line for line in said if "not our ref" in line or "unadvertised" in line), "")
    if text:
        return Missing(f"{where}: the server has no such commit", hint="check `repository` and `commit`")
    first = next((line for line in said if line.startswith("fatal:")), said[-1] if said else "git failed")
    return Missing(f"cannot fetch {where}: {first.removeprefix('fatal: ')[:200]}", hint=_HINT)
