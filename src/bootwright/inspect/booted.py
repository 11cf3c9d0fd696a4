"""What of an artifact would be booted: the kernel its boot loader starts, and what goes with it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TypeVar

from attrs import evolve, field, frozen

from bootwright.boards.model import Board
from bootwright.bootchain.boot_entries import BootEntry
from bootwright.bootchain.model import Chain, Part
from bootwright.formats.kernel.arm64_image import KernelImage
from bootwright.formats.kernel.config import KernelConfig
from bootwright.foundation.errors import BootwrightError, Missing, Refused
from bootwright.inspect.explore import Explorer
from bootwright.inspect.explored import item_of, volume_sets
from bootwright.inspect.facts import Item, ItemKind, Value
from bootwright.inspect.files import ModuleTree

_T = TypeVar("_T")
_CHOICE = re.compile(r"\.dtbauto(@0)?(#\d+)?")
"""A devicetree section of what a UKI starts by itself, of which its stub takes one."""


class NothingStarts(Missing):
    """What starts by itself is not there, is no arm64 kernel, or cannot be determined from the files."""


@frozen
class Boot:
    """What of an artifact would be booted."""

    kernel: Item
    others: tuple[Item, ...]
    """Further kernels, which are not the one that is started."""
    entry: BootEntry | None
    """The boot loader's entry that names the kernel, where there is one."""
    initramfs: Item | None
    config: Item | None
    devicetree: Item | None
    """The one that the loader hands to the kernel in place of the firmware's; None where it names none."""
    devicetree_choices: tuple[Item, ...]
    """Of a UKI: the first whose first compatible is that of the firmware's goes before any other."""
    devicetrees: tuple[Item, ...]
    """All of them, those beside config.txt first."""
    overlays: tuple[Item, ...]
    config_txt: Item | None
    module_trees: tuple[Item, ...]
    """Every module tree of the kernel's release that it gets to see: in its initramfs, in a root file system
    inside that, and outside of any initramfs."""
    arguments: str | None
    os: dict[str, str] = field(factory=dict)
    """os-release: `ID`, `VERSION_ID`, …"""
    title: str = ""
    """What the loader calls it: an entry's title, a UKI's name."""
    other_titles: tuple[str, ...] = ()
    unsure: str = ""
    """Why the files do not settle that this one is started; empty where they do."""
    chain: Chain | None = None
    """How it is started; None for a kernel that no boot loader's configuration names."""
    chains: tuple[Chain, ...] = ()
    """Every way the artifact boots."""
    missing: tuple[str, ...] = ()
    """Files that the chain names beside the kernel, and that are not there or not what they should be."""

    @property
    def modules(self) -> Item | None:
        """The largest module tree of the kernel's release."""
        return max(self.module_trees, key=lambda tree: len(_tree(tree).files), default=None)

    def as_json(self) -> dict[str, Value]:
        """The documented form."""
        return {
            "kernel": self.kernel.origin.as_json(),
            "release": self.kernel.fact("release"),
            "page_size": self.kernel.fact("page_size"),
            "initramfs": self.initramfs.origin.as_json() if self.initramfs else None,
            "devicetree": self.devicetree.origin.as_json() if self.devicetree else None,
            "arguments": self.arguments,
            "entry": self.entry.title if self.entry else None,
            "modules": self.modules.origin.as_json() if self.modules else None,
            "os": self.os.get("PRETTY_NAME") or self.os.get("ID"),
            "os_version": self.os.get("VERSION_ID"),
            "other_kernels": [item.origin.as_json() for item in self.others],
            "unsure": self.unsure or None,
        }


@frozen
class _Choice:
    """One kernel that may be started, with what goes with it."""

    kernel: Item
    chain: Chain | None = None
    initramfs: tuple[Item, ...] = ()
    devicetree: Item | None = None
    devicetree_choices: tuple[Item, ...] = ()
    arguments: str | None = None
    title: str = ""
    name: str = ""
    unsure: str = ""
    missing: tuple[str, ...] = ()


