"""Differences of kernels, their configuration and arguments, config.txt and the operating system."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bootwright.bootchain.boot_config import BootEntry
from bootwright.firmware.config_txt import ConfigTxt
from bootwright.formats.kernel.arm64_image import unwrapped
from bootwright.formats.kernel.config import KernelConfig
from bootwright.formats.os_release import read_command_line
from bootwright.foundation.errors import BootwrightError
from bootwright.inspect.difference.model import Area, Comparison, Difference, Placed, Side, pairs, values
from bootwright.inspect.facts import ItemKind, Origin


def kernels(before: Side, after: Side) -> Iterator[Difference]:
    """Release, page size and form of each kernel, and the drivers built into it."""
    matched, lost, gained = pairs(before.of_kind(ItemKind.KERNEL), after.of_kind(ItemKind.KERNEL))
    for old, new in matched:
        names = ("release", "page_size", "banner", "efi_stub", "wrapping", "endianness")
        yield from values(Area.KERNEL, old, new, names)
        if _same_bytes(old, new):
            continue
        yield from _drivers(old, new)
    for placed in lost:
        yield Difference(Area.KERNEL, placed.place, placed.item.fact("release"), None, placed.item.origin)
    for placed in gained:
        yield Difference(
            Area.KERNEL, placed.place, None, placed.item.fact("release"), None, placed.item.origin
        )


def _same_bytes(old: Placed, new: Placed) -> bool:
    old_bytes, new_bytes = old.item.source, new.item.source
    if old_bytes is None or new_bytes is None or old_bytes.size != new_bytes.size:
        return False
    step = 4 << 20
    return all(
        old_bytes.read(at, min(step, old_bytes.size - at))
        == new_bytes.read(at, min(step, old_bytes.size - at))
        for at in range(0, old_bytes.size, step)
    )


def _drivers(old: Placed, new: Placed) -> Iterator[Difference]:
    """Compatibles that a built-in driver matches, from the tables inside the image."""
    old_drivers, new_drivers = _compatibles(old), _compatibles(new)
    if old_drivers is None or new_drivers is None:
        return
    for compatible in sorted(old_drivers.keys() ^ new_drivers.keys()):
        yield Difference(
            Area.DRIVERS,
            compatible,
            old_drivers.get(compatible),
            new_drivers.get(compatible),
            old.item.origin,
            new.item.origin,
        )


def _compatibles(kernel: Placed) -> dict[str, str] | None:
    """Compatible → driver; None where the tables cannot be read."""
    from bootwright.formats.kernel.built_in_store import read_bare_once

    if kernel.item.source is None:
        return None
    try:
        built_in = read_bare_once(unwrapped(kernel.item.source)[0])
    except BootwrightError:
        return None
    return {entry.compatible: driver.name for driver in built_in.drivers for entry in driver.of}


def kernel_configs(before: Side, after: Side) -> Iterator[Difference]:
    """Options that differ; an option that one kernel does not know is reported as such."""
    matched, lost, gained = pairs(
        before.of_kind(ItemKind.KERNEL_CONFIG), after.of_kind(ItemKind.KERNEL_CONFIG)
    )
    seen: set[tuple[str, str | None, str | None]] = set()
    for old, new in matched:
        old_config, other = old.item.detail, new.item.detail
        if not isinstance(old_config, KernelConfig) or not isinstance(other, KernelConfig):
            continue
        for name in sorted(old_config.options.keys() | other.options.keys()):
            was, is_ = old_config.value(name), other.value(name)
            # The same configuration is often there twice: as a file and in the kernel.
            if was == is_ or (name, was, is_) in seen:
                continue
            seen.add((name, was, is_))
            yield Difference(
                Area.KERNEL_CONFIG,
                name,
                was if was is not None else "not set" if name in old_config.unset else None,
                is_ if is_ is not None else "not set" if name in other.unset else None,
                old.item.origin,
                new.item.origin,
            )
    yield from _left_over(Area.KERNEL_CONFIG, lost, gained, "options")


def command_lines(before: Side, after: Side) -> Iterator[Difference]:
    """Boot entries and the kernel's arguments, one by one; order matters only for repeated ones."""
    kinds = (ItemKind.BOOT_ENTRY, ItemKind.LOADER_ENTRY, ItemKind.COMMAND_LINE)
    matched, lost, gained = pairs(before.of_kind(*kinds), after.of_kind(*kinds))
    for old, new in matched:
        yield from values(
            Area.COMMAND_LINE,
            old,
            new,
            ("kernel", "initrds", "devicetree", "overlays"),
            prefix="boot entry: ",
        )
        old_arguments, other = _arguments(old), _arguments(new)
        for argument in old_arguments - other:
            name = argument.partition("=")[0]
            successor = next(
                (candidate for candidate in other - old_arguments if candidate.partition("=")[0] == name),
                None,
            )
            yield Difference(Area.COMMAND_LINE, name, argument, successor, old.item.origin, new.item.origin)
        replaced = {argument_text.partition("=")[0] for argument_text in old_arguments - other}
        for argument in other - old_arguments:
            if argument.partition("=")[0] not in replaced:
                name = argument.partition("=")[0]
                yield Difference(Area.COMMAND_LINE, name, None, argument, None, new.item.origin)
    yield from _left_over(Area.COMMAND_LINE, lost, gained, "arguments")
    matched, _, _ = pairs(
        before.of_kind(ItemKind.GRUB_CONFIG, ItemKind.EXTLINUX, ItemKind.LOADER_CONFIG),
        after.of_kind(ItemKind.GRUB_CONFIG, ItemKind.EXTLINUX, ItemKind.LOADER_CONFIG),
    )
    for old, new in matched:
        yield from values(Area.COMMAND_LINE, old, new, ("default",), prefix="boot menu: ")


