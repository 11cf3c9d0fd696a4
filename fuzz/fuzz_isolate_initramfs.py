"""Any two archives are taken apart and mixed, or refused with an error that names what is wrong."""

from __future__ import annotations

from bootwright.foundation.errors import BootwrightError
from bootwright.isolate.initramfs import InitramfsMix


def one_input(data: bytes) -> None:
    """Two initramfs, one after the other with a mark between."""
    good, _, bad = data.partition(b"\0CUT\0")
    try:
        mix = InitramfsMix(good, bad, "initramfs")
    except BootwrightError:
        return
    assert mix.content(frozenset()) == good
    for name in mix.names[:4]:
        try:
            mix.content(frozenset({name}))
        except BootwrightError:
            continue
    assert all(needed <= set(mix.names) for needed in mix.needs.values())


if __name__ == "__main__":
    import sys

    import atheris

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
