"""Which of the kernel's security modules runs, of those that exclude one another.

security/security.c, `ordered_lsm_parse` and `lsm_allowed` (Linux 6.12; security/lsm_init.c from 6.18 on);
Documentation/admin-guide/LSM/index.rst.
"""

from __future__ import annotations

from collections.abc import Sequence

from bootwright.formats.kernel.config import KernelConfig

EXCLUSIVE = {"apparmor": "APPARMOR", "selinux": "SELINUX", "smack": "SMACK"}
"""LSM_FLAG_EXCLUSIVE: name → option, without `CONFIG_SECURITY_`. All are "legacy majors" as well."""


def exclusive_module(config: KernelConfig, arguments: Sequence[str]) -> str | None:
    """The one of `EXCLUSIVE` that runs with these arguments; None for none of them."""
    given = dict(argument.partition("=")[::2] for argument in arguments)
    built = {name for name, option in EXCLUSIVE.items() if config.value(f"CONFIG_SECURITY_{option}") == "y"}
    # `selinux=` and `apparmor=` are read as numbers (their `__setup` functions); the last one counts.
    enabled = {name for name in built if given.get(name, "1") != "0"}
    if "lsm" in given:
        order = given["lsm"].split(",")
    else:
        order = (config.value("CONFIG_LSM") or "").split(",")
        major = given.get("security")
        if major:
            enabled &= {major}
            order.append(major)
    return next((name for name in order if name in enabled), None)
