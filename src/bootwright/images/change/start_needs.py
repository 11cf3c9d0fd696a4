"""What the init of an image needs of its kernel beyond modules, checked before another kernel is put in."""

from __future__ import annotations

from collections.abc import Sequence

from bootwright.foundation.errors import Refused
from bootwright.images.parts.inits import Init
from bootwright.images.parts.kernel_part import KernelFiles
from bootwright.images.parts.security_modules import exclusive_module


def refuse_without_selinux(kernel: KernelFiles, init: Init, arguments: Sequence[str]) -> None:
    """Raises `Refused` for a kernel on which the init finds no selinuxfs, though the arguments ask for it.

    Nothing is said where the kernel's configuration is not known.
    """
    asked = init.selinuxfs_for
    config = kernel.configuration()
    if asked not in arguments or config is None:
        return
    if config.value("CONFIG_SECURITY_SELINUX") != "y":
        raise Refused(
            f"{init.title}'s init mounts selinuxfs ({asked}), and {kernel.release} has no SELinux",
            hint=f"take the argument away: --cmdline '-{asked}', or build it with CONFIG_SECURITY_SELINUX=y",
        )
    running = exclusive_module(config, arguments)
    if running != "selinux":
        raise Refused(
            f"{init.title}'s init mounts selinuxfs ({asked}), and {kernel.release} runs "
            f"{running or 'no such security module'} instead of SELinux (CONFIG_LSM)",
            hint="choose it: --cmdline '+security=selinux'",
        )
