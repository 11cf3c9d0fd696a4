"""Reads a recipe's tables strictly: every key known, every value of its type."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from bootwright.foundation.choices import hint_for
from bootwright.foundation.errors import Malformed
from bootwright.images.recipes.recipe import (
    COMPRESSIONS,
    FILESYSTEMS,
    LOADERS,
    PARTS,
    InitramfsPart,
    KernelPart,
    LoaderPart,
    PartitionPart,
    Recipe,
    TreesPart,
)

_MOST_SIZE = 1 << 42
_SIZE = re.compile(r"(\d{1,12})\s*(B|KiB|MiB|GiB)?")
_UNITS = {None: 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


class RecipeReader:
    """Takes values out of tables; whatever is left over is an error."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._asked: dict[int, list[str]] = {}
        """`id` of a table → the keys that it may have, as far as they were asked for."""

    def recipe(self, table: dict[str, Any], data: bytes, folder: Path, name: str) -> Recipe:
        """The recipe in `table`, read from `data`; raises `Malformed`."""
        recipe = Recipe(
            name=name,
            title=self._text(table, "title", name) or name,
            folder=folder,
            text=data,
            version=self._text(table, "version", "stand-in") or "stand-in",
            kernel=self._kernel(self._table(table, "kernel")),
            initramfs=self._initramfs(self._table(table, "initramfs")),
            dtbs=self._trees(self._table(table, "dtbs"), "*.dtb"),
            overlays=self._trees(self._table(table, "overlays"), "*.dtbo"),
            config_txt=self._texts(self._table(table, "config_txt") or {}, "lines", rest=True),
            arguments=self._texts(self._table(table, "cmdline") or {}, "arguments", rest=True),
            loader=self._loader(self._table(table, "loader")),
            partitions=tuple(self._partition(each) for each in self._tables(table, "partition")),
            base=self._text(table, "base", None),
            files=self._places(table),
            source=self._text(table, "source", "") or "",
        )
        self._done(table, "the recipe")
        self._check(recipe)
        return recipe

    def _check(self, recipe: Recipe) -> None:
        if (recipe.base is None) == (not recipe.partitions):
            self._wrong("either partitions or a base image", "both" if recipe.base else "neither")
        if recipe.base is not None and recipe.loader is not None:
            self._wrong("no [loader] beside a base image, which has its own", "one")
        if recipe.files and recipe.base is None:
            self._wrong("[files] only beside a base image; a partition has its own `files`", "no base")
        for text in (*recipe.config_txt, *recipe.arguments):
            if "\n" in text or "\0" in text:
                self._wrong("one line each in config_txt and cmdline", repr(text[:60]))
        wanted = {value for each in recipe.partitions for value in each.files.values()}
        given = {
            "kernel": recipe.kernel,
            "initramfs": recipe.initramfs,
            "dtbs": recipe.dtbs,
            "overlays": recipe.overlays,
            "loader": recipe.loader,
            "loader-config": recipe.loader,
            "uki": recipe.loader,
            "sd-boot": recipe.loader,
        }
        for part, value in given.items():
            if part in wanted and value is None:
                self._wrong(f"a table [{part}] for what a partition holds", "none")
        if "uki" in wanted and (recipe.kernel is None or recipe.initramfs is None):
            self._wrong("[kernel] and [initramfs] for a uki", "one of them is missing")

    def _kernel(self, table: dict[str, Any] | None) -> KernelPart | None:
        if table is None:
            return None
        part = KernelPart(
            origin=self._required(table, "from"),
            modules=self._text(table, "modules", None),
            config=self._text(table, "config", None),
        )
        self._done(table, "[kernel]")
        return part

    def _initramfs(self, table: dict[str, Any] | None) -> InitramfsPart | None:
        if table is None:
            return None
        part = InitramfsPart(
            origin=self._text(table, "from", "stand-in") or "stand-in",
            compression=self._choice(table, "compression", COMPRESSIONS, "xz"),
            root_compression=self._choice(table, "root_compression", COMPRESSIONS[:3], "zstd"),
            early=self._texts(table, "early"),
            load=self._texts(table, "load"),
            modules=self._texts(table, "modules"),
            files=self._paths(table, "files"),
        )
        self._done(table, "[initramfs]")
        return part

    def _trees(self, table: dict[str, Any] | None, pattern: str) -> TreesPart | None:
        if table is None:
            return None
        part = TreesPart(
            origin=self._text(table, "from", "kernel") or "kernel",
            files=self._texts(table, "files") or (pattern,),
            apply=self._texts(table, "apply"),
        )
        self._done(table, "the devicetrees' table")
        return part

    def _loader(self, table: dict[str, Any] | None) -> LoaderPart | None:
        if table is None:
            return None
        timeout = self._take(table, "timeout", 3)
        if not isinstance(timeout, int) or isinstance(timeout, bool) or not 0 <= timeout <= 3600:
            self._wrong("a timeout of 0 to 3600 seconds", repr(timeout)[:40])
        part = LoaderPart(
            kind=self._choice(table, "kind", LOADERS, "none"),
            title=self._text(table, "title", "") or "",
            timeout=timeout,
            package=self._text(table, "package", None),
            label=self._text(table, "label", "BOOT") or "BOOT",
            devicetree=self._text(table, "devicetree", None),
            overlays=self._texts(table, "overlays"),
        )
        if part.kind != "extlinux" and (part.devicetree or part.overlays):
            self._wrong("devicetree and overlays only for extlinux", part.kind)
        for path in filter(None, (part.devicetree, *part.overlays)):
            if not re.fullmatch(r"/[A-Za-z0-9._/+-]+", path):
                self._wrong("an absolute path of plain characters for U-Boot", repr(path)[:60])
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,11}", part.label) or not part.title.isprintable():
            self._wrong("a label of letters, digits and _ -, and a printable title", repr(part.label))
        self._done(table, "[loader]")
        return part

    def _partition(self, table: dict[str, Any]) -> PartitionPart:
        label = self._required(table, "label")
        files = self._paths(table, "files")
        for value in files.values():
            if value not in PARTS and not value.startswith(("file:", "folder:", "package:")):
                self._wrong(
                    f"one of {', '.join(PARTS)}, file:PATH, folder:PATH or package:NAME/FILE",
                    repr(value)[:60],
                    hint=hint_for(value, PARTS, kind="parts"),
                )
        part = PartitionPart(
            label=label,
            type=self._required(table, "type"),
            size=self._size(table),
            filesystem=self._choice(table, "filesystem", FILESYSTEMS, "none"),
            files=files,
        )
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,11}", label):
            self._wrong("a label of at most 11 letters, digits, _ and -", repr(label)[:40])
        if files and part.filesystem == "none":
            self._wrong(f"a file system on {label}, which is to hold files", "none")
        self._done(table, f"partition {label}")
        return part

    def _size(self, table: dict[str, Any]) -> int:
        match = _SIZE.fullmatch(self._required(table, "size"))
        size = int(match[1]) * _UNITS[match[2]] if match else 0
        if not 0 < size <= _MOST_SIZE or size % (1 << 20):
            self._wrong('a size in whole MiB, such as "100 MiB"', repr(match[0] if match else "?"))
        return size

    def _places(self, table: dict[str, Any]) -> dict[str, str]:
        found = self._table(table, "files") or {}
        for place, value in found.items():
            if ":/" not in place or ".." in place.split("/") or not isinstance(value, str):
                self._wrong("PARTITION:/path = file:PATH in [files]", repr(place)[:60])
            if not value.startswith(("file:", "package:")):
                self._wrong("file:PATH or package:NAME/FILE in [files]", repr(value)[:60])
        return found

    def _paths(self, table: dict[str, Any], key: str) -> dict[str, str]:
        found = self._take(table, key, {})
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            self._wrong(f"a table of paths in {key}", repr(found)[:60])
        for path in found:
            parts = path.split("/")
            if not path.startswith("/") or ".." in parts or not path.isprintable():
                self._wrong(f"absolute paths without '..' in {key}", repr(path)[:60])
        return dict(found)

    def _text(self, table: dict[str, Any], key: str, default: str | None) -> str | None:
        value: Any = self._take(table, key, default)
        if value is not None and (not isinstance(value, str) or "\0" in value):
            self._wrong(f"a text in {key}", repr(value)[:60])
        return None if value is None else str(value)

    def _required(self, table: dict[str, Any], key: str) -> str:
        value = self._text(table, key, None)
        if not value:
            self._wrong(f"a value for {key}", "none")
        return value or ""

    def _choice(self, table: dict[str, Any], key: str, known: tuple[str, ...], default: str) -> str:
        value = self._text(table, key, default) or default
        if value not in known:
            hint = hint_for(value, known, kind="values")
            self._wrong(f"{key}: one of {', '.join(known)}", repr(value)[:60], hint=hint)
        return value

    def _texts(self, table: dict[str, Any], key: str, *, rest: bool = False) -> tuple[str, ...]:
        value = self._take(table, key, [])
        if not isinstance(value, list) or not all(
            isinstance(each, str) and "\0" not in each for each in value
        ):
            self._wrong(f"a list of texts in {key}", repr(value)[:60])
        if rest:
            self._done(table, f"the table of {key}")
        return tuple(value)

    def _table(self, table: dict[str, Any], key: str) -> dict[str, Any] | None:
        value: Any = self._take(table, key, None)
        if value is not None and not isinstance(value, dict):
            self._wrong(f"a table [{key}]", repr(value)[:60])
        return None if value is None else dict(value)

    def _tables(self, table: dict[str, Any], key: str) -> list[dict[str, Any]]:
        value = self._take(table, key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self._wrong(f"tables [[{key}]]", repr(value)[:60])
        return list(value)

    def _take(self, table: dict[str, Any], key: str, default: Any) -> Any:  # noqa: ANN401 - a value of TOML
        self._asked.setdefault(id(table), []).append(key)
        return table.pop(key, default)

    def _done(self, table: dict[str, Any], what: str) -> None:
        if table:
            hint = hint_for(min(table), self._asked.get(id(table), ()), kind="its keys")
            self._wrong(f"known keys in {what}", ", ".join(sorted(table))[:80], hint=hint)

    def _wrong(
        self, expected: str, found: str, *, hint: str = "see docs/images.md for what a recipe holds"
    ) -> None:
        raise Malformed(self._where, None, expected, found, hint=hint)
