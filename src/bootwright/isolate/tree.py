"""Differences of two file trees, file by file, and trees made of a choice of them.

Kernel modules need care: one that is taken brings those it depends on, the tables that depmod makes follow
what is chosen, and modules of another release are one difference as a whole, for they go with their kernel.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterator, Mapping

from attrs import define, field, frozen

from bootwright.formats.modules.modinfo import read_modinfo
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import BootwrightError, Refused
from bootwright.foundation.processes.work_folder import temporary_folder
from bootwright.images.parts.module_files import make_tables

_MODULES = re.compile(r"(?P<tree>(?:usr/)?lib/modules/(?P<release>[^/]+))/(?P<rest>.+)")
_MODULE = re.compile(r"(?:.*/)?(?P<name>[^/]+)\.ko(?:\.(?:xz|zst|gz))?")
# What depmod(8) writes; modules.order and modules.builtin come from the kernel's build.
_TABLE = re.compile(
    r"modules\.(?:dep|alias|symbols)(?:\.bin)?|modules\.(?:softdep|weakdep|devname)|modules\.builtin(?:\.alias)?\.bin"
)
_SMALL = 64 << 10


@frozen
class Item:
    """One entry of a tree."""

    mode: int
    """Type and permissions, as `st_mode`."""
    size: int
    read: Callable[[], bytes] = field(eq=False, repr=False)
    """A file's content, a symbolic link's target."""
    device: tuple[int, int] = (0, 0)
    owner: tuple[int, int] = (0, 0)
    extended: tuple[tuple[str, bytes], ...] = ()
    """Extended attributes by name."""

    @property
    def folder(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.mode)

    def same(self, other: Item) -> bool:
        """Equal in all that a kernel sees of it."""
        return self == other and (self.folder or self.read() == other.read())


Items = dict[str, Item]
"""By path, without a leading slash; in the order of the archive."""


@define
class TreePair:
    """Two trees; `names` are the differences that can be chosen."""

    good: Items
    bad: Items
    names: list[str] = field(init=False, factory=list)
    needs: dict[str, frozenset[str]] = field(init=False, factory=dict)
    """Difference → others that have to come along."""
    with_kernel: frozenset[str] = field(init=False, default=frozenset())
    """Those that go with the kernel: modules of different releases."""
    _paths: dict[str, list[str]] = field(init=False, factory=dict)
    _modules: set[str] = field(init=False, factory=set)
    """Names of differences that are single modules."""
    _tables: list[str] = field(init=False, factory=list)
    """Paths of tables that follow the modules chosen."""

    def __attrs_post_init__(self) -> None:
        paths = [path for path in dict.fromkeys((*self.good, *self.bad)) if self._differs(path)]
        folders = {path for path in paths if self._is_folder(path)}
        # A folder that only one tree has comes and goes with what is in it; an empty one counts by itself.
        for path in [path for path in paths if path not in folders or not self._holds_any(path)]:
            self._enter(path)
        if not self._modules:
            for path in self._tables:
                self._add(f"/{path}", path)
            self._tables.clear()
        self._depend()
        self.names = list(self._paths)

    def choose(self, from_bad: frozenset[str]) -> Items:
        """The tree with these differences as in the bad one; raises `Refused` where the mixture is not a
        valid tree."""
        result = dict(self.good)
        for name in self.names:
            if name in from_bad:
                for path in self._paths[name]:
                    self._take(result, path)
        modules = from_bad & self._modules
        if modules == self._modules:
            for path in self._tables:
                self._take(result, path)
        elif modules:
            self._remade(result)
        return result

    def _take(self, result: Items, path: str) -> None:
        if path not in self.bad:
            result.pop(path, None)
            return
        for above in _above(path):
            if above in result and not result[above].folder:
                raise Refused(f"/{above} is a folder in one tree only")
            if above not in result and above in self.bad:
                result[above] = self.bad[above]
        result[path] = self.bad[path]

    def _differs(self, path: str) -> bool:
        ours, theirs = self.good.get(path), self.bad.get(path)
        return ours is None or theirs is None or not ours.same(theirs)

    def _is_folder(self, path: str) -> bool:
        return all(path not in side or side[path].folder for side in (self.good, self.bad))

    def _holds_any(self, path: str) -> bool:
        if path in self.good and path in self.bad:
            return False
        side = self.good if path in self.good else self.bad
        return any(other.startswith(f"{path}/") for other in side)

    def _releases(self) -> tuple[frozenset[str], frozenset[str]]:
        return _releases(self.good), _releases(self.bad)

    def _enter(self, path: str) -> None:
        ours, theirs = self._releases()
        match = _MODULES.fullmatch(path)
        if ours != theirs and ours and theirs:
            if match or self._names_release(path, ours | theirs):
                name = f"modules of {', '.join(sorted(ours))} → {', '.join(sorted(theirs))}"
                self.with_kernel = frozenset({name})
                self._add(name, path)
                return
        elif match and _TABLE.fullmatch(match["rest"]):
            self._tables.append(path)
            return
        elif match and (module := _MODULE.fullmatch(match["rest"])):
            name = f"module {module['name'].replace('-', '_')}"
            self._modules.add(name)
            self._add(name, path)
            return
        self._add(f"/{path}", path)

    def _names_release(self, path: str, releases: frozenset[str]) -> bool:
        """A list that names modules by path is of use with those modules only."""
        return any(
            stat.S_ISREG(side[path].mode)
            and side[path].size <= _SMALL
            and any(f"/{release}/".encode() in side[path].read() for release in releases)
            for side in (self.good, self.bad)
            if path in side
        )

    def _add(self, name: str, path: str) -> None:
        self._paths.setdefault(name, []).append(path)

    def _depend(self) -> None:
        """A module that comes brings what it needs; one that goes takes along what needs it."""
        for name in self._modules:
            for path in self._paths[name]:
                side = self.bad if path in self.bad else self.good
                for other in _depends(side[path], path):
                    other_name = f"module {other}"
                    if other_name not in self._modules or other_name == name:
                        continue
                    there = any(other_path in self.bad for other_path in self._paths[other_name])
                    if path in self.bad and there:
                        self._need(name, other_name)
                    elif path not in self.bad and not there:
                        self._need(other_name, name)

    def _need(self, name: str, other: str) -> None:
        self.needs[name] = self.needs.get(name, frozenset()) | {other}

    def _remade(self, result: Items) -> None:
        """The tables of a mixture of modules, made by depmod; only where there were any."""
        trees = {
            match["tree"]: match["release"] for path in self._tables if (match := _MODULES.fullmatch(path))
        }
        for tree, release in trees.items():
            made = _made_tables(result, tree, release)
            for path in self._tables:
                if path.startswith(f"{tree}/"):
                    like = self.good.get(path) or self.bad[path]
                    data = made.get(path)
                    if data is None:
                        result.pop(path, None)
                    else:
                        result[path] = Item(like.mode, len(data), lambda data=data: data)  # type: ignore[misc]


def _above(path: str) -> Iterator[str]:
    parts = path.split("/")[:-1]
    for depth in range(1, len(parts) + 1):
        yield "/".join(parts[:depth])


def _releases(items: Mapping[str, Item]) -> frozenset[str]:
    releases = set()
    for path in items:
        match = _MODULES.fullmatch(path)
        if match and _MODULE.fullmatch(match["rest"]):
            releases.add(match["release"])
    return frozenset(releases)


def _depends(item: Item, path: str) -> tuple[str, ...]:
    try:
        return tuple(module.replace("-", "_") for module in read_modinfo(Bytes(item.read(), path)).depends)
    except BootwrightError:
        return ()


def _made_tables(items: Items, tree: str, release: str) -> dict[str, bytes]:
    with temporary_folder() as folder:
        root = folder / release
        root.mkdir()
        for path, item in items.items():
            match = _MODULES.fullmatch(path)
            if match is None or match["tree"] != tree or not stat.S_ISREG(item.mode):
                continue
            if _TABLE.fullmatch(match["rest"]) or ".." in path.split("/"):
                continue
            place = root / match["rest"]
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(item.read())
        make_tables(folder, release)
        return {
            f"{tree}/{table.name}": table.read_bytes()
            for table in root.iterdir()
            if _TABLE.fullmatch(table.name)
        }
