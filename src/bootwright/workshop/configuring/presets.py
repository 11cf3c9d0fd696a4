"""Where a configuration begins, and what it adds: one file of `data/kernel-presets/` each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from attrs import field, frozen

from bootwright.foundation.errors import Malformed, Refused
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import STEM
from bootwright.foundation.versions import Version
from bootwright.workshop.configuring.options import Asked

_TARGETS = ("allnoconfig", "tinyconfig", "defconfig")


@frozen
class Preset:
    """A start, or options that go with any start."""

    name: str = field(metadata=STEM)
    what: str
    source: str
    base: str | None = None
    """A target of the kernel's own that makes a configuration: `allnoconfig`, `defconfig`."""
    base_kernel: str | None = None
    """A kernel of the catalogue whose configuration is the start, with `{series}` and `{pages}`."""
    options: Mapping[str, str] = field(factory=dict, hash=False)
    """Name with `CONFIG_` → value as in a `.config`."""
    since: Mapping[str, Mapping[str, str]] = field(factory=dict, hash=False)
    """Kernel version → options that came with it."""
    devicetrees: bool = False
    """Whether the tree's devicetrees are built."""

    @property
    def starts(self) -> bool:
        """Whether a configuration can begin with it."""
        return self.base is not None or self.base_kernel is not None

    def asked(self, version: str) -> dict[str, Asked]:
        """Its options, as they are asked for of a kernel of this version."""
        kernel = Version.parse(version) or Version.parse(version.partition("-")[0])
        options = dict(self.options)
        for first, more in self.since.items():
            came = Version.parse(first)
            if kernel is not None and came is not None and came <= kernel:
                options |= more
        return {
            name.removeprefix("CONFIG_"): Asked(value, f"preset {self.name}")
            for name, value in options.items()
        }


PRESETS = Kind("kernel-presets", "a preset of kernel options", Preset)
DEFAULT = "probe"


def chosen(names: Sequence[str]) -> tuple[Preset, ...]:
    """The presets of these names, the one that a configuration begins with first (default: `probe`).

    Raises `Refused` for an unknown name and for two that begin, `Malformed` for a file that is not right.
    """
    presets = [PRESETS.get(name) for name in dict.fromkeys(names)]
    for preset in presets:
        for problem in problems(preset):
            raise Malformed(f"kernel-presets/{preset.name}", None, "a preset", problem)
    starts = [preset for preset in presets if preset.starts]
    if len(starts) > 1:
        raise Refused(
            f"a configuration cannot begin with {starts[0].name} and with {starts[1].name}",
            hint=f"name one of them; these go with any: {', '.join(_additions())}",
        )
    first = starts[0] if starts else PRESETS.get(DEFAULT)
    return first, *(preset for preset in presets if preset is not first)


def _additions() -> Iterator[str]:
    return (name for name, preset in PRESETS.all().items() if not preset.starts)


def problems(preset: Preset) -> Iterator[str]:
    """What is wrong with a preset's values."""
    if preset.base is not None and preset.base_kernel is not None:
        yield "base and base_kernel, where only one can be"
    if preset.base is not None and preset.base not in _TARGETS:
        yield f"base = {preset.base!r}, which is none of {', '.join(_TARGETS)}"
    if preset.base_kernel is not None and set(re.findall(r"\{\w*\}", preset.base_kernel)) - {
        "{series}",
        "{pages}",
    }:
        yield f"base_kernel = {preset.base_kernel!r} with other words in braces than series and pages"
    for version in preset.since:
        if Version.parse(version) is None:
            yield f"since = {version!r}, which is no version"
    for name in (*preset.options, *(name for more in preset.since.values() for name in more)):
        if not re.fullmatch(r"CONFIG_[A-Za-z0-9_]+", name):
            yield f"an option {name!r}, whose name does not begin with CONFIG_"
