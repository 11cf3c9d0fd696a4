"""Knowledge kept as TOML: one strict reader for the product's own files and for the user's.

A kind of knowledge is a folder of files that share a schema, and the schema is an attrs class. Files come
from the package's `data/KIND/`, then `$XDG_CONFIG_HOME/bootwright/KIND/`, then `./.bootwright/KIND/`; a later
file replaces an earlier one of the same name. What would start programs with arguments of its own choosing is
not taken from the current folder, which may be somebody else's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from attrs import frozen

from bootwright.foundation import places
from bootwright.foundation.choices import no_such
from bootwright.foundation.errors import Malformed, Missing
from bootwright.foundation.kept.parsed import kept_table
from bootwright.foundation.structure import structure

T = TypeVar("T")
MOST_BYTES = 1 << 20
"""Largest knowledge file that is read, in bytes."""


@frozen
class Kind(Generic[T]):
    """One kind of knowledge."""

    folder: str
    """Name of its folder, such as `boards`."""
    what: str
    """What one file is, for messages: "a board"."""
    model: type[T]
    """The attrs class that is the schema."""
    file: str = "*.toml"
    """Pattern of the files below the folder; a file in a folder of its own is named after that folder."""
    runs_programs: bool = False
    """Whether a file can choose programs or their arguments: then none is taken from the current folder."""

    def files(self) -> dict[str, Path]:
        """Name → file, in the order of names."""
        return files_of(self.folder, self.file, in_current_folder=not self.runs_programs)

    def files_below(self, root: Path) -> dict[str, Path]:
        """Name → file of this kind in one place, in the order of names."""
        return dict(sorted(_named(root / self.folder, self.file).items()))

    def of_user(self, name: str) -> Path:
        """Where the user's own file of that name goes."""
        return _roots(in_current_folder=False)[1] / self.folder / f"{name}.toml"

    def origin(self, path: Path) -> str:
        """Where a file comes from: `bootwright`, `user` or `current folder`."""
        data, *others = (root / self.folder for root in _roots(in_current_folder=True))
        if path.is_relative_to(data):
            return "bootwright"
        return "user" if path.is_relative_to(others[0]) else "current folder"

    def names(self) -> list[str]:
        """Every name, sorted."""
        return list(self.files())

    def all(self) -> dict[str, T]:
        """Everything of this kind by name; raises `Malformed` for the first file that is not right."""
        return {name: _loaded(self, path) for name, path in self.files().items()}

    def get(self, name: str) -> T:
        """The one of that name; raises `Refused` with the name that was probably meant, and `Malformed`."""
        files = self.files()
        if name not in files:
            singular = self.what.removeprefix("a ").removeprefix("an ")
            raise no_such(f"there is no {singular} {name!r}", name, files, kind=self.folder)
        loaded: T = _loaded(self, files[name])
        return loaded

    def find(self, name_or_path: str) -> T:
        """The one of that name, or in the file of that path (`./mine.toml`).

        What looks like a path is one. Raises `Refused` with the name that was probably meant, `Missing`,
        and `Malformed`.
        """
        if "/" in name_or_path or name_or_path.endswith(".toml"):
            return self.load(Path(name_or_path).expanduser())
        return self.get(name_or_path)

    def load(self, path: Path) -> T:
        """The one in a file of the user's choice; raises `Missing` and `Malformed`."""
        table = kept_table(path, self.folder, self._shipped, read_table)
        if table is None:
            table = read_table(path)
        return structure(table, self.model, str(path), stem=_stem(path, self.file))

    def _shipped(self) -> Iterable[Path]:
        return self.files_below(places.DATA).values()


def files_of(folder: str, pattern: str = "*.toml", *, in_current_folder: bool = True) -> dict[str, Path]:
    """Name → file of one kind, for what must know the files and need not read them."""
    shipped, *others = _roots(in_current_folder=in_current_folder)
    files = dict(_shipped(shipped / folder, pattern))
    for root in others:
        files |= _named(root / folder, pattern)
    return dict(sorted(files.items()))


@cache
def _shipped(folder: Path, pattern: str) -> dict[str, Path]:
    """Those of the product itself, which do not change while it runs."""
    return _named(folder, pattern)


def _named(folder: Path, pattern: str) -> dict[str, Path]:
    """Without `Path.glob`, which takes four times as long: every kind is listed in three places."""
    below, _, name = pattern.rpartition("/")
    try:
        entries = os.listdir(folder)  # noqa: PTH208 - names are enough
    except OSError:
        return {}
    if below:
        places_below = (folder / entry / name for entry in entries if fnmatchcase(entry, below))
        return {path.parent.name: path for path in places_below if path.exists()}
    return {entry[: entry.rindex(".")]: folder / entry for entry in entries if fnmatchcase(entry, name)}


def _stem(path: Path, pattern: str) -> str:
    return path.parent.name if "/" in pattern else path.stem


@cache
def _loaded(kind: Kind[T], path: Path) -> T:
    return kind.load(path)


def read_table(path: Path) -> dict[str, Any]:
    """The table in a TOML file; raises `Missing` where it cannot be read, and `Malformed`."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Missing(
            f"cannot read {path}: {error.strerror}", hint="check its name and permissions"
        ) from error
    return parse_table(data, str(path))


def parse_table(data: bytes, where: str) -> dict[str, Any]:
    """The table in the bytes of a TOML file; `where` names it in errors. Raises `Malformed`."""
    if len(data) > MOST_BYTES:
        raise Malformed(where, MOST_BYTES, f"at most {MOST_BYTES >> 20} MiB of TOML", "more")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(where, error.start, "UTF-8 text", "other bytes") from error
    return parse_toml(text, where)


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """The table in TOML text of any length; `where` names it in errors. Raises `Malformed`."""
    import tomllib  # few starts parse any (`parsed`)

    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise Malformed(where, None, "TOML", str(error)[:200] or "nesting that is too deep") from error


def _roots(*, in_current_folder: bool) -> list[Path]:
    base = os.environ.get("XDG_CONFIG_HOME")
    config = Path(base) if base and Path(base).is_absolute() else Path("~/.config").expanduser()
    roots = [places.DATA, config / "bootwright"]
    return [*roots, Path.cwd() / ".bootwright"] if in_current_folder else roots
