"""Why a driver that is there is not used: arguments of the kernel, modprobe.d, modules that are refused."""

from __future__ import annotations

from typing import Protocol

from bootwright.formats.kernel.built_in import BuiltIn
from bootwright.formats.modules.modprobe_config import Directive, ModprobeConfig
from bootwright.formats.modules.module_index import ModuleIndex
from bootwright.kernels.module_rules import Refusal
from bootwright.predict.kernel.candidates import Obstacle
from bootwright.predict.kernel.module_checks import ModuleChecks
from bootwright.predict.start.arguments import Arguments


class KernelFacts(Protocol):
    """What of a kernel decides whether it uses a driver that is there."""

    @property
    def arguments(self) -> Arguments:
        """The command line it is started with."""
        ...

    @property
    def built_in(self) -> BuiltIn:
        """What is built into the Image."""
        ...

    @property
    def modules(self) -> ModuleIndex | None:
        """The index of its modules."""
        ...

    @property
    def initramfs_modules(self) -> frozenset[str] | None:
        """Names of the modules in the initramfs; None when no initramfs was given."""
        ...

    @property
    def early_modprobe(self) -> ModprobeConfig | None:
        """What the initramfs says to modprobe."""
        ...

    @property
    def root_modprobe(self) -> ModprobeConfig | None:
        """What the root file system says to modprobe."""
        ...

    @property
    def checks(self) -> ModuleChecks | None:
        """Whether it takes the modules of its tree."""
        ...


def initcall_obstacle(kernel: KernelFacts, driver_name: str) -> Obstacle | None:
    """The argument that keeps a built-in driver from being registered, or None."""
    stopped = kernel.arguments.stopped_initcalls
    if not stopped:
        return None
    for driver in kernel.built_in.drivers:
        name = driver.registered_by
        if driver.name == driver_name and name in stopped:
            return Obstacle(
                f"the kernel's arguments keep {name} from being called, which registers this driver "
                f"({kernel.arguments.source})",
                f"take {name} out of initcall_blacklist=",
                "init/main.c initcall_blacklisted, Linux 6.12",
            )
    return None


def module_obstacle(kernel: KernelFacts, module: str) -> Obstacle | None:
    """Why a module that is there cannot be loaded, or None."""
    arguments = kernel.arguments
    if arguments.no_modules is not None:
        return Obstacle(
            f"the argument {arguments.no_modules.text} ({arguments.source}) keeps the kernel from "
            f"loading any module, and this driver is in the module {module}",
            f"take {arguments.no_modules.text} out of the kernel's arguments",
            "kernel/module/main.c may_init_module, modules_disabled, Linux 6.12",
        )
    if kernel.modules is None:
        return None
    for needed in (module, *kernel.modules.closure(module, soft=False)):
        obstacle = _forbidden(kernel, needed, asked=needed == module)
        if obstacle is not None:
            return obstacle
        if needed not in kernel.modules:
            return Obstacle(
                f"the module {module} cannot be loaded without {needed}, which is not among the modules",
                f"put the module {needed} beside {module}",
                "the module's depends: modprobe loads those first",
            )
        refused = kernel.checks.by_index(needed) if kernel.checks is not None else None
        if refused is not None:
            return obstacle_of(module, needed, refused)
    return None


def _forbidden(kernel: KernelFacts, module: str, *, asked: bool) -> Obstacle | None:
    """By the command line or modprobe.d; `asked` says whether udev asks for it, or another module."""
    arguments = kernel.arguments
    if module in arguments.blocked or (asked and module in arguments.shunned):
        return Obstacle(
            f"the kernel's arguments forbid the module {module}",
            f"take {module} out of module_blacklist= or modprobe.blacklist=",
            "kernel/module/main.c blacklisted; kmod's modprobe.blacklist",
        )
    if arguments.stopped_initcalls and kernel.checks is not None and kernel.modules is not None:
        names = kernel.checks.init_functions(module) if module in kernel.modules else ()
        stopped = next((name for name in names if name in arguments.stopped_initcalls), None)
        if stopped is not None:
            return Obstacle(
                f"the kernel's arguments keep {stopped} of the module {module} from being called",
                f"take {stopped} out of initcall_blacklist=",
                "init/main.c initcall_blacklisted, Linux 6.12",
            )
    line = prevented(kernel, module, asked=asked)
    if line is None:
        return None
    return Obstacle(
        f"'{line}' ({line.where}) keeps modprobe from loading the module {module}",
        f"take that line out of {line.where.rpartition(':')[0]}",
        "modprobe.d(5)",
        # An initramfs alone does not say what the root file system does afterwards.
        certain=kernel.root_modprobe is not None,
    )


def prevented(kernel: KernelFacts, module: str, *, asked: bool, early: bool = False) -> Directive | None:
    """The line of modprobe.d that keeps a module from being loaded wherever it is, or None.

    With `early`, only what happens in the initramfs counts.
    """
    first = _preventing(kernel.early_modprobe, module, asked=asked)
    if early:
        return first
    last = _preventing(kernel.root_modprobe, module, asked=asked)
    if kernel.initramfs_modules is not None and module in kernel.initramfs_modules:
        return first if first is not None and (last is not None or kernel.root_modprobe is None) else None
    return last


def obstacle_of(module: str, refused_module: str, refused: Refusal) -> Obstacle:
    """The refusal of a module, or of one that it depends on, in words."""
    what = (
        f"the module {module}"
        if refused_module == module
        else f"the module {refused_module}, which {module} needs,"
    )
    outcome = "is refused" if refused.certain else "may be refused"
    return Obstacle(
        f"{what} {outcome} ({refused.file}): {refused.reason}", refused.remedy, refused.rule, refused.certain
    )


def _preventing(config: ModprobeConfig | None, module: str, *, asked: bool) -> Directive | None:
    """`install` counts for every load, `blacklist` only for one by an alias, and not for one by name."""
    if config is None:
        return None
    for directive in config.of(module, "install", "blacklist"):
        if directive.prevents or (directive.command == "blacklist" and asked and module not in config.loads):
            return directive
    return None
