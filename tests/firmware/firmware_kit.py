"""Devicetrees compiled by dtc, cards made of files, and the fuzz targets by name."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from bootwright.formats.archives.archive_tree import ArchiveTree, Member
from bootwright.formats.devicetree.fdt import Node, Tree, parse_fdt
from bootwright.formats.filesystems.filesystem import EntryKind
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation import tools


def compiled(source: str, name: str = "test.dtb") -> Tree:
    """A devicetree or overlay from its source."""
    return parse_fdt(tools.run(["dtc", "-q", "-@", "-O", "dtb"], input_bytes=source.encode()), name)


def node(tree: Tree, path: str) -> Node:
    """The node at a path, which must be there."""
    dt_node = tree.node(path)
    assert dt_node is not None, path
    return dt_node


def sound(tree: Tree) -> Tree:
    """The tree, after dtc has read its blob."""
    tools.run(["dtc", "-q", "-I", "dtb", "-O", "dtb", "-"], input_bytes=tree.blob)
    return tree


def card(files: Mapping[str, bytes]) -> ArchiveTree:
    """A FAT partition's files, by path without the leading slash."""
    return ArchiveTree(
        "card",
        "vfat",
        [Member(name, EntryKind.FILE, 0o644, len(data), Bytes(data, name)) for name, data in files.items()],
    )


def contents(tree: Tree) -> dict[str, dict[str, bytes]]:
    """Path → properties of every node."""
    return {dt_node.path: dict(dt_node.properties) for dt_node in tree.root.walk()}


@cache
def fuzz_target(name: str) -> Callable[[bytes], None]:
    """`one_input` of fuzz/fuzz_NAME.py."""
    path = Path(__file__).resolve().parents[2] / "fuzz" / f"fuzz_{name}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    target: Callable[[bytes], None] = module.one_input
    return target
