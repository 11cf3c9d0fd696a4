"""Which of the kernel's security modules runs, of those that exclude one another.

security/security.c, `ordered_lsm_parse` and `lsm_allowed` (Linux 6.12; security/lsm_init.c from 6.18 on);
Documentation/admin-guide/LSM/index.rst.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

EXCLUSIVE = {"apparmor": "APPARMOR", "selinux": "SELINUX", "smack": "SMACK"}
"""LSM_FLAG_EXCLUSIVE: name → option, without `CONFIG_SECURITY_`. All are "legacy majors" as well."""


def exclusive_module(option: Callable[[str], str | None], arguments: Mapping[str, str]) -> str | None:
    """The one of `EXCLUSIVE` that runs; None for none of them.

    `option` gives the value of a configuration option, `arguments` the last value of each kernel argument.
    """
    built = {name for name, own in EXCLUSIVE.items() if option(f"CONFIG_SECURITY_{own}") == "y"}
    # `selinux=` and `apparmor=` are read as numbers (their `__setup` functions).
    enabled = {name for name in built if arguments.get(name, "1") != "0"}
    if "lsm" in arguments:
        order = arguments["lsm"].split(",")
    else:
        order = (option("CONFIG_LSM") or "").split(",")
        major = arguments.get("security")
        if major:
            enabled &= {major}
            order.append(major)
    return next((name for name in order if name in enabled), None)
