"""Build a kernel: from the source as given to a kernel of the catalogue."""

from __future__ import annotations

import hashlib
import re
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field

from bootwright.foundation import atomic
from bootwright.foundation.cache import KERNEL_BUILDS, KERNEL_SYMBOLS
from bootwright.foundation.errors import Refused
from bootwright.foundation.processes.locks import locked
from bootwright.foundation.progress import Progress
from bootwright.kernels.store import ADDED, Manifest, Store
from bootwright.workshop.building.configure import PAGE_SIZES, Wanted, configure, read_values, wanted_options
from bootwright.workshop.building.keep import Made, keep, known, slug
from bootwright.workshop.building.make import REPRODUCIBLE, Make
from bootwright.workshop.building.model import BuiltKernel, Order
from bootwright.workshop.building.toolchain import Toolchain, find_toolchain, jobs
from bootwright.workshop.trees.patched import configuring_state, patched_tree

_FORM = 1
"""Raised when what is built of the same changes."""


def build(order: Order, store: Store, progress: Progress) -> BuiltKernel:
    """The kernel that is asked for; what was built of the very same is taken as it is.

    Killed at any point, the next call goes on where it stopped. Raises `Refused` for a patch that does not
    apply and an option that does not stick, `Missing` for a program or room on the disk, `ToolFailed` with
    the first error where the build fails.
    """
    workshop = _Workshop(order, store, progress, find_toolchain(order.toolchain))
    manifest = known(store, workshop.name, workshop.key)
    symbols = workshop.symbols
    if manifest is not None and symbols.is_dir():
        KERNEL_SYMBOLS.used(symbols)
        return workshop.result(manifest, reused=True, cpu_seconds=0.0)
    with locked(store.root / "locks" / f"build-{workshop.place.name}.lock", progress):
        return workshop.build()


def check_configuration(order: Order, progress: Progress) -> Path:
    """Only configure, and hold that against what is asked for; returns the `.config` that a build would have.

    Raises what `build` raises before it compiles.
    """
    workshop = _Workshop(order, Store(KERNEL_BUILDS.folder()), progress, find_toolchain(order.toolchain))
    with locked(KERNEL_BUILDS.folder() / f"{workshop.place.name}.lock", progress):
        return workshop.configured() / ".config"


