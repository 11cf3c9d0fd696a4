"""A kernel configuration that the user gives: is it one, and is it of the kernel it is given for?"""

from __future__ import annotations

import re
from pathlib import Path

from attrs import frozen

from bootwright.formats.kernel.config import KernelConfig, read_kernel_config
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation.errors import Missing, Refused
from bootwright.foundation.versions import Version
from bootwright.kernels.model import Kernel

_RELEASE = re.compile(r"\d+\.\d+\S*")
_OTHERS = ("X86", "ARM", "RISCV", "PPC", "S390", "MIPS", "LOONGARCH")


@frozen
class Of:
    """The kernel that a configuration is to be of, before it is a `Kernel`."""

    name: str
    release: str
    version: Version | None
    page_size: int
    """Bytes; 0 where it is not known."""


def read_config(path: Path, of: Of | Kernel | None) -> KernelConfig:
    """A configuration that the user gave, checked against the kernel it is to be of, where there is one.

    Raises `Missing` where there is no such file, `Malformed` where it is no kernel configuration, and
    `Refused` where it is another architecture's, another release's or another page size's. A file that does
    not say of which release it is (its head was cut off) is taken.
    """
    try:
        config = read_kernel_config(FileBytes(path))
    except OSError as error:
        raise Missing(f"cannot read {path}: {error.strerror}", hint="check the name") from error
    if config.value("CONFIG_ARM64") != "y":
        arch = config.arch or next((name for name in _OTHERS if config.value(f"CONFIG_{name}")), None)
        raise Refused(
            f"{path}: expected the configuration of an arm64 kernel, found one "
            f"{f'for {arch.lower()}' if arch else 'without CONFIG_ARM64=y'}",
            hint="give the config-… that belongs to the kernel",
        )
    if of is not None:
        _check_release(path, config, of)
        if config.page_size and of.page_size and config.page_size != of.page_size:
            raise Refused(
                f"{path} is for {config.page_size // 1024}K pages, and {of.name} has "
                f"{of.page_size // 1024}K pages",
                hint="give the configuration of that kernel",
            )
    return config


def _check_release(path: Path, config: KernelConfig, of: Of | Kernel) -> None:
    # Distributions put the release into CONFIG_BUILD_SALT (init/Kconfig, Linux 6.12).
    salt = config.value("CONFIG_BUILD_SALT") or ""
    version = Version.parse(config.version or "")
    # A release candidate's numbers are those of its release.
    other = version is not None and of.version is not None and of.version.key[0] != version.key[0]
    if other or (_RELEASE.fullmatch(salt) and salt != of.release):
        configured = salt if _RELEASE.fullmatch(salt) else config.version
        raise Refused(
            f"{path} is the configuration of Linux {configured}, and {of.name} is {of.release}",
            hint="give its own, or leave the kernel out to judge by the configuration alone",
        )
