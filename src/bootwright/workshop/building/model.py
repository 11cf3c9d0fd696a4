"""What is asked of a build, and what comes of it."""

from __future__ import annotations

from pathlib import Path

from attrs import field, frozen

from bootwright.kernels.model import Kernel
from bootwright.workshop.configuring.options import Fragment
from bootwright.workshop.configuring.presets import Preset
from bootwright.workshop.trees.model import KernelTree
from bootwright.workshop.trees.series import Patch


@frozen
class Order:
    """A kernel to be built."""

    tree: KernelTree
    patches: tuple[Patch, ...] | None
    """None builds the tree as it is; a series, also an empty one, in a tree of its own, so that another
    series builds again only what differs."""
    presets: tuple[Preset, ...]
    """The first is where the configuration begins."""
    base_config: str | None
    """The configuration of the first preset's kernel, where it names one."""
    fragments: tuple[Fragment, ...]
    pages: str
    """`4k`, `16k` or `64k`."""
    toolchain: str
    jobs: int | None
    devicetrees: bool
    name: str | None
    """It will be called `added-NAME`; None makes one of what it is built from."""


@frozen
class BuiltKernel:
    """A kernel built from source, in the catalogue under its name."""

    kernel: Kernel
    """As any of the catalogue: name, release, page size, image, config, modules, devicetrees."""
    key: str
    """SHA256 over all it was made of: source, patches, options, toolchain. The same key, the same bytes,
    but for what `notes` say."""
    vmlinux: Path
    """The kernel as the linker made it, with symbols, and with line numbers where they were asked for."""
    system_map: Path
    log: Path
    """Of make, all runs."""
    folder: Path
    """Where it was built, and is built on."""
    reused: bool
    """Whether it had been built before, and nothing was run."""
    cpu_seconds: float
    """Of make and what it started; 0 where nothing was run."""
    notes: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """Its name in the catalogue."""
        return self.kernel.name
