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

from bootwright.kernels.module_rules import truth

_MOST = 4096
"""Characters; COMMAND_LINE_SIZE of arm64 is 2048."""


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
        return next((one for one in reversed(self.items) if one.name == name), None)

    def of(self, name: str) -> tuple[Argument, ...]:
        """All of that name."""
        return tuple(one for one in self.items if one.name == name)

    @cached_property
    def no_modules(self) -> Argument | None:
        """The argument that keeps every module out, or None.

        `nomodule` is a core parameter (kernel/module/main.c); `sysctl.kernel.modules_disabled` is set
        before init starts (fs/proc/proc_sysctl.c do_sysctl_args).
        """
        for name in ("nomodule", "sysctl.kernel.modules_disabled"):
            found = self.last(name)
            if found is not None and found.on:
                return found
        return None

    @cached_property
    def blocked(self) -> frozenset[str]:
        """Modules the kernel refuses: module_blacklist=. The last one counts, and names are compared as they
        are (kernel/module/main.c blacklisted), so that one with `-` blocks nothing."""
        found = self.last("module_blacklist")
        return frozenset(_listed(found.value)) if found is not None else frozenset()

    @cached_property
    def shunned(self) -> frozenset[str]:
        """Modules modprobe does not load for a device: every modprobe.blacklist= (kmod)."""
        return frozenset(
            name.replace("-", "_") for one in self.of("modprobe.blacklist") for name in _listed(one.value)
        )

    @cached_property
    def stopped_initcalls(self) -> frozenset[str]:
        """Functions that are not called: every initcall_blacklist= (init/main.c)."""
        return frozenset(name for one in self.of("initcall_blacklist") for name in _listed(one.value))

    @property
    def devlink(self) -> str:
        """fw_devlink=: `off`, `permissive`, `on`, or `rpm`, the default (drivers/base/core.c, Linux 6.12)."""
        found = self.last("fw_devlink")
        known = found is not None and found.value in {"off", "permissive", "on", "rpm"}
        return str(found.value) if known and found is not None else "rpm"


def split(text: str) -> Iterator[Argument]:
    """The arguments before `--`."""
    words: list[str] = []
    word, quoted = "", False
    for char in text[:_MOST]:
        if char == '"':
            quoted = not quoted
        elif char.isspace() and not quoted:
            words.append(word)
            word = ""
            continue
        word += char
    words.append(word)
    for each in words:
        bare = each.replace('"', "")
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
    found = loader
    if not found.text.strip() and bootargs:
        found = Arguments(bootargs, f"/chosen/bootargs of {tree}")
    built_in = option("CONFIG_CMDLINE") or ""
    if built_in in {"", "n"}:
        return found
    own = Arguments(built_in, "CONFIG_CMDLINE")
    if option("CONFIG_CMDLINE_FORCE") == "y":
        return own
    if option("CONFIG_CMDLINE_EXTEND") == "y":
        return Arguments(f"{found.text} {built_in}", " and ".join(filter(None, (found.source, own.source))))
    return found if found.text.strip() else own


def _listed(value: str | None) -> list[str]:
    return [one for one in (value or "").split(",") if one]
