"""What a file system knows of a file beside its bytes: owner, times, device, extended attributes.

Readers of boot artifacts need none of it; whoever makes a file system again must keep all of it.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping

from attrs import field, frozen


@frozen
class Times:
    """Nanoseconds since 1970."""

    accessed: int
    modified: int
    changed: int
    created: int

    @classmethod
    def all_at(cls, seconds: int) -> Times:
        """The same for all four."""
        return cls(*(seconds * 1_000_000_000,) * 4)


@frozen
class Attributes:
    """Of one file, directory, link or node."""

    mode: int
    """Type and permissions, as `st_mode`."""
    uid: int = 0
    gid: int = 0
    times: Times = Times(0, 0, 0, 0)
    device: tuple[int, int] = (0, 0)
    """Major and minor number of a device node."""
    extended: Mapping[str, bytes] = field(factory=dict, hash=False)
    """By full name: `security.selinux`, `user.x`."""
    links: int = 1

    @property
    def permissions(self) -> int:
        """The lower twelve bits of the mode."""
        return stat.S_IMODE(self.mode)

    @property
    def is_device(self) -> bool:
        """A block or character device."""
        return stat.S_ISBLK(self.mode) or stat.S_ISCHR(self.mode)
