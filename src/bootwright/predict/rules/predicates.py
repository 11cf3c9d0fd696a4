"""Conditions in knowledge files, over a devicetree, a kernel and a board. Data says what, this how.

A condition is a table; all its keys must hold:
`compatible`, `node_name`, `symbol`, `alias`: such an enabled node (label, alias) exists;
`absent = {…}`: the inner condition does not hold;
`any = [{…}, …]`: one of them holds;
`option = { CONFIG_X = "m" }`: the option has that value (or one of a list; `n` is off);
`kernel_since`, `kernel_before`: the version lies in that range;
`stepping`, `os`: the board's stepping, the operating system;
`page_size`, `page_size_above`: the kernel's, in bytes;
`filesystem = { type = ["ext4"], size = "block_size", than_page = "above" }`: there is one of the type whose
size is `above`, `below` or `other` than the kernel's page size (or `any`), and of that `format_version`;
`firmware_lacks_devicetree = true`: the firmware reads a config.txt, and no DTB of the board is beside it;
`config_txt = { os_check = "0" }`: for this board it sets that;
`driver = "compatible"`: the kernel has a driver for it; `built_in`, `module`: it is built in, or a module.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.foundation.versions import Version
from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.model import Answer
from bootwright.predict.start.root_device import Volume

KEYS = frozenset(
    {
        "compatible",
        "node_name",
        "symbol",
        "alias",
        "absent",
        "any",
        "option",
        "kernel_since",
        "kernel_before",
        "stepping",
        "page_size",
        "page_size_above",
        "filesystem",
        "firmware_lacks_devicetree",
        "config_txt",
        "os",
        "driver",
        "built_in",
        "module",
    }
)


@frozen
class FileSystemFacts:
    """A file system or swap area that the kernel is to mount."""

    type: str
    where: str
    """Container path."""
    sizes: Mapping[str, int]
    """Bytes: `block_size`, `sector_size` (btrfs), `page_size` (swap), as far as its superblock has them."""


@frozen
class Given:
    """What came with the kernel and is no part of it."""

    filesystems: tuple[FileSystemFacts, ...] | None = None
    """To be mounted; None where none were looked at."""
    firmware: frozenset[str] | None = None
    """Paths below `/lib/firmware`; None where there is no root file system."""
    unapplied: tuple[str, ...] = ()
    """What of config.txt is not in the devicetree, in words."""
    settings: Mapping[str, str] | None = None
    """config.txt for the board, the last value of each key; None where there is none."""
    volumes: tuple[Volume, ...] | None = None
    """The partitions of the disk image; None where there is none."""
    initramfs: bool | None = None
    """Whether the kernel is started with an initramfs; None where that is not known."""
    devicetree_missing: bool = False
    """Whether no DTB of the board is on the partition that the firmware reads."""


@frozen
class Surroundings:
    """What conditions are asked about."""

    kernel: KernelFacts
    tree: Tree
    stepping: str | None = None
    os: Mapping[str, Version] | None = None
    given: Given = Given()


def in_range(version: Version | None, since: str | None, before: str | None) -> Answer:
    """Whether a kernel version lies in [since, before); unknown without a version."""
    if since is None and before is None:
        return Answer.YES
    if version is None:
        return Answer.UNKNOWN
    low, high = (Version.parse(text) if text else None for text in (since, before))
    if (low is not None and version < low) or (high is not None and version >= high):
        return Answer.NO
    return Answer.YES


def holds(condition: Mapping[str, Any], around: Surroundings) -> Answer:
    """Whether all parts of a condition hold."""
    return min(
        (_part(key, wanted, condition, around) for key, wanted in condition.items()), default=Answer.YES
    )


def find(condition: Mapping[str, Any], tree: Tree) -> Node | None:
    """The first enabled node that a condition's `compatible`, `node_name`, `symbol` or `alias` names."""
    if "symbol" in condition:
        path = tree.symbols.get(condition["symbol"])
        return tree.node(path) if path is not None else None
    if "alias" in condition:
        return tree.alias(condition["alias"])
    for node in tree.nodes:
        if _names(condition, node) and node.available:
            return node
    return None