@define
class _Workshop:
    order: Order
    store: Store
    progress: Progress
    toolchain: Toolchain
    wanted: Wanted = field(init=False)
    notes: list[str] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        order = self.order
        options, overridden = wanted_options(order.presets, order.fragments, order.pages, order.tree.version)
        base = order.base_config or order.presets[0].base
        if base is None:
            raise Refused(f"preset {order.presets[0].name} has no start", hint="name one that has")
        self.wanted = Wanted(base, options, overridden)
        self.notes += overridden

    @property
    def state(self) -> str:
        """What the files of the tree are, with the patches."""
        patches = self.order.patches or ()
        digests = "".join(patch.digest for patch in patches)
        series = hashlib.sha256(digests.encode()).hexdigest() if patches else "-"
        return f"{self.order.tree.identity} {series}"

    @property
    def configuring(self) -> str:
        """What of the tree, once it is laid out, decides the configuration."""
        if self.order.patches is None:
            return self.order.tree.identity
        return configuring_state(self.order.tree, self.place)

    @property
    def key(self) -> str:
        """See `BuiltKernel.key`."""
        parts = (
            str(_FORM), self.state, self.wanted.digest, self.order.pages, self.toolchain.version,
            self.toolchain.linker_version, str(self.order.devicetrees), repr(sorted(REPRODUCIBLE.items())),
        )  # fmt: skip
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    @property
    def place(self) -> Path:
        """Where it is built: a folder for each source, configuration and compiler, whatever the patches."""
        tree = self.order.tree
        parts = (
            str(_FORM), tree.identity if tree.kept else str(tree.folder), str(self.order.patches is not None),
            self.wanted.digest, self.toolchain.version, self.toolchain.linker_version,
        )  # fmt: skip
        return KERNEL_BUILDS.folder() / hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]

    @property
    def name(self) -> str:
        """Its name in the catalogue."""
        if self.order.name is not None:
            return f"{ADDED}-{self.order.name}"
        label = slug("-".join(preset.name for preset in self.order.presets))
        return f"{ADDED}-{slug(self.order.tree.version)}-{label}-{self.order.pages}-{self.key[:8]}"

    @property
    def symbols(self) -> Path:
        """Where what is not part of a kernel of the catalogue is kept."""
        return KERNEL_SYMBOLS.folder() / self.key[:32]

    def configured(self) -> Path:
        """The output folder, configured."""
        make = self._make()
        configure(make, self.wanted, self.configuring, self.progress)
        return make.output

    def build(self) -> BuiltKernel:
        """Build it, and put it into the catalogue."""
        before = _cpu()
        make = self._make()
        configure(make, self.wanted, self.configuring, self.progress)
        values = read_values(make.output / ".config")
        modules = values.get("MODULES") == "y" and "m" in values.values()
        targets = ["Image", *(["modules"] if modules else ()), *(["dtbs"] if self.order.devicetrees else ())]
        make.build(
            targets, f"build {' and '.join(targets)} of {self.order.tree.version} with {make.jobs} jobs"
        )
        made = Made(
            image=make.output / "arch/arm64/boot/Image",
            config=make.output / ".config",
            modules=self._modules(make, built=modules),
            devicetrees=self._devicetrees(make),
        )
        spent = _cpu() - before
        KERNEL_SYMBOLS.drop(self.symbols.name)
        KERNEL_SYMBOLS.kept_folder(self.symbols.name, lambda work: _symbols(make, work))
        if values.get("MODULE_SIG") == "y" and values.get("MODULE_SIG_KEY") == '"certs/signing_key.pem"':
            self.notes.append(
                "its modules are signed with a key made for this build, so another build differs in its "
                "bytes: CONFIG_MODULE_SIG_KEY names one of yours"
            )
        manifest = keep(
            self.store,
            made,
            name=self.name,
            page_size=PAGE_SIZES[self.order.pages],
            key=self.key,
            provenance=dict(self._provenance()),
            progress=self.progress,
        )
        KERNEL_BUILDS.used(self.place)
        return self.result(manifest, reused=False, cpu_seconds=spent)

    def result(self, manifest: Manifest, *, reused: bool, cpu_seconds: float) -> BuiltKernel:
        """What is handed back of a kernel in the catalogue."""
        return BuiltKernel(
            kernel=self.store.kernel(manifest),
            key=self.key,
            vmlinux=self.symbols / "vmlinux",
            system_map=self.symbols / "System.map",
            log=self.symbols / "build.log",
            folder=self.place,
            reused=reused,
            cpu_seconds=cpu_seconds,
            notes=tuple(self.notes),
        )

    def _make(self) -> Make:
        """The tree with its patches, and make for it."""
        place = self.place
        if not place.is_dir():
            try:
                place.mkdir(parents=True)
            except OSError as error:
                raise atomic.explained(error, place) from error
            KERNEL_BUILDS.evict(keep=place)
        KERNEL_BUILDS.used(place)
        tree = self.order.tree.folder
        if self.order.patches is not None:
            tree = patched_tree(self.order.tree, self.order.patches, place, self.progress)
        for folder in (tree, place):
            if re.search(r"[\s:]", str(folder)):
                raise Refused(  # Makefile (Linux 6.12): "cannot contain spaces nor colons"
                    f"a kernel's make can take no folder with spaces nor colons: {folder}",
                    hint="move the source" if folder is tree else "set BOOTWRIGHT_CACHE to another folder",
                )
        return Make(
            tree, place / "output", self.toolchain, jobs(self.order.jobs), place / "build.log", self.progress
        )

    def _modules(self, make: Make, *, built: bool) -> Path | None:
        install = self.place / "install"
        shutil.rmtree(install, ignore_errors=True)
        if built:
            variables = {"INSTALL_MOD_PATH": str(install), "INSTALL_MOD_STRIP": "1", "DEPMOD": "true"}
            make.build(["modules_install"], "install modules", variables)
            return next((install / "lib/modules").glob("*"), None)
        install.mkdir(parents=True)
        for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
            if (make.output / name).is_file():
                shutil.copyfile(make.output / name, install / name)
        return install

    def _devicetrees(self, make: Make) -> Path | None:
        if not self.order.devicetrees:
            return None
        install = self.place / "dtbs"
        shutil.rmtree(install, ignore_errors=True)
        make.build(["dtbs_install"], "install devicetrees", {"INSTALL_DTBS_PATH": str(install)})
        return install if install.is_dir() else None

    def _provenance(self) -> Iterator[tuple[str, str]]:
        order = self.order
        yield "source", order.tree.origin
        for number, patch in enumerate(order.patches or (), 1):
            yield f"patch {number}", f"{patch.name}, SHA256 {patch.digest}"
        yield "presets", ", ".join(preset.name for preset in order.presets)
        for number, fragment in enumerate(order.fragments, 1):
            yield f"fragment {number}", fragment.name
        yield "compiler", f"{self.toolchain.version}; {self.toolchain.linker_version}"


def _symbols(make: Make, work: Path) -> None:
    for path in (make.output / "vmlinux", make.output / "System.map", make.log):
        shutil.copyfile(path, work / path.name)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
