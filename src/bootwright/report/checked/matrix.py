"""The matrix of `bootwright check --matrix`: a table for a terminal, a heat map for a browser."""

from __future__ import annotations

import html as escape
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bootwright.boards.model import ONLY
from bootwright.foundation.verdict import Verdict
from bootwright.predict.matrix import Cell, Matrix
from bootwright.report.checked.fold import Place, by_steppings

_STYLE = """
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; color: #1a1a1a; }
table { border-collapse: collapse; margin: 0 0 2em; }
th, td { border: 1px solid #bbb; padding: .35em .6em; text-align: left; vertical-align: top; }
th { background: #f2f2f2; font-weight: 600; }
.works { background: #d7f0d7; } .fails { background: #f6d5d2; } .unknown { background: #f3ecc8; }
small { display: block; color: #444; max-width: 22em; overflow-wrap: anywhere; }
"""


def lines(table: Matrix, width: int | None = None) -> Iterator[str]:
    """A row for each kernel and a column for each source of devicetrees, or the other way round where there
    are more sources; tables that are alike stand once. One that is wider than the screen is a list.

    What breaks is said below all tables, under the number that the cells have. `width` is in columns; None
    where nobody looks at a screen.
    """
    numbers = _numbers(table)
    tables: dict[tuple[str, tuple[str, ...]], list[Place]] = {}
    for (board, stepping, goal), cells in _groups(table).items():
        tables.setdefault((board, tuple(_rows(table, cells, numbers, width))), []).append(
            Place(stepping, goal)
        )
    for (board, rows), places in tables.items():
        for steppings, goals in by_steppings(places).items():
            yield f"{_called(board, steppings)}: {', '.join(goals)}"
        yield from rows
        yield ""
    for (node, reason), number in numbers.items():
        text = f"({number}) {node}: {reason}"
        yield from _wrapped(text, width) if width is not None else [text]


def _wrapped(text: str, width: int) -> list[str]:
    """Broken between words, but not within a name."""
    return textwrap.wrap(
        text, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )


def _rows(
    table: Matrix,
    cells: dict[tuple[str, str], Cell],
    numbers: dict[tuple[str, str], int],
    width: int | None,
) -> Iterator[str]:
    sources = {
        source: name
        for source, name in _short_names(table.sources).items()
        if any(cell.dtbs == source for cell in cells.values())
    }
    words = {
        (kernel, source): _word(cells.get((kernel, source)), numbers)
        for kernel in table.kernels
        for source in sources
    }
    if len(sources) > len(table.kernels):
        head = ("devicetrees", *table.kernels)
        body = [(sources[source], *(words[kernel, source] for kernel in table.kernels)) for source in sources]
    else:
        head = ("kernel", *sources.values())
        body = [(kernel, *(words[kernel, source] for source in sources)) for kernel in table.kernels]
    widths = [max(len(row[column]) for row in (head, *body)) for column in range(len(head))]
    if width is not None and sum(widths) + 2 * len(widths) > width:
        longest = max(widths[0], *map(len, head))
        for first, *others in body:
            yield f"  {head[0]} {first}"
            for name, text in zip(head[1:], others, strict=True):
                yield f"    {name:<{longest}}  {text}" if longest < width - 30 else f"    {text}  {name}"
        return
    for first, *others in (head, *body):
        aligned = (f"{text:>{width}}" for text, width in zip(others, widths[1:], strict=True))
        yield f"  {first:<{widths[0]}}  {'  '.join(aligned)}"


def _short_names(sources: Iterable[str]) -> dict[str, str]:
    """Source → its name; of a folder the last part of its path, where that is no other's."""
    last = {source: Path(source).name or source for source in sources}
    return {source: name if list(last.values()).count(name) == 1 else source for source, name in last.items()}


def html(table: Matrix) -> str:
    """A page of its own, without scripts; every text from the artifacts is escaped."""
    markup = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>bootwright check</title>",
        f"<style>{_STYLE}</style></head><body><h1>Kernels and devicetrees</h1>",
    ]
    numbers = _numbers(table)
    for (board, stepping, goal), cells in _groups(table).items():
        columns = [source for source in table.sources if any(cell.dtbs == source for cell in cells.values())]
        markup.append(
            f"<h2>{_safe(_called(board, [stepping]))}: {_safe(goal)}</h2><table><tr><th>kernel</th>"
        )
        markup.extend(f"<th>devicetree of {_safe(column)}</th>" for column in columns)
        markup.append("</tr>")
        for kernel in table.kernels:
            markup.append(f"<tr><th>{_safe(kernel)}</th>")
            markup.extend(_square(cells.get((kernel, column)), numbers) for column in columns)
            markup.append("</tr>")
        markup.append("</table>")
    if numbers:
        markup.append("<h2>What breaks</h2><ol>")
        markup.extend(
            f"<li id='reason-{number}'><code>{_safe(node)}</code>: {_safe(reason)}</li>"
            for (node, reason), number in numbers.items()
        )
        markup.append("</ol>")
    markup.append("</body></html>\n")
    return "".join(markup)


def _called(board: str, steppings: Sequence[str]) -> str:
    """`raspberrypi-5 c0, d0`; the board alone, where its only stepping has no name of its own."""
    return " ".join(filter(None, (board, ", ".join(name for name in steppings if name != ONLY))))


def _groups(table: Matrix) -> dict[tuple[str, str, str], dict[tuple[str, str], Cell]]:
    groups: dict[tuple[str, str, str], dict[tuple[str, str], Cell]] = {}
    for cell in table.cells:
        key = (cell.board, cell.stepping, cell.goal)
        groups.setdefault(key, {})[cell.kernel, cell.dtbs] = cell
    return groups


def _numbers(table: Matrix) -> dict[tuple[str, str], int]:
    """(node, reason) → the number under which it is told, in the order of the cells."""
    broken = dict.fromkeys((cell.node, cell.reason) for cell in table.cells if cell.node)
    return {key: number for number, key in enumerate(broken, start=1)}


def _word(cell: Cell | None, numbers: dict[tuple[str, str], int]) -> str:
    if cell is None:
        return "-"
    number = f" ({numbers[cell.node, cell.reason]})" if cell.node else ""
    return cell.verdict.value + ("!" if cell.hazards and cell.verdict is Verdict.WORKS else "") + number


def _square(cell: Cell | None, numbers: dict[tuple[str, str], int]) -> str:
    if cell is None:
        return "<td>no devicetree</td>"
    text = f"<b>{cell.verdict.value}</b>"
    if cell.node:
        number = numbers[cell.node, cell.reason]
        text += f" <a href='#reason-{number}' title='{_safe(cell.node)}'>({number})</a>"
    if cell.hazards:
        text += f"<small>hazards: {_safe(', '.join(cell.hazards))}</small>"
    return f"<td class='{cell.verdict.value}'>{text}</td>"


def _safe(text: str) -> str:
    return escape.escape("".join(char if char.isprintable() else "\ufffd" for char in text))
