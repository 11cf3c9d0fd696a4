"""What the init of an image needs of its kernel beyond modules, checked before another kernel is put in."""

from __future__ import annotations

from collections.abc import Sequence

from bootwright.foundation.errors import Refused
from bootwright.images.parts.kernel_part import KernelFiles
from bootwright.kernels.security_modules import exclusive_module

_ASKED = "selinux=1"


def refuse_without_selinux(kernel: KernelFiles, arguments: Sequence[str]) -> None:
    """Raises `Refused` for a kernel on which an init of Talos finds no selinuxfs.

    With `selinux=1` it mounts selinuxfs whatever became of SELinux, and ends where it cannot
    (siderolabs/talos v1.12.1 internal/pkg/selinux and internal/pkg/mount/v3/helpers.go).
    Nothing is said where the kernel's configuration is not known.
    """
    config = kernel.configuration()
    if _ASKED not in arguments or config is None:
        return
    if config.value("CONFIG_SECURITY_SELINUX") != "y":
        raise Refused(
            f"the image's init mounts selinuxfs ({_ASKED}), and {kernel.release} has no SELinux",
            hint=f"take the argument away: --cmdline '-{_ASKED}', or build it with CONFIG_SECURITY_SELINUX=y",
        )
    running = exclusive_module(config, arguments)
    if running != "selinux":
        raise Refused(
            f"the image's init mounts selinuxfs ({_ASKED}), and {kernel.release} runs "
            f"{running or 'no such security module'} instead of SELinux (CONFIG_LSM)",
            hint="choose it: --cmdline '+security=selinux'",
        )