def chains_of(root: Item, board: Board | None = None) -> tuple[Chain, ...]:
    """How an explored artifact boots; empty where it has no boot configuration. Raises `Malformed`."""
    sets = list(volume_sets(root))
    if not sets:
        return ()
    from bootwright.bootchain.chains import (
        chains,  # a single file need not wait for every boot loader's reader
    )

    return next((ways for volume_set in sets if (ways := chains(volume_set, board))), ())


def boot_of(root: Item, entry: str | None = None, board: Board | None = None) -> Boot:
    """What the artifact boots: what its boot loader starts by itself, else its UKI, else its kernel.

    `entry` chooses another than the default: its title, id or file name, or the beginning of one. `board`
    decides where the answer depends on the board. Raises `Missing` when it has no kernel, `NothingStarts`
    when the default is not there, `Refused` when there is no such entry, with those it has, `Malformed` for a
    boot configuration that cannot be read.
    """
    boot_chains = chains_of(root, board)
    kernels = [item for item in root.of_kind(ItemKind.KERNEL) if isinstance(item.detail, KernelImage)]
    choices = _choices(root, boot_chains, kernels)
    if not choices and not boot_chains:
        raise Missing(
            f"{root.origin.where} holds no arm64 kernel", hint="`bootwright inspect` shows what it holds"
        )
    chosen = _wanted(choices, entry, root) if entry is not None else _default(boot_chains, choices)
    others = tuple(kernel for kernel in kernels if kernel is not chosen.kernel)
    boot = _boot(root, chosen, others)
    titles = tuple(choice.title for choice in choices if choice is not chosen)
    return evolve(
        boot, other_titles=titles, unsure=chosen.unsure if entry is None else "", chains=boot_chains
    )


def _boot(root: Item, chosen: _Choice, others: tuple[Item, ...]) -> Boot:
    own = chosen.initramfs
    initramfs = [item for item in root.of_kind(ItemKind.INITRAMFS) if item.files is not None]
    foreign = {id(below) for part in initramfs if part not in own for below in part.walk()}
    release = chosen.kernel.fact("release")
    config_txt = _first(root.of_kind(ItemKind.CONFIG_TXT))
    return Boot(
        kernel=chosen.kernel,
        others=others,
        entry=chosen.chain.entry if chosen.chain is not None else None,
        initramfs=own[-1] if own else None,
        config=_config(root, chosen.kernel),
        devicetree=chosen.devicetree,
        devicetree_choices=chosen.devicetree_choices,
        devicetrees=_beside(root, config_txt, root.of_kind(ItemKind.DEVICETREE)),
        overlays=_beside(root, config_txt, root.of_kind(ItemKind.OVERLAY)),
        config_txt=config_txt,
        module_trees=tuple(
            item
            for item in root.of_kind(ItemKind.MODULES)
            if id(item) not in foreign
            and isinstance(item.detail, ModuleTree)
            and item.detail.release == release
            and item.detail.files
        ),
        arguments=chosen.arguments,
        os=_system(root, chosen, foreign),
        title=chosen.title,
        chain=chosen.chain,
        missing=chosen.missing,
    )


def _system(root: Item, chosen: _Choice, foreign: Collection[int]) -> dict[str, str]:
    """os-release of the system that is started: of its initramfs, else of its UKI, else of what is neither
    another's initramfs (`foreign`, ids of items) nor another UKI. Of several that differ only what all of
    them say; empty where that is nothing.
    """
    ukis = root.of_kind(ItemKind.UKI)
    whose = {id(below): uki for uki in ukis for below in uki.walk()}
    uki = whose.get(id(chosen.kernel))
    inside = {id(below) for item in chosen.initramfs for below in item.walk()}
    ranked: dict[int, list[dict[str, str]]] = {}
    for item in root.of_kind(ItemKind.OS_RELEASE):
        if isinstance(item.detail, dict) and id(item) not in foreign:
            its_uki = whose.get(id(item))
            rank = 0 if id(item) in inside else 1 if its_uki is not None else 2
            if rank != 1 or its_uki is uki:
                ranked.setdefault(rank, []).append(item.detail)
    nearest = ranked[min(ranked)] if ranked else [{}]
    return {name: value for name, value in nearest[0].items() if all(os.get(name) == value for os in nearest)}


