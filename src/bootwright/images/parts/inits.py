"""What the init of an image expects of its kernel: one file for each system in `data/inits/`."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import field, frozen

from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import STEM


@frozen(kw_only=True)
class Init:
    """An init that loads no module before it mounts what it needs."""

    name: str = field(metadata=STEM)
    title: str
    source: str
    root: str
    """The squashfs in the initramfs by which it is known, without a slash in front."""
    mounts_root: tuple[str, ...]
    """Modules without which the root cannot be mounted."""
    ends_without: tuple[str, ...] = ()
    """Modules of what it mounts next, and ends without."""
    mounts: tuple[str, ...] = ()
    """Modules of what it mounts on some machines."""


INITS = Kind("inits", "an init", Init)


def init_of(names: Iterable[str]) -> Init | None:
    """The init of an initramfs with files of these names, without a slash in front; None for any other."""
    by_root = {init.root: init for init in INITS.all().values()}
    return next((by_root[name] for name in names if name in by_root), None)
