"""Which security module runs: as Debian's kernels were seen to decide in boots of the stand-in."""

from __future__ import annotations

import pytest

from bootwright.formats.kernel.config import read_kernel_config
from bootwright.formats.sources.bytesource import Bytes
from bootwright.kernels.configuration.security_modules import exclusive_module

DEBIAN = """\
CONFIG_SECURITY_APPARMOR=y
CONFIG_SECURITY_SELINUX=y
# CONFIG_SECURITY_SMACK is not set
CONFIG_LSM="landlock,lockdown,yama,apparmor,selinux,smack,tomoyo"
"""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("selinux=1", "apparmor"),
        ("selinux=1 security=selinux", "selinux"),
        ("selinux=0 security=selinux", None),
        ("apparmor=0", "selinux"),
        ("security=smack", None),
        ("lsm=yama,selinux,apparmor", "selinux"),
        ("lsm=yama", None),
        ("security=selinux lsm=apparmor", "apparmor"),
        ("", "apparmor"),
    ],
)
def test_the_first_that_is_built_and_not_turned_off(arguments: str, expected: str | None) -> None:
    config = read_kernel_config(Bytes(DEBIAN.encode(), "config"))
    assert (
        exclusive_module(config.value, dict(argument.split("=", 1) for argument in arguments.split()))
        == expected
    )


def test_one_that_the_list_leaves_out_runs_when_it_is_asked_for() -> None:
    config = read_kernel_config(Bytes(DEBIAN.replace("selinux,", "").encode(), "config"))
    assert exclusive_module(config.value, {}) == "apparmor"
    assert exclusive_module(config.value, {"security": "selinux"}) == "selinux"
