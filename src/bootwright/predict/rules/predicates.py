"""What conditions of knowledge files say over a devicetree, a kernel and a board.

`conditions.Condition` has the keys; data says what, this how.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping

from attrs import frozen

from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.formats.programs.eeprom import Eeprom
from bootwright.formats.programs.u_boot import UBoot
from bootwright.foundation.versions import Version
from bootwright.kernels.configuration.security_modules import exclusive_module
from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.model import Answer
from bootwright.predict.rules.conditions import Condition, FileSystemCondition, SystemCondition
from bootwright.predict.start.root_device import Volume


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
    before_init: frozenset[str] = frozenset()
    """Names of modules that our loader in the initramfs loads before the system's own init runs."""
    by_efi: bool | None = None
    """Whether the kernel is started as an EFI program; None where that is not known."""
    u_boot: UBoot | None = None
    """The U-Boot that the firmware starts; None where none was read."""
    eeprom: Eeprom | None = None
    """None where nothing is known of it."""
    partition_table: str = ""
    """`gpt` or `dos`; empty where no disk image is among the artifacts."""
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


def is_release(release: str, wanted: str) -> Answer:
    """Whether a kernel's release is of that form; unknown without a release."""
    return _yes(fnmatch.fnmatchcase(release, wanted)) if release else Answer.UNKNOWN


def holds(condition: Condition, around: Surroundings) -> Answer:
    """Whether all parts of a condition hold."""
    return min(_answers(condition, around), default=Answer.YES)


def find(condition: Condition, tree: Tree) -> Node | None:
    """The first enabled node that a condition's `compatible`, `node_name`, `symbol` or `alias` names."""
    if condition.symbol is not None:
        path = tree.symbols.get(condition.symbol)
        return tree.node(path) if path is not None else None
    if condition.alias is not None:
        return tree.alias(condition.alias)
    if condition.compatible is None and condition.node_name is None:
        return None
    return _first_node(tree, condition.compatible, condition.node_name)


def offending(wanted: FileSystemCondition | None, around: Surroundings) -> FileSystemFacts | None:
    """The first file system that a condition's `filesystem` fits."""
    page = around.kernel.page_size
    if wanted is None or not page:
        return None
    for facts in around.given.filesystems or ():
        size = facts.sizes.get(wanted.size)
        if facts.type not in wanted.type or size is None:
            continue
        if wanted.format_version is not None and facts.sizes.get("format_version") != wanted.format_version:
            continue
        than = "above" if size > page else "below" if size < page else "same"
        if wanted.than_page in {than, "any"} or (wanted.than_page == "other" and than != "same"):
            return facts
    return None


def _first_node(tree: Tree, compatible: str | None, name: str | None) -> Node | None:
    for node in tree.nodes:
        fits = (compatible is None or compatible in node.compatible) and (
            name is None or name in {node.name, node.name.partition("@")[0]}
        )
        if fits and node.available:
            return node
    return None


def _answers(condition: Condition, around: Surroundings) -> Iterator[Answer]:
    """The answer of each part that is given."""
    kernel = around.kernel
    yield from _nodes(condition, around.tree)
    if condition.absent is not None:
        yield Answer(2 - holds(condition.absent, around))
    if condition.any_of is not None:
        yield max((holds(inner, around) for inner in condition.any_of), default=Answer.NO)
    for name, values in condition.options.items():
        yield _option(kernel, name, values)
    yield from _start(condition, around)
    yield from _firmware(condition, around)
    yield in_range(kernel.version, condition.kernel_since, condition.kernel_before)
    if condition.kernel_release is not None:
        yield is_release(kernel.release, condition.kernel_release)
    if condition.stepping is not None:
        yield Answer.UNKNOWN if around.stepping is None else _yes(around.stepping == condition.stepping)
    if condition.page_size is not None:
        yield Answer.UNKNOWN if not kernel.page_size else _yes(kernel.page_size == condition.page_size)
    if condition.page_size_above is not None:
        yield Answer.UNKNOWN if not kernel.page_size else _yes(kernel.page_size > condition.page_size_above)
    if condition.os is not None:
        yield _os(condition.os, around)
    yield from _files(condition, around)
    yield from _drivers(condition, kernel)


def _nodes(condition: Condition, tree: Tree) -> Iterator[Answer]:
    """Each of the four is asked by itself: they may be different nodes."""
    if condition.symbol is not None:
        yield _yes(find(Condition(symbol=condition.symbol), tree) is not None)
    if condition.alias is not None:
        yield _yes(tree.alias(condition.alias) is not None)
    if condition.compatible is not None or condition.node_name is not None:
        yield _yes(_first_node(tree, condition.compatible, condition.node_name) is not None)


