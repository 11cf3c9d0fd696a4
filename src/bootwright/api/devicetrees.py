"""Devicetrees as vendors ship them: where they are to be had, and those on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bootwright.api._common import reporter

if TYPE_CHECKING:
    from bootwright.devicetrees.fetched import Fetched
    from bootwright.devicetrees.source import DevicetreeSource
    from bootwright.foundation.progress import Progress


@frozen
class Devicetrees:
    """A source of devicetrees, and what is here of it."""

    source: DevicetreeSource
    here: Fetched | None
    """None where it was not fetched."""

    def as_json(self) -> dict[str, Any]:
        """A source of docs/schemas/devicetrees.schema.json."""
        return {
            "name": self.source.name,
            "title": self.source.title,
            "repository": self.source.repository,
            "commit": self.source.commit,
            "folder": self.source.folder,
            "files": list(self.source.files),
            "found_at": list(self.source.found_at),
            "here": str(self.here.folder) if self.here is not None else None,
            "sha256": dict(self.here.sha256 if self.here is not None else self.source.sha256),
        }


def list_devicetrees() -> tuple[Devicetrees, ...]:
    """Every source of devicetrees: those of bootwright and of the user, with what is here of each.

    Raises `Malformed` for a source's file that is not right, and where fetched files have changed.

        [listed.source.name for listed in list_devicetrees() if listed.here is not None]
    """
    from bootwright.devicetrees.fetched import fetched
    from bootwright.devicetrees.source import SOURCES

    return tuple(Devicetrees(source, fetched(source)) for source in SOURCES.all().values())


def get_devicetrees(name: str | Path) -> Devicetrees:
    """One source, by name or by the path of its file. Raises `Refused`, `Missing` and `Malformed`.

    get_devicetrees("raspberrypi-firmware").source.commit
    """
    from bootwright.devicetrees.fetched import fetched
    from bootwright.devicetrees.source import SOURCES

    source = SOURCES.find(str(name))
    return Devicetrees(source, fetched(source))


def fetch_devicetrees(
    name: str | Path, *, mirror: str | None = None, fresh: bool = False, progress: Progress | None = None
) -> Devicetrees:
    """The devicetrees of a source, fetched where they are not here yet.

    `mirror` is another address of the repository, `fresh` fetches in any case. Raises `Refused` for an
    unknown name or an address that is none, `Missing` without git, the network or the commit, `Malformed`
    for a file that does not have its hash.
    """
    from attrs import evolve

    from bootwright.devicetrees.fetched import fetch
    from bootwright.devicetrees.source import SOURCES
    from bootwright.foundation.errors import Refused

    source = SOURCES.find(str(name))
    if mirror is not None:
        try:
            evolve(source, repository=mirror)
        except ValueError as error:
            raise Refused(f"{mirror!r} is no address of a repository", hint="http:// or https://") from error
    return Devicetrees(source, fetch(source, reporter(progress), mirror=mirror, fresh=fresh))


def devicetree_folder(name: str | Path) -> Path:
    """The folder `name` is, or that a source of that name was fetched to.

    Raises `Refused` for a name that is neither, `Missing` where the source was not fetched.
    """
    from bootwright.devicetrees.fetched import need
    from bootwright.devicetrees.source import SOURCES
    from bootwright.foundation.errors import Missing

    path = Path(name)
    if path.is_dir():
        return path
    if "/" in str(name) and not str(name).endswith(".toml"):
        raise Missing(f"there is no folder {name}", hint="see bootwright devicetrees list")
    return need(SOURCES.find(str(name))).folder
