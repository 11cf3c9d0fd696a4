"""Which configuration option a driver goes by, found by comparing two kernels' configurations.

No package says which option builds which module: that is in the kernel's Makefiles. But an option that one
kernel has on, that the other says is off or does not know, and whose words are in the module's name and its
folder, or in the device's compatible, is the one, where there is only one such.
"""

from __future__ import annotations

from collections.abc import Iterable
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
        shared = len(words & name)
        # An option may name the family of chips as well: one word more is one too many for short names.
        if not words or len(words - name - folders) > (1 if shared >= 3 else 0):
            continue
        if shared > most:
            best, most = [option], shared
        elif shared == most and shared:
            best.append(option)
    return best[0] if len(best) == 1 else None


def option_like(
    compatibles: Iterable[str], here: KernelConfig, there: KernelConfig | None = None
) -> str | None:
    """The option that is off in a configuration and shares most words with a compatible; None: none clearly.

    At least two words and half of the option's own must be shared, and no other may share as many. `there`
    is the configuration of a kernel that has the driver, where there is one: the option is on in it.
    """
    for compatible in compatibles:
        wanted = _words(compatible.replace(",", "_"))
        scores = sorted(
            (len(words & wanted), -len(words), option)
            for option in here.unset
            if (there is None or there.options.get(option) in {"y", "m"})
            and len((words := _words(option) - _FILLERS) & wanted) >= max(2, (len(words) + 1) // 2)
        )
        if scores and (len(scores) == 1 or scores[-1][:1] != scores[-2][:1]):
            return scores[-1][2]
    return None


def _words(text: str) -> set[str]:
    return {word for word in text.upper().replace("-", "_").split("_") if word}
