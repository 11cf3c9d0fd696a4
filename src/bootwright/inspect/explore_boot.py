"""Kernels, UKIs, initramfs, devicetrees and boot configuration as items of the tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bootwright.bootchain.boot_config import (
    BootEntry,
    BootMenu,
    read_extlinux,
    read_grub_config,
    read_loader_config,
    read_loader_entry,
)
from bootwright.firmware.config_txt import ConfigTxt, read_config_txt
from bootwright.formats.archives.initramfs import InitramfsTree, read_segments
from bootwright.formats.devicetree.fdt import read_fdt
from bootwright.formats.filesystems.filesystem import FileSystem, read_small
from bootwright.formats.kernel.arm64_image import read_kernel_image, unwrapped
from bootwright.formats.kernel.config import KernelConfig, read_kernel_config
from bootwright.formats.kernel.pe import open_section, read_pe
from bootwright.formats.os_release import read_command_line, read_os_release
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import BootwrightError, Malformed
from bootwright.inspect import explore_files
from bootwright.inspect.facts import Fact, Item, Origin, Problem, Value, facts_at

if TYPE_CHECKING:
    from bootwright.inspect.explore import Explorer

_MAX_TEXT = 4 << 20
_DEVICETREE_WEIGHT = 16
"""Parsing a byte of a devicetree takes about as long as expanding so many."""

_UKI_PARTS: Mapping[str, str | None] = {
    ".linux": "kernel",
    ".initrd": "initramfs",
    ".ucode": "initramfs",
    ".dtb": "devicetree",
    ".dtbauto": "devicetree",
    ".cmdline": "command-line",
    ".osrel": "os-release",
}
"""Sections that are described as what they are; `.uname` and `.sbat` are facts of the UKI itself."""


def kernel(explorer: Explorer, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """An arm64 kernel, bare or wrapped."""
    image = read_kernel_image(source)
    explorer.spend(image.file_size)
    origin = Origin(source.name, 0, len(source))
    values: dict[str, Value] = {
        "release": image.release,
        "page_size": image.page_size,
        "banner": image.banner,
        "image_size": image.image_size,
        "file_size": image.file_size,
        "efi_stub": image.efi_stub,
        "wrapping": list(image.wrapping) or None,
        "endianness": "big" if image.big_endian else None,
    }
    children: tuple[Item, ...] = ()
    try:
        config = read_kernel_config(unwrapped(source)[0])
    except BootwrightError:
        pass  # built without CONFIG_IKCONFIG=y
    else:
        children = (_config(config, Origin(source.name), "embedded configuration"),)
    return Item("kernel", name, origin, facts_at(origin, values), children, detail=image, source=source)


def uki(explorer: Explorer, source: ByteSource, name: str, depth: int) -> Item:
    """A unified kernel image."""
    headers = read_pe(source)
    origin = Origin(source.name, 0, len(source))
    values: dict[str, Value] = {
        "machine": headers.machine,
        "sections": {each.name: each.size for each in headers.sections if each.name.startswith(".")},
    }
    children: list[Item] = []
    problems: list[Problem] = []
    for section in headers.sections:
        role = _UKI_PARTS.get(section.name)
        inside = open_section(source, section)
        if section.name in {".uname", ".sbat"} and section.size <= 65536:
            text = inside.read(0, section.size).rstrip(b"\0\n").decode("utf-8", "replace")
            values[section.name[1:]] = text
        elif role is not None:
            child = explorer.follow(inside, section.name, depth + 1, role=role if role in TEXTS else None)
            if child is not None:
                children.append(child)
            elif section.size and not explorer.exhausted:
                start = inside.read(0, min(8, section.size)).hex(" ")
                message = f"{inside.name}: expected a part that is known ({role}), found {start}"
                problems.append(Problem(message, "make the image again", Origin(inside.name, 0)))
    return Item(
        "uki", name, origin, facts_at(origin, values), tuple(children), tuple(problems), headers, source
    )


def efi(explorer: Explorer, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """Any other EFI program, such as a boot loader."""
    headers = read_pe(source)
    origin = Origin(source.name, 0, len(source))
    sbat = headers.section(".sbat")
    values: dict[str, Value] = {
        "machine": headers.machine,
        "efi_application": headers.is_efi_application,
        "size": len(source),
        "sections": [each.name for each in headers.sections],
    }
    if sbat is not None and sbat.size <= 65536:
        raw = source.read(sbat.offset, sbat.size).rstrip(b"\0\n")
        values["sbat"] = raw.decode("utf-8", "replace")
    return Item("efi", name, origin, facts_at(origin, values), detail=headers, source=source)


def initramfs(explorer: Explorer, source: ByteSource, name: str, depth: int) -> Item:
    """An initramfs: its archives, and the tree they make."""
    segments = read_segments(source, limit=explorer.bytes_left, progress=explorer.progress)
    explorer.spend(sum(len(each.archive) for each in segments))
    tree = InitramfsTree(f"{source.name}:root", segments)
    more: dict[str, Value] = {
        "archives": [
            {
                "offset": each.offset,
                "size": each.size,
                "compression": each.compression,
                "expanded": len(each.archive),
            }
            for each in segments
        ]
    }
    return explore_files.described(explorer, tree, name, depth, source=source, more=more, kind="initramfs")


def devicetree(explorer: Explorer, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """A DTB or a DTBO. The parsed tree is not kept: a package has more than a thousand of them."""
    explorer.spend(len(source) * _DEVICETREE_WEIGHT)
    tree = read_fdt(source)
    origin = Origin(source.name, 0, len(source))
    facts: list[Fact] = []
    for property_name, value in (("model", tree.model), ("compatible", list(tree.compatible))):
        if value:
            place = Origin(source.name, tree.property_offset(tree.root, property_name))
            facts.append(Fact(property_name, value, place))
    facts += facts_at(origin, {"nodes": len(tree.nodes), "symbols": bool(tree.symbols) or None})
    kind = "overlay" if tree.is_overlay else "devicetree"
    return Item(kind, name, origin, tuple(facts), source=source)


def kernel_config(explorer: Explorer, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """A kernel's configuration."""
    return _config(read_kernel_config(source), Origin(source.name, 0, len(source)), name)


