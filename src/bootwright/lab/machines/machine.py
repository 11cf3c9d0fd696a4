"""Machines a kernel can be booted on: one file each in `data/machines/`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from attrs import frozen

from bootwright.foundation.errors import Malformed, Refused
from bootwright.foundation.places import data_files
from bootwright.foundation.versions import Version


@frozen
class Processor:
    """A CPU model of the machine, with the page sizes it can do."""

    model: str | None
    """QEMU's `-cpu`; None where the machine has its own and takes none."""
    granules: tuple[int, ...]
    """Bytes: 4096, 16384, 65536."""
    minimum_qemu: Version


@frozen
class Machine:
    """A machine of the emulator, and what it stands for."""

    name: str
    description: str
    stands_for: str
    """What of real hardware a boot on it says something about."""
    limits: str
    """What it says nothing about."""
    source: str
    machine: str
    """QEMU's `-machine`."""
    minimum_qemu: Version
    console: str
    """The kernel's `console=`."""
    arguments: tuple[str, ...]
    """Further arguments; `-m` among them is the most memory, in MiB."""
    least_memory: int | None
    """MiB down to which memory may be fitted to kernel and initramfs; None: `-m` stays as it is."""
    network: tuple[str, ...]
    """Further arguments when the network is probed."""
    network_driver: str
    """The kernel driver of the interface that is probed."""
    network_modules: tuple[str, ...]
    """What has to be loaded for it."""
    kernel_arguments: tuple[str, ...]
    processors: tuple[Processor, ...]

    def processor(self, page_size: int, *, model: str | None = None) -> Processor:
        """The first processor with that granule; raises `Refused` when there is none.

        A kernel on a CPU without its granule hangs before its first message (arch/arm64/kernel/head.S,
        `__no_granule_support`), so that it has to be found before the boot.
        """
        chosen = [each for each in self.processors if model in {None, each.model}]
        if not chosen:
            known = ", ".join(str(each.model) for each in self.processors if each.model)
            raise Refused(
                f"machine {self.name} has no CPU model {model} here", hint=f"known: {known or 'none'}"
            )
        for each in chosen:
            if page_size in each.granules:
                return each
        able = sorted({granule for each in chosen for granule in each.granules})
        raise Refused(
            f"a kernel with {page_size // 1024}K pages cannot boot on {self.name}"
            f"{f' with {model}' if model else ''}: its CPU has no such granule",
            hint=f"it can do {', '.join(f'{size // 1024}K' for size in able)}; see `bootwright boot --help`",
        )


def names() -> list[str]:
    """Every machine's name."""
    return [path.stem for path in data_files("machines")]


def machine(name: str) -> Machine:
    """The machine of that name; raises `Refused` when there is none."""
    for path in data_files("machines"):
        if path.stem == name:
            return load(path)
    raise Refused(f"there is no machine {name}", hint=f"known machines: {', '.join(names())}")


def load(path: Path) -> Machine:
    """Read one machine's file; raises `Malformed`."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise Malformed(str(path), None, "a machine's description", str(error)) from error
    return from_table(table, path)


def from_table(table: dict[str, Any], path: Path) -> Machine:
    """A machine named after its file; raises `Malformed`."""
    try:
        return Machine(
            name=path.stem,
            description=table["description"],
            stands_for=table["stands_for"],
            limits=table["limits"],
            source=table["source"],
            machine=table["machine"],
            minimum_qemu=minimum_qemu(table),
            console=table["console"],
            arguments=tuple(table["arguments"]),
            least_memory=int(table["least_memory"]) if "least_memory" in table else None,
            network=tuple(table["network"]["arguments"]),
            network_driver=table["network"]["driver"],
            network_modules=tuple(table["network"]["modules"]),
            kernel_arguments=tuple(table.get("kernel_arguments", ())),
            processors=tuple(
                Processor(each.get("model"), tuple(each["granules"]), minimum_qemu(each))
                for each in table["cpu"]
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed(
            str(path), None, "a machine's description", f"{type(error).__name__} {error}"
        ) from error


def minimum_qemu(table: dict[str, Any]) -> Version:
    """The oldest QEMU that a description asks for; raises `KeyError` or `ValueError` where it names none."""
    version = Version.parse(table["minimum_qemu"])
    if version is None:
        message = f"minimum_qemu {table['minimum_qemu']!r} is no version"
        raise ValueError(message)
    return version