def offending(condition: Mapping[str, Any], around: Surroundings) -> FileSystemFacts | None:
    """The first file system that a condition's `filesystem` fits."""
    wanted = condition.get("filesystem")
    page = around.kernel.page_size
    if wanted is None or not page:
        return None
    for each in around.given.filesystems or ():
        size = each.sizes.get(wanted["size"])
        version = wanted.get("format_version")
        if each.type not in wanted["type"] or size is None:
            continue
        if version is not None and each.sizes.get("format_version") != version:
            continue
        than = "above" if size > page else "below" if size < page else "same"
        if wanted["than_page"] in {than, "any"} or (wanted["than_page"] == "other" and than != "same"):
            return each
    return None


def _names(condition: Mapping[str, Any], node: Node) -> bool:
    compatible, name = condition.get("compatible"), condition.get("node_name")
    if compatible is None and name is None:
        return False
    return (compatible is None or compatible in node.compatible) and (
        name is None or name in {node.name, node.name.partition("@")[0]}
    )


def _part(
    key: str,
    wanted: Any,  # noqa: ANN401 - a value of a TOML file
    condition: Mapping[str, Any],
    around: Surroundings,
) -> Answer:
    if key in {"compatible", "node_name", "symbol", "alias"}:
        return _yes(find(condition, around.tree) is not None)
    if key == "absent":
        return Answer(2 - holds(wanted, around))
    if key == "any":
        return max((holds(one, around) for one in wanted), default=Answer.NO)
    if key == "option":
        return min(
            (_option(around.kernel, name, value) for name, value in wanted.items()), default=Answer.YES
        )
    if key == "kernel_since":
        return in_range(around.kernel.version, wanted, None)
    if key == "kernel_before":
        return in_range(around.kernel.version, None, wanted)
    if key == "stepping":
        return Answer.UNKNOWN if around.stepping is None else _yes(around.stepping == wanted)
    if key == "page_size":
        return Answer.UNKNOWN if not around.kernel.page_size else _yes(around.kernel.page_size == wanted)
    if key == "page_size_above":
        return Answer.UNKNOWN if not around.kernel.page_size else _yes(around.kernel.page_size > wanted)
    if key == "filesystem":
        return _yes(offending({key: wanted}, around) is not None)
    if key == "firmware_lacks_devicetree":
        return _yes((around.given.settings is not None and around.given.devicetree_missing) is wanted)
    if key == "config_txt":
        settings = around.given.settings or {}
        return _yes(all(settings.get(name) == value for name, value in wanted.items()))
    if key == "driver":
        if around.kernel.by_compatible(wanted):
            return Answer.YES
        return Answer.NO if around.kernel.decided(wanted) else Answer.UNKNOWN
    if key in {"built_in", "module"}:
        found = around.kernel.by_compatible(wanted)
        if not found:
            return Answer.NO if around.kernel.decided(wanted) else Answer.UNKNOWN
        return _yes((found[0].module is None) is (key == "built_in"))
    if key == "os":
        return _os(wanted, around)
    return Answer.UNKNOWN


def _os(wanted: Mapping[str, Any], around: Surroundings) -> Answer:
    names = [wanted["name"]] if isinstance(wanted["name"], str) else wanted["name"]
    version = next((around.os[name] for name in names if name in around.os), None) if around.os else None
    if version is None:
        return Answer.NO
    return in_range(version, wanted.get("since"), wanted.get("before"))


def _option(kernel: KernelFacts, name: str, wanted: str | list[str]) -> Answer:
    value = kernel.option(name)
    if value is None:
        return Answer.UNKNOWN
    return _yes(value in ([wanted] if isinstance(wanted, str) else wanted))


def _yes(answer: bool) -> Answer:
    return Answer.YES if answer else Answer.NO