def _config(config: KernelConfig, origin: Origin, name: str) -> Item:
    options = config.options
    values: dict[str, Value] = {
        "options": len(options),
        "built_in": sum(value == "y" for value in options.values()),
        "modules": sum(value == "m" for value in options.values()),
        "page_size": config.page_size,
        "modules_signed": options.get("CONFIG_MODULE_SIG_FORCE") == "y" or None,
    }
    return Item("kernel-config", name, origin, facts_at(origin, values), detail=config)


def os_release(
    explorer: Explorer | None,  # noqa: ARG001
    source: ByteSource,
    name: str,
    depth: int,  # noqa: ARG001
) -> Item:
    """os-release: which operating system this is."""
    values = read_os_release(_text(source), source.name)
    wanted = {key.lower(): values.get(key) for key in ("ID", "VERSION_ID", "PRETTY_NAME")}
    origin = Origin(source.name, 0, len(source))
    return Item("os-release", name, origin, facts_at(origin, dict(wanted)), detail=values, source=source)


def command_line(explorer: Explorer, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """A kernel command line in a file or section."""
    text = _text(source).rstrip(b"\0").decode("utf-8", "replace").strip()
    origin = Origin(source.name, 0, len(source))
    values: dict[str, Value] = {"arguments": [str(each) for each in read_command_line(text)]}
    return Item("command-line", name, origin, facts_at(origin, values), detail=text, source=source)


def grub_config(explorer: Explorer, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """A grub.cfg."""
    return _menu("grub-config", read_grub_config(_text(source), source.name), source, name)


def grub_config_in(files: FileSystem, source: ByteSource, path: str) -> Item:
    """A grub.cfg on its partition, with the environment block and the files that its script asks for."""
    try:
        menu = read_grub_config(
            _text(source),
            source.name,
            load=lambda name: read_small(files, name),
            folder=path.rpartition("/")[0],
        )
    except BootwrightError as error:
        return Item("grub-config", path, Origin(source.name), problems=(Problem.of(error, source.name),))
    return _menu("grub-config", menu, source, path)


def extlinux(explorer: Explorer, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """An extlinux.conf."""
    return _menu("extlinux", read_extlinux(_text(source), source.name), source, name)


def loader_config(explorer: Explorer, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """systemd-boot's loader.conf."""
    return _menu("loader-config", read_loader_config(_text(source), source.name), source, name)


def loader_entry(explorer: Explorer, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """An entry of the Boot Loader Specification."""
    entry = read_loader_entry(_text(source), source.name)
    origin = Origin(source.name, 0, len(source))
    return Item("loader-entry", name, origin, facts_at(origin, _entry(entry)), detail=entry, source=source)


def _menu(kind: str, menu: BootMenu, source: ByteSource, name: str) -> Item:
    origin = Origin(source.name, 0, len(source))
    values: dict[str, Value] = {
        "default": menu.default,
        "timeout": menu.timeout,
        "undecided": menu.unsure or None,
    }
    children = tuple(
        Item(
            "boot-entry",
            entry.title or "(no title)",
            Origin(f"{source.name}, line {entry.line}"),
            facts_at(Origin(f"{source.name}, line {entry.line}"), _entry(entry)),
            detail=entry,
        )
        for entry in menu.entries
    )
    return Item(kind, name, origin, facts_at(origin, values), children, detail=menu, source=source)


def _entry(entry: BootEntry) -> dict[str, Value]:
    return {
        "title": entry.title,
        "version": entry.version,
        "kernel": entry.kernel,
        "initrds": list(entry.initrds) or None,
        "devicetree": entry.devicetree,
        "devicetree_directory": entry.devicetree_directory,
        "overlays": list(entry.overlays) or None,
        "arguments": [str(each) for each in read_command_line(entry.arguments)] or None,
    }


def config_txt(explorer: Explorer, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """A config.txt by itself: what it includes is not at hand."""
    return _config_txt(read_config_txt(_text(source), name), source, name)


def config_txt_in(files: FileSystem, source: ByteSource, path: str) -> Item:
    """A config.txt on its partition, with what it includes from there."""
    try:
        config = read_config_txt(
            _text(source), path.lstrip("/"), load=lambda name: read_small(files, f"/{name}")
        )
    except BootwrightError as error:
        return Item("config-txt", path, Origin(source.name), problems=(Problem.of(error, source.name),))
    return _config_txt(config, source, path)


def _config_txt(config: ConfigTxt, source: ByteSource, name: str) -> Item:
    origin = Origin(source.name, 0, len(source))
    conditions: dict[str, list[Value]] = {}
    for each in config.settings:
        conditions.setdefault(each.condition, []).append(f"{each.key}={each.value}")
    problems = tuple(Problem(text, None, origin) for text in config.problems)
    return Item(
        "config-txt",
        name,
        origin,
        facts_at(origin, {"settings": dict(conditions)}),
        problems=problems,
        detail=config,
        source=source,
    )


def _text(source: ByteSource) -> bytes:
    if len(source) > _MAX_TEXT:
        raise Malformed(source.name, None, f"a text of at most {_MAX_TEXT} bytes", f"{len(source)} bytes")
    return source.read(0, len(source))


TEXTS: Mapping[str, Callable[[Explorer, ByteSource, str, int], Item]] = {
    "command-line": command_line,
    "config-txt": config_txt,
    "extlinux": extlinux,
    "grub-config": grub_config,
    "kernel-config": kernel_config,
    "loader-config": loader_config,
    "loader-entry": loader_entry,
    "os-release": os_release,
}
"""Files that only their name tells apart."""
