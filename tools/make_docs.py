"""Write the parts of docs/ that come from the code: docs/reference/, one file a subject.

usage: tools/make_docs.py [--check]

Commands come from click's own help, everything else from the knowledge files that the package carries. The
same code gives the same bytes. `--check` writes nothing and fails when a file is not current.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from bootwright.cli.main import main as bootwright
from bootwright.foundation.places import DATA

DOCS = Path(__file__).resolve().parents[1] / "docs"
FOLDER = DOCS / "reference"
WIDTH = 100
"""Columns of the help; the terminal of whoever runs this must not matter."""
_NOTE = "<!-- Written by `make docs` from the code: change that, not this file. -->"


def commands() -> Iterator[str]:
    """Every command's help, groups before their members."""
    yield "Every command and its options, as `--help` prints them. Exit status: 0 works, 1 fails, 2 usage or"
    yield "bad input, 3 unknown."
    for words, command, context in _walk(bootwright, None, "bootwright"):
        yield f"\n{'#' * (2 if len(words) < 3 else 3)} {' '.join(words)}\n"
        yield "```text"
        yield command.get_help(context).rstrip()
        yield "```"


def boards() -> Iterator[str]:
    """Boards, with the devicetrees of their steppings and what is asked of them."""
    yield "What `--board NAME` takes. How to add one: [boards](../boards.md).\n"
    yield from _table(
        ("name", "board", "compatible", "steppings", "goals"),
        (
            (
                f"`{name}`",
                f"[{table['name']}]({table['source']})",
                _codes(table["compatible"]),
                "; ".join(
                    f"{row['name']}: `{row['dtb']}`" if len(table["stepping"]) > 1 else f"`{row['dtb']}`"
                    for row in table["stepping"]
                ),
                ", ".join(sorted(table["goal"])),
            )
            for name, table in _tables("boards")
        ),
    )


def signatures() -> Iterator[str]:
    """What diagnosis recognises in a log."""
    yield "What `bootwright diagnose` recognises. How to add one: [signatures](../signatures.md).\n"
    rows = [
        (path.parent.name, _read(path)) for path in sorted((DATA / "signatures").glob("*/signature.toml"))
    ]
    for area in sorted({table["area"] for _, table in rows}):
        yield f"\n## {area}\n"
        yield from _table(
            ("name", "title", "severity", "limits"),
            (
                (f"`{name}`", table["title"], table["severity"], table["limits"])
                for name, table in rows
                if table["area"] == area
            ),
        )


def hazards() -> Iterator[str]:
    """What is known to go wrong though every part is there."""
    yield "What `bootwright check` knows beyond drivers and devicetree. How a hazard is judged:"
    yield "[prediction](../prediction.md).\n"
    for name, table in _tables("hazards"):
        yield f"\n## {name}\n\n**{table['title']}** ({table['effect']}; goals: {', '.join(table['goals'])})\n"
        yield f"{_sentence(table['reason'])} Remedy: {_sentence(table['remedy'])}\n"
        yield f"Sources: {'; '.join(table['sources'])}."


def machines() -> Iterator[str]:
    """What boots are run on."""
    yield "What `--machine NAME` takes, for [booting a kernel](../boot.md).\n"
    yield from _table(
        ("name", "machine", "QEMU at least", "stands for", "limits"),
        (
            (
                f"`{name}`",
                f"[{table['description']}]({table['source']})",
                table["minimum_qemu"],
                table["stands_for"],
                table["limits"],
            )
            for name, table in _tables("machines")
        ),
    )
    yield "\nWhat [images are booted](../image-boot.md) on as the board they were made for:\n"
    yield from _table(
        ("name", "machine", "QEMU at least", "board", "limits"),
        (
            (
                f"`{name}`",
                f"[{table['title']}]({table['source']})",
                table["minimum_qemu"],
                f"`{table['board']}`",
                table["limits"],
            )
            for name, table in _tables("image-machines")
        ),
    )


def kernels() -> Iterator[str]:
    """Where kernels come from."""
    yield "Where [kernels](../kernels.md) come from, and what their names mean.\n"
    for name, table in _tables("kernels"):
        yield f"\n## {name}\n"
        yield f"[{table['title']}]({table['source']}): {', '.join(table['suites'])}.\n"
        yield from _table(
            ("flavour", "pages", "in names"),
            (
                (f"`{flavour}`", f"{size // 1024}K", f"`{name}-VERSION-{size // 1024}k{ending}`")
                for flavour, size in table["flavours"].items()
                for variant in (table.get("variants", {}).get(flavour),)
                for ending in (f"-{variant}" if variant else "",)
            ),
        )

    for _, table in _tables("kernels/registries"):
        size = f"{table['page_size'] // 1024}k"
        yield f"\n## {table['name']}\n"
        tags = ", ".join(f"`{form}`" for form in table["tags"])
        yield f"[{table['title']}]({table['source']}): `{table['image']}`, tags {tags}, in names"
        yield f"`{table['name']}-VERSION-{size}`.\n"


