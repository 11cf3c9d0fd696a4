"""Devicetrees that were fetched: kept by commit, and held to the hashes that they had then."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from attrs import evolve, frozen

from bootwright.devicetrees.git_files import read_files
from bootwright.devicetrees.source import DevicetreeSource
from bootwright.formats.devicetree.fdt import parse_fdt
from bootwright.foundation.cache import TREES
from bootwright.foundation.errors import Malformed, Missing
from bootwright.foundation.progress import Progress
from bootwright.foundation.structure import structure

_HASHES = "hashes.json"
_FILES = "files"


@frozen
class Fetched:
    """The devicetrees of a source, on this machine."""

    source: DevicetreeSource
    folder: Path
    """Where they lie, as in the source's own folder."""
    sha256: Mapping[str, str]
    """Path below `folder` → SHA-256."""

    @property
    def title(self) -> str:
        """For a person: the source and the commit."""
        return f"{self.source.name} at {self.source.commit[:12]}"


def fetched(source: DevicetreeSource) -> Fetched | None:
    """The devicetrees of a source, where they were fetched; None where they were not.

    Raises `Malformed` where a file is no longer what was fetched.
    """
    place = TREES.folder() / _key(source)
    if not place.is_dir():
        return None
    again = f"bootwright devicetrees fetch {source.name} --fresh"
    try:
        hashes = structure(json.loads((place / _HASHES).read_bytes()), dict[str, str], _HASHES)
    except (OSError, ValueError, RecursionError, Malformed) as error:
        raise Malformed(str(place / _HASHES), None, "hashes of files", "none", hint=again) from error
    for path, digest in hashes.items():
        file = place / _FILES / path
        have = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "no file"
        if have != digest:
            raise Malformed(str(file), None, f"SHA-256 {digest}", have, hint=again)
    TREES.used(place)
    return Fetched(source, place / _FILES, hashes)


def need(source: DevicetreeSource) -> Fetched:
    """As `fetched`; raises `Missing` where they were not."""
    here = fetched(source)
    if here is None:
        raise Missing(
            f"the devicetrees of {source.name} are not on this machine",
            hint=f"bootwright devicetrees fetch {source.name}",
        )
    return here


def fetch(
    source: DevicetreeSource, progress: Progress, *, mirror: str | None = None, fresh: bool = False
) -> Fetched:
    """The devicetrees of a source, fetched where they are not here; `fresh` fetches them in any case.

    `mirror` is another address of the same repository: the commit still decides what is taken. Raises
    `Missing` without git, network, or such a commit, `Malformed` where a file does not have the hash that the
    source says, or is no devicetree.
    """
    if not fresh and (here := fetched(source)) is not None:
        return here
    asked = evolve(source, repository=mirror) if mirror is not None else source
    with progress.step(f"fetch {source.name} ({asked.repository})"):
        files = read_files(asked.repository, asked.commit, asked.folder, asked.files)
        hashes = _checked(source, asked.repository, files)

    def fill(place: Path) -> None:
        for path, data in files.items():
            file = place / _FILES / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        (place / _HASHES).write_text(json.dumps(hashes, indent=1))

    TREES.drop(_key(source))
    TREES.kept_folder(_key(source), fill)
    return need(source)


def _checked(source: DevicetreeSource, repository: str, files: Mapping[str, bytes]) -> dict[str, str]:
    """Path → SHA-256; raises `Malformed` for a file that is not what the source says."""
    for path in source.sha256:
        if path not in files:
            raise Malformed(repository, None, f"the file {path}", "none of that name")
    hashes = {}
    for path, data in sorted(files.items()):
        where = f"{path} of {repository}"
        if not _stays_inside(path):
            raise Malformed(repr(where), None, "a path inside the repository", repr(path))
        hashes[path] = hashlib.sha256(data).hexdigest()
        if hashes[path] != source.sha256.get(path, hashes[path]):
            raise Malformed(where, None, f"SHA-256 {source.sha256[path]}", hashes[path])
        parse_fdt(data, where)
    return hashes


def _stays_inside(path: str) -> bool:
    """Git's own checks are for check-outs; a tree object can hold any name."""
    parts = path.split("/")
    return path.isprintable() and all(part not in {"", ".", ".."} for part in parts)


def _key(source: DevicetreeSource) -> str:
    """The folder's name: what decides which files are in it, wherever they come from."""
    wanted = json.dumps([source.folder, source.files, sorted(source.sha256.items())])
    return f"{source.commit}-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