def _arguments(placed: Placed) -> Counter[str]:
    detail = placed.item.detail
    text = detail.arguments if isinstance(detail, BootEntry) else detail if isinstance(detail, str) else ""
    return Counter(str(argument) for argument in read_command_line(text))


def config_txts(before: Side, after: Side) -> Iterator[Difference]:
    """Settings by the conditions they stand under."""
    matched, lost, gained = pairs(before.of_kind(ItemKind.CONFIG_TXT), after.of_kind(ItemKind.CONFIG_TXT))
    for old, new in matched:
        old_config, other = old.item.detail, new.item.detail
        if not isinstance(old_config, ConfigTxt) or not isinstance(other, ConfigTxt):
            continue
        was, is_ = _settings(old_config), _settings(other)
        for key in [*was, *(key for key in is_ if key not in was)]:
            if was.get(key) != is_.get(key):
                condition, name = key
                yield Difference(
                    Area.CONFIG_TXT,
                    f"{condition} {name}",
                    was.get(key),
                    is_.get(key),
                    _line(old_config, key, old),
                    _line(other, key, new),
                )
    yield from _left_over(Area.CONFIG_TXT, lost, gained, "settings")


def _settings(config: ConfigTxt) -> dict[tuple[str, str], str]:
    """(condition, key) → value: overlays and parameters add up, of others the last counts."""
    values: dict[tuple[str, str], list[str]] = {}
    for setting in config.settings:
        values.setdefault((setting.condition, setting.key), []).append(setting.value)
    several = {"dtoverlay", "dtparam", "gpio", "initramfs"}
    return {key: ", ".join(texts) if key[1] in several else texts[-1] for key, texts in values.items()}


def _line(config: ConfigTxt, key: tuple[str, str], placed: Placed) -> Origin | None:
    lines = [setting for setting in config.settings if (setting.condition, setting.key) == key]
    return Origin(f"{placed.item.origin.where}, line {lines[-1].line}") if lines else None


def systems(before: Side, after: Side) -> Iterator[Difference]:
    """Which operating system it is, and its version."""
    matched, lost, gained = pairs(before.of_kind(ItemKind.OS_RELEASE), after.of_kind(ItemKind.OS_RELEASE))
    reported: set[tuple[str, str]] = set()
    for old, new in matched:
        for difference in values(Area.OS, old, new, ("id", "version_id", "pretty_name")):
            if (difference.what, str(difference.after)) not in reported:
                reported.add((difference.what, str(difference.after)))
                yield difference
    yield from _left_over(Area.OS, lost, gained, "pretty_name")


def _left_over(area: Area, lost: list[Placed], gained: list[Placed], fact: str) -> Iterator[Difference]:
    for placed in lost:
        yield Difference(area, placed.place, placed.item.fact(fact) or "there", None, placed.item.origin)
    for new_part in gained:
        yield Difference(
            area, new_part.place, None, new_part.item.fact(fact) or "there", None, new_part.item.origin
        )


COMPARISONS: tuple[Comparison, ...] = (kernels, systems, command_lines, config_txts, kernel_configs)