def _start(condition: Condition, around: Surroundings) -> Iterator[Answer]:
    """How the kernel is started. Where no command line is known, no argument is taken to be there."""
    arguments = around.kernel.arguments
    for name, values in condition.arguments.items():
        last = arguments.last(name)
        given = (last.value or "").split(",") if last is not None else []
        yield _yes(not set(values).isdisjoint(given))
    if condition.security_module is not None:
        option = around.kernel.option
        if option("CONFIG_LSM") is None:
            yield Answer.UNKNOWN
        else:
            last_values = {argument.name: argument.value or "" for argument in arguments.items}
            yield _yes(exclusive_module(option, last_values) == condition.security_module)
    if condition.loaded_before_init is not None:
        yield _yes(condition.loaded_before_init in around.given.before_init)
    if condition.started_by_efi is not None:
        by_efi = around.given.by_efi
        yield Answer.UNKNOWN if by_efi is None else _yes(by_efi is condition.started_by_efi)


def _firmware(condition: Condition, around: Surroundings) -> Iterator[Answer]:
    """What comes before the kernel: EEPROM, partition table, U-Boot. Of a U-Boot that was not read nothing is
    said: neither that it has a driver, nor that it lacks one."""
    given = around.given
    if condition.u_boot_has is not None:
        yield _yes(given.u_boot is not None and given.u_boot.drives(condition.u_boot_has))
    if condition.u_boot_lacks is not None:
        yield _yes(given.u_boot is not None and not given.u_boot.drives(condition.u_boot_lacks))
    if condition.eeprom_before is not None:
        made = given.eeprom.made if given.eeprom is not None else None
        yield _yes(made is not None and made.isoformat() < condition.eeprom_before)
    if condition.boot_order_lacks is not None:
        order = given.eeprom.boot_order if given.eeprom is not None else None
        yield _yes(order is not None and condition.boot_order_lacks not in order)
    if condition.partition_table is not None:
        yield _yes(given.partition_table == condition.partition_table)


def _files(condition: Condition, around: Surroundings) -> Iterator[Answer]:
    given = around.given
    if condition.filesystem is not None:
        yield _yes(offending(condition.filesystem, around) is not None)
    if condition.firmware_lacks_devicetree is not None:
        lacks = given.settings is not None and given.devicetree_missing
        yield _yes(lacks is condition.firmware_lacks_devicetree)
    if condition.config_txt is not None:
        settings = given.settings or {}
        yield _yes(all(settings.get(name) == value for name, value in condition.config_txt.items()))


def _drivers(condition: Condition, kernel: KernelFacts) -> Iterator[Answer]:
    for compatible, as_module in (
        (condition.driver, None),
        (condition.built_in, False),
        (condition.module, True),
    ):
        if compatible is None:
            continue
        drivers = kernel.by_compatible(compatible)
        if not drivers:
            yield Answer.NO if kernel.decided(compatible) else Answer.UNKNOWN
        else:
            yield _yes(as_module is None or (drivers[0].module is not None) is as_module)


def _os(wanted: SystemCondition, around: Surroundings) -> Answer:
    version = (
        next((around.os[name] for name in wanted.names if name in around.os), None) if around.os else None
    )
    if version is None:
        return Answer.NO
    return in_range(version, wanted.since, wanted.before)


def what_holds(condition: Condition, around: Surroundings) -> Iterator[str]:
    """`CONFIG_X is n`, `efi=noruntime`: which of several things in `any` it is that makes it hold."""
    for inner in condition.any_of or ():
        if holds(inner, around) is Answer.YES:
            yield from (f"{name} is {around.kernel.option(name)}" for name in inner.options)
            given = map(around.kernel.arguments.last, inner.arguments)
            yield from (argument.text for argument in given if argument is not None)
            yield from what_holds(inner, around)


def unsaid(condition: Condition, kernel: KernelFacts) -> Iterator[str]:
    """Options that a condition asks for and that the kernel's configuration does not tell."""
    yield from (name for name in condition.options if kernel.option(name) is None)
    for inner in (*(condition.any_of or ()), condition.absent):
        if inner is not None:
            yield from unsaid(inner, kernel)


def undecided_driver(condition: Condition, kernel: KernelFacts) -> Iterator[str]:
    """Compatibles of a condition of which it is not known whether the kernel has a driver."""
    for part in condition.parts():
        for compatible in (part.driver, part.built_in, part.module):
            if compatible is not None and not (
                kernel.by_compatible(compatible) or kernel.decided(compatible)
            ):
                yield compatible


def _option(kernel: KernelFacts, name: str, wanted: tuple[str, ...]) -> Answer:
    value = kernel.option(name)
    return Answer.UNKNOWN if value is None else _yes(value in wanted)


def _yes(answer: bool) -> Answer:
    return Answer.YES if answer else Answer.NO
