"""config.txt of a Raspberry Pi."""

from __future__ import annotations

from bootwright.firmware.config_txt import ConfigTxt, read_config_txt
from bootwright.formats.filesystems.filesystem import FileSystem, read_small
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import BootwrightError
from bootwright.inspect.facts import Item, ItemKind, Origin, Problem, Value, facts_at
from bootwright.inspect.format import Context, Format
from bootwright.inspect.formats.texts._read import read_text


def config_txt(explorer: Context, source: ByteSource, name: str, depth: int) -> Item:  # noqa: ARG001
    """A config.txt by itself: what it includes is not at hand."""
    return _config_txt(read_config_txt(read_text(source), name), source, name)


def config_txt_in(files: FileSystem, source: ByteSource, path: str) -> Item:
    """A config.txt on its partition, with what it includes from there."""
    try:
        config = read_config_txt(
            read_text(source), path.lstrip("/"), load=lambda name: read_small(files, f"/{name}")
        )
    except BootwrightError as error:
        return Item(
            ItemKind.CONFIG_TXT, path, Origin(source.name), problems=(Problem.of(error, source.name),)
        )
    return _config_txt(config, source, path)


def _config_txt(config: ConfigTxt, source: ByteSource, name: str) -> Item:
    origin = Origin(source.name, 0, source.size)
    conditions: dict[str, list[Value]] = {}
    for setting in config.settings:
        conditions.setdefault(setting.condition, []).append(f"{setting.key}={setting.value}")
    problems = tuple(Problem(text, None, origin) for text in config.problems)
    return Item(
        ItemKind.CONFIG_TXT,
        name,
        origin,
        facts_at(origin, {"settings": dict(conditions)}),
        problems=problems,
        detail=config,
        source=source,
    )


FORMAT = Format(
    name="config-txt",
    title="config.txt",
    documentation="Raspberry Pi documentation, config.txt",
    limits="the limit of line lengths is reported, not applied",
    describe=config_txt,
    names=(r"/config\.txt",),
    name_order=10,
    describe_file=config_txt_in,
)