def _default(boot_chains: Sequence[Chain], choices: Sequence[_Choice]) -> _Choice:
    first = next((chain for chain in boot_chains if chain.default), None)
    if first is None:
        if len(choices) > 1 and not choices[0].title and not choices[0].unsure:
            return evolve(choices[0], unsure="no boot loader's configuration is among the files")
        return choices[0]
    if first.kernel is None:
        raise NothingStarts("; ".join(first.unknown) or "the kernel is not named", hint=_instead(choices))
    chosen = next((choice for choice in choices if choice.chain is first), None)
    if chosen is not None:
        return chosen
    what = "is no arm64 kernel that can be read" if first.kernel.exists else "is not there"
    by = first.kernel.by or "the boot loader"
    raise NothingStarts(f"{first.kernel.place}, which {by} starts, {what}", hint=_instead(choices))


def _instead(choices: Sequence[_Choice]) -> str:
    if not choices:
        return "bootwright image verify names what else is wrong"
    names = ", ".join(repr(choice.title or choice.name) for choice in choices)
    return f"bootwright check --entry chooses another: {names}"


def _choices(root: Item, boot_chains: Sequence[Chain], kernels: Sequence[Item]) -> list[_Choice]:
    """What can be started: each chain whose kernel is there, then kernels that no chain names."""
    choices = [made for chain in boot_chains if (made := _of_chain(root, chain)) is not None]
    titles = Counter(choice.title for choice in choices)
    # As systemd-boot does it, entries of one title get their file names too.
    choices = [
        evolve(choice, title=f"{choice.title} ({choice.name})")
        if titles[choice.title] > 1 and choice.name
        else choice
        for choice in choices
    ]
    known = {id(choice.kernel) for choice in choices}
    return [*choices, *_loose(root, [kernel for kernel in kernels if id(kernel) not in known])]


def _of_chain(root: Item, chain: Chain) -> _Choice | None:
    if chain.kernel is None:
        return None
    kernel = _described(root, chain.kernel)
    if kernel is None or not isinstance(kernel.detail, KernelImage):
        return None
    initramfs = [_described(root, part) for part in chain.initramfs]
    # The firmware's own devicetree is chosen by the board, and changed by config.txt.
    named = chain.devicetree if chain.kind != "firmware" else None
    return _Choice(
        kernel=kernel,
        chain=chain,
        initramfs=tuple(part for part in initramfs if part is not None and part.files is not None),
        devicetree=_described(root, named) if named is not None else None,
        devicetree_choices=tuple(
            item for part in chain.devicetree_choices if (item := _described(root, part)) is not None
        ),
        arguments=chain.arguments or None,
        title=chain.name,
        name=chain.id.removesuffix(".conf").removesuffix(".efi"),
        unsure=chain.unsure,
        missing=(*_missing(chain), *_unread(chain, initramfs)),
    )


def _missing(chain: Chain) -> Iterator[str]:
    return (f"{part.place}, which {part.by} names, is not there" for part in chain.parts if not part.exists)


def _unread(chain: Chain, initramfs: Sequence[Item | None]) -> Iterator[str]:
    """The archives that are there, and that the kernel could not unpack."""
    for part, item in zip(chain.initramfs, initramfs, strict=True):
        if part.exists and (item is None or item.files is None):
            yield f"{part.place}, which {part.by} names, is no initramfs that can be read"


def _described(root: Item, part: Part) -> Item | None:
    """The item of a part; one of a name that the explorer passes over is described here."""
    item = item_of(root, part)
    if item is not None or not part.exists:
        return item
    try:
        return Explorer().follow(part.open(), part.path, 1)
    except BootwrightError:
        return None


