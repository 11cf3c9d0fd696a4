"""Which configuration option a driver goes by, found by comparing two kernels' configurations.

No package says which option builds which module: that is in the kernel's Makefiles. But an option that one
kernel has on, that the other says is off or does not know, and whose words are all in the module's name and
its folder, is the one, where there is only one such.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from bootwright.formats.kernel.config import KernelConfig

_FILLERS = frozenset({"CONFIG", "COMMON", "DRIVER", "DRIVERS", "SUPPORT"})


def option_of(path: str, there: KernelConfig, here: KernelConfig | None) -> str | None:
    """The option of the module whose file is `path` (relative to its tree), or None where it is not clear.

    `there` is the configuration of the kernel that has the module, `here` of the one that has not.
    """
    place = PurePosixPath(path)
    name = _words(place.name.partition(".")[0])
    folders = {word for part in place.parts[:-1] for word in _words(part)}
    best: list[str] = []
    most = 0
    for option, value in there.options.items():
        if value != "m" or (here is not None and here.options.get(option) in {"y", "m"}):
            continue
        words = _words(option) - _FILLERS
        if not words or not words <= name | folders:
            continue
        shared = len(words & name)
        if shared > most:
            best, most = [option], shared
        elif shared == most and shared:
            best.append(option)
    return best[0] if len(best) == 1 else None


def _words(text: str) -> set[str]:
    return {word for word in text.upper().replace("-", "_").split("_") if word}