def plans() -> Iterator[str]:
    """The plans, with their tasks and decision points."""
    yield "What `bootwright investigate NAME` walks. How to write one: [plans](../plans.md).\n"
    for name, table in _tables("plans"):
        yield f"\n## {name}\n\n**{table['title']}**\n\n{table['question']}\n"
        yield from _table(
            ("task", "priority", "what", "hypothesis", "it succeeded if", "needs", "effort"),
            (
                (
                    task["id"],
                    task["priority"],
                    task["title"],
                    task["hypothesis"],
                    task["success"],
                    ", ".join(task["needs"]),
                    f"{task['hours']:g} h",
                )
                for task in table.get("task", ())
            ),
        )
        for task in table.get("task", ()):
            yield f"\nTask {task['id']}:\n"
            yield "```text"
            yield from task["steps"]
            yield "```"
            yield f"\n{task['note']}" if "note" in task else ""
        yield "\nWhat follows:\n"
        yield from _table(
            ("decision point", "where", "then", "opens"),
            (
                (
                    point["id"],
                    " and ".join(
                        f"{when['priority'] if 'priority' in when else 'task ' + when['task']} {when['its']}"
                        for when in point["when"]
                    ),
                    point["then"],
                    "the end" if point.get("ends") else ", ".join(point["opens"]),
                )
                for point in table.get("decision", ())
            ),
        )


def schemas() -> Iterator[str]:
    """The forms of `--json`."""
    yield "What `--json` prints, as [JSON Schema](https://json-schema.org/draft/2020-12/schema). Tests hold"
    yield "every command's output against its schema.\n"
    yield from _table(
        ("schema", "of", "what it holds"),
        (
            (f"[{path.name}](../schemas/{path.name})", f"`{schema['title']}`", schema.get("description", ""))
            for path in sorted((DOCS / "schemas").glob("*.schema.json"))
            for schema in (json.loads(path.read_text(encoding="utf-8")),)
        ),
    )


PAGES: Mapping[str, tuple[str, Callable[[], Iterator[str]]]] = {
    "commands": ("Commands", commands),
    "boards": ("Boards that are known", boards),
    "signatures": ("Log signatures that are known", signatures),
    "hazards": ("Hazards that are known", hazards),
    "machines": ("Machines to boot on", machines),
    "kernels": ("Sources of kernels", kernels),
    "plans": ("Plans that are known", plans),
    "schemas": ("JSON schemas", schemas),
}


def pages() -> dict[Path, str]:
    """Every file and what it has to hold."""
    return {
        FOLDER / f"{name}.md": re.sub(
            r"\n{3,}", "\n\n", "\n".join((f"# {title}", "", _NOTE, "", *make(), ""))
        )
        for name, (title, make) in PAGES.items()
    }


def main(arguments: Sequence[str]) -> int:
    """Write the files, or with `--check` name those that are not current."""
    if list(arguments) not in ([], ["--check"]):
        sys.stderr.write("usage: tools/make_docs.py [--check]\n")
        return 2
    wanted = pages()
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text("utf-8") != text]
    left = sorted(set(FOLDER.glob("*")) - set(wanted))
    if arguments:
        for path in (*stale, *left):
            print(f"{path.relative_to(DOCS.parent)} is not current: run make docs")
        return 1 if stale or left else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
        print(path.relative_to(DOCS.parent))
    for path in left:
        path.unlink()
    return 0


def _walk(
    command: click.Command, parent: click.Context | None, name: str
) -> Iterator[tuple[list[str], click.Command, click.Context]]:
    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    yield context.command_path.split(), command, context
    if isinstance(command, click.Group):
        for member in command.list_commands(context):
            subcommand = command.get_command(context, member)
            if subcommand is not None and not subcommand.hidden:
                yield from _walk(subcommand, context, member)


def _tables(area: str) -> list[tuple[str, dict[str, Any]]]:
    return [(path.stem, _read(path)) for path in sorted((DATA / area).glob("*.toml"))]


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _table(heading: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heading)} |"
    yield f"|{'---|' * len(heading)}"
    for row in rows:
        cells = [cell.replace("|", r"\|").replace("\n", " ") for cell in row]
        yield f"| {' | '.join(cells)} |"


def _codes(words: Sequence[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
