"""A kernel's build configuration."""

from __future__ import annotations

from bootwright.formats.kernel.config import KernelConfig, read_kernel_config
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.inspect.facts import Item, ItemKind, Origin, Value, facts_at
from bootwright.inspect.format import Context, Format


def kernel_config(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """A kernel's configuration."""
    return config_item(read_kernel_config(source), Origin(source.name, 0, source.size), name)


def config_item(config: KernelConfig, origin: Origin, name: str) -> Item:
    """A configuration that has been read."""
    options = config.options
    values: dict[str, Value] = {
        "options": len(options),
        "built_in": sum(value == "y" for value in options.values()),
        "modules": sum(value == "m" for value in options.values()),
        "page_size": config.page_size,
        "modules_signed": options.get("CONFIG_MODULE_SIG_FORCE") == "y" or None,
    }
    return Item(ItemKind.KERNEL_CONFIG, name, origin, facts_at(origin, values), detail=config)


FORMAT = Format(
    name="kernel-config",
    title="kernel configuration",
    documentation="Documentation/kbuild/kconfig-language.rst, scripts/kconfig/confdata.c (Linux 6.12)",
    limits="",
    describe=kernel_config,
    names=(r".*/config-\d[^/]*|.*/\.config|(/usr)?/lib/modules/[^/]+/config|/proc/config\.gz",),
    name_order=70,
)
