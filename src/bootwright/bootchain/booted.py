"""What of an artifact would be booted: the kernel its boot loader starts, and what goes with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from attrs import field, frozen

from bootwright.bootchain.boot_choice import Choice, choices
from bootwright.bootchain.boot_entries import BootEntry
from bootwright.formats.kernel.arm64_image import KernelImage
from bootwright.formats.kernel.config import KernelConfig
from bootwright.foundation.choices import no_such
from bootwright.foundation.errors import Missing, Refused
from bootwright.inspect.facts import Item, Value
from bootwright.inspect.files import ModuleTree

_T = TypeVar("_T")


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
    """What the loader calls it: an entry's title, a UKI's file name."""
    other_titles: tuple[str, ...] = ()
    unsure: str = ""
    """Why it cannot be told from the files that this one is started; empty where it can."""

    @property
    def modules(self) -> Item | None:
        """The largest module tree of the kernel's release."""
        return max(self.module_trees, key=lambda each: len(_tree(each).files), default=None)

    def as_json(self) -> dict[str, Value]:
        """The documented form."""
        return {
            "kernel": self.kernel.origin.as_json(),
            "release": self.kernel.fact("release"),
            "page_size": self.kernel.fact("page_size"),
            "initramfs": self.initramfs.origin.as_json() if self.initramfs else None,
            "arguments": self.arguments,
            "entry": self.entry.title if self.entry else None,
            "modules": self.modules.origin.as_json() if self.modules else None,
            "os": self.os.get("PRETTY_NAME") or self.os.get("ID"),
            "os_version": self.os.get("VERSION_ID"),
            "other_kernels": [item.origin.as_json() for item in self.others],
        }


def boot_of(root: Item, entry: str | None = None) -> Boot:
    """What the artifact boots: the default entry of its boot loader, else its UKI, else its kernel.

    `entry` chooses another than the default: its title, id or file name, or the beginning of one.
    Raises `Missing` when it has no kernel, `Refused` when it has no such entry, with those it has.
    """
    kernels = [item for item in root.of_kind("kernel") if isinstance(item.detail, KernelImage)]
    if not kernels:
        raise Missing(
            f"{root.origin.where} holds no arm64 kernel", hint="`bootwright inspect` shows what it holds"
        )
    able = choices(root, kernels)
    chosen = _wanted(able, entry, root) if entry is not None else able[0]
    initramfs = [each for each in root.of_kind("initramfs") if each.files is not None]
    own = chosen.initramfs
    foreign = {id(below) for each in initramfs if each not in own for below in each.walk()}
    release = chosen.kernel.fact("release")
    config_txt = _first(root.of_kind("config-txt"))
    systems = [each for each in root.of_kind("os-release") if isinstance(each.detail, dict)]
    inside = {id(below) for each in own for below in each.walk()}
    systems.sort(key=lambda each: (id(each) not in inside, id(each) in foreign))
    return Boot(
        kernel=chosen.kernel,
        others=tuple(each for each in kernels if each is not chosen.kernel),
        entry=chosen.entry,
        initramfs=own[-1] if own else None,
        config=_config(root, chosen.kernel),
        devicetree=chosen.devicetree,
        devicetrees=_beside(root, config_txt, root.of_kind("devicetree")),
        overlays=_beside(root, config_txt, root.of_kind("overlay")),
        config_txt=config_txt,
        module_trees=tuple(
            each
            for each in root.of_kind("modules")
            if id(each) not in foreign
            and isinstance(each.detail, ModuleTree)
            and each.detail.release == release
            and each.detail.files
        ),
        arguments=chosen.arguments,
        os=dict(systems[0].detail) if systems and isinstance(systems[0].detail, dict) else {},
        title=chosen.title,
        other_titles=tuple(each.title for each in able if each is not chosen),
        unsure=chosen.unsure if entry is None else "",
    )


def _wanted(able: Sequence[Choice], name: str, root: Item) -> Choice:
    for fits in (
        lambda each: name in {each.title, each.name},
        lambda each: each.title.startswith(name) or each.name.startswith(name),
    ):
        found = [each for each in able if fits(each)]
        if len(found) == 1:
            return found[0]
    titles = [each.title or each.name for each in able]
    begin = [title for title in titles if title.startswith(name)]
    if len(begin) > 1:
        several = ", ".join(repr(title) for title in begin)
        raise Refused(
            f"several boot entries of {root.origin.where} begin with {name!r}", hint=f"give one of {several}"
        )
    raise no_such(f"{root.origin.where} has no boot entry {name!r}", name, titles, kind="it has")


def _beside(root: Item, config_txt: Item | None, items: list[Item]) -> tuple[Item, ...]:
    """Those on the partition that the firmware reads, in front: it looks nowhere else."""
    volume = next(
        (
            each
            for each in root.of_kind("filesystem")
            if config_txt is not None and config_txt in each.children
        ),
        None,
    )
    near = {id(each) for each in volume.walk()} if volume is not None else set()
    return tuple(sorted(items, key=lambda each: id(each) not in near))


def _tree(item: Item) -> ModuleTree:
    assert isinstance(item.detail, ModuleTree)  # noqa: S101  (chosen in boot_of)
    return item.detail


def _config(root: Item, kernel: Item) -> Item | None:
    """The kernel's embedded configuration, or the file that goes with its release."""
    embedded = [each for each in kernel.of_kind("kernel-config") if isinstance(each.detail, KernelConfig)]
    if embedded:
        return embedded[0]
    release = str(kernel.fact("release"))
    found = [each for each in root.of_kind("kernel-config") if isinstance(each.detail, KernelConfig)]
    exact = [each for each in found if release in each.origin.where]
    return _first(exact) or (found[0] if len(found) == 1 else None)


def _first(items: Iterable[_T]) -> _T | None:
    return next(iter(items), None)
