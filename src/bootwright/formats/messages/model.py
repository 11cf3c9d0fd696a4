"""A message that a kernel can print. Plain frozen facts."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

EMERGENCY, ALERT, CRITICAL, ERROR, WARNING, NOTICE, INFO, DEBUG = range(8)
"""Log levels (include/linux/kern_levels.h, Linux 6.12)."""


class Call(StrEnum):
    """What kind of function prints it: what stands before the format in the log."""

    PRINTK = "printk"
    """Nothing: the format is the whole line."""
    DEVICE = "device"
    """`DRIVER DEVICE: ` (dev_printk_emit, drivers/base/core.c)."""
    NETWORK = "network"
    """`DRIVER DEVICE INTERFACE: `, or `INTERFACE: ` alone (__netdev_printk, net/core/dev.c)."""


@frozen(order=True)
class Owner:
    """Whose code holds the format."""

    module: str
    """As in /proc/modules, with underscores; empty where it is built into the image."""
    file: str
    """The source file (`drivers/net/ethernet/cadence/macb_main.c`) as far as the bytes tell it, else where
    the module lies (`drivers/net/ethernet/cadence/macb`), or empty."""
    function: str = ""
    """Of a built-in format, where its source file is not told."""

    @property
    def name(self) -> str:
        """What to call it in one word or path."""
        return self.module or self.file or self.function


@frozen
class Format:
    """One format at one level."""

    text: str
    """As in the source, without level mark and line end; one line of it where it has several."""
    call: Call
    level: int | None
    """0 (emergency) to 7 (debug); None where the code decides it, or it goes on a line begun before."""
    owners: tuple[Owner, ...]
    kernels: tuple[str, ...]
    """Names of the kernels it was read from."""
    goes_on: bool = False
    """Whether another call can go on with its line: it has no line end, as `pr_cont` needs it."""
