"""The kernel's command line: where it comes from, and what of it decides whether drivers come up.

Splitting follows lib/cmdline.c `next_arg` (Linux 6.12): spaces separate, double quotes join, `-` and `_` in
a name are the same (kernel/params.c `parameq`), and what follows `--` is for init. The kernel takes
`/chosen/bootargs`, which the boot loader or the EFI stub writes, and CONFIG_CMDLINE where that is empty, in
front with CONFIG_CMDLINE_EXTEND, or alone with CONFIG_CMDLINE_FORCE (drivers/of/fdt.c
`early_init_dt_scan_chosen`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

from attrs import define, frozen

from bootwright.kernels.configuration.security_modules import EXCLUSIVE
from bootwright.kernels.module_rules import truth

_MOST = 4096
"""Characters; COMMAND_LINE_SIZE of arm64 is 2048."""


DECIDE = frozenset(
    (
        *("root", "rootfstype", "nomodule", "sysctl.kernel.modules_disabled", "module_blacklist"),
        *("modprobe.blacklist", "initcall_blacklist", "fw_devlink", "module.sig_enforce", "lockdown"),
        *("lsm", "security", *EXCLUSIVE),
    )
)
"""Names of arguments that a prediction asks for, beside those in conditions of knowledge files."""


@frozen
class Argument:
    """One argument."""

    name: str
    """With `_` for `-`."""
    value: str | None
    text: str
    """As written."""

    @property
    def on(self) -> bool:
        """Whether it switches something on: no value, or a true one."""
        return truth(self.value) is True


@define(frozen=True, eq=True, slots=False)
class Arguments:
    """A command line with where it was read."""

    text: str = ""
    source: str = ""
    """`the boot entry`, `/chosen/bootargs of board.dtb`, `--cmdline`, `CONFIG_CMDLINE`; empty: none known."""

    @cached_property
    def items(self) -> tuple[Argument, ...]:
        """The arguments for the kernel, in order."""
        return tuple(split(self.text))

    def last(self, name: str) -> Argument | None:
        """The last of that name, which is what counts for most parameters."""
        return next((argument for argument in reversed(self.items) if argument.name == name), None)

    def of(self, name: str) -> tuple[Argument, ...]:
        """All of that name."""
        return tuple(argument for argument in self.items if argument.name == name)

    @cached_property
    def no_modules(self) -> Argument | None:
        """The argument that keeps every module out, or None.

        `nomodule` is a core parameter (kernel/module/main.c); `sysctl.kernel.modules_disabled` is set
        before init starts (fs/proc/proc_sysctl.c do_sysctl_args).
        """
        for name in ("nomodule", "sysctl.kernel.modules_disabled"):
            argument = self.last(name)
            if argument is not None and argument.on:
                return argument
        return None

    @cached_property
    def blocked(self) -> frozenset[str]:
        """Modules the kernel refuses: module_blacklist=. The last one counts, and names are compared as they
        are (kernel/module/main.c blacklisted), so that one with `-` blocks nothing."""
        argument = self.last("module_blacklist")
        return frozenset(_listed(argument.value)) if argument is not None else frozenset()

    @cached_property
    def shunned(self) -> frozenset[str]:
        """Modules modprobe does not load for a device: every modprobe.blacklist= (kmod)."""
        return frozenset(
            name.replace("-", "_")
            for argument in self.of("modprobe.blacklist")
            for name in _listed(argument.value)
        )

    @cached_property
    def stopped_initcalls(self) -> frozenset[str]:
        """Functions that are not called: every initcall_blacklist= (init/main.c)."""
        return frozenset(
            name for argument in self.of("initcall_blacklist") for name in _listed(argument.value)
        )

    @property
    def devlink(self) -> str:
        """fw_devlink=: `off`, `permissive`, `on`, or `rpm`, the default (drivers/base/core.c, Linux 6.12)."""
        argument = self.last("fw_devlink")
        recognised = argument is not None and argument.value in {"off", "permissive", "on", "rpm"}
        return str(argument.value) if recognised and argument is not None else "rpm"


def split(text: str) -> Iterator[Argument]:
    """The arguments before `--`."""
    pieces: list[str] = []
    piece, quoted = "", False
    for char in text[:_MOST]:
        if char == '"':
            quoted = not quoted
        elif char.isspace() and not quoted:
            pieces.append(piece)
            piece = ""
            continue
        piece += char
    pieces.append(piece)
    for piece_text in pieces:
        bare = piece_text.replace('"', "")
        if bare == "--":
            return
        if bare:
            name, equals, value = bare.partition("=")
            yield Argument(name.replace("-", "_"), value if equals else None, bare)


def effective(
    loader: Arguments, bootargs: str | None, tree: str, option: Callable[[str], str | None]
) -> Arguments:
    """The command line the kernel sees.

    `loader` is what the boot loader hands over, `bootargs` the property of the devicetree `tree`, which
    counts where the loader's is not known; `option` gives a configuration option's value.
    """
    arguments = loader
    if not arguments.text.strip() and bootargs:
        arguments = Arguments(bootargs, f"/chosen/bootargs of {tree}")
    built_in = option("CONFIG_CMDLINE") or ""
    if built_in in {"", "n"}:
        return arguments
    own = Arguments(built_in, "CONFIG_CMDLINE")
    if option("CONFIG_CMDLINE_FORCE") == "y":
        return own
    if option("CONFIG_CMDLINE_EXTEND") == "y":
        return Arguments(
            f"{arguments.text} {built_in}", " and ".join(filter(None, (arguments.source, own.source)))
        )
    return arguments if arguments.text.strip() else own


def _listed(value: str | None) -> list[str]:
    return [item for item in (value or "").split(",") if item]
