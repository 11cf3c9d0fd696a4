"""Machines a kernel can be booted on: one file each in `data/machines/`."""

from __future__ import annotations

from attrs import field, frozen

from bootwright.foundation.choices import no_such
from bootwright.foundation.errors import Refused
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import STEM, key
from bootwright.foundation.versions import Version


@frozen
class Processor:
    """A CPU model of the machine, with the page sizes it can do."""

    granules: tuple[int, ...]
    """Bytes: 4096, 16384, 65536."""
    minimum_qemu: Version
    model: str | None = None
    """QEMU's `-cpu`; None where the machine has its own and takes none."""


@frozen
class Network:
    """How the network of a machine is probed."""

    arguments: tuple[str, ...]
    """Further arguments of QEMU."""
    driver: str
    """The kernel driver of the interface that is probed."""
    modules: tuple[str, ...]
    """What has to be loaded for it."""


@frozen
class Machine:
    """A machine of the emulator, and what it stands for."""

    name: str = field(metadata=STEM)
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
    network: Network
    processors: tuple[Processor, ...] = field(metadata=key("cpu"))
    kernel_arguments: tuple[str, ...] = ()
    interrupt_mask: int | None = None
    """The physical address of the GIC's GICC_PMR (GICv2, IHI 0048B, 4.4.2), where the machine has one CPU."""
    least_memory: int | None = None
    """MiB down to which memory may be fitted to kernel and initramfs; None: `-m` stays as it is."""

    def processor(self, page_size: int, *, model: str | None = None) -> Processor:
        """The first processor with that granule; raises `Refused` when there is none.

        A kernel on a CPU without its granule hangs before its first message (arch/arm64/kernel/head.S,
        `__no_granule_support`), so that it has to be found before the boot.
        """
        chosen = [processor for processor in self.processors if model in {None, processor.model}]
        if not chosen:
            models = [str(processor.model) for processor in self.processors if processor.model]
            message = f"machine {self.name} has no CPU model {model} here"
            raise no_such(message, str(model), models, kind="CPU models")
        for processor in chosen:
            if page_size in processor.granules:
                return processor
        able = sorted({granule for processor in chosen for granule in processor.granules})
        raise Refused(
            f"a kernel with {page_size // 1024}K pages cannot boot on {self.name}"
            f"{f' with {model}' if model else ''}: its CPU does not support that page size",
            hint=f"supported: {', '.join(f'{size // 1024}K' for size in able)}; see `bootwright boot --help`",
        )


MACHINES = Kind("machines", "a machine", Machine, runs_programs=True)
