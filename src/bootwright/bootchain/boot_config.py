"""What a boot loader will start: GRUB's grub.cfg, Boot Loader Specification entries, extlinux.conf.

Each reader yields the same `BootEntry`: a title, a kernel, its initramfs, devicetree and arguments.
"""

from __future__ import annotations

from attrs import evolve

from bootwright.bootchain.boot_entries import BootEntry, BootMenu
from bootwright.bootchain.grub.config import read_grub_config
from bootwright.bootchain.grub.words import text_of
from bootwright.foundation.errors import Malformed

__all__ = [
    "BootEntry",
    "BootMenu",
    "read_extlinux",
    "read_grub_config",
    "read_loader_config",
    "read_loader_entry",
]

_MAX_ENTRIES = 4096


def read_loader_entry(data: bytes, name: str) -> BootEntry:
    """A type #1 entry of the Boot Loader Specification (UAPI.1); raises `Malformed`."""
    values: dict[str, list[str]] = {}
    lines: dict[str, int] = {}
    for number, raw in enumerate(text_of(data, name).splitlines(), start=1):
        line = raw.strip()
        if line and not line.startswith("#"):
            key, _, value = line.replace("\t", " ").partition(" ")
            values.setdefault(key, []).append(value.strip())
            lines.setdefault(value.strip(), number)
    return BootEntry(
        title=_last(values, "title") or name.rpartition("/")[2],
        kernel=_last(values, "linux") or _last(values, "efi") or _last(values, "uki"),
        initrds=tuple(name for name in values.get("initrd", ()) if name),
        devicetree=_last(values, "devicetree"),
        arguments=" ".join(values.get("options", ())),
        line=1,
        overlays=tuple((_last(values, "devicetree-overlay") or "").split()),
        version=_last(values, "version"),
        id=name.rpartition("/")[2].removesuffix(".conf"),
        sort_key=_last(values, "sort-key"),
        machine_id=_last(values, "machine-id"),
        architecture=_last(values, "architecture"),
        lines=lines,
    )


def read_loader_config(data: bytes, name: str) -> BootMenu:
    """systemd-boot's loader.conf: which entry is the default; raises `Malformed`."""
    entry = {
        key: value.strip()
        for key, _, value in (
            line.strip().replace("\t", " ").partition(" ") for line in text_of(data, name).splitlines()
        )
        if not key.startswith("#")
    }
    return BootMenu((), entry.get("default"), entry.get("timeout"))


def read_extlinux(data: bytes, name: str) -> BootMenu:
    """extlinux.conf as U-Boot reads it (doc/README.pxe, U-Boot 2024.10); raises `Malformed`."""
    entries: list[BootEntry] = []
    default = timeout = None
    for number, raw in enumerate(text_of(data, name).splitlines(), start=1):
        key, _, value = raw.strip().replace("\t", " ").partition(" ")
        key, value = key.lower(), value.strip()
        if key == "label":
            entries.append(BootEntry(value, None, (), None, "", number, id=value))
            _check_number(len(entries), name)
        elif key in {"default", "ontimeout"}:
            default = value
        elif key == "menu" and value.lower() == "default" and entries:
            default = entries[-1].id
        elif key == "timeout":
            timeout = value
        elif entries:
            last = entries[-1]
            if key not in {"append", "menu"} and value:
                last = evolve(last, lines={**last.lines, **dict.fromkeys(value.split(), number)})
            if key in {"kernel", "linux", "fit"}:
                last = evolve(last, kernel=value)
            elif key == "append":
                last = evolve(last, arguments=value)
            elif key == "initrd":
                last = evolve(last, initrds=(value,))
            elif key in {"fdt", "devicetree"}:
                last = evolve(last, devicetree=value)
            elif key in {"fdtdir", "devicetreedir"}:
                last = evolve(last, devicetree_directory=value)
            elif key in {"fdtoverlays", "devicetree-overlay"}:
                last = evolve(last, overlays=tuple(value.split()))
            entries[-1] = last
    return BootMenu(tuple(entries), default, timeout)


def _check_number(count: int, name: str) -> None:
    if count > _MAX_ENTRIES:
        raise Malformed(name, None, f"at most {_MAX_ENTRIES} entries", "more")


def _last(values: dict[str, list[str]], key: str) -> str | None:
    return values[key][-1] if values.get(key) else None
