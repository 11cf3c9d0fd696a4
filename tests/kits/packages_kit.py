"""Checkouts of the form of Talos's packages and of Talos itself, with a few lines of each file."""

from __future__ import annotations

import tarfile
from pathlib import Path

PKGFILE = """\
# syntax = example.org/bldr:v1

format: v1alpha2

vars:
  # renovate: depName=kspp
  kspp_ref: 0123456789abcdef0123456789abcdef01234567

  # renovate: datasource=git-tags
  linux_version: 6.11.9
  linux_sha256: 1111111111111111111111111111111111111111111111111111111111111111
  linux_sha512: 2222222222222222222222222222222222222222222222222222222222222222

  linux_firmware_version: 20260810
  linux_firmware_sha256: 3333333333333333333333333333333333333333333333333333333333333333
"""

# Made for the small kernel of kernel_tree_kit with another compiler, which had wings; OLDER went before 6.12.
CONFIG = """\
#
# Linux/arm64 6.11.9 Kernel Configuration
#
CONFIG_LD_HAS_WINGS=y
CONFIG_WINGS=y
# CONFIG_FLY_NOT is not set
CONFIG_FLY_WINGS=y
CONFIG_LOCALVERSION="-talos"
CONFIG_64BIT=y
# CONFIG_ARM64_4K_PAGES is not set
CONFIG_ARM64_16K_PAGES=y
# CONFIG_ARM64_64K_PAGES is not set
CONFIG_NR_CPUS=64
CONFIG_MODULES=y
CONFIG_OLDER=y
CONFIG_PCI=y
CONFIG_PHY=m
CONFIG_MDIO=m
CONFIG_ARCH_BOARD=y
# CONFIG_MACB is not set
"""

FILTER = """\
import json, sys
bad = [row for row in json.load(sys.stdin) if row["check_result"].startswith("FAIL")]
for row in bad:
    print(f"{row['option_name']:<45}|{row['desired_val']:^13}|{row['decision']:^10}|{row['reason']:^20}")
sys.exit(1 if bad else 0)
"""

# Stands for kernel-hardening-checker, which is another project's program: same arguments, same JSON.
CHECKER = """\
import json, sys
config = open(sys.argv[sys.argv.index("-c") + 1]).read()
state = "FAIL: \\"y\\"" if "CONFIG_WINGS=y" not in config else "OK"
print(json.dumps([{"option_name": "CONFIG_WINGS", "type": "kconfig", "desired_val": "y", "decision": "kspp",
                   "reason": "self_protection", "check_result": state}]))
"""

FITS = """\
--- a/fs/namespace.c
+++ b/fs/namespace.c
@@ -1,7 +1,7 @@
 int may_clone(int attached)
 {
 \tif (!attached)
-\t\treturn -22;
+\t\treturn -1;
 \treturn 0;
 }
\x20
"""

MODULES = """\
kernel/drivers/net/older.ko
kernel/drivers/phy/phy.ko
kernel/fs/namespace.ko
modules.builtin
modules.order
"""

CONSTANTS = """\
package constants

const (
\t// DefaultKernelVersion is the default Linux kernel version.
\tDefaultKernelVersion = "6.11.9-talos"

\tOther = "6.11.9-talos"
)
"""

MAKEFILE = """\
PKGS_PREFIX ?= ghcr.io/siderolabs
PKGS ?= v1.12.0-103-gf921142
PKG_CNI ?= $(PKGS_PREFIX)/cni:$(PKGS)
PKG_KERNEL ?= $(PKGS_PREFIX)/kernel:$(PKGS)
"""


def packages_checkout(folder: Path, **changes: str | None) -> Path:
    """The packages; `changes` are files by path, None for one that is left out."""
    return _written(
        folder,
        {
            "Pkgfile": PKGFILE,
            "kernel/build/config-arm64": CONFIG,
            "kernel/build/patches/0001-fits.patch": FITS,
            "kernel/build/scripts/filter-hardened-check.py": FILTER,
            **changes,
        },
    )


def image_checkout(folder: Path, **changes: str | None) -> Path:
    """Talos."""
    return _written(
        folder,
        {
            "hack/modules-arm64.txt": MODULES,
            "pkg/machinery/constants/constants.go": CONSTANTS,
            "Makefile": MAKEFILE,
            **changes,
        },
    )


def checker(folder: Path) -> Path:
    """A checkout of the hardening checker's form."""
    return _written(folder, {"bin/kernel-hardening-checker": CHECKER})


def packed(tree: Path, path: Path) -> Path:
    """The kernel as its tarball."""
    with tarfile.open(path, "w:xz", preset=0) as tar:
        tar.add(tree, path.name.removesuffix(".tar.xz"))
    return path


def _written(folder: Path, files: dict[str, str | None]) -> Path:
    for name, text in files.items():
        if text is not None:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    return folder
