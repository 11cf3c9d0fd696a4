"""`bootwright kernels messages`: every message that a kernel can print, and who prints a line."""

from __future__ import annotations

from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootwright.cli._parts.documents import print_json
from bootwright.cli._parts.values import OneOf
from bootwright.cli.kernels._common import printable, shared_options

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bootwright.formats.messages.model import Format
    from bootwright.formats.messages.table import MessageTable
    from bootwright.kernels.messages import KernelMessages

_LEVELS = ("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug")
_EXAMPLES = """
\b
Examples:
  bootwright kernels messages debian-6.18.15-4k
  bootwright kernels messages debian-6.18.15-4k --of macb --level error
  bootwright kernels messages --line "macb 1f00100000.ethernet: unable to find FIXED clock"
  bootwright kernels messages debian-6.1-4k debian-7.3.4-4k --table debian.table
"""


@click.command(name="messages", epilog="Exit status: 0, 3 where no format fits, or 2 for bad input.")
@click.argument("names", nargs=-1, metavar="[KERNEL]...")
@click.option(
    "--line", metavar="TEXT", help="Who prints this line [by the kernels that ship, without KERNEL]."
)
@click.option("--of", "owner", metavar="NAME", help="List formats of this module, source file or function.")
@click.option("--level", type=OneOf(_LEVELS, "level"), help="List formats of this level.")
@click.option("--all", "everything", is_flag=True, help="List every format.")
@click.option(
    "--table", "output", type=click.Path(path_type=Path), metavar="FILE",
    help="Write the formats of all these kernels as one table, as `diagnose` has it.",
)  # fmt: skip
@shared_options
def command(
    names: tuple[str, ...],
    *,
    line: str | None,
    owner: str | None,
    level: str | None,
    everything: bool,
    output: Path | None,
    archive: str | None,
    offline: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Read every message that a kernel and its modules can print from their bytes, with level and owner.

    In modules the string, the argument register and the relocation of each call of a printing function tell
    it, in the image its symbol table and machine code; no source and no debug information is needed. The
    first time takes some 20 s and the kernel's modules, which are fetched; the result is kept.
    """
    from bootwright.api.kernels import kernel_messages
    from bootwright.foundation.errors import Missing
    from bootwright.foundation.progress import Lines, Silent

    progress = Silent() if quiet else Lines()
    if not names and line is None:
        raise Missing(
            "no kernel was named", hint="bootwright kernels list shows them; or ask about one --line"
        )
    read = {
        name: kernel_messages(name, archive=archive, offline=offline, progress=progress) for name in names
    }
    if output is not None:
        _write(output, read)
    if line is not None:
        return _who(line, [messages.table for messages in read.values()], as_json=as_json)
    listed = [
        entry
        for messages in read.values()
        for entry in messages.table.formats()
        if (level is None or entry.level == _LEVELS.index(level)) and (owner is None or _is_of(entry, owner))
    ]
    listing = everything or owner is not None or level is not None
    if as_json:
        print_json(
            {
                "schema": "bootwright/messages/1",
                "kernels": [_summary(name, messages) for name, messages in read.items()],
                "formats": [_as_json(entry) for entry in listed] if listing else [],
            }
        )
        return 0 if listed or not listing else 3
    if listing and not listed:
        click.echo("no format of that level or owner", err=True)
        return 3
    if listing:
        _list(listed)
    else:
        for name, messages in read.items():
            click.echo(_told(name, messages))
    return 0


def _is_of(entry: Format, owner: str) -> bool:
    wanted = owner.removesuffix(".ko")
    return any(
        wanted.replace("-", "_") == holder.module or owner in {holder.file, holder.function}
        for holder in entry.owners
    )


def _told(name: str, messages: KernelMessages) -> str:
    share = messages.told / messages.calls if messages.calls else 0
    text = (
        f"{name}: {len(messages.table)} formats; of {messages.calls} calls that print, in the image and "
        f"{messages.modules} modules, {messages.told} are told ({share:.1%})"
    )
    return "\n  ".join((text, *(f"not read: {printable(reason)}" for reason in messages.unreadable)))


def _summary(name: str, messages: KernelMessages) -> dict[str, object]:
    return {
        "name": name,
        "formats": len(messages.table),
        "calls": messages.calls,
        "told": messages.told,
        "modules": messages.modules,
        "unreadable": list(messages.unreadable),
    }


def _as_json(entry: Format) -> dict[str, object]:
    return {
        "text": entry.text,
        "call": entry.call.value,
        "level": None if entry.level is None else _LEVELS[entry.level],
        "owners": [
            {
                "module": holder.module or None,
                "file": holder.file or None,
                "function": holder.function or None,
            }
            for holder in entry.owners
        ],
        "kernels": list(entry.kernels),
    }


def _list(listed: Iterable[Format]) -> None:
    for entry in listed:
        level = "-" if entry.level is None else _LEVELS[entry.level]
        holders = [holder.name for holder in entry.owners]
        more = f" and {len(holders) - 3} more" if len(holders) > 3 else ""
        click.echo(f"{level:9}  {entry.call:7}  {', '.join(holders[:3])}{more}: {printable(entry.text)}")


def _write(output: Path, read: dict[str, KernelMessages]) -> None:
    from bootwright.formats.messages.table import table_of
    from bootwright.formats.messages.table_file import pack_table
    from bootwright.foundation.atomic import write_bytes
    from bootwright.foundation.errors import Missing

    if not read:
        raise Missing("a table needs kernels to be made of", hint="name them before --table")
    table = table_of(entry for messages in read.values() for entry in messages.table.formats())
    data = pack_table(table)
    write_bytes(output, data)
    click.echo(f"{output}: {len(table)} formats of {len(read)} kernels, {len(data)} bytes", err=True)


def _who(line: str, tables: list[MessageTable], *, as_json: bool) -> int:
    from bootwright.diagnose.messages.speaker import speaker
    from bootwright.diagnose.reading import prefix

    text = prefix.split(line.encode(errors="replace")).text
    asked: list[MessageTable | None] = [*tables] or [None]
    spoken = [said for table in asked if (said := speaker(text, table)) is not None]
    formats = [entry for said in spoken for entry in said.formats]
    if as_json:
        print_json(
            {
                "schema": "bootwright/messages/1",
                "kernels": [],
                "formats": [_as_json(entry) for entry in formats],
            }
        )
    elif spoken:
        device = " ".join(filter(None, (spoken[0].driver, spoken[0].device, spoken[0].interface)))
        if device:
            click.echo(f"device: {printable(device)}")
        _list(formats)
    else:
        click.echo("no known format of a kernel fits this line")
    return 0 if spoken else 3


command.help = f"{cleandoc(command.help or '')}\n{_EXAMPLES}"