def _loose(root: Item, kernels: Sequence[Item]) -> Iterator[_Choice]:
    """Kernels that no boot loader's configuration names; those of UKIs with what is in them."""
    owners = {
        id(kernel): uki for uki in root.of_kind(ItemKind.UKI) for kernel in uki.of_kind(ItemKind.KERNEL)
    }
    loose = [item for item in root.of_kind(ItemKind.INITRAMFS) if item.files is not None]
    lines = [str(item.detail) for item in root.of_kind(ItemKind.COMMAND_LINE) if isinstance(item.detail, str)]
    for kernel in sorted(kernels, key=lambda item: id(item) not in owners):
        uki = owners.get(id(kernel))
        if uki is None:
            name = kernel.name.rpartition("/")[2]
            near = tuple(_near(kernel, loose))
            yield _Choice(kernel, initramfs=near, arguments=next(iter(lines), None), name=name)
            continue
        own = [
            str(item.detail) for item in uki.of_kind(ItemKind.COMMAND_LINE) if isinstance(item.detail, str)
        ]
        title = uki.name.rpartition("/")[2]
        yield _Choice(
            kernel,
            initramfs=tuple(
                child for child in uki.children if child.kind == ItemKind.INITRAMFS and child.files
            ),
            devicetree=next((child for child in uki.children if child.name == ".dtb"), None),
            devicetree_choices=tuple(child for child in uki.children if _CHOICE.fullmatch(child.name)),
            arguments=next(iter(own), None),
            title=title,
            name=title.removesuffix(".efi"),
        )


def _near(kernel: Item, loose: Sequence[Item]) -> list[Item]:
    """Which initramfs goes with a kernel that nothing names: that of its folder, or the only one."""
    folder = kernel.name.rpartition("/")[0]
    near = [item for item in loose if item.name.rpartition("/")[0] == folder]
    return near if len(near) == 1 else list(loose) if len(loose) == 1 else near[:1]


def _wanted(choices: Sequence[_Choice], name: str, root: Item) -> _Choice:
    for fits in (
        lambda chain: name in {chain.title, chain.name},
        lambda chain: chain.title.startswith(name) or chain.name.startswith(name),
    ):
        matching = [choice for choice in choices if fits(choice)]
        if len(matching) == 1:
            return matching[0]
    known = ", ".join(repr(choice.title or choice.name) for choice in choices)
    raise Refused(f"{root.origin.where} has no boot entry {name!r}", hint=f"it has {known}")


def _beside(root: Item, config_txt: Item | None, items: list[Item]) -> tuple[Item, ...]:
    """The items, those on the partition that the firmware reads first: it looks nowhere else."""
    volume = next(
        (
            item
            for item in root.of_kind(ItemKind.FILESYSTEM)
            if config_txt is not None and config_txt in item.children
        ),
        None,
    )
    near = {id(item) for item in volume.walk()} if volume is not None else set()
    return tuple(sorted(items, key=lambda item: id(item) not in near))


def _tree(item: Item) -> ModuleTree:
    assert isinstance(item.detail, ModuleTree)  # noqa: S101  (chosen in boot_of)
    return item.detail


def _config(root: Item, kernel: Item) -> Item | None:
    """The kernel's embedded configuration, or the file that goes with its release."""
    embedded = [
        item for item in kernel.of_kind(ItemKind.KERNEL_CONFIG) if isinstance(item.detail, KernelConfig)
    ]
    if embedded:
        return embedded[0]
    release = str(kernel.fact("release"))
    items = [item for item in root.of_kind(ItemKind.KERNEL_CONFIG) if isinstance(item.detail, KernelConfig)]
    exact = [item for item in items if release in item.origin.where]
    return _first(exact) or (items[0] if len(items) == 1 else None)


def _first(items: Iterable[_T]) -> _T | None:
    return next(iter(items), None)
